#include "core/trpo.h"

#include <chrono>
#include <cmath>

#include "core/vector_operations.h"

namespace trustregion {
namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

UpdateStatus statusOf(LineSearchStop stop) {
  switch (stop) {
    case LineSearchStop::accepted:
      return UpdateStatus::accepted;
    case LineSearchStop::klExceeded:
      return UpdateStatus::klExceeded;
    case LineSearchStop::noImprovement:
      return UpdateStatus::noImprovement;
    case LineSearchStop::notFinite:
      break;
  }
  return UpdateStatus::notFinite;
}

}  // namespace

const char* updateStatusName(UpdateStatus status) {
  switch (status) {
    case UpdateStatus::accepted:
      return "accepted";
    case UpdateStatus::zeroGradient:
      return "zeroGradient";
    case UpdateStatus::notFinite:
      return "notFinite";
    case UpdateStatus::negativeCurvature:
      return "negativeCurvature";
    case UpdateStatus::klExceeded:
      return "klExceeded";
    case UpdateStatus::noImprovement:
      break;
  }
  return "noImprovement";
}

UpdateSummary trpoStep(Problem& problem, const Backend& backend, std::span<const double> parameters,
                       const TrpoOptions& options, std::span<double> newParameters) {
  const size_t size = parameters.size();
  UpdateSummary summary;
  const auto end = [&](UpdateStatus status) {
    summary.status = status;
    return summary;
  };

  // Where we are: L(theta), and the entropy.
  auto start = Clock::now();
  const Evaluation before = problem.evaluate(parameters);
  summary.surrogateBefore = summary.surrogateAfter = before.surrogate;
  summary.entropyBefore = summary.entropyAfter = before.entropy;
  if (!before.finite) return end(UpdateStatus::notFinite);

  // 1. The policy gradient g.
  std::vector<double> gradient(size);
  problem.surrogateGradient(gradient);
  summary.gradientNorm = norm(gradient);
  summary.timing.gradient = secondsSince(start);
  if (!std::isfinite(summary.gradientNorm)) return end(UpdateStatus::notFinite);
  if (summary.gradientNorm == 0) return end(UpdateStatus::zeroGradient);

  // 2. The natural direction x = (F + lambda I)^-1 g.
  start = Clock::now();
  std::vector<double> direction(size);
  std::vector<double> residual(size);
  summary.conjugateGradient =
      problem.solve(gradient, options.damping, options.conjugateGradient, direction, residual);
  summary.timing.solve = secondsSince(start);
  const double slope = dot(gradient, direction);
  if (!std::isfinite(slope)) return end(UpdateStatus::notFinite);
  if (summary.conjugateGradient.iterations == 0) {
    // No iterate before the breakdown: there is no direction to search along.
    return end(summary.conjugateGradient.stop == ConjugateGradientStop::notFinite
                   ? UpdateStatus::notFinite
                   : UpdateStatus::negativeCurvature);
  }

  // 3. Its length. A x = g - r with A = F + lambda I, so x'A x = x'(g - r) costs no product.
  const double dampedCurvature = slope - dot(direction, residual);
  const double curvature = options.stepLength == StepLengthRule::damped
                               ? dampedCurvature
                               : dampedCurvature - options.damping * dot(direction, direction);
  if (!(curvature > 0) || !(slope > 0)) return end(UpdateStatus::negativeCurvature);
  summary.stepScale = std::sqrt(2 * options.maxKl / curvature);
  const double fullStepImprovement = summary.stepScale * slope;
  if (!std::isfinite(fullStepImprovement)) return end(UpdateStatus::notFinite);

  // 4. The line search on the exact KL and surrogate of what will really be stored.
  start = Clock::now();
  std::vector<double> candidate(size);
  const auto evaluate = [&](double fraction) {
    const double scale = fraction * summary.stepScale;
    for (size_t i = 0; i < size; i++) candidate[i] = parameters[i] + scale * direction[i];
    backend.roundParameters(candidate);
    return problem.evaluate(candidate);
  };
  LineSearchOptions lineSearchOptions = options.lineSearch;
  lineSearchOptions.maxKl = options.maxKl;
  LineSearchSummary search =
      backtrackingLineSearch(evaluate, before.surrogate, fullStepImprovement, lineSearchOptions);
  summary.timing.lineSearch = secondsSince(start);
  summary.candidates = std::move(search.candidates);
  summary.backtracks = static_cast<int>(summary.candidates.size()) - 1;
  const Candidate& last = summary.candidates.back();
  summary.expectedImprovement = last.fraction * fullStepImprovement;
  if (search.stop != LineSearchStop::accepted) return end(statusOf(search.stop));

  // 5. Accepted.
  double squaredStep = 0;
  for (size_t i = 0; i < size; i++) {
    squaredStep += (candidate[i] - parameters[i]) * (candidate[i] - parameters[i]);
    newParameters[i] = candidate[i];
  }
  summary.stepNorm = std::sqrt(squaredStep);
  summary.stepFraction = last.fraction;
  summary.surrogateAfter = last.evaluation.surrogate;
  summary.actualImprovement = summary.surrogateAfter - summary.surrogateBefore;
  summary.meanKl = last.evaluation.meanKl;
  summary.maxKl = last.evaluation.maxKl;
  summary.entropyAfter = last.evaluation.entropy;
  return end(UpdateStatus::accepted);
}

}  // namespace trustregion
