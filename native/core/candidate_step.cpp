#include "core/candidate_step.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/line_search.h"
#include "core/log_std_bound.h"
#include "core/stopwatch.h"
#include "core/vector_operations.h"

namespace trustregion {

UpdateStatus startUpdate(const UpdateContext& context, UpdateStart& start, UpdateSummary& summary) {
  const Stopwatch stopwatch;
  start.evaluation = context.problem.evaluate(context.parameters);
  summary.surrogateBefore = summary.surrogateAfter = start.evaluation.surrogate;
  summary.entropyBefore = summary.entropyAfter = start.evaluation.entropy;
  summary.effectiveSampleSize = start.evaluation.effectiveSampleSize;
  if (!start.evaluation.finite) return UpdateStatus::notFinite;

  start.gradient.resize(context.parameters.size());
  context.problem.surrogateGradient(start.gradient);
  keepInside(context.model, context.parameters, start.gradient);
  summary.gradientNorm = norm(start.gradient);
  summary.timing.gradient = stopwatch.seconds();
  if (!std::isfinite(summary.gradientNorm)) return UpdateStatus::notFinite;
  return summary.gradientNorm == 0 ? UpdateStatus::zeroGradient : UpdateStatus::accepted;
}

CandidateStep::CandidateStep(const UpdateContext& context, std::span<const double> gradient,
                             std::span<const double> direction, double scale,
                             double wholeImprovement)
    : context_(context),
      gradient_(gradient),
      direction_(direction),
      scale_(scale),
      wholeImprovement_(wholeImprovement),
      candidate_(context.parameters.size()) {}

Evaluation CandidateStep::evaluate(double fraction, double maxKl, double maxRowKl) {
  const double length = fraction * scale_;
  for (size_t i = 0; i < candidate_.size(); i++) {
    candidate_[i] = context_.parameters[i] + length * direction_[i];
  }
  const double broughtBack = projectLogStd(context_.model, candidate_, gradient_);
  expectedImprovement_ = fraction * wholeImprovement_ + broughtBack;
  context_.backend.roundParameters(candidate_);
  const Evaluation evaluation = context_.problem.evaluate(candidate_);
  // Of a single row no uncertainty is stated: so near its bound float64 decides anyway.
  constexpr double kRowBand = 1.0 / 16;
  const bool isMeanOpen = std::abs(evaluation.meanKl - maxKl) <= evaluation.klUncertainty;
  const bool isRowOpen =
      std::isfinite(maxRowKl) && std::abs(evaluation.maxKl - maxRowKl) <= kRowBand * maxRowKl;
  const bool isOpen =
      evaluation.finite && evaluation.klUncertainty > 0 && (isMeanOpen || isRowOpen);
  return isOpen ? context_.problem.evaluateInDouble(candidate_) : evaluation;
}

void acceptStep(const UpdateContext& context, std::span<const double> accepted,
                const Evaluation& evaluation, UpdateSummary& summary,
                std::span<double> newParameters) {
  double squaredStep = 0;
  for (size_t i = 0; i < accepted.size(); i++) {
    const double change = accepted[i] - context.parameters[i];
    squaredStep += change * change;
    newParameters[i] = accepted[i];
  }
  summary.status = UpdateStatus::accepted;
  summary.stepNorm = std::sqrt(squaredStep);
  summary.surrogateAfter = evaluation.surrogate;
  summary.actualImprovement = summary.surrogateAfter - summary.surrogateBefore;
  summary.meanKl = evaluation.meanKl;
  summary.maxKl = evaluation.maxKl;
  summary.entropyAfter = evaluation.entropy;
  summary.effectiveSampleSize = evaluation.effectiveSampleSize;
}

void takeWholeStep(const UpdateContext& context, const UpdateStart& start,
                   std::span<const double> direction, UpdateSummary& summary,
                   std::span<double> newParameters) {
  const Stopwatch stopwatch;
  CandidateStep step(context, start.gradient, direction, summary.stepScale,
                     summary.stepScale * dot(start.gradient, direction));
  const Evaluation evaluation = step.evaluate(1, std::numeric_limits<double>::infinity());
  summary.timing.lineSearch = stopwatch.seconds();
  summary.candidates.push_back({1, evaluation});
  summary.expectedImprovement = step.expectedImprovement();
  if (!evaluation.finite || !allFinite(step.parameters())) {
    summary.status = UpdateStatus::notFinite;
    return;
  }
  summary.stepFraction = 1;
  acceptStep(context, step.parameters(), evaluation, summary, newParameters);
}

void acceptWithinLimit(const UpdateContext& context, const UpdateStart& start,
                       std::span<const double> end, double maxKl, UpdateSummary& summary,
                       std::span<double> newParameters) {
  const Stopwatch stopwatch;
  if (!allFinite(end)) {
    summary.status = UpdateStatus::notFinite;
    return;
  }
  std::vector<double> displacement(end.begin(), end.end());
  axpby(-1, context.parameters, 1, displacement);
  CandidateStep step(context, start.gradient, displacement, 1, dot(start.gradient, displacement));
  LineSearchOptions options;
  options.maxKl = maxKl;
  LineSearchSummary search =
      findKlBoundary([&](double fraction) { return step.evaluate(fraction, maxKl); }, options, 1);
  summary.timing.lineSearch = stopwatch.seconds();
  summary.candidates = std::move(search.candidates);
  summary.backtracks = static_cast<int>(summary.candidates.size()) - 1;
  const Candidate& last = summary.candidates.back();
  summary.stepScale = 1;
  summary.expectedImprovement = step.expectedImprovement();
  if (search.stop != LineSearchStop::accepted) {
    summary.status = updateStatusOf(search.stop);
    return;
  }
  summary.stepFraction = last.fraction;
  acceptStep(context, step.parameters(), last.evaluation, summary, newParameters);
}

}  // namespace trustregion
