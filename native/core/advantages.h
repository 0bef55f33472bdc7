#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/number_span.h"

namespace trustregion {

// Rewards and values of `steps` steps of `environments` parallel environments, time-major:
// index = step * environments + environment.
struct AdvantageInputs {
  size_t steps = 0;
  size_t environments = 1;
  NumberSpan rewards;                   // [steps x environments]
  NumberSpan values;                    // V(s_t)
  std::span<const uint8_t> terminated;  // the task ended here: no value after it
  std::span<const uint8_t> truncated;   // cut here: bootstraps from finalValues
  NumberSpan finalValues;               // V(final observation), read where truncated only
  NumberSpan lastValues;                // [environments], V(observation after the last step)
};

// Generalised advantage estimation (Schulman et al. 2016, equation 16):
//   delta_t = r_t + gamma V(s_{t+1}) - V(s_t),   A_t = delta_t + gamma lambda A_{t+1}
// with V(s_{t+1}) = 0 after termination and the value of the final observation after truncation;
// both end the sum. A row that is both counts as terminated. returns = advantages + values.
void generalizedAdvantageEstimation(const AdvantageInputs& inputs, double gamma, double lambda,
                                    std::span<double> advantages, std::span<double> returns);

// (A - mean) / standard deviation, the population's (divisor n), two passes in fixed order.
// Advantages that are all equal become exactly zero.
void normalizeAdvantages(std::span<double> advantages);

// 1 - Var[returns - values] / Var[returns]; NaN where the returns are constant.
double explainedVariance(NumberSpan values, NumberSpan returns);

}  // namespace trustregion
