#include "binding/results.h"

#include <algorithm>

namespace trustregion::binding {
namespace {

void setEvaluation(Napi::Object object, const Evaluation& evaluation) {
  object["surrogate"] = evaluation.surrogate;
  object["meanKl"] = evaluation.meanKl;
  object["maxKl"] = evaluation.maxKl;
  object["entropy"] = evaluation.entropy;
  object["effectiveSampleSize"] = evaluation.effectiveSampleSize;
  object["klUncertainty"] = evaluation.klUncertainty;
  object["finite"] = evaluation.finite;
}

Napi::Array toArray(Napi::Env env, const std::vector<Candidate>& candidates) {
  Napi::Array array = Napi::Array::New(env, candidates.size());
  for (uint32_t i = 0; i < candidates.size(); i++) {
    Napi::Object object = Napi::Object::New(env);
    object["fraction"] = candidates[i].fraction;
    setEvaluation(object, candidates[i].evaluation);
    array[i] = object;
  }
  return array;
}

Napi::Object toObject(Napi::Env env, const UpdateTiming& timing) {
  Napi::Object object = Napi::Object::New(env);
  object["prepare"] = timing.prepare;
  object["gradient"] = timing.gradient;
  object["solve"] = timing.solve;
  object["lineSearch"] = timing.lineSearch;
  object["total"] = timing.total;
  return object;
}

template <class Number>
Napi::Array toArray(Napi::Env env, const std::vector<Number>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); i++) array[i] = static_cast<double>(numbers[i]);
  return array;
}

Napi::Object toObject(Napi::Env env, const NaturalDirectionSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object["solver"] = naturalSolverName(summary.solver);
  object["preconditioner"] = preconditionerName(summary.preconditioner);
  object["preconditionerRefreshed"] = summary.preconditionerRefreshed;
  object["warmStarted"] = summary.warmStarted;
  object["damping"] = summary.damping;
  object["fisherRows"] = static_cast<double>(summary.fisherRows);
  object["conjugateGradient"] = binding::toObject(env, summary.conjugateGradient);
  return object;
}

Napi::Object toObject(Napi::Env env, const UpdateDiagnostics& diagnostics) {
  Napi::Object object = Napi::Object::New(env);
  object["klEdges"] = toArray(env, diagnostics.klEdges);
  object["klCounts"] = toArray(env, diagnostics.klCounts);
  object["largestAdvantage"] = diagnostics.largestAdvantage;
  object["meanRatioAdvantage"] = diagnostics.meanRatioAdvantage;
  return object;
}

}  // namespace

Napi::Float64Array toFloat64Array(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Object toObject(Napi::Env env, const ObjectiveValue& value) {
  Napi::Object object = Napi::Object::New(env);
  object["value"] = value.value;
  object["surrogate"] = value.surrogate;
  object["meanKl"] = value.meanKl;
  object["entropy"] = value.entropy;
  object["clipFraction"] = value.clipFraction;
  return object;
}

Napi::Object toObject(Napi::Env env, const std::vector<RowComparison>& comparisons) {
  Napi::Float64Array kl = Napi::Float64Array::New(env, comparisons.size());
  Napi::Float64Array logRatio = Napi::Float64Array::New(env, comparisons.size());
  for (size_t row = 0; row < comparisons.size(); row++) {
    kl[row] = comparisons[row].kl;
    logRatio[row] = comparisons[row].logRatio;
  }
  Napi::Object object = Napi::Object::New(env);
  object["kl"] = kl;
  object["logRatio"] = logRatio;
  return object;
}

Napi::Object toObject(Napi::Env env, const Evaluation& evaluation) {
  Napi::Object object = Napi::Object::New(env);
  setEvaluation(object, evaluation);
  return object;
}

Napi::Object toObject(Napi::Env env, const ConjugateGradientSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object["iterations"] = summary.iterations;
  object["products"] = summary.products;
  object["residualNorm"] = summary.residualNorm;
  object["relativeResidual"] = summary.relativeResidual;
  object["quadraticModel"] = summary.quadraticModel;
  object["stop"] = conjugateGradientStopName(summary.stop);
  return object;
}

Napi::Object toObject(Napi::Env env, const LineSearchSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object["stop"] = lineSearchStopName(summary.stop);
  object["candidates"] = toArray(env, summary.candidates);
  return object;
}

Napi::Object toObject(Napi::Env env, const NaturalDirection& found, double seconds) {
  Napi::Object object = toObject(env, found.summary);
  object["status"] = updateStatusName(found.status);
  object["slope"] = found.slope;
  object["curvature"] = found.curvature;
  object["seconds"] = seconds;
  return object;
}

Napi::Object toObject(Napi::Env env, const UpdateSummary& summary, uint64_t version) {
  Napi::Object object = Napi::Object::New(env);
  object["status"] = updateStatusName(summary.status);
  object["surrogateBefore"] = summary.surrogateBefore;
  object["surrogateAfter"] = summary.surrogateAfter;
  object["expectedImprovement"] = summary.expectedImprovement;
  object["actualImprovement"] = summary.actualImprovement;
  object["meanKl"] = summary.meanKl;
  object["maxKl"] = summary.maxKl;
  object["entropyBefore"] = summary.entropyBefore;
  object["entropyAfter"] = summary.entropyAfter;
  object["effectiveSampleSize"] = summary.effectiveSampleSize;
  object["gradientNorm"] = summary.gradientNorm;
  object["stepScale"] = summary.stepScale;
  object["stepFraction"] = summary.stepFraction;
  object["stepNorm"] = summary.stepNorm;
  object["backtracks"] = summary.backtracks;
  object["gradientSteps"] = summary.gradientSteps;
  object["epochs"] = summary.epochs;
  object["multiplier"] = summary.multiplier;
  object["klPenalty"] = summary.klPenalty;
  object["clipFraction"] = summary.clipFraction;
  object["naturalDirection"] = summary.hasNaturalDirection
                                   ? toObject(env, summary.naturalDirection).As<Napi::Value>()
                                   : env.Null();
  object["diagnostics"] =
      summary.hasDiagnostics ? toObject(env, summary.diagnostics).As<Napi::Value>() : env.Null();
  object["candidates"] = toArray(env, summary.candidates);
  object["timing"] = toObject(env, summary.timing);
  object["version"] = static_cast<double>(version);
  return object;
}

Napi::Object toObject(Napi::Env env, const FitSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object["lossBefore"] = summary.lossBefore;
  object["lossAfter"] = summary.lossAfter;
  object["explainedVarianceBefore"] = summary.explainedVarianceBefore;
  object["explainedVarianceAfter"] = summary.explainedVarianceAfter;
  object["solver"] = summary.solver == FitSolver::adam ? "adam" : "gaussNewton";
  object["minibatches"] = static_cast<double>(summary.minibatches);
  object["iterations"] = static_cast<double>(summary.gaussNewton.iterations);
  object["acceptedSteps"] = static_cast<double>(summary.gaussNewton.acceptedSteps);
  object["products"] = static_cast<double>(summary.gaussNewton.products);
  object["damping"] = summary.gaussNewton.damping;
  object["seconds"] = summary.seconds;
  return object;
}

Napi::Object toObject(Napi::Env env, const RunningNormalizer& normalizer) {
  Napi::Object object = Napi::Object::New(env);
  object["count"] = normalizer.count();
  object["mean"] = toFloat64Array(env, normalizer.mean());
  object["squaredDeviations"] = toFloat64Array(env, normalizer.squaredDeviations());
  return object;
}

}  // namespace trustregion::binding
