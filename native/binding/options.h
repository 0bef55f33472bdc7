#pragma once

#include "binding/arguments.h"
#include "core/advantages.h"
#include "core/conjugate_gradient.h"
#include "core/line_search.h"
#include "core/policy.h"
#include "core/value_function.h"

// The option objects of lib/native.ts as the core's structs. lib/ has checked them with good
// sentences; what is checked again here are the types, and the ranges that memory safety and
// termination rest on.

namespace trustregion::binding {

PolicyConfig readPolicyConfig(napi_env env, napi_value config);
ValueFunctionConfig readValueFunctionConfig(napi_env env, napi_value config);
ConjugateGradientOptions readConjugateGradientOptions(const Options& options);
LineSearchKind readLineSearchKind(const Options& options, const char* key);
LineSearchOptions readLineSearchOptions(const Options& options, LineSearchKind kind);
// `name` is what messages call it.
FisherEstimator fisherEstimatorFromName(const std::string& estimator, const std::string& name);
Objective readObjective(const Options& options);
AdvantageOptions readAdvantageOptions(const Options& options);
FitOptions readFitOptions(const Options& options);
Evaluation readEvaluation(const Options& evaluation);

}  // namespace trustregion::binding
