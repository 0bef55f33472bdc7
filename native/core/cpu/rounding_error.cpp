#include "core/cpu/rounding_error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trustregion::cpu {
namespace {

constexpr double kUnitRoundoff = 0x1p-24;
// Standard deviations between the errors that are usual and those that the margin must cover.
constexpr double kMargin = 8;

// sum_k w_k^2 v_k, in eight sums at once: no thread shares this work, which is that of some rows,
// and every evaluation has it to do.
double weighted(const double* weight, const std::vector<double>& values) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  const size_t whole = values.size() / kSums * kSums;
  for (size_t k = 0; k < whole; k += kSums) {
    for (size_t i = 0; i < kSums; i++) sums[i] += weight[k + i] * weight[k + i] * values[k + i];
  }
  double sum = std::accumulate(sums, sums + kSums, 0.0);
  for (size_t k = whole; k < values.size(); k++) sum += weight[k] * weight[k] * values[k];
  return sum;
}

}  // namespace

std::vector<double> headErrorVariance(const MlpLayout& layout, std::span<const double> parameters,
                                      std::span<const double> meanSquareInput) {
  std::vector<double> square(meanSquareInput.begin(), meanSquareInput.end());
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
      const double* weight = parameters.data() + layer.weightOffset + j * layer.inputs;
      const double squareOfZ = bias * bias + weighted(weight, square);
      const double varianceOfZ = weighted(weight, variance);
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

double klUncertainty(const PolicyModel& model, std::span<const double> oldVariance,
                     std::span<const double> newParameters, std::span<const double> meanSquareInput,
                     double meanKl) {
  const std::vector<double> newVariance =
      headErrorVariance(model.network, newParameters, meanSquareInput);
  const bool isGaussian = model.distribution.kind() == DistributionKind::gaussian;
  double squared = 0;  // |e|_w^2
  for (size_t j = 0; j < newVariance.size(); j++) {
    // 1 / sigma^2; of a logit p - p^2, at most 1/4, doubled because a softmax couples its logits
    const double weight = isGaussian ? std::exp(-2 * newParameters[model.logStdOffset() + j]) : 0.5;
    squared += weight * (oldVariance[j] + newVariance[j]);
  }
  squared *= kMargin * kMargin;
  return std::sqrt(2 * meanKl * squared) + squared / 2;
}

}  // namespace trustregion::cpu
