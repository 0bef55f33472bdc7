#pragma once

#include <exception>
#include <string>
#include <type_traits>

#include "binding/napi_setup.h"
#include "core/error.h"

namespace trustregion::binding {

// The `code` of the JavaScript error: the only table from ErrorCode to its string.
const char* errorCodeName(ErrorCode code);

// Thrown after a Node-API call left a JavaScript exception pending (a callback or a getter of the
// caller threw): unwinds the C++ stack, and the exception then goes on to the caller unchanged.
struct PendingException {};

// Throws unless `status` is napi_ok: PendingException, or ErrorCode::internal.
void requireOk(napi_env env, napi_status status);

// A JavaScript Error with `code` and `message`, made from any C++ exception.
napi_value toJavaScriptError(napi_env env, const std::exception_ptr& exception);

// Throws the C++ exception that is being handled as a JavaScript exception.
void throwCurrentException(napi_env env) noexcept;

// Runs the body of an exported function, which returns something that converts to napi_value. All
// of them go through here, so no C++ exception reaches Node, which could only abort.
template <class Body>
napi_value guarded(napi_env env, Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    throwCurrentException(env);
  }
  return nullptr;
}

// A Node-API callback that runs `function`, a free function returning Napi::Value or void.
template <auto function>
napi_value callFunction(napi_env env, napi_callback_info rawInfo) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, rawInfo);
    if constexpr (std::is_void_v<decltype(function(info))>) {
      function(info);
      return nullptr;  // undefined
    } else {
      return function(info);
    }
  });
}

}  // namespace trustregion::binding
