#pragma once

#include <optional>

#include "core/method.h"

namespace trustregion {

// d = learningRate x, or d = sqrt(2 epsilon / g'x) x, with x = (F + damping I)^-1 g.
struct NaturalPolicyGradientOptions {
  std::optional<double> learningRate;  // takes the place of epsilon
  double epsilon = 0.01;
  NaturalDirectionOptions naturalDirection;
};

// Natural gradient ascent (Kakade 2001, "A natural policy gradient"; Peters and Schaal 2008,
// "Natural actor-critic", with the manual learning rate): the best step whose KL is epsilon to
// second order. Takes every finite step; nothing checks what the KL really became.
UpdateSummary naturalPolicyGradientStep(const UpdateContext& context,
                                        const NaturalPolicyGradientOptions& options,
                                        MethodState& state, std::span<double> newParameters);

}  // namespace trustregion
