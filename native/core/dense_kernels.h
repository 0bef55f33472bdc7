#pragma once

#include <cstddef>

namespace trustregion {

// Rows of dense matrices start at multiples of this many numbers, one AVX-512 vector.
template <class Number>
constexpr size_t kAlignmentOf = 64 / sizeof(Number);
constexpr size_t kDenseAlignment = kAlignmentOf<double>;

constexpr size_t toMultiple(size_t count, size_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Distance of rows for a matrix of so many columns: whole vectors, off the powers of two, at which
// rows would fall into the same few sets of a cache.
template <class Number = double>
constexpr size_t denseStride(size_t columns) {
  constexpr size_t kVector = kAlignmentOf<Number>;
  const size_t padded = toMultiple(columns, kVector);
  return padded % (16 * kVector) == 0 ? padded + kVector : padded;
}

// c[i][j] = sum_t a[i][t] b[t][j] for i < rows, j < columns, t < inner. a is read with any strides;
// rows of b and c are bRow and cRow apart, multiples of kAlignmentOf<Number>, and what lies in
// their padding may be read and written.
template <class Number>
struct MatrixProduct {
  size_t rows;
  size_t columns;
  size_t inner;
  const Number* a;
  size_t aRow;
  size_t aInner;
  const Number* b;
  size_t bRow;
  Number* c;
  size_t cRow;
};
using DenseProduct = MatrixProduct<double>;

// In float32, b and c at cache lines: a kernel of a backend, with the rounding of that backend's
// other products.
using SingleProduct = MatrixProduct<float>;
using MultiplySingle = void (*)(const SingleProduct& product);

// Plane rotations of neighbouring rows, from the last pair to the first:
// (row i, row i + 1) -> (c row i - s row i + 1, s row i + c row i + 1) for i = high - 1 ... low.
struct RotationSweep {
  size_t low;
  size_t high;
  const double* c;  // [high - low], that of i at i - low
  const double* s;
};

// Dense linear algebra in double for matrices of some ten to a thousand rows, and the vectors of
// conjugate gradients, compiled once for each instruction set. Every element is the same chain of
// separate multiplications and additions in all of them (no fused multiply-add), so the choice
// changes no bit.
struct DenseKernels {
  void (*multiply)(const DenseProduct& product);
  // Householder's reduction Q'A Q = T of a symmetric matrix (Golub and Van Loan 2013,
  // section 8.3.1), from its last row up. Rows of `a` and `q` are `stride` = denseStride(size)
  // apart. T has the diagonal d and the subdiagonal e (e[i] between i and i + 1; the last is 0).
  // Destroys a. A row whose part left of the subdiagonal has a norm up to `negligible` is taken as
  // reduced. `scratch` has 3 stride numbers.
  void (*tridiagonalize)(size_t size, size_t stride, double negligible, double* a, double* q,
                         double* d, double* e, double* scratch);
  // The sweeps one after another on `rows`, `stride` numbers apart, of which `columns` are rotated.
  void (*rotate)(const RotationSweep* sweeps, size_t count, size_t columns, double* rows,
                 size_t stride);
  // sums[r] = sum_i a[r][i] b[i] for r < rows, each in eight interleaved partial sums, which are
  // combined pairwise: the same bits for a row alone or among others.
  void (*dots)(size_t count, size_t rows, const double* const* a, const double* b, double* sums);
  // y = a x + b y
  void (*axpby)(size_t count, double a, const double* x, double b, double* y);
  // The same where a, or x, is kept in float32.
  void (*dotsSingle)(size_t count, size_t rows, const float* const* a, const double* b,
                     double* sums);
  void (*axpbySingle)(size_t count, double a, const float* x, double b, double* y);
};

// Those of the fastest instruction set that this machine has.
const DenseKernels& denseKernels();

}  // namespace trustregion
