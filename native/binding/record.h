#pragma once

#include <span>
#include <variant>
#include <vector>

#include "binding/addon_data.h"
#include "binding/napi_setup.h"

namespace trustregion::binding {

// A number, a truth value, a text, or anything that JavaScript has made, by its name.
struct Property {
  const char* name;
  std::variant<double, bool, const char*, napi_value> value;
};
using Properties = std::vector<Property>;

// Calls `maker`, a function that JavaScript compiles once for objects of these names. A property
// that is set from here, by its name, takes most of a microsecond, and an update has seventy.
Napi::Object makeRecord(Napi::Env env, Napi::FunctionReference& maker,
                        const Properties& properties);

// An object of these properties, whose names are the same in every call for this type of results.
template <class Result>
Napi::Object record(Napi::Env env, const Properties& properties) {
  static constexpr char kKey = 0;
  return makeRecord(env, AddonData::of(env).recordMakers[&kKey], properties);
}

}  // namespace trustregion::binding
