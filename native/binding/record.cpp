#include "binding/record.h"

#include <string>

namespace trustregion::binding {
namespace {

// (first, second, ...) => ({first, second, ...})
Napi::Function compileMaker(Napi::Env env, const Properties& properties) {
  std::string names;
  for (const Property& property : properties) names += std::string(property.name) + ",";
  return env.RunScript("(" + names + ") => ({" + names + "})").As<Napi::Function>();
}

}  // namespace

Napi::Object makeRecord(Napi::Env env, Napi::FunctionReference& maker,
                        const Properties& properties) {
  if (maker.IsEmpty()) maker = Napi::Persistent(compileMaker(env, properties));
  std::vector<napi_value> values;
  values.reserve(properties.size());
  for (const Property& property : properties) {
    values.push_back(std::visit(
        [&](auto value) -> napi_value { return Napi::Value::From(env, value); }, property.value));
  }
  return maker.Call(values).As<Napi::Object>();
}

}  // namespace trustregion::binding
