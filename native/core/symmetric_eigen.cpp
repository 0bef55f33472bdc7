#include "core/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/dense_kernels.h"
#include "core/error.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

// Beside a largest element of size one this is nothing. Squares of anything larger are numbers of
// full precision.
constexpr double kNegligible = 0x1p-500;

// Below this a square is no number of full precision.
constexpr double kSmallestSquare = 0x1p-960;

// |(f, g)|
double length(double f, double g) {
  const double squared = f * f + g * g;
  return squared > kSmallestSquare ? std::sqrt(squared) : std::hypot(f, g);
}

// Rotations of the rows of `vectors`, kept until there are enough of them to be worth a pass over
// the matrix.
class Rotations {
 public:
  Rotations(std::vector<double>& vectors, size_t size, size_t stride)
      : vectors_(vectors), size_(size), stride_(stride), most_(std::max<size_t>(4096, 16 * size)) {
    c_.reserve(most_);
    s_.reserve(most_);
  }

  // Room for the rotations of rows low ... high, which add() then fills from the last pair to the
  // first.
  void begin(size_t low, size_t high) {
    if (c_.size() + (high - low) > most_) apply();
    sweeps_.push_back({low, high, nullptr, nullptr});
    c_.resize(c_.size() + (high - low), 1.0);
    s_.resize(c_.size(), 0.0);
  }

  void add(size_t i, double c, double s) {
    const size_t fromEnd = sweeps_.back().high - i;
    *(c_.end() - static_cast<ptrdiff_t>(fromEnd)) = c;
    *(s_.end() - static_cast<ptrdiff_t>(fromEnd)) = s;
  }

  void apply() {
    size_t offset = 0;
    for (RotationSweep& sweep : sweeps_) {
      sweep.c = c_.data() + offset;
      sweep.s = s_.data() + offset;
      offset += sweep.high - sweep.low;
    }
    denseKernels().rotate(sweeps_.data(), sweeps_.size(), size_, vectors_.data(), stride_);
    sweeps_.clear();
    c_.clear();
    s_.clear();
  }

 private:
  std::vector<double>& vectors_;
  size_t size_;
  size_t stride_;
  size_t most_;  // few enough to stay in the second cache level
  std::vector<RotationSweep> sweeps_;
  std::vector<double> c_;
  std::vector<double> s_;
};

// Eigenvalues of the tridiagonal matrix to d, by implicit QL (Golub and Van Loan 2013, section
// 8.3.5); the same rotations on the rows of a matrix.
void diagonalize(std::span<double> d, std::span<double> e, Rotations& rotations) {
  const size_t size = d.size();
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
      rotations.begin(low, high);
      for (size_t i = high; i-- > low;) {
        const double f = s * e[i];
        const double b = c * e[i];
        r = length(f, g);
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
        rotations.add(i, c, s);
      }
      if (split) continue;
      d[low] -= shift;
      e[low] = g;
      e[high] = 0;
    }
  }
  rotations.apply();
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
  const size_t stride = denseStride(size);
  std::vector<double> a(size * stride);
  const double half = std::ldexp(1, -exponent / 2);  // in two steps: 2^1074 is no number
  const double rest = std::ldexp(1, -exponent - -exponent / 2);
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < size; j++) a[i * stride + j] = matrix[i * size + j] * half * rest;
  }
  std::vector<double> q(size * stride);
  std::vector<double> subdiagonal(size);
  std::vector<double> scratch(3 * stride);
  denseKernels().tridiagonalize(size, stride, kNegligible, a.data(), q.data(), result.values.data(),
                                subdiagonal.data(), scratch.data());
  // Columns of Q become rows, which rotate.
  std::vector<double>& vectors = a;
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < size; j++) vectors[j * stride + i] = q[i * stride + j];
  }
  Rotations rotations(vectors, size, stride);
  diagonalize(result.values, subdiagonal, rotations);
  for (double& value : result.values) value = std::ldexp(value, exponent);
  result.vectors.resize(size * size);
  for (size_t i = 0; i < size; i++) {
    std::copy_n(vectors.data() + i * stride, size, result.vectors.data() + i * size);
  }
  return result;
}

}  // namespace trustregion
