#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "binding/errors.h"
#include "binding/napi_setup.h"
#include "core/aligned_memory.h"
#include "core/number_span.h"

// Readers of what comes from JavaScript. Each throws ErrorCode::invalidArgument for a value of the
// wrong kind; `name` is what the sentence calls it.
//
// A view into a typed array is good until JavaScript runs again: it may detach or shrink the
// memory. Reading a property of an object may run a getter, so functions that take both read all
// properties first and make all views after.

namespace trustregion::binding {

// Float32Array or Float64Array.
NumberSpan readFloats(napi_env env, napi_value value, const char* name);
// Float32Array, Float64Array or Int32Array.
NumberSpan readNumbers(napi_env env, napi_value value, const char* name);
// Float64Array, read or written in place.
std::span<double> readDoubles(napi_env env, napi_value value, const char* name);
std::span<const uint8_t> readBytes(napi_env env, napi_value value, const char* name);

// A typed array of the caller that receives doubles, converted to its type.
class NumberOutput {
 public:
  NumberOutput(napi_env env, napi_value value, const char* name)
      : NumberOutput(readNumbers(env, value, name)) {}
  // Without Int32Array.
  static NumberOutput ofFloats(napi_env env, napi_value value, const char* name) {
    return NumberOutput(readFloats(env, value, name));
  }

  size_t size() const { return to_.size(); }
  bool isInteger() const { return to_.type() == NumberSpan::Type::int32; }
  // Reads size() values.
  void store(const double* values) const;

 private:
  explicit NumberOutput(NumberSpan to) : to_(to) {}

  NumberSpan to_;
};

// Numbers of the caller that another thread reads while JavaScript goes on. Shared memory is read
// where it is (the caller must not write to it meanwhile) and only needs its array referenced.
// Other memory is copied, because JavaScript could free it under the reader by transferring or
// shrinking its buffer.
class HeldNumbers {
 public:
  HeldNumbers() = default;
  HeldNumbers(napi_env env, napi_value array, NumberSpan view);

  NumberSpan span() const { return span_; }

 private:
  NumberSpan span_;
  UninitializedVector<std::byte> copy_;  // of the memory that updates use again
  Napi::ObjectReference reference_;
};

double readNumber(napi_env env, napi_value value, const std::string& name);
bool readBoolean(napi_env env, napi_value value, const char* name);
std::string readText(napi_env env, napi_value value, const std::string& name);
// An integer from minimum to maximum; both are at most 2^53. Throws ErrorCode::outOfRange too.
uint64_t readCount(napi_env env, napi_value value, const std::string& name, uint64_t minimum,
                   uint64_t maximum);
Napi::Function readFunction(napi_env env, napi_value value, const char* name);

// The value beside the one of the given names that was chosen.
template <class Choice>
Choice chosenFrom(std::initializer_list<std::pair<const char*, Choice>> choices,
                  const std::string& chosen, const std::string& name) {
  for (const auto& [candidate, value] : choices) {
    if (chosen == candidate) return value;
  }
  throw Error(ErrorCode::invalidArgument, name + " cannot be '" + chosen + "'");
}

// Throws ErrorCode::shapeMismatch. Out of line and without building strings first: act() calls it.
void requireLength(size_t length, size_t expected, const char* name, const char* meaning);

// Rows of observations; throws ErrorCode::shapeMismatch unless their length is a positive multiple
// of observationSize.
size_t countRows(const NumberSpan& observations, size_t observationSize);

// Limits of sizes in configurations: whatever product of them the core forms fits in 64 bits.
constexpr uint64_t kMaxUnits = uint64_t{1} << 24;
constexpr uint32_t kMaxListLength = 1 << 12;
constexpr uint64_t kMaxRows = uint64_t{1} << 31;
constexpr uint64_t kMaxInteger = (uint64_t{1} << 31) - 1;
constexpr uint64_t kMaxSafeInteger = (uint64_t{1} << 53) - 1;

// An object of the caller, read property by property.
class Options {
 public:
  Options(napi_env env, napi_value object, std::string name);

  napi_value value(const char* key) const;
  // Whether it is there, and not undefined.
  bool has(const char* key) const;
  // Whether it is neither absent nor false: an object that switches something on, or true.
  bool isOn(const char* key) const;
  double number(const char* key) const;
  // A number greater than 0 and at most 1.
  double part(const char* key) const;
  uint64_t count(const char* key, uint64_t minimum, uint64_t maximum) const;
  // The same for the core's plain integers, from 0 on.
  int integer(const char* key) const;
  bool boolean(const char* key) const;
  std::string text(const char* key) const;
  // An Array of integers from 1 to kMaxUnits.
  std::vector<size_t> sizes(const char* key) const;
  Options object(const char* key) const;
  // What messages call a property.
  std::string path(const char* key) const { return name_ + "." + key; }

  // One of the given names, as the value beside it.
  template <class Choice>
  Choice choice(const char* key,
                std::initializer_list<std::pair<const char*, Choice>> choices) const {
    return chosenFrom(choices, text(key), path(key));
  }

 private:
  napi_env env_;
  napi_value object_;
  std::string name_;
};

}  // namespace trustregion::binding
