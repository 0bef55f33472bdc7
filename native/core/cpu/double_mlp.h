#pragma once

#include <span>
#include <vector>

#include "core/aligned_memory.h"
#include "core/cpu/kernels.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Rows that go through all layers together.
constexpr size_t kDoubleTileRows = 3 * kGroupRows;

// The forward pass of an MLP in float64, for fixed parameters: what settles a doubt that float32
// leaves. Immutable, so any number of threads may read it, each with scratch of its own.
class DoubleMlp {
 public:
  DoubleMlp(const MlpLayout& layout, const Kernels& kernels, std::span<const double> parameters);

  // Two buffers that the layers write to in turn.
  struct Scratch {
    AlignedDoubles first;
    AlignedDoubles second;
  };
  Scratch makeScratch() const;

  size_t outputWidth() const { return paddedWidth(layout_.outputs()); }

  // Heads of at most kDoubleTileRows observations, which lie `stride` numbers apart; the heads lie
  // outputWidth() apart, in `scratch`.
  const double* forward(size_t rows, const float* observations, size_t stride,
                        Scratch& scratch) const;

 private:
  struct Layer {
    AlignedDoubles transposed;  // as DoubleProduct::b
    AlignedDoubles bias;
  };

  MlpLayout layout_;
  const DoubleKernels* kernels_;
  std::vector<Layer> layers_;
};

}  // namespace trustregion::cpu
