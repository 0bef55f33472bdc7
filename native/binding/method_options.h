#pragma once

#include "binding/arguments.h"
#include "core/update.h"

namespace trustregion::binding {

// The options of a method as lib/ has resolved them (NativeMethodOptions of lib/native.ts) as the
// core's structs. `kind` is the name of the method's class. Options without a meaning beside the
// others are absent and keep the core's default. What lib/ has checked is checked again only where
// memory safety and termination rest on it.
NaturalDirectionOptions readNaturalDirectionOptions(const Options& options);
MethodOptions readMethodOptions(const std::string& kind, const Options& options);

}  // namespace trustregion::binding
