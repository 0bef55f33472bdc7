#include "core/adam.h"

#include <cmath>

namespace trustregion {

void Adam::step(std::span<const double> gradient, double learningRate,
                std::span<double> parameters) {
  beta1Power_ *= kBeta1;
  beta2Power_ *= kBeta2;
  // mhat = m / (1 - beta1^t) and vhat = v / (1 - beta2^t), folded into two factors.
  const double meanFactor = learningRate / (1 - beta1Power_);
  const double squareFactor = 1 / (1 - beta2Power_);
  for (size_t i = 0; i < parameters.size(); i++) {
    const double g = gradient[i];
    mean_[i] = kBeta1 * mean_[i] + (1 - kBeta1) * g;
    square_[i] = kBeta2 * square_[i] + (1 - kBeta2) * g * g;
    parameters[i] -= meanFactor * mean_[i] / (std::sqrt(square_[i] * squareFactor) + kEpsilon);
  }
}

}  // namespace trustregion
