#pragma once

#include <unordered_map>

#include "binding/napi_setup.h"

namespace trustregion::binding {

// What the addon keeps for each environment: the main thread and every worker has its own.
struct AddonData {
  Napi::FunctionReference fisherOperator;  // the class, for Policy.fisherOperator()
  std::unordered_map<const void*, Napi::FunctionReference> recordMakers;  // see record.h

  static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace trustregion::binding
