#pragma once

#include <span>
#include <vector>

#include "core/cpu/cpu_mlp.h"
#include "core/cpu/split/split_kernels.h"

namespace trustregion::cpu {

// Weights as the two factors that SplitKernels read.
struct SplitLayer {
  SplitTiles forward;   // W'
  AlignedFloats bias;   // [padded outputs]
  SplitTiles backward;  // W; empty where not needed
};

// What the layers read of a tile of rows, cut once for all products of a problem: inputTiles() of
// them.
struct SplitInputs {
  SplitTile* tiles;
  bool isCut = false;  // by the first product
};

// What one thread holds of a tile of rows between and during the passes of a product.
struct SplitScratch {
  SplitInputs* held = nullptr;       // of the tile, or null: then those below are used
  SplitTiles input;                  // what a layer reads, as left factor
  std::vector<SplitTiles> gradient;  // the same of each layer, as right factor
  SplitTiles first;                  // tangents and cotangents by turns, as left factors
  SplitTiles second;
  SplitTiles transposed;  // cotangents
};

// Throws ErrorCode::unknownBackend if the system does not lend this process the unit.
void requireUnit(const SplitKernels& kernels);

// The two passes of a Fisher product over a tile of rows, as CpuMlp has them, with SplitKernels'
// products. A term of a sum is within 2^-14.5 of itself, most within 2^-17.
class SplitMlp {
 public:
  SplitMlp(const MlpLayout& layout, const SplitKernels& kernels)
      : layout_(layout), kernels_(&kernels) {}

  SplitScratch makeScratch(size_t tileRows) const;
  // Bytes of makeScratch and of pack.
  size_t scratchBytes(size_t tileRows) const;
  size_t packedBytes(PackFor purpose) const;

  // Tiles of what the layers read of so many rows, as left and as right factors.
  size_t inputTiles(size_t rows) const { return inputTilesBelow(layout_.layers().size(), rows); }

  // Takes the memory that pack() needs, and finds there when it is called.
  void resize(PackFor purpose, std::vector<SplitLayer>& packed) const;
  void pack(std::span<const double> parameters, PackFor purpose, std::vector<SplitLayer>& packed,
            unsigned threads = 1) const;

  // headTangent = J v for the packed direction v; rows of `headTangent` are paddedWidth(outputs)
  // long, here and below. Leaves in `scratch` what backward() needs of the same rows.
  void tangent(const std::vector<SplitLayer>& packed, const std::vector<SplitLayer>& direction,
               size_t rows, const TileActivations& tile, SplitScratch& scratch,
               float* headTangent) const;

  // sum += J'u for the head cotangents u, after tangent(); the weights of each layer in the order
  // of SplitGradient, which restoreOrder() undoes.
  void backward(const std::vector<SplitLayer>& packed, size_t rows, const TileActivations& tile,
                const float* headCotangent, SplitScratch& scratch, double* sum, SumMode mode) const;
  // As CpuMlp::restoreOrder.
  void restoreOrder(std::span<const double> part, size_t first, std::span<double> ordered) const;

 private:
  // phi' at the outputs of hidden layer l.
  SplitDerivative derivative(size_t l, const TileActivations& tile) const;
  // The same of the layers below l.
  size_t inputTilesBelow(size_t l, size_t rows) const;
  // Where the inputs of layer l are, or go, as the left and as the right factor.
  struct InputFactors {
    SplitTile* left;
    SplitTile* right;
  };
  InputFactors inputFactors(size_t l, size_t rows, SplitScratch& scratch) const;

  MlpLayout layout_;
  const SplitKernels* kernels_;
};

}  // namespace trustregion::cpu
