#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "binding/errors.h"
#include "binding/napi_setup.h"

namespace trustregion::binding {

// What the JavaScript classes of the addon share. T derives from ClassWrap<T> and has
//
//   static constexpr const char* kName;       the name of the class in JavaScript
//   static constexpr napi_type_tag kTypeTag;  random, different for each class
//
// Napi::ObjectWrap ties T's life to the JavaScript object. The methods are registered by method()
// and getter() below instead of ObjectWrap's own: those trust the receiver, and a getter of one
// class that is called on an object of another would read its memory as the wrong type.
template <class T>
class ClassWrap : public Napi::ObjectWrap<T> {
 public:
  explicit ClassWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {
    napi_type_tag_object(info.Env(), info.This(), &T::kTypeTag);
  }

  // The C++ object inside the receiver of a call; throws if it is not a T.
  static T& unwrap(napi_env env, napi_value receiver) {
    T* object = find(env, receiver);
    if (object == nullptr) {
      throw Error(ErrorCode::invalidArgument,
                  std::string("this method belongs to ") + T::kName + " and needs one as `this`");
    }
    return *object;
  }

  // The same for an argument of that name.
  static T& unwrapArgument(napi_env env, napi_value value, const char* name) {
    T* object = find(env, value);
    if (object == nullptr) {
      throw Error(ErrorCode::invalidArgument, std::string(name) + " must be a native " + T::kName);
    }
    return *object;
  }

 protected:
  using Property = Napi::ClassPropertyDescriptor<T>;

  // `function` is a member function of T that takes the CallbackInfo and returns a Napi::Value or
  // nothing.
  template <auto function>
  static Property method(const char* name) {
    return napi_property_descriptor{name,    nullptr, call<function>,      nullptr,
                                    nullptr, nullptr, napi_default_method, nullptr};
  }

  template <auto function>
  static Property getter(const char* name) {
    return napi_property_descriptor{name,    nullptr, nullptr,         call<function>,
                                    nullptr, nullptr, napi_enumerable, nullptr};
  }

 private:
  // Null if `value` is not a T.
  static T* find(napi_env env, napi_value value) {
    bool isT = false;
    void* object = nullptr;
    if (napi_check_object_type_tag(env, value, &T::kTypeTag, &isT) != napi_ok || !isT ||
        napi_unwrap(env, value, &object) != napi_ok) {
      return nullptr;
    }
    return static_cast<T*>(object);
  }

  template <auto function>
  static napi_value call(napi_env env, napi_callback_info rawInfo) {
    return guarded(env, [&]() -> napi_value {
      const Napi::CallbackInfo info(env, rawInfo);
      T& self = unwrap(env, info.This());
      if constexpr (std::is_void_v<decltype((self.*function)(info))>) {
        (self.*function)(info);
        return nullptr;  // undefined
      } else {
        return (self.*function)(info);
      }
    });
  }
};

// Native memory that the garbage collector is told about, because it cannot see it: without this
// it would let small JavaScript objects that hold megabytes pile up.
class ReportedMemory {
 public:
  ReportedMemory() = default;
  ReportedMemory(const ReportedMemory&) = delete;
  ReportedMemory& operator=(const ReportedMemory&) = delete;
  ~ReportedMemory() { release(); }

  void report(napi_env env, size_t bytes) {
    release();
    env_ = env;
    adjust(static_cast<int64_t>(bytes));
  }

  void release() {
    if (bytes_ != 0) adjust(-bytes_);
  }

 private:
  void adjust(int64_t change) {
    int64_t total = 0;
    if (napi_adjust_external_memory(env_, change, &total) == napi_ok) bytes_ += change;
  }

  napi_env env_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace trustregion::binding
