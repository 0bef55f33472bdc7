#include "core/number_span.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace trustregion {
namespace {

template <class Number>
size_t firstNotFinite(const Number* data, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (!std::isfinite(data[i])) return i;
  }
  return size;
}

}  // namespace

NumberSpan NumberSpan::subspan(size_t offset, size_t count) const {
  if (offset > size_ || count > size_ - offset) {
    throw Error(ErrorCode::internal, "subspan outside of the array");
  }
  switch (type_) {
    case Type::float32:
      return {static_cast<const float*>(data_) + offset, count};
    case Type::float64:
      return {static_cast<const double*>(data_) + offset, count};
    case Type::int32:
      break;
  }
  return {static_cast<const int32_t*>(data_) + offset, count};
}

void NumberSpan::requireFinite(const char* name) const {
  size_t index = size_;
  if (type_ == Type::float32) index = firstNotFinite(static_cast<const float*>(data_), size_);
  if (type_ == Type::float64) index = firstNotFinite(static_cast<const double*>(data_), size_);
  if (index < size_) {
    throw Error(ErrorCode::notFinite, std::string(name) + "[" + std::to_string(index) +
                                          "] must be a finite number, got " +
                                          std::to_string((*this)[index]));
  }
}

void NumberSpan::requireFiniteFloat32(const char* name) const {
  requireFinite(name);
  if (type_ != Type::float64) return;
  for (size_t i = 0; i < size_; i++) {
    if (!std::isfinite(static_cast<float>((*this)[i]))) {
      throw Error(ErrorCode::notFinite, std::string(name) + "[" + std::to_string(i) +
                                            "] must be within the range of float32, got " +
                                            std::to_string((*this)[i]));
    }
  }
}

size_t NumberSpan::countRows(const char* name, size_t size) const {
  if (size_ % size != 0) {
    throw Error(ErrorCode::shapeMismatch,
                std::string(name) + " must have a length that is a multiple of " +
                    std::to_string(size) + ", got " + std::to_string(size_));
  }
  return size_ / size;
}

void NumberSpan::requireSize(const char* name, size_t expected, const char* meaning) const {
  if (size_ != expected) {
    throw Error(ErrorCode::shapeMismatch, std::string(name) + " must have length " +
                                              std::to_string(expected) + " (" + meaning +
                                              "), got " + std::to_string(size_));
  }
}

template <class Out>
static void copyValues(const NumberSpan& from, Out* out) {
  const size_t size = from.size();
  switch (from.type()) {
    case NumberSpan::Type::float32: {
      const auto* data = static_cast<const float*>(from.data());
      std::transform(data, data + size, out, [](float x) { return static_cast<Out>(x); });
      return;
    }
    case NumberSpan::Type::float64: {
      const auto* data = static_cast<const double*>(from.data());
      std::transform(data, data + size, out, [](double x) { return static_cast<Out>(x); });
      return;
    }
    case NumberSpan::Type::int32: {
      const auto* data = static_cast<const int32_t*>(from.data());
      std::transform(data, data + size, out, [](int32_t x) { return static_cast<Out>(x); });
      return;
    }
  }
}

void NumberSpan::copyTo(double* out) const { copyValues(*this, out); }
void NumberSpan::copyTo(float* out) const { copyValues(*this, out); }

}  // namespace trustregion
