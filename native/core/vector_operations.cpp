#include "core/vector_operations.h"

#include <cmath>
#include <cstddef>

namespace trustregion {

double dot(std::span<const double> a, std::span<const double> b) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= a.size(); i += 8) {
    for (size_t lane = 0; lane < 8; lane++) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < a.size(); i++) sums[i % 8] += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

double norm(std::span<const double> a) { return std::sqrt(dot(a, a)); }

void axpby(double a, std::span<const double> x, double b, std::span<double> y) {
  for (size_t i = 0; i < x.size(); i++) y[i] = a * x[i] + b * y[i];
}

bool allFinite(std::span<const double> a) {
  for (const double value : a) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace trustregion
