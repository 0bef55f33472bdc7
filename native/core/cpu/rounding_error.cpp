#include "core/cpu/rounding_error.h"

#include <algorithm>
#include <cmath>

namespace trustregion::cpu {
namespace {

constexpr double kUnitRoundoff = 0x1p-24;
// Standard deviations between the errors that are usual and those that the margin must cover.
constexpr double kMargin = 8;

// Variance of the error of each head output.
std::vector<double> headVariances(const MlpLayout& layout, std::span<const double> parameters,
                                  std::span<const double> largestInput) {
  std::vector<double> square(largestInput.begin(), largestInput.end());  // of the magnitude
  for (double& value : square) value *= value;
  std::vector<double> variance(square.size(), 0.0);
  constexpr double kRounding = kUnitRoundoff * kUnitRoundoff / 3;  // of a number of size 1
  for (size_t l = 0; l < layout.layers().size(); l++) {
    const LayerLayout& layer = layout.layers()[l];
    const bool isHead = l + 1 == layout.layers().size();
    const double terms = static_cast<double>(layer.inputs) + 1;
    std::vector<double> nextSquare(layer.outputs);
    std::vector<double> nextVariance(layer.outputs);
    for (size_t j = 0; j < layer.outputs; j++) {
      const double bias = parameters[layer.biasOffset + j];
      double squareOfZ = bias * bias;
      double varianceOfZ = 0;
      const double* weight = parameters.data() + layer.weightOffset + j * layer.inputs;
      for (size_t k = 0; k < layer.inputs; k++) {
        squareOfZ += weight[k] * weight[k] * square[k];
        varianceOfZ += weight[k] * weight[k] * variance[k];
      }
      nextSquare[j] = squareOfZ;
      nextVariance[j] = varianceOfZ + terms * squareOfZ * kRounding;
      if (isHead) continue;
      // Some units in the last place for the activation itself; SiLU is up to 1.1 steep.
      if (layout.activation() == Activation::tanh) nextSquare[j] = std::min(squareOfZ, 1.0);
      if (layout.activation() == Activation::silu) nextVariance[j] *= 1.21;
      nextVariance[j] += 16 * nextSquare[j] * kRounding;
    }
    square.swap(nextSquare);
    variance.swap(nextVariance);
  }
  return variance;
}

}  // namespace

double klUncertainty(const PolicyModel& model, std::span<const double> oldParameters,
                     std::span<const double> newParameters, std::span<const double> largestInput,
                     double meanKl) {
  const std::vector<double> oldVariances =
      headVariances(model.network, oldParameters, largestInput);
  const std::vector<double> newVariances =
      headVariances(model.network, newParameters, largestInput);
  const bool isGaussian = model.distribution.kind() == DistributionKind::gaussian;
  double squared = 0;  // |e|_w^2
  for (size_t j = 0; j < newVariances.size(); j++) {
    // 1 / sigma^2; of a logit p - p^2, at most 1/4, doubled because a softmax couples its logits
    const double weight = isGaussian ? std::exp(-2 * newParameters[model.logStdOffset() + j]) : 0.5;
    squared += weight * (oldVariances[j] + newVariances[j]);
  }
  squared *= kMargin * kMargin;
  return std::sqrt(2 * meanKl * squared) + squared / 2;
}

}  // namespace trustregion::cpu
