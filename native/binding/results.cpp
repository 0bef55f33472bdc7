#include "binding/results.h"

#include <algorithm>

namespace trustregion::binding {
namespace {

void setEvaluation(Napi::Object object, const Evaluation& evaluation) {
  object.Set("surrogate", evaluation.surrogate);
  object.Set("meanKl", evaluation.meanKl);
  object.Set("maxKl", evaluation.maxKl);
  object.Set("entropy", evaluation.entropy);
  object.Set("effectiveSampleSize", evaluation.effectiveSampleSize);
  object.Set("klUncertainty", evaluation.klUncertainty);
  object.Set("finite", evaluation.finite);
}

Napi::Array toArray(Napi::Env env, const std::vector<Candidate>& candidates) {
  Napi::Array array = Napi::Array::New(env, candidates.size());
  for (uint32_t i = 0; i < candidates.size(); i++) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("fraction", candidates[i].fraction);
    setEvaluation(object, candidates[i].evaluation);
    array[i] = object;
  }
  return array;
}

Napi::Object toObject(Napi::Env env, const UpdateTiming& timing) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("prepare", timing.prepare);
  object.Set("gradient", timing.gradient);
  object.Set("solve", timing.solve);
  object.Set("lineSearch", timing.lineSearch);
  object.Set("total", timing.total);
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
  object.Set("solver", naturalSolverName(summary.solver));
  object.Set("preconditioner", preconditionerName(summary.preconditioner));
  object.Set("preconditionerRefreshed", summary.preconditionerRefreshed);
  object.Set("warmStarted", summary.warmStarted);
  object.Set("damping", summary.damping);
  object.Set("fisherRows", static_cast<double>(summary.fisherRows));
  object.Set("conjugateGradient", binding::toObject(env, summary.conjugateGradient));
  return object;
}

Napi::Object toObject(Napi::Env env, const UpdateDiagnostics& diagnostics) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("klEdges", toArray(env, diagnostics.klEdges));
  object.Set("klCounts", toArray(env, diagnostics.klCounts));
  object.Set("largestAdvantage", diagnostics.largestAdvantage);
  object.Set("meanRatioAdvantage", diagnostics.meanRatioAdvantage);
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
  object.Set("value", value.value);
  object.Set("surrogate", value.surrogate);
  object.Set("meanKl", value.meanKl);
  object.Set("entropy", value.entropy);
  object.Set("clipFraction", value.clipFraction);
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
  object.Set("kl", kl);
  object.Set("logRatio", logRatio);
  return object;
}

Napi::Object toObject(Napi::Env env, const Evaluation& evaluation) {
  Napi::Object object = Napi::Object::New(env);
  setEvaluation(object, evaluation);
  return object;
}

Napi::Object toObject(Napi::Env env, const ConjugateGradientSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("iterations", summary.iterations);
  object.Set("products", summary.products);
  object.Set("residualNorm", summary.residualNorm);
  object.Set("relativeResidual", summary.relativeResidual);
  object.Set("quadraticModel", summary.quadraticModel);
  object.Set("stop", conjugateGradientStopName(summary.stop));
  return object;
}

Napi::Object toObject(Napi::Env env, const LineSearchSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("stop", lineSearchStopName(summary.stop));
  object.Set("candidates", toArray(env, summary.candidates));
  return object;
}

Napi::Object toObject(Napi::Env env, const NaturalDirection& found, double seconds) {
  Napi::Object object = toObject(env, found.summary);
  object.Set("status", updateStatusName(found.status));
  object.Set("slope", found.slope);
  object.Set("curvature", found.curvature);
  object.Set("seconds", seconds);
  return object;
}

Napi::Object toObject(Napi::Env env, const UpdateSummary& summary, uint64_t version) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("status", updateStatusName(summary.status));
  object.Set("surrogateBefore", summary.surrogateBefore);
  object.Set("surrogateAfter", summary.surrogateAfter);
  object.Set("expectedImprovement", summary.expectedImprovement);
  object.Set("actualImprovement", summary.actualImprovement);
  object.Set("meanKl", summary.meanKl);
  object.Set("maxKl", summary.maxKl);
  object.Set("entropyBefore", summary.entropyBefore);
  object.Set("entropyAfter", summary.entropyAfter);
  object.Set("effectiveSampleSize", summary.effectiveSampleSize);
  object.Set("gradientNorm", summary.gradientNorm);
  object.Set("stepScale", summary.stepScale);
  object.Set("stepFraction", summary.stepFraction);
  object.Set("stepNorm", summary.stepNorm);
  object.Set("backtracks", summary.backtracks);
  object.Set("gradientSteps", summary.gradientSteps);
  object.Set("epochs", summary.epochs);
  object.Set("multiplier", summary.multiplier);
  object.Set("klPenalty", summary.klPenalty);
  object.Set("clipFraction", summary.clipFraction);
  object.Set("naturalDirection", summary.hasNaturalDirection
                                     ? toObject(env, summary.naturalDirection).As<Napi::Value>()
                                     : env.Null());
  object["diagnostics"] =
      summary.hasDiagnostics ? toObject(env, summary.diagnostics).As<Napi::Value>() : env.Null();
  object.Set("candidates", toArray(env, summary.candidates));
  object.Set("timing", toObject(env, summary.timing));
  object.Set("version", static_cast<double>(version));
  return object;
}

Napi::Object toObject(Napi::Env env, const FitSummary& summary) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("lossBefore", summary.lossBefore);
  object.Set("lossAfter", summary.lossAfter);
  object.Set("explainedVarianceBefore", summary.explainedVarianceBefore);
  object.Set("explainedVarianceAfter", summary.explainedVarianceAfter);
  object.Set("solver", summary.solver == FitSolver::adam ? "adam" : "gaussNewton");
  object.Set("minibatches", static_cast<double>(summary.minibatches));
  object.Set("iterations", static_cast<double>(summary.gaussNewton.iterations));
  object.Set("acceptedSteps", static_cast<double>(summary.gaussNewton.acceptedSteps));
  object.Set("products", static_cast<double>(summary.gaussNewton.products));
  object.Set("damping", summary.gaussNewton.damping);
  object.Set("seconds", summary.seconds);
  return object;
}

Napi::Object toObject(Napi::Env env, const RunningNormalizer& normalizer) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("count", normalizer.count());
  object.Set("mean", toFloat64Array(env, normalizer.mean()));
  object.Set("squaredDeviations", toFloat64Array(env, normalizer.squaredDeviations()));
  return object;
}

}  // namespace trustregion::binding
