#pragma once

#include <cstddef>

#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Two factors of a product: sum_t a[i][t] b[t][j] for t < inner. a is read with any strides, so one
// kernel serves X W', U W and (transposed) U'X. Row strides are in floats; those of b are multiples
// of kRowAlignment.
struct Factors {
  size_t inner = 0;
  const float* a = nullptr;
  size_t aRow = 0;
  size_t aInner = 0;
  const float* b = nullptr;
  size_t bRow = 0;
};

// What the sums are multiplied by at the end: phi' at the place of the same row and column, from
// phi (tanh: 1 - h^2, ReLU: h > 0) or from the stored derivative (SiLU).
enum class Derivative { none, tanh, relu, stored };

// c[i][j] = (init[i][j] + first + second) derivative[i][j]   for i < rows, j < columns.
// Columns beyond, up to a whole vector, may be written too. Row strides are multiples of
// kRowAlignment. An initRow of 0 repeats one row (a bias); without init the sums start at 0.
struct Product {
  size_t rows;
  size_t columns;
  Factors first;
  Factors second;  // inner 0: none
  const float* init;
  size_t initRow;
  float* c;
  size_t cRow;
  Derivative derivative = Derivative::none;
  const float* h = nullptr;  // phi, or the stored derivative; rows cRow apart
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
  size_t lanes;  // floats of a vector
  void (*multiply)(const Product& product);
  // The same for at most lanes / 2 columns, so that half a vector is not wasted: b holds two steps
  // of the sum in turn, b[t][j] and b[t + 1][j] side by side in one vector for each pair of steps
  // (an odd last one beside zeros). aInner is 1, there is no derivative, and exactly `columns` are
  // written.
  void (*multiplyPairs)(const Product& product);
  void (*addGradient)(const GradientSum& gradient);
  // sum[j] += sum_t u[t][j] for j < outputs
  void (*addColumnSums)(size_t rows, size_t outputs, const float* u, size_t uRow, double* sum);
  // In place z -> phi(z); SiLU also stores phi'(z), tanh and ReLU recompute it from phi(z).
  void (*activate)(Activation activation, size_t count, float* z, float* derivative);
  // out[i] = a[i] b[i]
  void (*multiplyElements)(size_t count, const float* a, const float* b, float* out);
};

const Kernels& baselineKernels();
#if defined(__x86_64__) || defined(_M_X64)
const Kernels& avx2Kernels();
const Kernels& avx512Kernels();
#endif

}  // namespace trustregion::cpu
