#pragma once

#include <vector>

#include "binding/arguments.h"
#include "core/policy.h"

namespace trustregion::binding {

// A NativeBatch of lib/native.ts whose properties have been read but whose arrays have not been
// looked at yet.
struct BatchArrays {
  BatchArrays(napi_env env, napi_value batch);

  napi_value observations;
  napi_value actions;
  napi_value advantages;
};

// Views of a batch, of lengths that are still to be checked.
RolloutView viewOf(napi_env env, const BatchArrays& arrays);

// Throw ErrorCode::shapeMismatch.
void requireActions(const Policy& policy, const NumberSpan& actions, size_t rows);
void requireAdvantages(const NumberSpan& advantages, size_t rows);
std::vector<double> copyParameters(const Policy& policy, const NumberSpan& parameters);

}  // namespace trustregion::binding
