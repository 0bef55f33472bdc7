#pragma once

#include <span>
#include <vector>

#include "core/cpu/aligned_floats.h"
#include "core/cpu/kernels.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Rows that go through all layers together, so that they stay in the first two cache levels.
constexpr size_t kTileRows = 96;

// Weights in the two orders that the kernels read, rows padded with zeros.
struct PackedLayer {
  AlignedFloats transposed;  // [inputs x padded outputs] or in pairs, for forward and tangent
  AlignedFloats bias;        // [padded outputs]
  AlignedFloats weight;      // [outputs x padded inputs], for backward; empty where not needed
};

enum class PackFor { forward, forwardAndBackward };

// Where one tile's activations lie: layer l reads input[l] (input[0] the observations), derivative
// is used by SiLU only. Row strides are padded widths.
struct TileActivations {
  std::vector<float*> input;
  std::vector<float*> derivative;
};

// Two buffers that the passes write to in turn, each kTileRows x the widest layer.
struct TileScratch {
  AlignedFloats first;
  AlignedFloats second;
};

// The passes of an MLP over one tile of at most kTileRows rows, in float32. Holds no numbers of its
// own: parameters come packed, buffers come from the caller, nothing is allocated.
class CpuMlp {
 public:
  CpuMlp(const MlpLayout& layout, const Kernels& kernels);

  const MlpLayout& layout() const { return layout_; }
  const Kernels& kernels() const { return *kernels_; }
  size_t inputWidth() const { return paddedWidth(layout_.inputs()); }
  size_t outputWidth() const { return paddedWidth(layout_.outputs()); }
  size_t widestLayer() const { return widestLayer_; }
  bool storesDerivative() const { return layout_.activation() == Activation::silu; }

  TileScratch makeScratch() const;
  // Reuses the memory of `packed` from the second call on.
  void pack(std::span<const double> parameters, PackFor purpose,
            std::vector<PackedLayer>& packed) const;

  // head = network(input[0]), filling input[1...] and derivative.
  void forward(const std::vector<PackedLayer>& packed, size_t rows, const TileActivations& tile,
               float* head) const;

  // headTangent = J v for the packed direction v.
  void tangent(const std::vector<PackedLayer>& packed, const std::vector<PackedLayer>& direction,
               size_t rows, const TileActivations& tile, TileScratch& scratch,
               float* headTangent) const;

  // sum += J'u for the head cotangents u [rows x outputWidth()]. Where more lanes are then used, a
  // layer's weights are summed transposed, [inputs x outputs]; restoreOrder() puts them in order,
  // once all sums are made. `scratch` has parameterCount() numbers.
  void backward(const std::vector<PackedLayer>& packed, size_t rows, const TileActivations& tile,
                const float* headCotangent, TileScratch& scratch, double* sum) const;

  void restoreOrder(std::span<double> sum, std::span<double> scratch) const;

  // For the Kronecker factors of layer l, at sum + offsets[l]: sum += u_l u_l' of each row, dense
  // [outputs x outputs].
  void addOutputFactors(const std::vector<PackedLayer>& packed, size_t rows,
                        const TileActivations& tile, const float* headCotangent,
                        TileScratch& scratch, std::span<const size_t> offsets, double* sum) const;
  // sum += x_l x_l' of each row, dense [inputs x inputs], then x_l [inputs].
  void addInputFactors(size_t rows, const TileActivations& tile, std::span<const size_t> offsets,
                       double* sum) const;

  // sum += the element-wise square of each row's J'u, for the Fisher diagonal.
  void backwardSquared(const std::vector<PackedLayer>& packed, size_t rows,
                       const TileActivations& tile, const float* headCotangent,
                       TileScratch& scratch, double* sum) const;

 private:
  // Calls visit(l, u_l) for each layer from the last to the first, u_l [rows x padded outputs] the
  // gradient with respect to z_l.
  template <class Visit>
  void backwardPass(const std::vector<PackedLayer>& packed, size_t rows,
                    const TileActivations& tile, const float* headCotangent, TileScratch& scratch,
                    Visit&& visit) const;

  // sum += u_l x_l' and u_l of each row, for layer l.
  void addLayerGradient(size_t l, size_t rows, const float* u, const float* x, double* sum) const;
  // c = init + X W', for the packed layer W.
  void addProduct(size_t l, Product product) const;
  Factors inputFactors(size_t l, const float* x, const PackedLayer& packed) const;
  Derivative derivative() const;
  // What the derivative at the outputs of hidden layer l is made from.
  const float* derivativeSource(size_t l, const TileActivations& tile) const {
    return storesDerivative() ? tile.derivative[l] : tile.input[l + 1];
  }

  MlpLayout layout_;
  const Kernels* kernels_;
  size_t widestLayer_;
  std::vector<bool> isPaired_;      // by layer: a head of few outputs, packed in pairs
  std::vector<bool> isTransposed_;  // by layer: its gradient is summed transposed
};

}  // namespace trustregion::cpu
