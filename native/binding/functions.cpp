#include "binding/functions.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "binding/arguments.h"
#include "binding/options.h"
#include "binding/results.h"
#include "core/advantages.h"
#include "core/backend.h"
#include "core/thread_pool.h"

namespace trustregion::binding {
namespace {

Napi::Value backends(const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = supportedBackendNames();
  Napi::Array array = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) array[i] = names[i];
  return array;
}

Napi::Value defaultThreadCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), defaultThreads());
}

void advantages(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Options options(env, info[0], "inputs");
  AdvantageInputs inputs;
  inputs.steps = options.count("steps", 0, kMaxRows);
  inputs.environments = options.count("environments", 1, kMaxRows);
  const AdvantageOptions how = readAdvantageOptions(options);
  const napi_value rewards = options.value("rewards");
  const napi_value values = options.value("values");
  const napi_value terminated = options.value("terminated");
  const napi_value truncated = options.value("truncated");
  const napi_value finalValues = options.value("finalValues");
  const napi_value lastValues = options.value("lastValues");

  inputs.rewards = readFloats(env, rewards, "rewards");
  inputs.values = readFloats(env, values, "values");
  inputs.terminated = readBytes(env, terminated, "terminated");
  inputs.truncated = readBytes(env, truncated, "truncated");
  inputs.finalValues = readFloats(env, finalValues, "finalValues");
  inputs.lastValues = readFloats(env, lastValues, "lastValues");
  estimateAdvantages(inputs, how, readDoubles(env, info[1], "advantages"),
                     readDoubles(env, info[2], "returns"));
}

void normalizeAdvantagesInPlace(const Napi::CallbackInfo& info) {
  normalizeAdvantages(readDoubles(info.Env(), info[0], "advantages"));
}

Napi::Value explainedVarianceOf(const Napi::CallbackInfo& info) {
  const NumberSpan values = readFloats(info.Env(), info[0], "values");
  const NumberSpan returns = readFloats(info.Env(), info[1], "returns");
  requireLength(values.size(), returns.size(), "values", "the length of returns");
  return Napi::Number::New(info.Env(), explainedVariance(values, returns));
}

// A JavaScript function (vector, out) => void as a linear operator. Every product goes through the
// same two arrays, which the caller's function must not keep.
class JavaScriptOperator {
 public:
  JavaScriptOperator(Napi::Function function, const char* name, size_t size)
      : env_(function.Env()),
        function_(function),
        name_(name),
        vector_(Napi::Float64Array::New(env_, size)),
        out_(Napi::Float64Array::New(env_, size)) {}

  void operator()(std::span<const double> vector, std::span<double> product) const {
    const Napi::HandleScope scope(env_);
    const std::span<double> to = contents(vector_);
    std::copy(vector.begin(), vector.end(), to.begin());
    // So that an element that the function forgets to write does not pass for a result.
    const std::span<double> unwritten = contents(out_);
    std::fill(unwritten.begin(), unwritten.end(), std::numeric_limits<double>::quiet_NaN());
    const napi_value arguments[] = {vector_, out_};
    napi_value result = nullptr;
    requireOk(env_, napi_call_function(env_, env_.Undefined(), function_, 2, arguments, &result));
    const std::span<double> from = contents(out_);
    std::copy(from.begin(), from.end(), product.begin());
  }

 private:
  // Looked at anew each time, because the function may have transferred the array's memory away.
  std::span<double> contents(const Napi::Float64Array& array) const {
    const std::span<double> values = readDoubles(env_, array, name_);
    if (values.empty()) {
      throw Error(ErrorCode::shapeMismatch,
                  std::string(name_) + " must not detach the arrays that it is given");
    }
    return values;
  }

  Napi::Env env_;
  Napi::Function function_;
  const char* name_;
  Napi::Float64Array vector_;
  Napi::Float64Array out_;
};

Napi::Value solveByConjugateGradient(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Function apply = readFunction(env, info[0], "apply");
  const ConjugateGradientOptions options =
      readConjugateGradientOptions(Options(env, info[2], "options"));
  // The core works on copies: while the callbacks run, the memory of these arrays may go away.
  const NumberSpan b = readFloats(env, info[1], "rightHandSide");
  const size_t size = b.size();
  if (size == 0) throw Error(ErrorCode::shapeMismatch, "rightHandSide must not be empty");
  const auto resultArray = [&](size_t index, const char* name) {
    const std::span<double> array = readDoubles(env, info[index], name);
    requireLength(array.size(), size, name, "the length of rightHandSide");
    return array;
  };
  resultArray(3, "solution");
  resultArray(4, "residual");
  std::vector<double> rightHandSide(size);
  std::vector<double> solution(size);
  std::vector<double> residual(size);
  b.copyTo(rightHandSide.data());

  LinearOperator preconditioner;
  if (!info[5].IsUndefined()) {
    preconditioner =
        JavaScriptOperator(readFunction(env, info[5], "preconditioner"), "preconditioner", size);
  }
  const ConjugateGradientSummary summary =
      conjugateGradient(JavaScriptOperator(apply, "apply", size), rightHandSide, solution, options,
                        residual, preconditioner);
  const std::span<double> solutionOut = resultArray(3, "solution");
  const std::span<double> residualOut = resultArray(4, "residual");
  std::copy(solution.begin(), solution.end(), solutionOut.begin());
  std::copy(residual.begin(), residual.end(), residualOut.begin());
  return toObject(env, summary);
}

Napi::Value lineSearch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Function function = readFunction(env, info[0], "evaluate");
  const double surrogateBefore = readNumber(env, info[1], "surrogateBefore");
  const double expectedImprovement = readNumber(env, info[2], "expectedImprovement");
  const Options object(env, info[3], "options");
  const LineSearchKind kind = readLineSearchKind(object, "kind");
  const LineSearchOptions options = readLineSearchOptions(object, kind);
  const auto evaluate = [&](double fraction) {
    const Napi::HandleScope scope(env);
    const napi_value argument = Napi::Number::New(env, fraction);
    napi_value result = nullptr;
    requireOk(env, napi_call_function(env, env.Undefined(), function, 1, &argument, &result));
    return readEvaluation(Options(env, result, "evaluation"));
  };
  const auto search =
      kind == LineSearchKind::boundary ? boundaryLineSearch : backtrackingLineSearch;
  const auto expected = [=](double fraction) { return fraction * expectedImprovement; };
  return toObject(env, search(evaluate, surrogateBefore, expected, options));
}

template <auto function>
void define(Napi::Env env, Napi::Object exports, const char* name) {
  napi_value value = nullptr;
  requireOk(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callFunction<function>, nullptr,
                                      &value));
  exports.Set(name, value);
}

}  // namespace

void defineFunctions(Napi::Env env, Napi::Object exports) {
  define<backends>(env, exports, "backends");
  define<defaultThreadCount>(env, exports, "defaultThreads");
  define<advantages>(env, exports, "advantages");
  define<normalizeAdvantagesInPlace>(env, exports, "normalizeAdvantages");
  define<explainedVarianceOf>(env, exports, "explainedVariance");
  define<solveByConjugateGradient>(env, exports, "conjugateGradient");
  define<lineSearch>(env, exports, "lineSearch");
}

}  // namespace trustregion::binding
