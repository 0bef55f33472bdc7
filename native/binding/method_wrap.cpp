#include "binding/method_wrap.h"

#include <string>
#include <utility>

#include "binding/method_options.h"

namespace trustregion::binding {
namespace {

// What the vectors and matrices of a state take.
size_t stateBytes(const MethodState& state, const PolicyModel& model) {
  const NaturalDirectionState& natural = state.naturalDirection;
  size_t numbers = natural.direction.size();
  if (natural.diagonal) numbers += natural.diagonal->size();
  if (natural.kronecker) {
    for (const LayerLayout& layer : model.network.layers()) {
      numbers += (layer.inputs + 1) * (layer.inputs + 1) + layer.outputs * layer.outputs;
    }
  }
  if (state.adam) numbers += 2 * model.parameterCount();
  return numbers * sizeof(double);
}

void readOptions(const std::string& kind, const Options& options, UpdateRequest& request) {
  request.options = readMethodOptions(kind, options);
  request.normalizeAdvantages = options.boolean("normalizeAdvantages");
  request.diagnostics = options.isOn("diagnostics");
}

}  // namespace

Napi::Function MethodWrap::define(Napi::Env env) {
  return DefineClass(env, kName, {getter<&MethodWrap::busy>("busy")});
}

MethodWrap::MethodWrap(const Napi::CallbackInfo& info) : ClassWrap(info) {
  // On failure the exception is pending, so JavaScript never sees this half-made object.
  guarded(info.Env(), [&] {
    kind_ = readText(info.Env(), info[0], "kind");
    readOptions(kind_, Options(info.Env(), info[1], "options"), next_);
    return nullptr;
  });
}

UpdateRequest MethodWrap::makeRequest(const Policy& policy) const {
  if (busy_) {
    throw Error(ErrorCode::busy,
                "the method is busy: an update with it is running; await it first");
  }
  if (hasState_ && policy_.lock().get() != &policy) {
    throw Error(ErrorCode::invalidArgument,
                "method must be one that has not updated another policy");
  }
  return next_;
}

UpdateRequest MethodWrap::makeRequest(const Policy& policy, Napi::Env env,
                                      const Napi::Value& options) const {
  UpdateRequest request = makeRequest(policy);
  if (!options.IsUndefined()) readOptions(kind_, Options(env, options, "options"), request);
  return request;
}

void MethodWrap::publish(napi_env env, const std::shared_ptr<const Policy>& policy,
                         MethodState state) {
  memory_.report(env, stateBytes(state, policy->model()));
  next_.state = std::move(state);
  policy_ = policy;
  hasState_ = true;
}

Napi::Value MethodWrap::busy(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), busy_);
}

}  // namespace trustregion::binding
