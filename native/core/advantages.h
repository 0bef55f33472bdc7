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

enum class AdvantageEstimator { gae, monteCarlo, rewardToGo, nStep };

struct AdvantageOptions {
  AdvantageEstimator estimator = AdvantageEstimator::gae;
  double gamma = 0.99;
  double lambda = 0.97;  // gae only
  size_t horizon = 1;    // n of nStep, at least 1
};

// How much better than expected each action turned out, and what the critic should have said.
//
// Termination, truncation and the end of the rollout cut an environment's rows into stretches, each
// the steps 0 ... T-1 of one episode that lie in the rollout (the first of them need not be the
// episode's first). V_T is the value behind the stretch: 0 after termination, the value of the
// final observation after truncation, the last value where the rollout ends. A row that is both
// terminated and truncated counts as terminated. With G_t the discounted reward to go,
//
//   G_t     = r_t + gamma G_{t+1},  G_T = V_T
//   G_t^(n) = sum_{k<n} gamma^k r_{t+k} + gamma^n V_{t+n}, n cut to T - t
//
//                advantage A_t                        return, the target for V_t
//   gae          sum_k (gamma lambda)^k delta_{t+k}   A_t + V_t
//                with delta_t = r_t + gamma V_{t+1} - V_t
//   rewardToGo   G_t - V_t                            G_t
//   nStep        G_t^(n) - V_t                        G_t^(n)
//   monteCarlo   G_0, for every t                     G_t
//
// gae: Schulman et al. 2016, "High-dimensional continuous control using generalized advantage
// estimation", equation 16; lambda = 1 is rewardToGo, lambda = 0 is nStep with n = 1. monteCarlo is
// the first form of REINFORCE (Williams 1992), with the whole return on every step and no baseline.
// All take time linear in the rows, nStep whatever its n.
void estimateAdvantages(const AdvantageInputs& inputs, const AdvantageOptions& options,
                        std::span<double> advantages, std::span<double> returns);

// (A - mean) / standard deviation, the population's (divisor n), two passes in fixed order.
// Advantages that are all equal become exactly zero.
void normalizeAdvantages(std::span<double> advantages);

// 1 - Var[returns - values] / Var[returns]; NaN where the returns are constant.
double explainedVariance(NumberSpan values, NumberSpan returns);

}  // namespace trustregion
