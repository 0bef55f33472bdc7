#include "core/adam.h"

#include <cmath>

namespace trustregion {

Adam::Factors Adam::countStep(double learningRate) {
  beta1Power_ *= kBeta1;
  beta2Power_ *= kBeta2;
  return {learningRate / (1 - beta1Power_), 1 / (1 - beta2Power_)};
}

void Adam::step(std::span<const double> gradient, double learningRate,
                std::span<double> parameters) {
  const Factors factors = countStep(learningRate);
  for (size_t i = 0; i < parameters.size(); i++) {
    const double g = gradient[i];
    mean_[i] = kBeta1 * mean_[i] + (1 - kBeta1) * g;
    square_[i] = kBeta2 * square_[i] + (1 - kBeta2) * g * g;
    parameters[i] -= factors.mean * mean_[i] / (std::sqrt(square_[i] * factors.square) + kEpsilon);
  }
}

}  // namespace trustregion
