#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "core/aligned_memory.h"
#include "core/cpu/kernels.h"
#include "core/cpu/packing.h"
#include "core/function_ref.h"
#include "core/kronecker_sampling.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Rows that go through all layers together, so that they stay in the first two cache levels.
constexpr size_t kTileRows = 96;
// Of networks with wide layers: what is read once a tile (weights, sums) then weighs more than what
// is read once a row.
constexpr size_t kWideTileRows = 192;
// Cutting numbers into pairs of bfloat16 makes what is done once a tile weigh more. More rows as
// long as the widest layer's activations, cut, take a kilobyte a row at most.
constexpr size_t kSplitTileRows = 384;
constexpr size_t kNarrowSplitTileRows = 512;

// Floats that a row of a hidden layer takes: whole vectors, and whole panels where it is wider than
// one.
constexpr size_t hiddenWidth(size_t width) {
  if (width <= kPanelColumns) return paddedWidth(width);
  return toMultiple(width, kPanelColumns);
}

// A matrix of hiddenWidth(width) columns, panel by panel.
template <class T>
PanelMatrix<T> inPanels(T* data, size_t rows, size_t width) {
  return {data, std::min(kPanelColumns, hiddenWidth(width)), kPanelColumns * rows};
}

// to[i * toRow + j * toColumn] = element (i, j) of a sum [rows x columns] in GradientSum's order,
// by default with its panels, for the elements first, first + 1, ... of it, `count` of them at
// `sum`.
void copyFromPanels(const double* sum, size_t first, size_t count, size_t rows, size_t columns,
                    double* to, size_t toRow, size_t toColumn, size_t panelColumns = kPanelColumns);

// Puts the numbers first, first + 1, ... of a sum over a network's parameters, which are in `part`,
// where they belong in `ordered`; biases and what lies behind the network's parameters are copied.
// Of the weights of layer l those from `start` on, `count` of them at `from`, are left to
// copyWeights(l, from, start, count, to), where `to` is the layer's first weight in `ordered`.
using CopyWeights =
    FunctionRef<void(size_t l, const double* from, size_t start, size_t count, double* to)>;
void forEachPart(const MlpLayout& layout, std::span<const double> part, size_t first,
                 std::span<double> ordered, CopyWeights copyWeights);

enum class PackFor { forward, forwardAndBackward };

// Where one tile's activations lie: layer l reads input[l]. input[0] are the observations,
// row-major; hidden layers lie in panels. derivative is used by SiLU only.
struct TileActivations {
  std::vector<Matrix> input;
  std::vector<Matrix> derivative;
};

// Two buffers that the passes write to in turn, each as large as a tile of the widest layer. What
// is read of them has been written.
struct TileScratch {
  UninitializedFloats first;
  UninitializedFloats second;
};

// An InputWeight in float32.
struct PackedInputWeight {
  AlignedFloats mean;
  AlignedFloats scale;

  explicit PackedInputWeight(const InputWeight& weight);
  float operator()(ConstMatrix x, size_t row) const;
};

// The passes of an MLP over one tile of rows, in float32. Holds no numbers of its
// own: parameters come packed, buffers come from the caller, nothing is allocated.
class CpuMlp {
 public:
  CpuMlp(const MlpLayout& layout, const Kernels& kernels);

  const MlpLayout& layout() const { return layout_; }
  const Kernels& kernels() const { return *kernels_; }
  size_t inputWidth() const { return paddedWidth(layout_.inputs()); }
  size_t outputWidth() const { return paddedWidth(layout_.outputs()); }
  // Floats a row of the widest layer takes, observations and head among them.
  size_t widestLayer() const { return widestLayer_; }
  // Rows of a tile where there are `rows` of them: an even number of tiles, all about as large, so
  // that two threads get as much to do.
  size_t tileRows(size_t rows) const;
  bool storesDerivative() const { return layout_.activation() == Activation::silu; }

  TileScratch makeScratch(size_t tileRows) const;
  // Reuses the memory of `packed` from the second call on.
  void pack(std::span<const double> parameters, PackFor purpose, std::vector<PackedLayer>& packed,
            unsigned threads = 1) const;

  // head = network(input[0]), filling input[1...] and derivative.
  void forward(const std::vector<PackedLayer>& packed, size_t rows, const TileActivations& tile,
               float* head) const;

  // headTangent = J v for the packed direction v.
  void tangent(const std::vector<PackedLayer>& packed, const std::vector<PackedLayer>& direction,
               size_t rows, const TileActivations& tile, TileScratch& scratch,
               float* headTangent) const;

  // sum += J'u for the head cotangents u [rows x outputWidth()], the weights of each layer in the
  // order of GradientSum, and transposed, [inputs x outputs], where more lanes are then used;
  // restoreOrder() puts them in order, once all sums are made.
  void backward(const std::vector<PackedLayer>& packed, size_t rows, const TileActivations& tile,
                const float* headCotangent, TileScratch& scratch, double* sum,
                SumMode mode = SumMode::add) const;

  // See forEachPart.
  void restoreOrder(std::span<const double> part, size_t first, std::span<double> ordered) const;

  // For the Kronecker factors of layer l, at sum + offsets[l]: sum += x_l x_l' of each row, as a
  // Gram matrix of one triangle: for each panel of columns, densely, the rows from the first to its
  // last column; then x_l [inputs].
  void addInputFactors(size_t rows, const TileActivations& tile, std::span<const size_t> offsets,
                       double* sum) const;
  // sum += w u_l u_l' of each row, as a Gram matrix; then w. `scaled` has room for a tile of the
  // widest layer.
  void addOutputFactors(const std::vector<PackedLayer>& packed, size_t rows,
                        const TileActivations& tile, const float* headCotangent,
                        TileScratch& scratch, std::span<const PackedInputWeight> weights,
                        AlignedFloats& scaled, std::span<const size_t> offsets, double* sum) const;
  static size_t gramSize(size_t columns);
  // Both triangles of a Gram matrix, rows `stride` apart.
  static void unpackGram(const double* gram, size_t columns, double* matrix, size_t stride);

  // sum += the element-wise square of each row's J'u, for the Fisher diagonal.
  void backwardSquared(const std::vector<PackedLayer>& packed, size_t rows,
                       const TileActivations& tile, const float* headCotangent,
                       TileScratch& scratch, double* sum) const;

 private:
  // Calls visit(l, u_l) for each layer from the last to the first, u_l [rows x outputs] the
  // gradient with respect to z_l.
  template <class Visit>
  void backwardPass(const std::vector<PackedLayer>& packed, size_t rows,
                    const TileActivations& tile, const float* headCotangent, TileScratch& scratch,
                    Visit&& visit) const;

  static constexpr size_t kGramColumns = kPanelColumns / 2;
  void addGram(size_t rows, size_t columns, ConstMatrix x, double* sum) const;
  // sum += u_l x_l' and u_l of each row, for layer l.
  void addLayerGradient(size_t l, size_t rows, ConstMatrix u, ConstMatrix x, double* sum,
                        SumMode mode) const;
  void activate(size_t l, size_t rows, const TileActivations& tile) const;
  // c = bias + X W', for the packed layer W.
  void addProduct(size_t l, Product product) const;
  Factors inputFactors(size_t l, ConstMatrix x, const PackedLayer& packed) const;
  // Multiplies the product by the derivative at the outputs of hidden layer l.
  void setDerivative(size_t l, const TileActivations& tile, Product& product) const;

  MlpLayout layout_;
  const Kernels* kernels_;
  size_t widestLayer_;
  std::vector<HeadForm> forms_;     // by layer; hidden layers are in blocks
  std::vector<bool> isTransposed_;  // by layer: its gradient is summed transposed
};

}  // namespace trustregion::cpu
