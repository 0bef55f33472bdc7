#pragma once

#include <vector>

#include "binding/napi_setup.h"
#include "core/conjugate_gradient.h"
#include "core/line_search.h"
#include "core/natural_direction.h"
#include "core/normalizer.h"
#include "core/update_summary.h"
#include "core/value_function.h"

// The core's summaries as the objects that lib/native.ts describes.

namespace trustregion::binding {

Napi::Object toObject(Napi::Env env, const Evaluation& evaluation);
Napi::Object toObject(Napi::Env env, const ObjectiveValue& value);
Napi::Object toObject(Napi::Env env, const std::vector<RowComparison>& comparisons);
Napi::Object toObject(Napi::Env env, const ConjugateGradientSummary& summary);
Napi::Object toObject(Napi::Env env, const LineSearchSummary& summary);
// `seconds` that the solve took; the direction itself goes elsewhere.
Napi::Object toObject(Napi::Env env, const NaturalDirection& found, double seconds);
Napi::Object toObject(Napi::Env env, const UpdateSummary& summary, uint64_t version);
Napi::Object toObject(Napi::Env env, const FitSummary& summary);
Napi::Object toObject(Napi::Env env, const RunningNormalizer& normalizer);
Napi::Float64Array toFloat64Array(Napi::Env env, const std::vector<double>& numbers);

}  // namespace trustregion::binding
