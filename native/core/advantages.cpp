#include "core/advantages.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

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
  // Not below that of the least normal number, whose inverse is still finite.
  const int exponent = std::max(std::ilogb(std::max(std::abs(smallest), std::abs(largest))), -1022);
  const double unit = std::ldexp(1.0, -exponent);
  const auto scaled = [&](size_t i) { return at(i) * unit; };
  double mean = 0;
  for (size_t i = 0; i < size; i++) mean += scaled(i);
  mean /= static_cast<double>(size);
  double variance = 0;
  for (size_t i = 0; i < size; i++) variance += (scaled(i) - mean) * (scaled(i) - mean);
  const double deviation = std::sqrt(variance / static_cast<double>(size));
  return {std::ldexp(mean, exponent), std::ldexp(deviation, exponent)};
}

// Consecutive rows of one environment that belong to one episode, and the value behind them.
struct Stretch {
  size_t first;   // row of its first step
  size_t stride;  // rows from one step to the next
  size_t steps;
  double valueAfter;

  size_t row(size_t step) const { return first + step * stride; }
};

void requireShapes(const AdvantageInputs& inputs, size_t advantages, size_t returns) {
  const size_t rows = inputs.steps * inputs.environments;
  const char* meaning = "steps x environments";
  inputs.rewards.requireSize("rewards", rows, meaning);
  inputs.values.requireSize("values", rows, meaning);
  inputs.lastValues.requireSize("lastValues", inputs.environments, "environments");
  if (inputs.terminated.size() != rows || inputs.truncated.size() != rows || advantages != rows ||
      returns != rows) {
    throw Error(ErrorCode::shapeMismatch,
                "terminated, truncated, advantages and returns must "
                "have length steps x environments");
  }
  inputs.rewards.requireFinite("rewards");
  inputs.values.requireFinite("values");
  inputs.lastValues.requireFinite("lastValues");
}

double finalValue(const AdvantageInputs& inputs, size_t row) {
  if (inputs.finalValues.size() != inputs.rewards.size()) {
    throw Error(ErrorCode::shapeMismatch,
                "finalValues must have length steps x environments where a row is truncated");
  }
  const double value = inputs.finalValues[row];
  if (!std::isfinite(value)) {
    const std::string index = std::to_string(row);
    throw Error(ErrorCode::notFinite, "finalValues[" + index +
                                          "] must be a finite number, because row " + index +
                                          " is truncated");
  }
  return value;
}

template <class Visit>
void forEachStretch(const AdvantageInputs& inputs, const Visit& visit) {
  const size_t environments = inputs.environments;
  for (size_t environment = 0; environment < environments; environment++) {
    size_t begin = 0;
    for (size_t step = 0; step < inputs.steps; step++) {
      const size_t row = step * environments + environment;
      double valueAfter = 0;
      if (inputs.terminated[row] == 0) {
        if (inputs.truncated[row] != 0) {
          valueAfter = finalValue(inputs, row);
        } else if (step + 1 == inputs.steps) {
          valueAfter = inputs.lastValues[environment];
        } else {
          continue;
        }
      }
      visit(
          Stretch{begin * environments + environment, environments, step + 1 - begin, valueAfter});
      begin = step + 1;
    }
  }
}

// A_t = delta_t + gamma lambda A_{t+1}
void generalizedAdvantages(const AdvantageInputs& inputs, const Stretch& stretch,
                           const AdvantageOptions& options, std::span<double> advantages) {
  double nextValue = stretch.valueAfter;
  double nextAdvantage = 0;
  for (size_t step = stretch.steps; step-- > 0;) {
    const size_t row = stretch.row(step);
    const double value = inputs.values[row];
    const double delta = inputs.rewards[row] + options.gamma * nextValue - value;
    nextAdvantage = delta + options.gamma * options.lambda * nextAdvantage;
    nextValue = value;
    advantages[row] = nextAdvantage;
  }
}

// G_t = r_t + gamma G_{t+1}
void rewardsToGo(const AdvantageInputs& inputs, const Stretch& stretch, double gamma,
                 std::span<double> returns) {
  double next = stretch.valueAfter;
  for (size_t step = stretch.steps; step-- > 0;) {
    const size_t row = stretch.row(step);
    next = inputs.rewards[row] + gamma * next;
    returns[row] = next;
  }
}

// G_t^(n) in time linear in the steps: they are cut into blocks of n, so that the n rewards from
// step t on are the end of one block and the beginning of the next. Both are sums that follow from
// their neighbours', and nothing is ever subtracted (van Herk 1992, on sliding windows).
void nStepReturns(const AdvantageInputs& inputs, const Stretch& stretch,
                  const AdvantageOptions& options, std::span<double> returns) {
  const double gamma = options.gamma;
  const size_t steps = stretch.steps;
  const size_t horizon = std::min(options.horizon, steps);
  const auto reward = [&](size_t step) { return inputs.rewards[stretch.row(step)]; };
  std::vector<double> powers(horizon + 1, 1.0);  // gamma^k
  for (size_t k = 1; k <= horizon; k++) powers[k] = powers[k - 1] * gamma;
  // Discounted to the block's first step: its rewards up to and including this one.
  std::vector<double> fromStart(steps);
  // Discounted to this step: the rewards from it to the block's end.
  std::vector<double> toEnd(steps);
  for (size_t begin = 0; begin < steps; begin += horizon) {
    const size_t end = std::min(begin + horizon, steps);
    double sum = 0;
    for (size_t step = begin; step < end; step++) {
      sum += powers[step - begin] * reward(step);
      fromStart[step] = sum;
    }
    sum = 0;
    for (size_t step = end; step-- > begin;) sum = toEnd[step] = reward(step) + gamma * sum;
  }
  for (size_t step = 0; step < steps; step++) {
    const size_t end = std::min(step + horizon, steps);  // of the sum, not included
    const size_t blockEnd = step - step % horizon + horizon;
    const double value = end < steps ? inputs.values[stretch.row(end)] : stretch.valueAfter;
    double sum = toEnd[step] + powers[end - step] * value;
    if (end > blockEnd) sum += powers[blockEnd - step] * fromStart[end - 1];
    returns[stretch.row(step)] = sum;
  }
}

}  // namespace

void estimateAdvantages(const AdvantageInputs& inputs, const AdvantageOptions& options,
                        std::span<double> advantages, std::span<double> returns) {
  requireShapes(inputs, advantages.size(), returns.size());
  if (options.horizon < 1) {
    throw Error(ErrorCode::outOfRange, "horizon must be an integer of at least 1, got 0");
  }
  forEachStretch(inputs, [&](const Stretch& stretch) {
    // Every estimator fills one of the two; the other follows from it.
    switch (options.estimator) {
      case AdvantageEstimator::gae:
        generalizedAdvantages(inputs, stretch, options, advantages);
        break;
      case AdvantageEstimator::monteCarlo:
      case AdvantageEstimator::rewardToGo:
        rewardsToGo(inputs, stretch, options.gamma, returns);
        break;
      case AdvantageEstimator::nStep:
        nStepReturns(inputs, stretch, options, returns);
        break;
    }
    for (size_t step = 0; step < stretch.steps; step++) {
      const size_t row = stretch.row(step);
      if (options.estimator == AdvantageEstimator::gae) {
        returns[row] = advantages[row] + inputs.values[row];
      } else if (options.estimator == AdvantageEstimator::monteCarlo) {
        advantages[row] = returns[stretch.first];
      } else {
        advantages[row] = returns[row] - inputs.values[row];
      }
    }
  });
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
  std::vector<double> wanted(size);
  std::vector<double> predicted(size);
  returns.copyTo(wanted.data());
  values.copyTo(predicted.data());
  const double total = moments(size, [&](size_t i) { return wanted[i]; }).deviation;
  const double left = moments(size, [&](size_t i) { return wanted[i] - predicted[i]; }).deviation;
  if (!(total > 0)) return std::numeric_limits<double>::quiet_NaN();
  return 1 - (left / total) * (left / total);
}

}  // namespace trustregion
