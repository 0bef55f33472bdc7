#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace trustregion {

// Adam (Kingma and Ba 2015, algorithm 1) with bias correction; minimises.
class Adam {
 public:
  explicit Adam(size_t size) : mean_(size, 0.0), square_(size, 0.0) {}

  // parameters -= learningRate mhat / (sqrt(vhat) + 1e-8)
  void step(std::span<const double> gradient, double learningRate, std::span<double> parameters);

 private:
  static constexpr double kBeta1 = 0.9;
  static constexpr double kBeta2 = 0.999;
  static constexpr double kEpsilon = 1e-8;

  double beta1Power_ = 1;
  double beta2Power_ = 1;
  std::vector<double> mean_;
  std::vector<double> square_;
};

}  // namespace trustregion
