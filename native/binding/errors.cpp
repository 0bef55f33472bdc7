#include "binding/errors.h"

#include <new>

namespace trustregion::binding {
namespace {

struct CodedMessage {
  const char* code;
  std::string message;
};

// What the C++ exception that is being handled says.
CodedMessage describeCurrentException() {
  try {
    throw;
  } catch (const Error& error) {
    return {errorCodeName(error.code()), error.what()};
  } catch (const std::bad_alloc&) {
    return {errorCodeName(ErrorCode::internal), "there is not enough memory"};
  } catch (const std::exception& error) {
    return {errorCodeName(ErrorCode::internal), error.what()};
  } catch (...) {
    return {errorCodeName(ErrorCode::internal), "an unknown C++ exception was thrown"};
  }
}

}  // namespace

const char* errorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalidArgument:
      return "ERR_INVALID_ARGUMENT";
    case ErrorCode::shapeMismatch:
      return "ERR_SHAPE_MISMATCH";
    case ErrorCode::notFinite:
      return "ERR_NOT_FINITE";
    case ErrorCode::outOfRange:
      return "ERR_OUT_OF_RANGE";
    case ErrorCode::unknownBackend:
      return "ERR_BACKEND";
    case ErrorCode::busy:
      return "ERR_BUSY";
    case ErrorCode::closed:
      return "ERR_CLOSED";
    case ErrorCode::internal:
      break;
  }
  return "ERR_INTERNAL";
}

void requireOk(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  // A terminating environment reports a pending exception without having one.
  bool pending = status == napi_pending_exception;
  if (!pending) napi_is_exception_pending(env, &pending);
  if (pending) throw PendingException();
  throw Error(ErrorCode::internal, "a Node-API call failed with status " + std::to_string(status));
}

napi_value toJavaScriptError(napi_env env, const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (...) {
    const CodedMessage described = describeCurrentException();
    napi_value code = nullptr;
    napi_value message = nullptr;
    napi_value error = nullptr;
    requireOk(env, napi_create_string_utf8(env, described.code, NAPI_AUTO_LENGTH, &code));
    requireOk(env,
              napi_create_string_utf8(env, described.message.c_str(), NAPI_AUTO_LENGTH, &message));
    requireOk(env, napi_create_error(env, code, message, &error));
    return error;
  }
}

void throwCurrentException(napi_env env) noexcept {
  // The statuses are not looked at: these calls fail only where an exception is pending already or
  // where the environment is being torn down, and neither leaves anything to do.
  try {
    throw;
  } catch (const PendingException&) {
  } catch (const Napi::Error& error) {
    napi_throw(env, error.Value());
  } catch (...) {
    const CodedMessage described = describeCurrentException();
    napi_throw_error(env, described.code, described.message.c_str());
  }
}

}  // namespace trustregion::binding
