#include "core/cpu/problem_memory.h"

#include <algorithm>

#include "core/cpu/cpu_problem.h"

namespace trustregion::cpu {

size_t hiddenFloats(const CpuMlp& mlp) {
  const auto& layers = mlp.layout().layers();
  size_t floats = 0;
  for (size_t l = 0; l + 1 < layers.size(); l++) floats += hiddenWidth(layers[l].outputs);
  return mlp.storesDerivative() ? 2 * floats : floats;
}

size_t heldCutTiles(const CpuMlp& mlp, size_t rows) {
  // 17-64-64-6: products of 1,024 rows take 0.91 of the time, of 4,096 rows (5 MB) 0.93, of 8,192
  // 0.97, of 16,384 1.2 times as long.
  constexpr size_t kMostBytes = 8 << 20;
  if (mlp.kernels().split == nullptr) return 0;
  const size_t tileRows = mlp.tileRows(rows);
  const size_t tiles = SplitMlp(mlp.layout(), *mlp.kernels().split).inputTiles(tileRows);
  return (rows + tileRows - 1) / tileRows * tiles * sizeof(SplitTile) <= kMostBytes ? tiles : 0;
}

size_t problemBytes(const PolicyModel& model, const CpuMlp& mlp, size_t rows, size_t heldRows,
                    unsigned threads) {
  constexpr size_t kFloat = sizeof(float);
  constexpr size_t kDouble = sizeof(double);
  const Distribution& distribution = model.distribution;
  const bool isGaussian = distribution.kind() == DistributionKind::gaussian;
  // Observations, heads, metric; actions, advantages, log-probabilities.
  const size_t row =
      kFloat * (mlp.inputWidth() + distribution.headSize() + (isGaussian ? 0 : mlp.outputWidth())) +
      kDouble * (distribution.actionSize() + 2);

  const size_t tileRows = mlp.tileRows(rows);
  const size_t tiles = (rows + tileRows - 1) / tileRows;
  const size_t workers = std::min<size_t>(threads, tiles);
  const size_t recomputed = heldRows < rows ? hiddenFloats(mlp) : 0;
  const size_t scratch =
      kFloat * tileRows *
      ((mlp.storesDerivative() ? 5 : 4) * mlp.widestLayer() + 2 * mlp.outputWidth() + recomputed);

  const size_t parameters = model.parameterCount();
  const size_t blocks = blockCount(rows, tiles, parameters);
  // theta, and its two packed orders; a direction and a candidate are packed when they come.
  const size_t vectors = kDouble * parameters * (1 + blocks) + 4 * kFloat * parameters;

  size_t split = 0;
  if (mlp.kernels().split != nullptr) {
    const SplitMlp splitMlp(model.network, *mlp.kernels().split);
    split = workers * splitMlp.scratchBytes(tileRows) + splitMlp.packedBytes(PackFor::forward) +
            splitMlp.packedBytes(PackFor::forwardAndBackward) +
            (heldRows == rows ? tiles * heldCutTiles(mlp, rows) * sizeof(SplitTile) : 0);
  }
  return split + rows * row + heldRows * kFloat * hiddenFloats(mlp) + workers * scratch + vectors;
}

}  // namespace trustregion::cpu
