#pragma once

#include "binding/napi_setup.h"

namespace trustregion::binding {

// Adds the functions of NativeAddon in lib/native.ts to the addon's exports.
void defineFunctions(Napi::Env env, Napi::Object exports);

}  // namespace trustregion::binding
