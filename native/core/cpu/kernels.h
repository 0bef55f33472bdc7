#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/cpu/double_kernels.h"
#include "core/dense_kernels.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Rows of float matrices start at multiples of this, so that every vector width divides them.
constexpr size_t kRowAlignment = 16;  // floats: one cache line, one AVX-512 vector

constexpr size_t paddedWidth(size_t width) { return toMultiple(width, kRowAlignment); }

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

constexpr Derivative derivativeOf(Activation activation) {
  if (activation == Activation::tanh) return Derivative::tanh;
  return activation == Activation::relu ? Derivative::relu : Derivative::stored;
}

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

// Everything behind the last hidden layer of a network with one output, for half the squared error:
//   error = h w + bias - target             of each row
//   sum  += error h,  biasSum += error      gradient of w and of the bias
//   u     = error w phi'                    what goes back through the hidden layer
// h and w are [rows x width] and [width], padded with zeros.
struct ErrorPass {
  size_t rows;
  size_t width;  // a multiple of kRowAlignment
  const float* h;
  const float* weight;
  float bias;
  const float* target;
  Derivative derivative;  // none: there is no hidden layer, and no u
  const float* stored;    // what the derivative is made from: h, or the stored derivative
  float* error;           // [rows]
  float* u;
  float* weightSum;
  float* biasSum;
};

// sum[k][j] = sum_t x[t][k] u[t][j] for k < inputs, j < outputs, t < rows, in float32: the gradient
// of a transposed weight, [inputs x padded outputs] in blocks of columns as Factors::b. x and u are
// row-major, u padded with zeros.
struct GradientProduct {
  size_t inputs;
  size_t outputs;
  size_t rows;
  const float* x;
  size_t xRow;
  const float* u;
  size_t uRow;
  float* sum;
};

// One step of Adam on `count` parameters, by the gradient scale (gradient[0] + gradient[stride] +
// ...), `gradients` of them, each [count]:
//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   parameter -= meanFactor m / (rootFactor sqrt(v) + epsilon)
struct AdamPass {
  size_t count;
  const float* gradient;
  size_t gradients;
  size_t stride;
  float scale;
  float beta1;
  float beta2;
  float oneMinusBeta1;
  float oneMinusBeta2;
  float epsilon;
  float meanFactor;
  float rootFactor;
  float* mean;
  float* square;
  float* parameter;
};

struct SplitKernels;

// The inner loops, compiled once for each instruction set from kernels.inl. Element counts are
// multiples of kRowAlignment and pointers aligned to it. Sums have a fixed order for each target.
struct Kernels {
  size_t lanes;         // floats of a vector
  size_t blockColumns;  // columns of a register block, and of a block of packed weights
  void (*multiply)(const Product& product);
  // The same for at most lanes / 2 columns, so that few lanes are wasted: b is transposed, each
  // column with its steps one after another, padded with zeros to kRowAlignment. There is no
  // derivative, and exactly `columns` are written.
  void (*multiplyNarrow)(const Product& product);
  void (*addGradient)(const GradientSum& gradient);
  // sum[j] += sum_t u[t][j] for j < outputs
  void (*addColumnSums)(size_t rows, size_t outputs, ConstMatrix u, double* sum, SumMode mode);
  // In place z -> phi(z); SiLU also stores phi'(z), tanh and ReLU recompute it from phi(z).
  void (*activate)(Activation activation, size_t count, float* z, float* derivative);
  // out[i] = a[i] b[i]
  void (*multiplyElements)(size_t count, const float* a, const float* b, float* out);
  const DoubleKernels* inDouble;
  MultiplySingle multiplySingle;
  void (*backThroughError)(const ErrorPass& pass);
  void (*sumGradient)(const GradientProduct& product);
  void (*stepAdam)(const AdamPass& pass);
  // to[i] = from[chosen[i]], rows of `width` floats
  void (*gatherRows)(size_t count, const uint32_t* chosen, size_t width, const float* from,
                     float* to);
  // to[column][row] = from[row][column], `rows` at most `lanes`; columns up to a whole vector are
  // read. Rows of `to` are written up to a whole vector, with zeros behind the last row.
  void (*transposeRows)(size_t rows, size_t columns, const float* from, size_t fromRow, float* to,
                        size_t toRow);
  // Fisher products are made of pairs of bfloat16 by these (split/split_kernels.h); null: in
  // float32, as everything else.
  const SplitKernels* split = nullptr;
};

const Kernels& baselineKernels();
const DenseKernels& baselineDenseKernels();
#if defined(__x86_64__) || defined(_M_X64)
const Kernels& avx2Kernels();
const DenseKernels& avx2DenseKernels();
const Kernels& avx512Kernels();
// AVX-512's, with Fisher products on AMX.
const Kernels& amxKernels();
const Kernels& amxRoundedKernels();
const DenseKernels& avx512DenseKernels();
#endif

}  // namespace trustregion::cpu
