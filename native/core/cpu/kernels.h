#pragma once

#include <cstddef>

#include "core/cpu/double_kernels.h"
#include "core/dense_kernels.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Columns of a panel.
constexpr size_t kPanelColumns = 64;

// A matrix of float32 cut into panels of kPanelColumns columns: element (i, j) is
//   data[j / kPanelColumns * panel + i * row + j % kPanelColumns].
// Row-major is the case panel = kPanelColumns. Where a wide matrix is kept panel by panel
// (inPanels), what a kernel reads together lies together, whatever the width: no strides at which
// rows fall into the same few sets of a cache, and few pages.
template <class T>
struct PanelMatrix {
  T* data = nullptr;
  size_t row = 0;
  size_t panel = kPanelColumns;

  // NOLINTNEXTLINE(google-explicit-constructor): a matrix may be read as a constant one
  operator PanelMatrix<const T>() const { return {data, row, panel}; }
  PanelMatrix from(size_t firstRow) const { return {data + firstRow * row, row, panel}; }
};
using Matrix = PanelMatrix<float>;
using ConstMatrix = PanelMatrix<const float>;

template <class T>
PanelMatrix<T> rowMajor(T* data, size_t width) {
  return {data, width, kPanelColumns};
}

// Two factors of a product: sum_t a[i][t] b[t][j] for t < inner. b is packed in blocks of
// Kernels::blockColumns columns, [inner x block] each, the last one as wide as the padded columns
// leave it.
struct Factors {
  size_t inner = 0;
  ConstMatrix a;
  const float* b = nullptr;
};

// What the sums are multiplied by at the end: phi' at the place of the same row and column, from
// phi (tanh: 1 - h^2, ReLU: h > 0) or from the stored derivative (SiLU).
enum class Derivative { none, tanh, relu, stored };

// c[i][j] = (bias[j] + first + second) derivative[i][j]   for i < rows, j < columns.
// Columns beyond, up to a whole vector, may be written too. Row and panel strides are multiples of
// kRowAlignment. Without a bias the sums start at 0.
struct Product {
  size_t rows;
  size_t columns;
  Factors first;
  Factors second;  // inner 0: none
  const float* bias;
  Matrix c;
  Derivative derivative = Derivative::none;
  ConstMatrix h = {};           // phi, or the stored derivative; rows as far apart as those of c
  const float* next = nullptr;  // with a derivative: what is to be prefetched, as large as h
};

// What becomes of what stands in a sum already.
enum class SumMode { overwrite, add };

// sum[i][j] += sum_t u[t][i] x[t][j] for i < outputs, j < inputs, t < rows: the weight gradient of
// a tile, in float32 within the tile and in float64 beyond. sum is dense in panels: that of column
// j starts at sum + j / kPanelColumns * kPanelColumns * outputs and has rows of min(kPanelColumns,
// what is left of `inputs`).
struct GradientSum {
  size_t outputs;
  size_t inputs;
  size_t rows;
  ConstMatrix u;
  ConstMatrix x;
  double* sum;
  SumMode mode = SumMode::add;
};

// The inner loops, compiled once for each instruction set from kernels.inl. Element counts are
// multiples of kRowAlignment and pointers aligned to it. Sums have a fixed order for each target.
struct Kernels {
  size_t lanes;         // floats of a vector
  size_t blockColumns;  // columns of a register block, and of a block of packed weights
  void (*multiply)(const Product& product);
  // The same for at most lanes / 2 columns, so that half a vector is not wasted: b holds two steps
  // of the sum in turn, b[t][j] and b[t + 1][j] side by side in one vector for each pair of steps
  // (an odd last one beside zeros). There is no derivative, and exactly `columns` are written.
  void (*multiplyPairs)(const Product& product);
  // The same for a single column: b holds the steps one after another, lanes of them a vector.
  void (*multiplyColumn)(const Product& product);
  void (*addGradient)(const GradientSum& gradient);
  // sum[j] += sum_t u[t][j] for j < outputs
  void (*addColumnSums)(size_t rows, size_t outputs, ConstMatrix u, double* sum, SumMode mode);
  // In place z -> phi(z); SiLU also stores phi'(z), tanh and ReLU recompute it from phi(z).
  void (*activate)(Activation activation, size_t count, float* z, float* derivative);
  // out[i] = a[i] b[i]
  void (*multiplyElements)(size_t count, const float* a, const float* b, float* out);
  const DoubleKernels* inDouble;
};

const Kernels& baselineKernels();
const DenseKernels& baselineDenseKernels();
#if defined(__x86_64__) || defined(_M_X64)
const Kernels& avx2Kernels();
const DenseKernels& avx2DenseKernels();
const Kernels& avx512Kernels();
const DenseKernels& avx512DenseKernels();
#endif

}  // namespace trustregion::cpu
