#pragma once

#include "core/method.h"

namespace trustregion {

struct DualGradientDescentOptions {
  double maxKl = 0.01;
  int innerSteps = 20;
  double innerLearningRate = 1e-3;  // of Adam
  double initialMultiplier = 1;
  double multiplierLearningRate = 30;  // alpha
};

// Holds mean KL <= maxKl by a Lagrange multiplier: inner steps of Adam on
// L(theta') - lambda (KL(theta || theta') - maxKl), then lambda += alpha (KL - maxKl), at least 0,
// kept for the next update. At the optimum of the quadratic model lambda is sqrt(g'F^-1 g / (2
// maxKl)).
//
// The multiplier is right only in the long run, so a step that ended outside the trust region is
// shortened along the straight line back to theta until it is inside.
UpdateSummary dualGradientDescentStep(const UpdateContext& context,
                                      const DualGradientDescentOptions& options, MethodState& state,
                                      std::span<double> newParameters);

}  // namespace trustregion
