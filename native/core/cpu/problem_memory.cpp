#include "core/cpu/problem_memory.h"

#include <algorithm>

#include "core/cpu/cpu_problem.h"

namespace trustregion::cpu {

namespace {

// Floats of hidden activations (and derivatives, SiLU) that one row takes.
size_t hiddenFloats(const CpuMlp& mlp) {
  const auto& layers = mlp.layout().layers();
  size_t floats = 0;
  for (size_t l = 0; l + 1 < layers.size(); l++) floats += hiddenWidth(layers[l].outputs);
  return mlp.storesDerivative() ? 2 * floats : floats;
}

}  // namespace

size_t heldFloats(const CpuMlp& mlp, size_t rows, size_t width) {
  const size_t floats = rows * hiddenWidth(width);
  if (mlp.kernels().split == nullptr) return floats;
  const size_t tiles = leftTiles(*mlp.kernels().split, rows, width);
  return std::max(floats, tiles * sizeof(RoundedTile) / sizeof(float));
}

size_t heldInputTiles(const CpuMlp& mlp, size_t rows) {
  if (mlp.kernels().split == nullptr) return 0;
  return leftTiles(*mlp.kernels().split, rows, mlp.layout().inputs());
}

size_t heldBytes(const CpuMlp& mlp, size_t rows) {
  const auto& layers = mlp.layout().layers();
  size_t floats = 0;
  for (size_t l = 0; l + 1 < layers.size(); l++) {
    floats += (mlp.storesDerivative() ? 2 : 1) * heldFloats(mlp, rows, layers[l].outputs);
  }
  return floats * sizeof(float) + heldInputTiles(mlp, rows) * sizeof(RoundedTile);
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
    const size_t cut = heldRows < rows ? heldBytes(mlp, tileRows) : 0;
    split = workers * (splitMlp.scratchBytes(tileRows) + cut) + splitMlp.packedBytes() +
            splitMlp.directionBytes();
  }
  const size_t held =
      sumOverTiles(heldRows, tileRows, [&](size_t ofTile) { return heldBytes(mlp, ofTile); });
  return split + rows * row + held + workers * scratch + vectors;
}

}  // namespace trustregion::cpu
