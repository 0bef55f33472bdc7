#include "binding/arguments.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace trustregion::binding {
namespace {

[[noreturn]] void refuse(const std::string& name, const char* expected) {
  throw Error(ErrorCode::invalidArgument, name + " must be " + expected);
}

struct TypedArray {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;  // 0 where the buffer is detached or has shrunk below the view
  void* data = nullptr;
};

// The buffers of shared memory are fine too: Node-API makes no difference.
TypedArray readTypedArray(napi_env env, napi_value value, const char* name, const char* expected) {
  TypedArray array;
  if (napi_get_typedarray_info(env, value, &array.type, &array.length, &array.data, nullptr,
                               nullptr) != napi_ok) {
    refuse(name, expected);
  }
  return array;
}

size_t bytesOf(const NumberSpan& numbers) {
  return numbers.size() * (numbers.type() == NumberSpan::Type::float64 ? 8 : 4);
}

bool isShared(napi_env env, napi_value array) {
  napi_value buffer = nullptr;
  bool isPlain = true;
  requireOk(env, napi_get_typedarray_info(env, array, nullptr, nullptr, nullptr, &buffer, nullptr));
  requireOk(env, napi_is_arraybuffer(env, buffer, &isPlain));
  return !isPlain;
}

}  // namespace

NumberSpan readFloats(napi_env env, napi_value value, const char* name) {
  const char* expected = "a Float32Array or a Float64Array";
  const TypedArray array = readTypedArray(env, value, name, expected);
  if (array.type == napi_float32_array) {
    return {static_cast<const float*>(array.data), array.length};
  }
  if (array.type != napi_float64_array) refuse(name, expected);
  return {static_cast<const double*>(array.data), array.length};
}

NumberSpan readNumbers(napi_env env, napi_value value, const char* name) {
  const char* expected = "a Float32Array, a Float64Array or an Int32Array";
  const TypedArray array = readTypedArray(env, value, name, expected);
  if (array.type == napi_int32_array) {
    return {static_cast<const int32_t*>(array.data), array.length};
  }
  if (array.type == napi_float32_array) {
    return {static_cast<const float*>(array.data), array.length};
  }
  if (array.type != napi_float64_array) refuse(name, expected);
  return {static_cast<const double*>(array.data), array.length};
}

std::span<double> readDoubles(napi_env env, napi_value value, const char* name) {
  const TypedArray array = readTypedArray(env, value, name, "a Float64Array");
  if (array.type != napi_float64_array) refuse(name, "a Float64Array");
  return {static_cast<double*>(array.data), array.length};
}

std::span<const uint8_t> readBytes(napi_env env, napi_value value, const char* name) {
  const TypedArray array = readTypedArray(env, value, name, "a Uint8Array");
  if (array.type != napi_uint8_array) refuse(name, "a Uint8Array");
  return {static_cast<const uint8_t*>(array.data), array.length};
}

void NumberOutput::store(const double* values) const {
  // NumberSpan is a constant view, but the memory is the caller's array, given to be written.
  void* data = const_cast<void*>(to_.data());
  switch (to_.type()) {
    case NumberSpan::Type::float32:
      std::transform(values, values + size(), static_cast<float*>(data),
                     [](double value) { return static_cast<float>(value); });
      return;
    case NumberSpan::Type::float64:
      std::copy(values, values + size(), static_cast<double*>(data));
      return;
    case NumberSpan::Type::int32:
      std::transform(values, values + size(), static_cast<int32_t*>(data),
                     [](double value) { return static_cast<int32_t>(value); });
      return;
  }
}

HeldNumbers::HeldNumbers(napi_env env, napi_value array, NumberSpan view) : span_(view) {
  if (isShared(env, array)) {
    reference_ = Napi::Persistent(Napi::Object(env, array));
    return;
  }
  copy_.resize(bytesOf(view));
  if (!view.empty()) std::memcpy(copy_.data(), view.data(), bytesOf(view));
  switch (view.type()) {
    case NumberSpan::Type::float32:
      span_ = {reinterpret_cast<const float*>(copy_.data()), view.size()};
      return;
    case NumberSpan::Type::float64:
      span_ = {reinterpret_cast<const double*>(copy_.data()), view.size()};
      return;
    case NumberSpan::Type::int32:
      span_ = {reinterpret_cast<const int32_t*>(copy_.data()), view.size()};
      return;
  }
}

double readNumber(napi_env env, napi_value value, const std::string& name) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) refuse(name, "a number");
  return number;
}

bool readBoolean(napi_env env, napi_value value, const char* name) {
  bool boolean = false;
  if (napi_get_value_bool(env, value, &boolean) != napi_ok) refuse(name, "a boolean");
  return boolean;
}

std::string readText(napi_env env, napi_value value, const std::string& name) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    refuse(name, "a string");
  }
  std::string text(length, '\0');
  // The terminating zero lands on the one that std::string keeps there anyway.
  requireOk(env, napi_get_value_string_utf8(env, value, text.data(), length + 1, &length));
  return text;
}

uint64_t readCount(napi_env env, napi_value value, const std::string& name, uint64_t minimum,
                   uint64_t maximum) {
  const double number = readNumber(env, value, name);
  // Written so that NaN fails as well.
  if (!(number >= static_cast<double>(minimum) && number <= static_cast<double>(maximum)) ||
      number != std::trunc(number)) {
    throw Error(ErrorCode::outOfRange, name + " must be an integer from " +
                                           std::to_string(minimum) + " to " +
                                           std::to_string(maximum));
  }
  return static_cast<uint64_t>(number);
}

Napi::Function readFunction(napi_env env, napi_value value, const char* name) {
  napi_valuetype type = napi_undefined;
  requireOk(env, napi_typeof(env, value, &type));
  if (type != napi_function) refuse(name, "a function");
  return Napi::Function(env, value);
}

void requireLength(size_t length, size_t expected, const char* name, const char* meaning) {
  if (length == expected) return;
  throw Error(ErrorCode::shapeMismatch, std::string(name) + " must have length " +
                                            std::to_string(expected) + " (" + meaning + "), got " +
                                            std::to_string(length));
}

size_t countRows(const NumberSpan& observations, size_t observationSize) {
  const size_t rows = observations.size() / observationSize;
  if (rows == 0 || observations.size() != rows * observationSize) {
    throw Error(ErrorCode::shapeMismatch,
                "observations must have a length that is a positive multiple of observationSize (" +
                    std::to_string(observationSize) + "), got " +
                    std::to_string(observations.size()));
  }
  return rows;
}

Options::Options(napi_env env, napi_value object, std::string name)
    : env_(env), object_(object), name_(std::move(name)) {
  napi_valuetype type = napi_undefined;
  requireOk(env, napi_typeof(env, object, &type));
  if (type != napi_object) refuse(name_, "an object");
}

napi_value Options::value(const char* key) const {
  napi_value value = nullptr;
  requireOk(env_, napi_get_named_property(env_, object_, key, &value));
  return value;
}

bool Options::has(const char* key) const {
  napi_valuetype type = napi_undefined;
  requireOk(env_, napi_typeof(env_, value(key), &type));
  return type != napi_undefined;
}

bool Options::isOn(const char* key) const {
  const napi_value found = value(key);
  bool boolean = true;
  return has(key) && (napi_get_value_bool(env_, found, &boolean) != napi_ok || boolean);
}

double Options::number(const char* key) const { return readNumber(env_, value(key), path(key)); }

double Options::part(const char* key) const {
  const double part = number(key);
  if (!(part > 0 && part <= 1)) {
    throw Error(ErrorCode::outOfRange, path(key) + " must be greater than 0 and at most 1");
  }
  return part;
}

uint64_t Options::count(const char* key, uint64_t minimum, uint64_t maximum) const {
  return readCount(env_, value(key), path(key), minimum, maximum);
}

int Options::integer(const char* key) const { return static_cast<int>(count(key, 0, kMaxInteger)); }

bool Options::boolean(const char* key) const {
  return readBoolean(env_, value(key), path(key).c_str());
}

std::string Options::text(const char* key) const { return readText(env_, value(key), path(key)); }

std::vector<size_t> Options::sizes(const char* key) const {
  const napi_value array = value(key);
  uint32_t length = 0;
  if (napi_get_array_length(env_, array, &length) != napi_ok) refuse(path(key), "an array");
  if (length > kMaxListLength) {
    throw Error(ErrorCode::outOfRange,
                path(key) + " must have at most " + std::to_string(kMaxListLength) + " entries");
  }
  std::vector<size_t> sizes(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value element = nullptr;
    requireOk(env_, napi_get_element(env_, array, i, &element));
    sizes[i] = readCount(env_, element, path(key) + "[" + std::to_string(i) + "]", 1, kMaxUnits);
  }
  return sizes;
}

Options Options::object(const char* key) const { return {env_, value(key), path(key)}; }

}  // namespace trustregion::binding
