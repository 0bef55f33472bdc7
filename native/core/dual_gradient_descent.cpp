#include "core/dual_gradient_descent.h"

#include <algorithm>

#include "core/candidate_step.h"
#include "core/log_std_bound.h"
#include "core/stopwatch.h"

namespace trustregion {

UpdateSummary dualGradientDescentStep(const UpdateContext& context,
                                      const DualGradientDescentOptions& options, MethodState& state,
                                      std::span<double> newParameters) {
  UpdateSummary summary;
  if (state.multiplier < 0) state.multiplier = options.initialMultiplier;
  summary.multiplier = state.multiplier;
  UpdateStart start;
  summary.status = startUpdate(context, start, summary);
  if (summary.status != UpdateStatus::accepted) return summary;

  // 1. Inner steps on the Lagrangian L - lambda (KL - maxKl); the constant has no gradient.
  const Stopwatch stopwatch;
  Objective lagrangian;
  lagrangian.klPenalty = state.multiplier;
  std::vector<double> parameters(context.parameters.begin(), context.parameters.end());
  std::vector<double> gradient(parameters.size());
  Adam adam(parameters.size());
  for (int i = 0; i < options.innerSteps; i++) {
    context.problem.objectiveGradient(parameters, lagrangian, {}, gradient);
    for (double& value : gradient) value = -value;  // Adam minimises
    adam.step(gradient, options.innerLearningRate, parameters);
    projectLogStd(context.model, parameters);
    summary.gradientSteps++;
  }
  summary.timing.solve = stopwatch.seconds();

  // 2. The primal: what the inner steps came to, or as much of it as the trust region allows.
  acceptWithinLimit(context, start, parameters, options.maxKl, summary, newParameters);

  // 3. The dual: lambda += alpha (KL - maxKl) with the KL that the Lagrangian's optimiser wanted.
  if (!summary.candidates.empty() && summary.candidates.front().evaluation.finite) {
    const double kl = summary.candidates.front().evaluation.meanKl;
    state.multiplier =
        std::max(0.0, state.multiplier + options.multiplierLearningRate * (kl - options.maxKl));
    summary.multiplier = state.multiplier;
  }
  return summary;
}

}  // namespace trustregion
