#include "binding/addon_data.h"
#include "binding/errors.h"
#include "binding/fisher_operator_wrap.h"
#include "binding/functions.h"
#include "binding/method_wrap.h"
#include "binding/policy_wrap.h"
#include "binding/value_function_wrap.h"

namespace trustregion::binding {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  guarded(env, [&]() -> napi_value {
    auto* data = new AddonData;
    env.SetInstanceData(data);  // deletes it when the environment ends
    data->fisherOperator = Napi::Persistent(FisherOperatorWrap::define(env));
    exports.Set(MethodWrap::kName, MethodWrap::define(env));
    exports.Set(PolicyWrap::kName, PolicyWrap::define(env));
    exports.Set(ValueFunctionWrap::kName, ValueFunctionWrap::define(env));
    defineFunctions(env, exports);
    return exports;
  });
  return exports;
}

}  // namespace trustregion::binding

using trustregion::binding::initialize;
NODE_API_MODULE(trustregion, initialize)
