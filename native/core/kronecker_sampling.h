#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/backend.h"

namespace trustregion {

// The random signs of a probe, one for each head output of a row. They depend on nothing but the
// arguments, so every backend and every thread draws the same.
void kroneckerSigns(const KroneckerSampling& sampling, size_t row, int probe,
                    std::span<double> signs);

// What a row's output signal is weighted with: w = 1 + sum_k ((x_k - mean_k) scale_k)^2, which is
// [x; 1]' A^-1 [x; 1] where the inputs of A are uncorrelated.
struct InputWeight {
  std::vector<double> mean;   // [inputs]
  std::vector<double> scale;  // 1 / standard deviation; 0 where no input varies

  explicit InputWeight(std::span<const double> inputFactor);
  double operator()(std::span<const double> x) const;
};

// Zeros of the right sizes for a network.
KroneckerFactors emptyKroneckerFactors(const MlpLayout& network);

}  // namespace trustregion
