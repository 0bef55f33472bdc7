#pragma once

#include <variant>

#include "core/dual_gradient_descent.h"
#include "core/natural_policy_gradient.h"
#include "core/ppo.h"
#include "core/trpo.h"
#include "core/vanilla_policy_gradient.h"

namespace trustregion {

// Which method, with its options.
using MethodOptions = std::variant<VanillaPolicyGradientOptions, NaturalPolicyGradientOptions,
                                   TrpoOptions, DualGradientDescentOptions, PpoOptions>;

// Runs the method's step. A step that throws leaves `state` and `newParameters` in no useful state:
// give it copies.
UpdateSummary methodStep(const UpdateContext& context, const MethodOptions& options,
                         MethodState& state, std::span<double> newParameters);

// The part of the rows that the method's Fisher matrix is a mean over.
double fisherFractionOf(const MethodOptions& options);

}  // namespace trustregion
