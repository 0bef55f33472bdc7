#pragma once

#include <optional>

#include "core/method.h"

namespace trustregion {

// d = learningRate g, or d = sqrt(epsilon / g'g) g, the best step of length |d|^2 = epsilon.
struct VanillaPolicyGradientOptions {
  std::optional<double> learningRate;  // takes the place of epsilon
  double epsilon = 0.01;
};

// Gradient ascent on the surrogate (Williams 1992, "Simple statistical gradient-following
// algorithms", REINFORCE where advantages are Monte Carlo returns). The wrong ruler: it bounds how
// far the parameters move, not how far the policy does. Takes every finite step.
UpdateSummary vanillaPolicyGradientStep(const UpdateContext& context,
                                        const VanillaPolicyGradientOptions& options,
                                        std::span<double> newParameters);

}  // namespace trustregion
