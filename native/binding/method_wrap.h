#pragma once

#include <memory>
#include <string>

#include "binding/arguments.h"
#include "binding/class_wrap.h"
#include "core/policy.h"

namespace trustregion::binding {

// NativeMethod of lib/native.ts: the options of a method, and what its last update left to the
// next.
class MethodWrap : public ClassWrap<MethodWrap> {
 public:
  static constexpr const char* kName = "Method";
  static constexpr napi_type_tag kTypeTag = {0x92d4b7e06c1f3a58, 0x47e8c05d9b21f6a3};

  static Napi::Function define(Napi::Env env);
  explicit MethodWrap(const Napi::CallbackInfo& info);

  // An update of `policy` with the method as it is, its rollout still to be filled in. Throws
  // ErrorCode::busy while another update works with the state, and ErrorCode::invalidArgument if
  // the state was left by an update of another policy, whose vectors may be of another length.
  UpdateRequest makeRequest(const Policy& policy) const;
  // The same with other options, for this update alone; `undefined`: the method's own.
  UpdateRequest makeRequest(const Policy& policy, Napi::Env env, const Napi::Value& options) const;
  void setBusy(bool busy) { busy_ = busy; }
  // Keeps what an update of `policy` left.
  void publish(napi_env env, const std::shared_ptr<const Policy>& policy, MethodState state);

 private:
  Napi::Value busy(const Napi::CallbackInfo& info);

  std::string kind_;
  UpdateRequest next_;                  // the options, and the state that the last update left
  std::weak_ptr<const Policy> policy_;  // that the state belongs to
  bool hasState_ = false;
  bool busy_ = false;
  ReportedMemory memory_;
};

}  // namespace trustregion::binding
