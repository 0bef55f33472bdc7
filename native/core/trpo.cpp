#include "core/trpo.h"

#include <cmath>

#include "core/candidate_step.h"
#include "core/stopwatch.h"

namespace trustregion {
namespace {

void step(const UpdateContext& context, const TrpoOptions& options, MethodState& state,
          UpdateSummary& summary, std::span<double> newParameters) {
  // 1. Where we are: L(theta), the entropy, and the policy gradient g.
  UpdateStart start;
  summary.status = startUpdate(context, start, summary);
  if (summary.status != UpdateStatus::accepted) return;

  // 2. The natural direction x = (F + lambda I)^-1 g.
  const Stopwatch solving;
  const NaturalDirection natural = findNaturalDirection(
      context.fisherProblem, context.model, start.gradient, context.problem.rows(),
      options.naturalDirection, state.naturalDirection);
  summary.timing.solve = solving.seconds();
  summary.hasNaturalDirection = true;
  summary.naturalDirection = natural.summary;
  summary.status = natural.status;
  if (summary.status != UpdateStatus::accepted) return;

  // 3. Its length.
  const double curvature =
      options.stepLength == StepLengthRule::damped ? natural.dampedCurvature : natural.curvature;
  summary.status = UpdateStatus::negativeCurvature;
  if (!(curvature > 0)) return;
  summary.stepScale = std::sqrt(2 * options.maxKl / curvature);
  const double fullStepImprovement = summary.stepScale * natural.slope;
  summary.status = UpdateStatus::notFinite;
  if (!std::isfinite(fullStepImprovement)) return;

  // 4. The line search on the exact KL and surrogate of what will really be stored.
  const Stopwatch searching;
  CandidateStep candidate(context, start.gradient, natural.direction, summary.stepScale,
                          fullStepImprovement);
  const auto evaluate = [&](double fraction) {
    return candidate.evaluate(fraction, options.maxKl, options.lineSearch.maxRowKl);
  };
  LineSearchOptions lineSearchOptions = options.lineSearch;
  lineSearchOptions.maxKl = options.maxKl;
  const auto search = options.lineSearchKind == LineSearchKind::boundary ? boundaryLineSearch
                                                                         : backtrackingLineSearch;
  LineSearchSummary found = search(
      evaluate, start.evaluation.surrogate,
      [&](double /*fraction*/) { return candidate.expectedImprovement(); }, lineSearchOptions);
  summary.timing.lineSearch = searching.seconds();
  summary.candidates = std::move(found.candidates);
  summary.backtracks = static_cast<int>(summary.candidates.size()) - 1;
  const Candidate& last = summary.candidates.back();
  summary.expectedImprovement = candidate.expectedImprovement();
  summary.status = updateStatusOf(found.stop);
  if (summary.status != UpdateStatus::accepted) return;

  // 5. Accepted.
  summary.stepFraction = last.fraction;
  acceptStep(context, candidate.parameters(), last.evaluation, summary, newParameters);
}

}  // namespace

UpdateSummary trpoStep(const UpdateContext& context, const TrpoOptions& options, MethodState& state,
                       std::span<double> newParameters) {
  UpdateSummary summary;
  step(context, options, state, summary, newParameters);
  if (summary.hasNaturalDirection) {
    state.naturalDirection.damping = adaptedDamping(options.naturalDirection.adaptiveDamping,
                                                    summary.naturalDirection.damping, summary);
  }
  return summary;
}

}  // namespace trustregion
