#include "core/natural_policy_gradient.h"

#include <cmath>

#include "core/candidate_step.h"
#include "core/stopwatch.h"

namespace trustregion {

UpdateSummary naturalPolicyGradientStep(const UpdateContext& context,
                                        const NaturalPolicyGradientOptions& options,
                                        MethodState& state, std::span<double> newParameters) {
  UpdateSummary summary;
  UpdateStart start;
  summary.status = startUpdate(context, start, summary);
  if (summary.status != UpdateStatus::accepted) return summary;

  const Stopwatch stopwatch;
  const NaturalDirection natural = findNaturalDirection(
      context.fisherProblem, context.model, start.gradient, context.problem.rows(),
      options.naturalDirection, state.naturalDirection);
  summary.timing.solve = stopwatch.seconds();
  summary.hasNaturalDirection = true;
  summary.naturalDirection = natural.summary;
  summary.status = natural.status;
  if (natural.status == UpdateStatus::accepted) {
    summary.stepScale =
        options.learningRate.value_or(std::sqrt(2 * options.epsilon / natural.slope));
    takeWholeStep(context, start, natural.direction, summary, newParameters);
  }
  state.naturalDirection.damping =
      adaptedDamping(options.naturalDirection.adaptiveDamping, natural.summary.damping, summary);
  return summary;
}

}  // namespace trustregion
