#include "binding/results.h"

#include <algorithm>

#include "binding/record.h"

namespace trustregion::binding {
namespace {

template <class Count>
double number(Count count) {
  return static_cast<double>(count);
}

Properties propertiesOf(const Evaluation& evaluation) {
  return {{"surrogate", evaluation.surrogate},
          {"meanKl", evaluation.meanKl},
          {"maxKl", evaluation.maxKl},
          {"entropy", evaluation.entropy},
          {"effectiveSampleSize", evaluation.effectiveSampleSize},
          {"klUncertainty", evaluation.klUncertainty},
          {"finite", evaluation.finite}};
}

Napi::Array toArray(Napi::Env env, const std::vector<Candidate>& candidates) {
  Napi::Array array = Napi::Array::New(env, candidates.size());
  for (uint32_t i = 0; i < candidates.size(); i++) {
    Properties properties = propertiesOf(candidates[i].evaluation);
    properties.push_back({"fraction", candidates[i].fraction});
    array[i] = record<Candidate>(env, properties);
  }
  return array;
}

Napi::Object toObject(Napi::Env env, const UpdateTiming& timing) {
  return record<UpdateTiming>(env, {{"prepare", timing.prepare},
                                    {"gradient", timing.gradient},
                                    {"solve", timing.solve},
                                    {"lineSearch", timing.lineSearch},
                                    {"total", timing.total}});
}

template <class Number>
Napi::Array toArray(Napi::Env env, const std::vector<Number>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); i++) array[i] = number(numbers[i]);
  return array;
}

Properties propertiesOf(Napi::Env env, const NaturalDirectionSummary& summary) {
  return {{"solver", naturalSolverName(summary.solver)},
          {"preconditioner", preconditionerName(summary.preconditioner)},
          {"preconditionerRefreshed", summary.preconditionerRefreshed},
          {"warmStarted", summary.warmStarted},
          {"damping", summary.damping},
          {"fisherRows", number(summary.fisherRows)},
          {"conjugateGradient", binding::toObject(env, summary.conjugateGradient)}};
}

Napi::Object toObject(Napi::Env env, const UpdateDiagnostics& diagnostics) {
  return record<UpdateDiagnostics>(env, {{"klEdges", toArray(env, diagnostics.klEdges)},
                                         {"klCounts", toArray(env, diagnostics.klCounts)},
                                         {"largestAdvantage", diagnostics.largestAdvantage},
                                         {"meanRatioAdvantage", diagnostics.meanRatioAdvantage}});
}

}  // namespace

Napi::Float64Array toFloat64Array(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Object toObject(Napi::Env env, const ObjectiveValue& value) {
  return record<ObjectiveValue>(env, {{"value", value.value},
                                      {"surrogate", value.surrogate},
                                      {"meanKl", value.meanKl},
                                      {"entropy", value.entropy},
                                      {"clipFraction", value.clipFraction}});
}

Napi::Object toObject(Napi::Env env, const std::vector<RowComparison>& comparisons) {
  Napi::Float64Array kl = Napi::Float64Array::New(env, comparisons.size());
  Napi::Float64Array logRatio = Napi::Float64Array::New(env, comparisons.size());
  for (size_t row = 0; row < comparisons.size(); row++) {
    kl[row] = comparisons[row].kl;
    logRatio[row] = comparisons[row].logRatio;
  }
  return record<RowComparison>(env, {{"kl", kl}, {"logRatio", logRatio}});
}

Napi::Object toObject(Napi::Env env, const Evaluation& evaluation) {
  return record<Evaluation>(env, propertiesOf(evaluation));
}

Napi::Object toObject(Napi::Env env, const ConjugateGradientSummary& summary) {
  return record<ConjugateGradientSummary>(env, {{"iterations", number(summary.iterations)},
                                                {"products", number(summary.products)},
                                                {"residualNorm", summary.residualNorm},
                                                {"relativeResidual", summary.relativeResidual},
                                                {"quadraticModel", summary.quadraticModel},
                                                {"stop", conjugateGradientStopName(summary.stop)}});
}

Napi::Object toObject(Napi::Env env, const LineSearchSummary& summary) {
  return record<LineSearchSummary>(env, {{"stop", lineSearchStopName(summary.stop)},
                                         {"candidates", toArray(env, summary.candidates)}});
}

Napi::Object toObject(Napi::Env env, const NaturalDirection& found, double seconds) {
  Properties properties = propertiesOf(env, found.summary);
  properties.push_back({"status", updateStatusName(found.status)});
  properties.push_back({"slope", found.slope});
  properties.push_back({"curvature", found.curvature});
  properties.push_back({"seconds", seconds});
  return record<NaturalDirection>(env, properties);
}

Napi::Object toObject(Napi::Env env, const UpdateSummary& summary, uint64_t version) {
  napi_value naturalDirection = env.Null();
  if (summary.hasNaturalDirection) {
    naturalDirection =
        record<NaturalDirectionSummary>(env, propertiesOf(env, summary.naturalDirection));
  }
  napi_value diagnostics = env.Null();
  if (summary.hasDiagnostics) diagnostics = toObject(env, summary.diagnostics);
  return record<UpdateSummary>(env, {{"status", updateStatusName(summary.status)},
                                     {"surrogateBefore", summary.surrogateBefore},
                                     {"surrogateAfter", summary.surrogateAfter},
                                     {"expectedImprovement", summary.expectedImprovement},
                                     {"actualImprovement", summary.actualImprovement},
                                     {"meanKl", summary.meanKl},
                                     {"maxKl", summary.maxKl},
                                     {"entropyBefore", summary.entropyBefore},
                                     {"entropyAfter", summary.entropyAfter},
                                     {"effectiveSampleSize", summary.effectiveSampleSize},
                                     {"gradientNorm", summary.gradientNorm},
                                     {"stepScale", summary.stepScale},
                                     {"stepFraction", summary.stepFraction},
                                     {"stepNorm", summary.stepNorm},
                                     {"backtracks", number(summary.backtracks)},
                                     {"gradientSteps", number(summary.gradientSteps)},
                                     {"epochs", number(summary.epochs)},
                                     {"multiplier", summary.multiplier},
                                     {"klPenalty", summary.klPenalty},
                                     {"clipFraction", summary.clipFraction},
                                     {"naturalDirection", naturalDirection},
                                     {"diagnostics", diagnostics},
                                     {"candidates", toArray(env, summary.candidates)},
                                     {"timing", toObject(env, summary.timing)},
                                     {"version", number(version)}});
}

Napi::Object toObject(Napi::Env env, const FitSummary& summary) {
  const auto& gaussNewton = summary.gaussNewton;
  return record<FitSummary>(env,
                            {{"lossBefore", summary.lossBefore},
                             {"lossAfter", summary.lossAfter},
                             {"explainedVarianceBefore", summary.explainedVarianceBefore},
                             {"explainedVarianceAfter", summary.explainedVarianceAfter},
                             {"solver", summary.solver == FitSolver::adam ? "adam" : "gaussNewton"},
                             {"minibatches", number(summary.minibatches)},
                             {"iterations", number(gaussNewton.iterations)},
                             {"acceptedSteps", number(gaussNewton.acceptedSteps)},
                             {"products", number(gaussNewton.products)},
                             {"damping", gaussNewton.damping},
                             {"seconds", summary.seconds}});
}

Napi::Object toObject(Napi::Env env, const RunningNormalizer& normalizer) {
  return record<RunningNormalizer>(
      env, {{"count", normalizer.count()},
            {"mean", toFloat64Array(env, normalizer.mean())},
            {"squaredDeviations", toFloat64Array(env, normalizer.squaredDeviations())}});
}

}  // namespace trustregion::binding
