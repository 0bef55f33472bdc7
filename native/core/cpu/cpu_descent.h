#pragma once

#include <span>
#include <vector>

#include "core/adam.h"
#include "core/aligned_memory.h"
#include "core/cpu/kernels.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Rows of a minibatch that one task takes through the network.
constexpr size_t kDescentTileRows = 64;

// Larger minibatches are not for this: their sums need float64.
constexpr size_t kLargestDescentMinibatch = 1024;

// Adam on minibatches for a network with one output and half its mean squared error. Parameters and
// moments stay in float32, in the order that the products read, from load() to store(): between two
// minibatches nothing is converted, and only weights that go both ways are transposed.
//
// A minibatch is cut into tiles, each with gradient sums of its own in float32, which the step of
// Adam adds up in order; so 1 and 64 threads give the same bits.
class CpuDescent {
 public:
  // inputs [rows x padded inputs], targets [rows]; both are only referred to. No minibatch has more
  // than `largest` rows.
  CpuDescent(const MlpLayout& layout, const Kernels& kernels, const AlignedFloats& inputs,
             std::span<const float> targets, size_t largest, unsigned threads);

  void load(std::span<const double> parameters, Adam& adam);
  void step(std::span<const uint32_t> rows, const Adam::Factors& factors);
  void store(std::span<double> parameters, Adam& adam) const;

 private:
  // A layer within the packed parameters: the weight transposed, [inputs x padded outputs] in
  // blocks of columns, and behind it the bias. The weight of the single output is one row.
  struct Layer {
    size_t inputs;
    size_t outputs;
    size_t inputWidth;
    size_t outputWidth;
    size_t weight;
    size_t bias;
  };
  // What one thread works with.
  struct Workspace {
    std::vector<AlignedFloats> input;       // of each layer, a tile of rows
    std::vector<AlignedFloats> derivative;  // SiLU only
    AlignedFloats u;                        // gradient with respect to a layer's z
    AlignedFloats nextU;
    AlignedFloats target;
    AlignedFloats error;
    // The weights as [outputs x padded inputs] in blocks of columns, for the way back: each thread
    // makes its own, which is sooner done than fetched from the other's cache. As of step
    // `version`.
    std::vector<AlignedFloats> weight;
    uint64_t version = 0;
  };

  struct Block {
    size_t first;
    size_t width;
  };
  Block blockOf(const Layer& layer, size_t j) const;
  template <class Visit>
  void forEachParameter(const Visit& visit) const;
  void runTile(std::span<const uint32_t> rows, Workspace& workspace, float* gradient) const;
  const float* derivativeSource(size_t l, const Workspace& workspace) const;
  void transposeWeights(Workspace& workspace) const;
  void stepAdam(size_t tiles, float scale, const Adam::Factors& factors);

  MlpLayout layout_;
  const Kernels* kernels_;
  const AlignedFloats* inputs_;
  std::span<const float> targets_;
  unsigned threads_;
  Derivative derivative_;
  std::vector<Layer> layers_;
  size_t size_ = 0;  // of the packed parameters
  AlignedFloats parameters_;
  AlignedFloats mean_;
  AlignedFloats square_;
  AlignedFloats gradients_;  // of each tile
  uint64_t version_ = 1;     // of the parameters
  std::vector<Workspace> workspaces_;
};

}  // namespace trustregion::cpu
