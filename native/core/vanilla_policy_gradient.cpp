#include "core/vanilla_policy_gradient.h"

#include <cmath>

#include "core/candidate_step.h"

namespace trustregion {

UpdateSummary vanillaPolicyGradientStep(const UpdateContext& context,
                                        const VanillaPolicyGradientOptions& options,
                                        std::span<double> newParameters) {
  UpdateSummary summary;
  UpdateStart start;
  summary.status = startUpdate(context, start, summary);
  if (summary.status != UpdateStatus::accepted) return summary;

  // |g| sqrt(epsilon / g'g) = sqrt(epsilon), also where g'g leaves the range of double.
  summary.stepScale =
      options.learningRate.value_or(std::sqrt(options.epsilon) / summary.gradientNorm);
  takeWholeStep(context, start, start.gradient, summary, newParameters);
  return summary;
}

}  // namespace trustregion
