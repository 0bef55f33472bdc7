#include "core/advantages.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace trustregion {
namespace {

struct Moments {
  double mean;
  double deviation;
};

// Mean and standard deviation (divisor n) of at(0) ... at(size - 1), in two passes. Exactly 0 for
// numbers that are all equal, whose computed mean need not be. Computed in units of a power of two
// near the largest number, so that squares neither overflow nor vanish.
template <class At>
Moments moments(size_t size, const At& at) {
  double smallest = at(0);
  double largest = at(0);
  for (size_t i = 1; i < size; i++) {
    smallest = std::min(smallest, at(i));
    largest = std::max(largest, at(i));
  }
  if (smallest == largest) return {smallest, 0};
  const int exponent = std::ilogb(std::max(std::abs(smallest), std::abs(largest)));
  const auto scaled = [&](size_t i) { return std::ldexp(at(i), -exponent); };
  double mean = 0;
  for (size_t i = 0; i < size; i++) mean += scaled(i);
  mean /= static_cast<double>(size);
  double variance = 0;
  for (size_t i = 0; i < size; i++) variance += (scaled(i) - mean) * (scaled(i) - mean);
  const double deviation = std::sqrt(variance / static_cast<double>(size));
  return {std::ldexp(mean, exponent), std::ldexp(deviation, exponent)};
}

}  // namespace

void generalizedAdvantageEstimation(const AdvantageInputs& inputs, double gamma, double lambda,
                                    std::span<double> advantages, std::span<double> returns) {
  const size_t environments = inputs.environments;
  const size_t rows = inputs.steps * environments;
  const char* meaning = "steps x environments";
  inputs.rewards.requireSize("rewards", rows, meaning);
  inputs.values.requireSize("values", rows, meaning);
  inputs.lastValues.requireSize("lastValues", environments, "environments");
  if (inputs.terminated.size() != rows || inputs.truncated.size() != rows ||
      advantages.size() != rows || returns.size() != rows) {
    throw Error(ErrorCode::shapeMismatch,
                "terminated, truncated, advantages and returns must "
                "have length steps x environments");
  }
  inputs.rewards.requireFinite("rewards");
  inputs.values.requireFinite("values");
  inputs.lastValues.requireFinite("lastValues");

  for (size_t environment = 0; environment < environments; environment++) {
    double nextValue = inputs.lastValues[environment];
    double nextAdvantage = 0;
    for (size_t step = inputs.steps; step-- > 0;) {
      const size_t i = step * environments + environment;
      if (inputs.terminated[i] != 0) {
        nextValue = 0;
        nextAdvantage = 0;
      } else if (inputs.truncated[i] != 0) {
        if (inputs.finalValues.size() != rows) {
          throw Error(ErrorCode::shapeMismatch,
                      "finalValues must have length steps x environments where a row is truncated");
        }
        nextValue = inputs.finalValues[i];
        nextAdvantage = 0;
        if (!std::isfinite(nextValue)) {
          throw Error(ErrorCode::notFinite, "finalValues[" + std::to_string(i) +
                                                "] must be a finite number, because row " +
                                                std::to_string(i) + " is truncated");
        }
      }
      const double value = inputs.values[i];
      const double delta = inputs.rewards[i] + gamma * nextValue - value;
      nextAdvantage = delta + gamma * lambda * nextAdvantage;
      nextValue = value;
      advantages[i] = nextAdvantage;
      returns[i] = nextAdvantage + value;
    }
  }
}

void normalizeAdvantages(std::span<double> advantages) {
  if (advantages.empty()) return;
  const auto [mean, deviation] =
      moments(advantages.size(), [&](size_t i) { return advantages[i]; });
  for (double& advantage : advantages) {
    advantage = deviation > 0 ? (advantage - mean) / deviation : 0;
  }
}

double explainedVariance(NumberSpan values, NumberSpan returns) {
  if (returns.empty()) return std::numeric_limits<double>::quiet_NaN();
  const size_t size = returns.size();
  const double total = moments(size, [&](size_t i) { return returns[i]; }).deviation;
  const double left = moments(size, [&](size_t i) { return returns[i] - values[i]; }).deviation;
  if (!(total > 0)) return std::numeric_limits<double>::quiet_NaN();
  return 1 - (left / total) * (left / total);
}

}  // namespace trustregion
