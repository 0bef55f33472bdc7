#include "core/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

// Beside a largest element of size one this is nothing. Squares of anything larger are numbers of
// full precision.
constexpr double kNegligible = 0x1p-500;

// T = Q'A Q with diagonal d and subdiagonal e (e[i] between i and i + 1); rows of `vectors` become
// the columns of Q. Destroys a.
void tridiagonalize(std::vector<double>& a, size_t size, std::vector<double>& d,
                    std::vector<double>& e, std::vector<double>& vectors) {
  const auto row = [&](size_t i) { return std::span(a.data() + i * size, size); };
  std::vector<std::vector<double>> reflectors(
      size);  // v of H = I - scale v v', from entry k + 1 on
  std::vector<double> scales(size, 0.0);
  std::vector<double> w(size);
  for (size_t k = 0; k + 2 < size; k++) {
    const size_t first = k + 1;
    const size_t count = size - first;
    std::vector<double> v(count);
    for (size_t i = 0; i < count; i++) v[i] = a[(first + i) * size + k];
    const double length = norm(v);
    d[k] = a[k * size + k];
    if (length <= kNegligible) {
      e[k] = 0;
      continue;
    }
    e[k] = v[0] > 0 ? -length : length;  // the sign without cancellation
    v[0] -= e[k];
    const double scale = 2 / dot(v, v);
    // The trailing block becomes H A H = A - v w' - w v' with w = p - (scale / 2) (p'v) v, p =
    // scale A v.
    for (size_t i = 0; i < count; i++) w[i] = scale * dot(row(first + i).subspan(first), v);
    const std::span<double> wSpan(w.data(), count);
    axpby(-0.5 * scale * dot(wSpan, v), v, 1, wSpan);
    for (size_t i = 0; i < count; i++) {
      const std::span<double> target = row(first + i).subspan(first);
      axpby(-v[i], wSpan, 1, target);
      axpby(-w[i], v, 1, target);
    }
    scales[k] = scale;
    reflectors[k] = std::move(v);
  }
  if (size > 1) {
    d[size - 2] = a[(size - 2) * size + size - 2];
    e[size - 2] = a[(size - 1) * size + size - 2];
  }
  d[size - 1] = a[size * size - 1];

  // Q' = ... H_1 H_0, built from the last reflector, so that only a trailing block is touched: row
  // i of `vectors` is Q's column i.
  vectors.assign(size * size, 0.0);
  for (size_t i = 0; i < size; i++) vectors[i * size + i] = 1;
  for (size_t k = size; k-- > 0;) {
    if (scales[k] == 0) continue;
    const std::vector<double>& v = reflectors[k];
    const size_t first = k + 1;
    for (size_t i = first; i < size; i++) {
      const std::span<double> target(vectors.data() + i * size + first, size - first);
      axpby(-scales[k] * dot(target, v), v, 1, target);
    }
  }
}

// Plane rotation of two rows: (x, y) -> (c x - s y, s x + c y).
void rotate(std::span<double> x, std::span<double> y, double c, double s) {
  for (size_t k = 0; k < x.size(); k++) {
    const double old = y[k];
    y[k] = s * x[k] + c * old;
    x[k] = c * x[k] - s * old;
  }
}

// Eigenvalues of the tridiagonal matrix to d; the same rotations on the rows of `vectors`.
void diagonalize(std::vector<double>& d, std::vector<double>& e, std::vector<double>& vectors) {
  const size_t size = d.size();
  const auto row = [&](size_t i) { return std::span(vectors.data() + i * size, size); };
  e[size - 1] = 0;
  for (size_t low = 0; low < size; low++) {
    while (true) {
      // The block from `low` ends at the first negligible subdiagonal entry.
      size_t high = low;
      for (; high + 1 < size; high++) {
        const double neighbours = std::abs(d[high]) + std::abs(d[high + 1]);
        if (std::abs(e[high]) <= std::numeric_limits<double>::epsilon() * neighbours) break;
        if (std::abs(e[high]) <= kNegligible) break;
      }
      if (high == low) break;
      // Wilkinson's shift, from the block's first corner, then chase the bulge upwards.
      double g = (d[low + 1] - d[low]) / (2 * e[low]);
      double r = std::hypot(g, 1.0);
      g = d[high] - d[low] + e[low] / (g + std::copysign(r, g));
      double s = 1;
      double c = 1;
      double shift = 0;
      bool split = false;
      for (size_t i = high; i-- > low;) {
        const double f = s * e[i];
        const double b = c * e[i];
        r = std::hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
          d[i + 1] -= shift;
          e[high] = 0;
          split = true;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - shift;
        r = (d[i] - g) * s + 2 * c * b;
        shift = s * r;
        d[i + 1] = g + shift;
        g = c * r - b;
        rotate(row(i), row(i + 1), c, s);
      }
      if (split) continue;
      d[low] -= shift;
      e[low] = g;
      e[high] = 0;
    }
  }
}

}  // namespace

SymmetricEigen symmetricEigen(std::span<const double> matrix, size_t size) {
  if (!allFinite(matrix)) {
    throw Error(ErrorCode::notFinite, "a matrix must be finite to have eigenvalues");
  }
  SymmetricEigen result;
  result.values.resize(size);
  if (size == 0) return result;
  // Squares must stay in the range of numbers: a power of two changes no digit.
  double largest = 0;
  for (const double value : matrix) largest = std::max(largest, std::abs(value));
  const int exponent = largest > 0 ? std::ilogb(largest) : 0;
  std::vector<double> a(matrix.begin(), matrix.end());
  for (double& value : a) value = std::ldexp(value, -exponent);
  std::vector<double> subdiagonal(size);
  tridiagonalize(a, size, result.values, subdiagonal, result.vectors);
  diagonalize(result.values, subdiagonal, result.vectors);
  for (double& value : result.values) value = std::ldexp(value, exponent);
  return result;
}

}  // namespace trustregion
