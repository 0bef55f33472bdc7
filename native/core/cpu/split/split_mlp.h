#pragma once

#include <span>
#include <vector>

#include "core/cpu/cpu_mlp.h"
#include "core/cpu/split/split_kernels.h"

namespace trustregion::cpu {

// Weights as the two factors that SplitKernels read.
struct SplitLayer {
  RoundedTiles forward;   // W'
  RoundedTiles backward;  // W; empty where not needed
};

// A direction of the weights and biases of a layer.
struct SplitDirection {
  SplitTiles forward;
  AlignedFloats bias;  // [padded outputs]
};

// TileActivations cut into left factors: layer l reads input[l]; derivative[l] is that of hidden
// layer l, where derivatives are stored.
struct SplitActivations {
  std::vector<RoundedTile*> input;
  std::vector<RoundedTile*> derivative;
};

// What one thread holds of a tile of rows between and during the passes of a product.
struct SplitScratch {
  SplitTiles first;  // tangents and cotangents by turns, as left factors
  SplitTiles second;
  SplitTiles transposed;  // cotangents
  RoundedTiles paired;    // columns of what a layer reads
};

// Throws ErrorCode::unknownBackend if the system does not lend this process the unit.
void requireUnit(const SplitKernels& kernels);

// The two passes of a Fisher product over a tile of rows, as CpuMlp has them, with SplitKernels'
// products. Where weights and activations are pairs, a term of a sum is within 2^-14.5 of itself,
// most within 2^-17; where they are rounded, so is one of a network whose weights and activations
// are.
class SplitMlp {
 public:
  SplitMlp(const MlpLayout& layout, const SplitKernels& kernels)
      : layout_(layout), kernels_(&kernels) {}

  SplitScratch makeScratch(size_t tileRows) const;
  // Bytes of makeScratch, of pack and of packDirection.
  size_t scratchBytes(size_t tileRows) const;
  size_t packedBytes() const;
  size_t directionBytes() const;

  // Cuts a matrix of activations of `columns` columns.
  void cut(size_t rows, size_t columns, ConstMatrix from, RoundedTile* to) const {
    kernels_->splitInput({rows, columns, from, to});
  }

  void pack(std::span<const double> parameters, std::vector<SplitLayer>& packed,
            unsigned threads = 1) const;
  // Takes the memory that packDirection() needs, and finds there when it is called.
  void resizeDirection(std::vector<SplitDirection>& packed) const;
  void packDirection(std::span<const double> direction, std::vector<SplitDirection>& packed,
                     unsigned threads = 1) const;

  // headTangent = J v for the packed direction v; rows of `headTangent` are paddedWidth(outputs)
  // long, here and below.
  void tangent(const std::vector<SplitLayer>& packed, const std::vector<SplitDirection>& direction,
               size_t rows, const SplitActivations& tile, SplitScratch& scratch,
               float* headTangent) const;

  // sum += J'u for the head cotangents u; the weights of each layer in the order of SplitGradient,
  // which restoreOrder() undoes.
  void backward(const std::vector<SplitLayer>& packed, size_t rows, const SplitActivations& tile,
                const float* headCotangent, SplitScratch& scratch, double* sum, SumMode mode) const;
  // As CpuMlp::restoreOrder.
  void restoreOrder(std::span<const double> part, size_t first, std::span<double> ordered) const;

 private:
  template <class Task>
  static void forEachChunk(const LayerLayout& layer, unsigned threads, Task&& task);
  // phi' at the outputs of hidden layer l.
  SplitDerivative derivative(size_t l, const SplitActivations& tile) const;

  MlpLayout layout_;
  const SplitKernels* kernels_;
};

}  // namespace trustregion::cpu
