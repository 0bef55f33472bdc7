#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "check.h"

// Where the tolerances of float32 results come from.
//
// A Tracked number is the exact value of a formula (in double precision) and the variance of the
// error that computing it in float32 makes. Every operation carries the errors of its operands
// on to first order and adds its own rounding, taken as independent, of mean zero and at most
// u |result| (Higham and Mary 2019, "A new approach to probabilistic rounding error analysis").
// Running a naive network on Tracked numbers in the order in which the kernels sum therefore
// derives the tolerance of each single result from its depth, its widths and its cancellations.
//
// Results must agree within kSigmas standard deviations. A rounding error is about uniform in
// [-u, u], so that its standard deviation is u / sqrt(3) and kSigmas = 6 is really about 10.
namespace trustregion::test {

constexpr double kFloatRoundoff = 0x1p-24;
constexpr double kDoubleRoundoff = 0x1p-53;
constexpr double kSigmas = 6;

inline double square(double x) { return x * x; }

struct Tracked {
  double value = 0;
  double variance = 0;

  double tolerance() const {
    // Below the smallest normal float, results are rounded to multiples of 2^-149.
    constexpr double kSmallest = 0x1p-126;
    return kSigmas * std::sqrt(variance) + kSmallest;
  }
};

// Rounded to float32, by one more operation.
inline Tracked rounded(double value, double variance = 0) {
  return {value, variance + square(kFloatRoundoff * value)};
}

// How terms of a Fisher product are multiplied (core/cpu/split/split_kernels.h): in float32; in
// pairs of bfloat16, whose error is 2^-17 in the root of the mean square, some 2^-16 / sqrt(3); in
// such pairs with weights and activations that are rounded to one bfloat16.
enum class Products { single, pairs, rounded };

// While it lives, products are made that way.
class SplitProducts {
 public:
  explicit SplitProducts(Products products = Products::pairs) { current() = products; }
  ~SplitProducts() { current() = Products::single; }
  SplitProducts(const SplitProducts&) = delete;
  SplitProducts& operator=(const SplitProducts&) = delete;

  static Products& current() {
    static thread_local Products products = Products::single;
    return products;
  }
  // Beside that of float32.
  static double roundoff() { return current() == Products::single ? 0 : 0x1p-16; }
};

inline Tracked operator*(Tracked a, Tracked b) {
  const double value = a.value * b.value;
  return rounded(value, square(a.value) * b.variance + square(b.value) * a.variance +
                            a.variance * b.variance + square(SplitProducts::roundoff() * value));
}

inline double roundToBfloat16(double value) {
  if (value == 0) return 0;
  const double unit = std::ldexp(1.0, std::ilogb(value) - 7);
  return std::copysign(unit * std::floor(std::abs(value) / unit + 0.5), value);  // ties go up
}

// A weight or an activation as products take it. Where its own error decides which way it is
// rounded, nobody knows.
inline Tracked operandOf(Tracked number) {
  if (SplitProducts::current() != Products::rounded) return number;
  const double error = number.tolerance();
  const double most = roundToBfloat16(number.value + error);
  const double least = roundToBfloat16(number.value - error);
  return {roundToBfloat16(number.value), square(most - least)};
}

inline Tracked operator+(Tracked a, Tracked b) {
  return rounded(a.value + b.value, a.variance + b.variance);
}

// a * a would take the two errors for independent.
inline Tracked squared(Tracked a) {
  return rounded(square(a.value), 4 * square(a.value) * a.variance + 2 * square(a.variance));
}

inline Tracked& operator+=(Tracked& a, Tracked b) { return a = a + b; }

using TrackedVector = std::vector<Tracked>;

inline std::vector<double> valuesOf(const TrackedVector& tracked) {
  std::vector<double> values;
  for (const Tracked& number : tracked) values.push_back(number.value);
  return values;
}

// function(inputs) for a function that is evaluated in double precision, whatever its inputs were
// computed in: each input's error is carried through by a finite difference of one standard
// deviation.
template <class Function>
TrackedVector propagate(const TrackedVector& inputs, const Function& function) {
  std::vector<double> at = valuesOf(inputs);
  const std::vector<double> center = function(at);
  TrackedVector result(center.size());
  for (size_t i = 0; i < center.size(); i++) result[i].value = center[i];
  for (size_t k = 0; k < inputs.size(); k++) {
    if (inputs[k].variance == 0) continue;
    at[k] = inputs[k].value + std::sqrt(inputs[k].variance);
    const std::vector<double> moved = function(at);
    for (size_t i = 0; i < center.size(); i++) result[i].variance += square(moved[i] - center[i]);
    at[k] = inputs[k].value;
  }
  return result;
}

// Checks, and returns the error in units of the tolerance.
inline double checkTracked(double actual, const Tracked& expected) {
  const double tolerance = expected.tolerance();
  CHECK_NEAR(actual, expected.value, tolerance);
  return std::abs(actual - expected.value) / tolerance;
}

}  // namespace trustregion::test
