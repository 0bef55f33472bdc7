#pragma once

#include "core/backend.h"
#include "core/cpu/cpu_mlp.h"

namespace trustregion::cpu {

// The critic's minibatch gradients in float32 on the calling thread: rows are gathered into tiles
// in the order given, so a shuffled epoch costs one copy and gives the same bits everywhere.
class CpuRegression : public RegressionProblem {
 public:
  CpuRegression(const MlpLayout& layout, const Kernels& kernels, NumberSpan inputs,
                std::span<const double> targets, const ObservationScaling& scaling,
                unsigned threads);

  double lossGradient(std::span<const double> parameters, std::span<const uint32_t> rows,
                      std::span<double> gradient) override;
  void descend(FunctionRef<std::span<const uint32_t>()> next, size_t largest, double learningRate,
               Adam& adam, std::span<double> parameters) override;

 private:
  CpuMlp mlp_;
  unsigned threads_;
  AlignedFloats inputs_;  // [rows x inputWidth]
  std::vector<double> targets_;
  std::vector<PackedLayer> packed_;
  TileScratch scratch_;
  TileActivations tile_;
  std::vector<AlignedFloats> activations_;  // of one tile, for each layer's input
  std::vector<AlignedFloats> derivatives_;
  std::vector<double> sum_;
  AlignedFloats head_;
  AlignedFloats headCotangent_;
};

}  // namespace trustregion::cpu
