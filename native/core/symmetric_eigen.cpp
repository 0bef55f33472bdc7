#include "core/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/aligned_memory.h"
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
  Rotations(double* vectors, size_t size, size_t stride)
      : vectors_(vectors),
        size_(size),
        stride_(stride),
        c_(std::max<size_t>(4096, 16 * size)),  // few enough to stay in the second cache level
        s_(c_.size()) {}

  // Cosines and sines of the rotations of rows low ... high, that of i at i - low.
  struct Sweep {
    double* c;
    double* s;
  };
  Sweep begin(size_t low, size_t high) {
    if (used_ + (high - low) > c_.size()) apply();
    const Sweep sweep{c_.data() + used_, s_.data() + used_};
    std::fill_n(sweep.c, high - low, 1.0);
    std::fill_n(sweep.s, high - low, 0.0);
    sweeps_.push_back({low, high, sweep.c, sweep.s});
    used_ += high - low;
    return sweep;
  }

  void apply() {
    denseKernels().rotate(sweeps_.data(), sweeps_.size(), size_, vectors_, stride_);
    sweeps_.clear();
    used_ = 0;
  }

 private:
  double* vectors_;
  size_t size_;
  size_t stride_;
  UninitializedDoubles c_;
  UninitializedDoubles s_;
  size_t used_ = 0;
  std::vector<RotationSweep> sweeps_;
};

// Implicit QL (Golub and Van Loan 2013, section 8.3.5) of a tridiagonal matrix with the diagonal d,
// which becomes its eigenvalues, and the subdiagonal e; the same rotations on the rows of a matrix.
// One rotation at a time:
//   while (begin()) { while (left() > 0) rotate(); end(); }
class Iteration {
 public:
  Iteration(std::vector<double>& d, std::vector<double>& e, Rotations rotations)
      : d_(d), e_(e), rotations_(std::move(rotations)) {}

  // Begins a sweep of rotations; false: all eigenvalues are found.
  bool begin() {
    for (; low_ < d_.size(); low_++) {
      high_ = endOfBlock();
      if (high_ == low_) continue;
      // Wilkinson's shift, from the block's first corner, then chase the bulge upwards.
      const double ratio = (d_[low_ + 1] - d_[low_]) / (2 * e_[low_]);
      const double root = std::sqrt(ratio * ratio + 1);
      g_ = d_[high_] - d_[low_] + e_[low_] / (ratio + std::copysign(root, ratio));
      s_ = 1;
      c_ = 1;
      shift_ = 0;
      next_ = high_;
      isSplit_ = false;
      sweep_ = rotations_.begin(low_, high_);
      return true;
    }
    rotations_.apply();
    return false;
  }

  size_t left() const { return next_ - low_; }

  void rotate() {
    if (next_ == low_) return;  // the block has split
    const size_t i = --next_;
    const double f = s_ * e_[i];
    const double b = c_ * e_[i];
    const double r = length(f, g_);
    e_[i + 1] = r;
    if (r == 0) {
      d_[i + 1] -= shift_;
      e_[high_] = 0;
      isSplit_ = true;
      next_ = low_;
      return;
    }
    s_ = f / r;
    c_ = g_ / r;
    g_ = d_[i + 1] - shift_;
    const double t = (d_[i] - g_) * s_ + 2 * c_ * b;
    shift_ = s_ * t;
    d_[i + 1] = g_ + shift_;
    g_ = c_ * t - b;
    sweep_.c[i - low_] = c_;
    sweep_.s[i - low_] = s_;
  }

  void end() {
    if (isSplit_) return;
    d_[low_] -= shift_;
    e_[low_] = g_;
    e_[high_] = 0;
  }

 private:
  // The first negligible subdiagonal entry from low_ on.
  size_t endOfBlock() const {
    size_t high = low_;
    for (; high + 1 < d_.size(); high++) {
      const double neighbours = std::abs(d_[high]) + std::abs(d_[high + 1]);
      if (std::abs(e_[high]) <= std::numeric_limits<double>::epsilon() * neighbours) break;
      if (std::abs(e_[high]) <= kNegligible) break;
    }
    return high;
  }

  std::span<double> d_;
  std::span<double> e_;
  Rotations rotations_;
  Rotations::Sweep sweep_{};
  size_t low_ = 0;
  size_t high_ = 0;
  size_t next_ = 0;
  double g_ = 0;
  double s_ = 0;
  double c_ = 0;
  double shift_ = 0;
  bool isSplit_ = false;
};

void runByTurns(std::span<Iteration> iterations) {
  std::vector<Iteration*> active;
  for (Iteration& iteration : iterations) {
    if (iteration.begin()) active.push_back(&iteration);
  }
  while (!active.empty()) {
    size_t turns = active[0]->left();
    for (const Iteration* iteration : active) turns = std::min(turns, iteration->left());
    for (size_t i = 0; i < turns; i++) {
      for (Iteration* iteration : active) iteration->rotate();
    }
    std::erase_if(active, [](Iteration* iteration) {
      if (iteration->left() > 0) return false;
      iteration->end();
      return !iteration->begin();
    });
  }
}

// A matrix on its way: first itself, then reduced, then the eigenvectors as rows.
struct Reduced {
  explicit Reduced(const SymmetricMatrix& matrix);

  size_t size;
  size_t stride;
  int exponent = 0;
  AlignedDoubles vectors;
  std::vector<double> diagonal;
  std::vector<double> subdiagonal;
};

Reduced::Reduced(const SymmetricMatrix& matrix)
    : size(matrix.size),
      stride(denseStride(size)),
      vectors(size * stride),
      diagonal(size),
      subdiagonal(size) {
  if (!allFinite(matrix.elements)) {
    throw Error(ErrorCode::notFinite, "a matrix must be finite to have eigenvalues");
  }
  if (size == 0) return;
  // Squares must stay in the range of numbers: a power of two changes no digit.
  double largest = 0;
  for (const double value : matrix.elements) largest = std::max(largest, std::abs(value));
  if (largest > 0) exponent = std::ilogb(largest);
  AlignedDoubles a(size * stride);
  const double half = std::ldexp(1, -exponent / 2);  // in two steps: 2^1074 is no number
  const double rest = std::ldexp(1, -exponent - -exponent / 2);
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < size; j++)
      a[i * stride + j] = matrix.elements[i * size + j] * half * rest;
  }
  UninitializedDoubles q(size * stride);
  std::vector<double> scratch(3 * stride);
  denseKernels().tridiagonalize(size, stride, kNegligible, a.data(), q.data(), diagonal.data(),
                                subdiagonal.data(), scratch.data());
  // Columns of Q become rows, which rotate.
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < size; j++) vectors[j * stride + i] = q[i * stride + j];
  }
}

}  // namespace

std::vector<SymmetricEigen> symmetricEigens(std::span<const SymmetricMatrix> matrices) {
  std::vector<Reduced> reduced;
  reduced.reserve(matrices.size());
  std::vector<Iteration> iterations;
  for (const SymmetricMatrix& matrix : matrices) {
    Reduced& r = reduced.emplace_back(matrix);
    iterations.emplace_back(r.diagonal, r.subdiagonal,
                            Rotations(r.vectors.data(), r.size, r.stride));
  }
  runByTurns(iterations);
  std::vector<SymmetricEigen> results;
  for (Reduced& r : reduced) {
    SymmetricEigen& result = results.emplace_back();
    result.values = std::move(r.diagonal);
    for (double& value : result.values) value = std::ldexp(value, r.exponent);
    result.vectors.resize(r.size * r.size);
    for (size_t i = 0; i < r.size; i++) {
      std::copy_n(r.vectors.data() + i * r.stride, r.size, result.vectors.data() + i * r.size);
    }
  }
  return results;
}

SymmetricEigen symmetricEigen(std::span<const double> matrix, size_t size) {
  const SymmetricMatrix one{matrix, size};
  return std::move(symmetricEigens({&one, 1})[0]);
}

}  // namespace trustregion
