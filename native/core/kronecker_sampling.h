#pragma once

#include <cstddef>
#include <span>

#include "core/backend.h"

namespace trustregion {

// The random signs of a probe, one for each head output of a row. They depend on nothing but the
// arguments, so every backend and every thread draws the same.
void kroneckerSigns(const KroneckerSampling& sampling, size_t row, int probe,
                    std::span<double> signs);

// Zeros of the right sizes for a network.
KroneckerFactors emptyKroneckerFactors(const MlpLayout& network);

}  // namespace trustregion
