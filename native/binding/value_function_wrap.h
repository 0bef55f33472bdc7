#pragma once

#include <memory>

#include "binding/arguments.h"
#include "binding/class_wrap.h"
#include "core/value_function.h"

namespace trustregion::binding {

// NativeValueFunction of lib/native.ts.
class ValueFunctionWrap : public ClassWrap<ValueFunctionWrap> {
 public:
  static constexpr const char* kName = "ValueFunction";
  static constexpr napi_type_tag kTypeTag = {0xd5473c08b9e16f2a, 0x81a6f9d07b2c5e43};

  static Napi::Function define(Napi::Env env);
  explicit ValueFunctionWrap(const Napi::CallbackInfo& info);

 private:
  class FitJob;

  // The value function; throws ErrorCode::closed after close().
  ValueFunction& open() const;
  // The same for methods that change it; throws ErrorCode::busy too.
  ValueFunction& idle() const;
  void requireNotBusy() const;
  size_t rowsOf(const NumberSpan& observations) const;

  Napi::Value backend(const Napi::CallbackInfo& info);
  Napi::Value parameterCount(const Napi::CallbackInfo& info);
  Napi::Value version(const Napi::CallbackInfo& info);
  Napi::Value busy(const Napi::CallbackInfo& info);
  Napi::Value closed(const Napi::CallbackInfo& info);

  void predict(const Napi::CallbackInfo& info);
  Napi::Value fit(const Napi::CallbackInfo& info);
  void getParameters(const Napi::CallbackInfo& info);
  void setParameters(const Napi::CallbackInfo& info);
  Napi::Value getState(const Napi::CallbackInfo& info);
  void setState(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  // Shared with a running fit. Null when closed.
  std::shared_ptr<ValueFunction> valueFunction_;
  bool busy_ = false;
  ReportedMemory memory_;
};

}  // namespace trustregion::binding
