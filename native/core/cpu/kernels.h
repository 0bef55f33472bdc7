#pragma once

#include <cstddef>

#include "core/mlp_layout.h"

namespace trustregion::cpu {

// c[i][j] = init[i][j] + sum_t a[i][t] b[t][j]   for i < rows, j < columns, t < inner.
// a is read with any strides, so one kernel serves X W', U W and (transposed) U'X. Row strides are
// in floats; columns, and the strides of b, c and init, are multiples of kRowAlignment. An
// initRow of 0 repeats one row (a bias); init may be c itself (accumulate).
struct Product {
  size_t rows;
  size_t columns;
  size_t inner;
  const float* a;
  size_t aRow;
  size_t aInner;
  const float* b;
  size_t bRow;
  const float* init;
  size_t initRow;
  float* c;
  size_t cRow;
};

// sum[i][j] += sum_t u[t][i] x[t][j] for i < outputs, j < inputs, t < rows: the weight gradient of
// a tile, float32 within the tile and float64 across tiles. sum is dense, [outputs x inputs].
struct GradientSum {
  size_t outputs;
  size_t inputs;
  size_t rows;
  const float* u;
  size_t uRow;
  const float* x;
  size_t xRow;
  double* sum;
};

// The inner loops, compiled once for each instruction set from kernels.inl. Element counts are
// multiples of kRowAlignment and pointers aligned to it. Sums have a fixed order for each target.
struct Kernels {
  void (*multiply)(const Product& product);
  void (*addGradient)(const GradientSum& gradient);
  // sum[j] += sum_t u[t][j] for j < outputs
  void (*addColumnSums)(size_t rows, size_t outputs, const float* u, size_t uRow, double* sum);
  // In place z -> phi(z); SiLU also stores phi'(z), tanh and ReLU recompute it from phi(z).
  void (*activate)(Activation activation, size_t count, float* z, float* derivative);
  // values *= phi', from phi(z) (tanh: 1 - h^2, ReLU: h > 0) or the stored derivative (SiLU)
  void (*multiplyByDerivative)(Activation activation, size_t count, const float* h,
                               const float* derivative, float* values);
  // out[i] = a[i] b[i]
  void (*multiplyElements)(size_t count, const float* a, const float* b, float* out);
};

const Kernels& baselineKernels();
#if defined(__x86_64__) || defined(_M_X64)
const Kernels& avx2Kernels();
const Kernels& avx512Kernels();
#endif

}  // namespace trustregion::cpu
