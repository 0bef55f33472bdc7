#pragma once

#include <memory>
#include <vector>

#include "binding/arguments.h"
#include "binding/class_wrap.h"
#include "core/policy.h"

namespace trustregion::binding {

// NativePolicy of lib/native.ts.
class PolicyWrap : public ClassWrap<PolicyWrap> {
 public:
  static constexpr const char* kName = "Policy";
  static constexpr napi_type_tag kTypeTag = {0x6c1f0a57d2b94e38, 0x9e7703b1c46d8af5};

  static Napi::Function define(Napi::Env env);
  explicit PolicyWrap(const Napi::CallbackInfo& info);

 private:
  class UpdateJob;

  // The policy; throws ErrorCode::closed after close().
  Policy& open() const;
  // The same for methods that change it; throws ErrorCode::busy too.
  Policy& idle() const;
  void requireNotBusy() const;
  size_t rowsOf(const NumberSpan& observations) const;

  Napi::Value backend(const Napi::CallbackInfo& info);
  Napi::Value precision(const Napi::CallbackInfo& info);
  Napi::Value productPrecision(const Napi::CallbackInfo& info);
  Napi::Value threads(const Napi::CallbackInfo& info);
  Napi::Value parameterCount(const Napi::CallbackInfo& info);
  Napi::Value headSize(const Napi::CallbackInfo& info);
  Napi::Value version(const Napi::CallbackInfo& info);
  Napi::Value busy(const Napi::CallbackInfo& info);
  Napi::Value closed(const Napi::CallbackInfo& info);

  void getParameters(const Napi::CallbackInfo& info);
  void setParameters(const Napi::CallbackInfo& info);
  Napi::Value getNormalizer(const Napi::CallbackInfo& info);
  void setNormalizer(const Napi::CallbackInfo& info);
  void updateNormalizer(const Napi::CallbackInfo& info);

  void act(const Napi::CallbackInfo& info);
  void seed(const Napi::CallbackInfo& info);
  void forward(const Napi::CallbackInfo& info);
  void logProbability(const Napi::CallbackInfo& info);
  void entropy(const Napi::CallbackInfo& info);

  void gradient(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value objectiveGradient(const Napi::CallbackInfo& info);
  Napi::Value naturalDirection(const Napi::CallbackInfo& info);
  Napi::Value compareRows(const Napi::CallbackInfo& info);
  Napi::Value fisherOperator(const Napi::CallbackInfo& info);

  Napi::Value update(const Napi::CallbackInfo& info);
  // What the updates of a method left it, as numbers, and back.
  Napi::Value getMethodState(const Napi::CallbackInfo& info);
  void setMethodState(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  // Shared with running updates and Fisher operators, which outlive close(). Null when closed.
  std::shared_ptr<Policy> policy_;
  bool busy_ = false;
  std::vector<double> actions_;  // scratch of act(), so that it allocates nothing
  ReportedMemory memory_;
};

}  // namespace trustregion::binding
