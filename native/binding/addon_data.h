#pragma once

#include "binding/napi_setup.h"

namespace trustregion::binding {

// What the addon keeps for each environment: the main thread and every worker has its own.
struct AddonData {
  Napi::FunctionReference fisherOperator;  // the class, for Policy.fisherOperator()

  static AddonData& of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace trustregion::binding
