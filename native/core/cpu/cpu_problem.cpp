#include "core/cpu/cpu_problem.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

namespace trustregion::cpu {

size_t blockCount(size_t tiles, size_t sumSize) {
  constexpr size_t kTilesPerBlock = 4;
  constexpr size_t kMostBlocks = 64;
  constexpr size_t kFewestBlocks = 4;
  constexpr size_t kAccumulatorBytes = 64 << 20;
  const size_t affordable = std::max(kFewestBlocks, kAccumulatorBytes / (sizeof(double) * sumSize));
  const size_t wanted = (tiles + kTilesPerBlock - 1) / kTilesPerBlock;
  return std::min({wanted, affordable, kMostBlocks});
}

CpuProblem::CpuProblem(const PolicyModel& model, const Kernels& kernels,
                       std::span<const double> parameters, const ObservationScaling& scaling,
                       const RolloutView& rollout, unsigned threads)
    : model_(model),
      mlp_(model.network, kernels),
      parameters_(parameters.begin(), parameters.end()),
      rollout_(model, rollout),
      rows_(rollout.rows),
      threads_(threads) {
  if (scaling.isIdentity()) rollout.observations.requireFiniteFloat32("observations");
  const size_t headSize = model_.distribution.headSize();
  const bool sameMetricInEveryRow = model_.distribution.kind() == DistributionKind::gaussian;
  for (const LayerLayout& layer : model_.network.layers()) {
    inputs_.emplace_back(rows_ * paddedWidth(layer.inputs));
    if (mlp_.storesDerivative()) derivatives_.emplace_back(rows_ * paddedWidth(layer.outputs));
  }
  largestInput_.resize(model_.observationSize());
  heads_.resize(rows_ * headSize);
  metric_.resize((sameMetricInEveryRow ? 1 : rows_) * mlp_.outputWidth());
  orderScratch_.resize(model_.parameterCount());
  oldLogProbability_.resize(rollout_.hasActions() ? rows_ : 0);
  blockSums_.assign(blockCount(tileCount(), model_.parameterCount()),
                    AlignedDoubles(model_.parameterCount()));

  workers_.resize(std::min<size_t>(threads_, tileCount()));
  for (Worker& worker : workers_) {
    worker.scratch = mlp_.makeScratch();
    worker.activations.input.resize(inputs_.size());
    worker.activations.derivative.resize(derivatives_.size());
    worker.candidate.assign(2, AlignedFloats(kTileRows * mlp_.widestLayer()));
    worker.derivative.resize(mlp_.storesDerivative() ? kTileRows * mlp_.widestLayer() : 0);
    worker.head.resize(kTileRows * mlp_.outputWidth());
    worker.headCotangent.resize(kTileRows * mlp_.outputWidth());
    worker.newHead.resize(headSize);
    worker.oldHead.resize(headSize);
    worker.score.resize(2 * headSize);
  }

  mlp_.pack(parameters_, PackFor::forwardAndBackward, packed_);
  parallelFor(tileCount(), threads_, [&](size_t index, unsigned worker) {
    cacheTile(tileAt(index), scaling, rollout.observations, workers_[worker]);
  });
  for (size_t row = 0; row < rows_; row++) {
    const float* input = inputs_[0].data() + row * mlp_.inputWidth();
    for (size_t k = 0; k < largestInput_.size(); k++) {
      largestInput_[k] = std::max(largestInput_[k], std::abs(static_cast<double>(input[k])));
    }
  }
}

CpuProblem::Tile CpuProblem::tileAt(size_t index) const {
  const size_t firstRow = index * kTileRows;
  return {firstRow, std::min(kTileRows, rows_ - firstRow)};
}

const double* CpuProblem::action(size_t row) const {
  return rollout_.actions.data() + row * model_.distribution.actionSize();
}

const double* CpuProblem::logStd(std::span<const double> parameters) const {
  return parameters.data() + model_.logStdOffset();
}

void CpuProblem::pointToCache(const Tile& tile, Worker& worker) {
  const auto& layers = model_.network.layers();
  for (size_t l = 0; l < layers.size(); l++) {
    worker.activations.input[l] = inputs_[l].data() + tile.firstRow * paddedWidth(layers[l].inputs);
    if (mlp_.storesDerivative()) {
      worker.activations.derivative[l] =
          derivatives_[l].data() + tile.firstRow * paddedWidth(layers[l].outputs);
    }
  }
}

// Observations from the cache; hidden layers of a candidate in two buffers by turns, since nothing
// of them is needed behind the next layer.
void CpuProblem::pointToCandidate(const Tile& tile, Worker& worker) {
  worker.activations.input[0] = inputs_[0].data() + tile.firstRow * mlp_.inputWidth();
  for (size_t l = 1; l < inputs_.size(); l++) {
    worker.activations.input[l] = worker.candidate[l % 2].data();
  }
  for (float*& derivative : worker.activations.derivative) derivative = worker.derivative.data();
}

void CpuProblem::readOldHead(size_t row, Worker& worker) const {
  const size_t headSize = model_.distribution.headSize();
  std::copy_n(heads_.data() + row * headSize, headSize, worker.oldHead.begin());
}

void CpuProblem::cacheTile(const Tile& tile, const ObservationScaling& scaling,
                           NumberSpan observations, Worker& worker) {
  const Distribution& distribution = model_.distribution;
  const size_t size = model_.observationSize();
  const size_t headSize = distribution.headSize();
  pointToCache(tile, worker);
  scaling.apply(observations.subspan(tile.firstRow * size, tile.rows * size), tile.rows, size,
                worker.activations.input[0], mlp_.inputWidth());
  mlp_.forward(packed_, tile.rows, worker.activations, worker.head.data());

  for (size_t i = 0; i < tile.rows; i++) {
    const size_t row = tile.firstRow + i;
    std::copy_n(worker.head.data() + i * mlp_.outputWidth(), headSize,
                heads_.data() + row * headSize);
    readOldHead(row, worker);
    if (rollout_.hasActions()) {
      oldLogProbability_[row] =
          distribution.logProbability(worker.oldHead.data(), logStd(parameters_), action(row));
    }
    if (distribution.kind() == DistributionKind::gaussian && row > 0) continue;
    distribution.metricWeights(worker.oldHead.data(), logStd(parameters_), worker.score.data());
    std::transform(worker.score.begin(), worker.score.begin() + headSize,
                   metric_.data() + row * mlp_.outputWidth(),
                   [](double weight) { return static_cast<float>(weight); });
  }
}

void CpuProblem::meanOverTiles(std::span<double> result, TileTask task) {
  meanOverBlocks(
      result, tileCount(), static_cast<double>(rows_), blockSums_,
      [&](size_t tile, Worker& worker, double* sum) { task(tileAt(tile), worker, sum); });
  mlp_.restoreOrder(result, orderScratch_);
}

void CpuProblem::meanOverBlocks(std::span<double> result, size_t tiles, double rows,
                                std::vector<AlignedDoubles>& blockSums, NumberedTask task) {
  const size_t blocks = std::min(blockSums.size(), blockCount(tiles, result.size()));
  parallelFor(blocks, threads_, [&](size_t block, unsigned worker) {
    AlignedDoubles& sums = blockSums[block];
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t tile = block * tiles / blocks; tile < (block + 1) * tiles / blocks; tile++) {
      task(tile, workers_[worker], sums.data());
    }
  });
  constexpr size_t kRange = 4096;
  parallelFor((result.size() + kRange - 1) / kRange, threads_, [&](size_t range, unsigned) {
    const size_t first = range * kRange;
    const size_t last = std::min(result.size(), first + kRange);
    std::copy(blockSums[0].begin() + first, blockSums[0].begin() + last, result.begin() + first);
    for (size_t block = 1; block < blocks; block++) {
      const AlignedDoubles& sums = blockSums[block];
      for (size_t i = first; i < last; i++) result[i] += sums[i];
    }
    for (size_t i = first; i < last; i++) result[i] /= rows;
  });
}

}  // namespace trustregion::cpu
