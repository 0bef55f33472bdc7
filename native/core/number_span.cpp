#include "core/number_span.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "core/error.h"

namespace trustregion {
namespace {

// An exponent of ones alone is an infinity or NaN; adding one to it carries into the sign's place.
// Without branches, so that compilers make it vector instructions.
template <class Bits, class Number>
bool allFinite(const Number* data, size_t size, Bits exponent) {
  Bits carries = 0;
  for (size_t i = 0; i < size; i++) {
    carries |= (std::bit_cast<Bits>(data[i]) & exponent) + (exponent & (~exponent + 1));
  }
  return carries >> (8 * sizeof(Bits) - 1) == 0;
}

bool allFinite(const float* data, size_t size) {
  return allFinite<uint32_t>(data, size, 0x7f800000);
}
bool allFinite(const double* data, size_t size) {
  return allFinite<uint64_t>(data, size, 0x7ff0000000000000);
}
bool allFinite(const int32_t*, size_t) { return true; }

template <class Number>
size_t firstNotFinite(const Number* data, size_t size) {
  if (allFinite(data, size)) return size;
  return std::find_if_not(data, data + size,
                          [](Number value) { return std::isfinite(static_cast<double>(value)); }) -
         data;
}

// As JavaScript writes it.
std::string notFiniteText(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "Infinity" : "-Infinity";
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
  visit([&](const auto* data) { index = firstNotFinite(data, size_); });
  if (index < size_) {
    throw Error(ErrorCode::notFinite, std::string(name) + "[" + std::to_string(index) +
                                          "] must be a finite number, got " +
                                          notFiniteText((*this)[index]));
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
  from.visit([&](const auto* data) {
    std::transform(data, data + from.size(), out,
                   [](auto value) { return static_cast<Out>(value); });
  });
}

void NumberSpan::copyTo(double* out) const { copyValues(*this, out); }
void NumberSpan::copyTo(float* out) const { copyValues(*this, out); }

}  // namespace trustregion
