#include "core/cpu/cpu_problem.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/cpu/problem_memory.h"
#include "core/cpu/rounding_error.h"
#include "core/thread_pool.h"

namespace trustregion::cpu {

size_t blockCount(size_t rows, size_t tiles, size_t sumSize) {
  constexpr size_t kRowsPerBlock = 4 * kTileRows;
  constexpr size_t kMostBlocks = 64;
  constexpr size_t kFewestBlocks = 4;
  constexpr size_t kAccumulatorBytes = 64 << 20;
  // Few blocks must come out even between the usual numbers of threads: of five, one of two threads
  // would have three.
  const size_t affordable =
      std::bit_floor(std::max(kFewestBlocks, kAccumulatorBytes / (sizeof(double) * sumSize)));
  const size_t wanted = (rows + 2 * kRowsPerBlock - 1) / (2 * kRowsPerBlock) * 2;
  return std::min({wanted, tiles, affordable, kMostBlocks});
}

std::vector<UninitializedDoubles> makeBlockSums(size_t rows, size_t tiles, size_t sumSize) {
  std::vector<UninitializedDoubles> sums;
  for (size_t block = 0; block < blockCount(rows, tiles, sumSize); block++) {
    sums.emplace_back(sumSize);
  }
  return sums;
}

CpuProblem::CpuProblem(const PolicyModel& model, const Kernels& kernels,
                       std::span<const double> parameters, const ObservationScaling& scaling,
                       const RolloutView& rollout, const Resources& resources)
    : model_(model),
      mlp_(model.network, kernels),
      parameters_(parameters.begin(), parameters.end()),
      distribution_(distributionAt(parameters_)),
      rollout_(model, rollout),
      rows_(rollout.rows),
      tileRows_(mlp_.tileRows(rollout.rows)),
      threads_(resources.threads) {
  if (scaling.isIdentity()) rollout.observations.requireFiniteFloat32("observations");
  if (kernels.split != nullptr) {
    requireUnit(*kernels.split);
    splitMlp_.emplace(model.network, *kernels.split);
  }
  const size_t headSize = model_.distribution.headSize();
  const bool sameMetricInEveryRow = model_.distribution.kind() == DistributionKind::gaussian;
  heads_.resize(rows_ * headSize);
  metric_.resize((sameMetricInEveryRow ? 1 : rows_) * mlp_.outputWidth());
  oldLogProbability_.resize(rollout_.hasActions() ? rows_ : 0);
  blockSums_ = makeBlockSums(rows_, tileCount(), model_.parameterCount());

  workers_.resize(std::min<size_t>(threads_, tileCount()));
  for (Worker& worker : workers_) {
    worker.scratch = mlp_.makeScratch(tileRows_);
    if (splitMlp_) worker.splitScratch = splitMlp_->makeScratch(tileRows_);
    worker.activations.input.resize(model_.network.layers().size());
    if (mlp_.storesDerivative())
      worker.activations.derivative.resize(model_.network.layers().size());
    for (int i = 0; i < 2; i++) worker.candidate.emplace_back(tileRows_ * mlp_.widestLayer());
    worker.derivative.resize(mlp_.storesDerivative() ? tileRows_ * mlp_.widestLayer() : 0);
    worker.head.resize(tileRows_ * mlp_.outputWidth());
    worker.headCotangent.resize(tileRows_ * mlp_.outputWidth());
    worker.oldHead.resize(headSize);
    worker.score.resize(2 * headSize);
    worker.oldHeads = distribution_.makeHeads();
    worker.newHeads = distribution_.makeHeads();
    worker.actions = distribution_.makeActions();
    worker.gradient = distribution_.makeGradient();
    worker.groupHeads.resize(kGroupRows * headSize);
  }
  holdActivations(resources.memoryBudget);

  mlp_.pack(parameters_, PackFor::forwardAndBackward, packed_, threads_);
  if (splitMlp_) {
    splitMlp_->pack(parameters_, splitPacked_, threads_);
    splitMlp_->resizeDirection(splitDirection_);
  }
  const size_t size = model_.observationSize();
  meanSquareInput_.resize(size);
  std::vector<UninitializedDoubles> squares = makeBlockSums(rows_, tileCount(), size);
  meanOverBlocks(
      tileCount(), static_cast<double>(rows_), squares,
      [&](size_t index, Worker& worker, double* sum, SumMode mode) {
        const Tile tile = tileAt(index);
        cacheTile(tile, scaling, rollout.observations, worker);
        if (mode == SumMode::overwrite) std::fill_n(sum, size, 0.0);
        const float* inputs = inputs_[0].data() + tile.firstRow * mlp_.inputWidth();
        for (size_t i = 0; i < tile.rows; i++) {
          const float* input = inputs + i * mlp_.inputWidth();
          for (size_t k = 0; k < size; k++) {
            sum[k] += static_cast<double>(input[k]) * static_cast<double>(input[k]);
          }
        }
      },
      [&](std::span<const double> part, size_t first) {
        std::copy(part.begin(), part.end(), meanSquareInput_.begin() + first);
      });
  headVariance_ = headErrorVariance(model_.network, parameters_, meanSquareInput_);
}

// Of what the budget leaves beside all else that the problem needs, hidden activations get as many
// tiles as go in.
void CpuProblem::holdActivations(size_t memoryBudget) {
  const auto& layers = model_.network.layers();
  const size_t hiddenLayers = layers.size() - 1;
  const size_t needed = problemBytes(model_, mlp_, rows_, 0, threads_);
  const size_t left = memoryBudget > needed ? memoryBudget - needed : 0;
  const size_t tileBytes = std::max<size_t>(heldBytes(mlp_, tileRows_), 1);
  heldRows_ = std::min(rows_, left / tileBytes * tileRows_);

  inputs_.emplace_back(rows_ * mlp_.inputWidth());
  cutInputs_.resize(
      sumOverTiles(heldRows_, tileRows_, [&](size_t rows) { return heldInputTiles(mlp_, rows); }));
  const auto hold = [&](std::vector<UninitializedFloats>& to, size_t width) {
    to.emplace_back(sumOverTiles(heldRows_, tileRows_,
                                 [&](size_t rows) { return heldFloats(mlp_, rows, width); }));
    if (hiddenWidth(width) != width) std::fill(to.back().begin(), to.back().end(), 0.0F);
  };
  for (size_t l = 0; l < hiddenLayers; l++) {
    hold(inputs_, layers[l].outputs);
    if (mlp_.storesDerivative()) hold(derivatives_, layers[l].outputs);
  }
  for (Worker& worker : workers_) {
    if (splitMlp_) {
      worker.cutActivations.input.resize(layers.size());
      worker.cutActivations.derivative.resize(derivatives_.size());
    }
    if (heldRows_ == rows_) continue;
    makeRecomputed(worker);
    if (!splitMlp_) continue;
    for (size_t l = 0; l <= hiddenLayers; l++) {
      worker.cut.emplace_back(leftTiles(*mlp_.kernels().split, tileRows_, layers[l].inputs));
    }
    for (size_t l = 0; l < derivatives_.size(); l++) {
      worker.cut.emplace_back(leftTiles(*mlp_.kernels().split, tileRows_, layers[l].outputs));
    }
  }
}

void CpuProblem::makeRecomputed(Worker& worker) const {
  const auto& layers = model_.network.layers();
  for (size_t l = 0; l + 1 < layers.size(); l++) {
    const size_t width = hiddenWidth(layers[l].outputs);
    worker.recomputed.emplace_back(tileRows_ * width);
    if (mlp_.storesDerivative()) worker.recomputed.emplace_back(tileRows_ * width);
  }
}

size_t CpuProblem::heldOffset(const Tile& tile, size_t width) const {
  return tile.firstRow / tileRows_ * heldFloats(mlp_, tileRows_, width);
}

CpuProblem::Tile CpuProblem::tileAt(size_t index) const {
  const size_t firstRow = index * tileRows_;
  return {firstRow, std::min(tileRows_, rows_ - firstRow)};
}

const double* CpuProblem::action(size_t row) const {
  return rollout_.actions.data() + row * model_.distribution.actionSize();
}

const double* CpuProblem::logStd(std::span<const double> parameters) const {
  return parameters.data() + model_.logStdOffset();
}

void CpuProblem::pointToCache(const Tile& tile, Worker& worker) {
  auto& [input, derivative] = worker.activations;
  input[0] = rowMajor(inputs_[0].data() + tile.firstRow * mlp_.inputWidth(), mlp_.inputWidth());
  const auto& layers = model_.network.layers();
  const bool isHere = isCached(tile);
  if (!isHere && worker.recomputed.empty()) makeRecomputed(worker);  // behind the first product
  auto recomputed = worker.recomputed.begin();
  const auto place = [&](UninitializedFloats& held, size_t width) {
    float* const data = isHere ? held.data() + heldOffset(tile, width) : (recomputed++)->data();
    return inPanels(data, tile.rows, width);
  };
  for (size_t l = 0; l + 1 < layers.size(); l++) {
    input[l + 1] = place(inputs_[l + 1], layers[l].outputs);
    if (mlp_.storesDerivative()) derivative[l] = place(derivatives_[l], layers[l].outputs);
  }
}

void CpuProblem::pointToActivations(const Tile& tile, Worker& worker) {
  pointToCache(tile, worker);
  if (!isCached(tile)) {
    mlp_.forward(packed_, tile.rows, worker.activations, worker.head.data());
  }
}

const TileActivations& CpuProblem::activationsForProduct(const CpuMlp&, const Tile& tile,
                                                         Worker& worker) {
  pointToActivations(tile, worker);
  return worker.activations;
}

const SplitActivations& CpuProblem::activationsForProduct(const SplitMlp& mlp, const Tile& tile,
                                                          Worker& worker) {
  const auto& layers = model_.network.layers();
  const bool isHere = isHeld(tile);
  const bool isReady = isHere && isCut_;
  if (!isReady) pointToActivations(tile, worker);
  auto& [input, derivative] = worker.cutActivations;
  auto cut = worker.cut.begin();
  // Of a hidden layer. What is held is copied first, because it is cut to where it stands.
  const auto place = [&](ConstMatrix from, UninitializedFloats& held, size_t width) {
    if (!isHere) {
      RoundedTile* const to = (cut++)->data();
      mlp.cut(tile.rows, width, from, to);
      return to;
    }
    float* const at = held.data() + heldOffset(tile, width);
    RoundedTile* const to = reinterpret_cast<RoundedTile*>(at);
    if (!isCut_) {
      float* const copy = worker.scratch.first.data();
      std::copy_n(at, tile.rows * hiddenWidth(width), copy);
      mlp.cut(tile.rows, width, inPanels(copy, tile.rows, width), to);
    }
    return to;
  };
  input[0] = isHere
                 ? cutInputs_.data() + tile.firstRow / tileRows_ * heldInputTiles(mlp_, tileRows_)
                 : (cut++)->data();
  if (!isReady) mlp.cut(tile.rows, layers[0].inputs, worker.activations.input[0], input[0]);
  for (size_t l = 0; l + 1 < layers.size(); l++) {
    input[l + 1] = place(worker.activations.input[l + 1], inputs_[l + 1], layers[l].outputs);
  }
  for (size_t l = 0; l < derivatives_.size(); l++) {
    derivative[l] = place(worker.activations.derivative[l], derivatives_[l], layers[l].outputs);
  }
  return worker.cutActivations;
}

// Observations from the cache; hidden layers of a candidate in two buffers by turns, since nothing
// of them is needed behind the next layer.
void CpuProblem::pointToCandidate(const Tile& tile, Worker& worker) {
  auto& [input, derivative] = worker.activations;
  input[0] = rowMajor(inputs_[0].data() + tile.firstRow * mlp_.inputWidth(), mlp_.inputWidth());
  const auto& layers = model_.network.layers();
  for (size_t l = 0; l + 1 < layers.size(); l++) {
    const size_t width = layers[l].outputs;
    input[l + 1] = inPanels(worker.candidate[l % 2].data(), tile.rows, width);
    if (mlp_.storesDerivative()) {
      derivative[l] = inPanels(worker.derivative.data(), tile.rows, width);
    }
  }
}

void CpuProblem::readOldHead(size_t row, Worker& worker) const {
  const size_t headSize = model_.distribution.headSize();
  std::copy_n(heads_.data() + row * headSize, headSize, worker.oldHead.begin());
}

GroupDistribution CpuProblem::distributionAt(std::span<const double> parameters) const {
  return {model_.distribution, mlp_.kernels(), logStd(parameters), logStd(parameters_)};
}

void CpuProblem::readGroup(const Group& group, Worker& worker) const {
  const size_t headSize = model_.distribution.headSize();
  distribution_.read(group.rows, heads_.data() + group.firstRow * headSize, headSize,
                     worker.oldHeads);
  readActions(group, worker);
}

void CpuProblem::readActions(const Group& group, Worker& worker) const {
  if (rollout_.hasActions()) {
    distribution_.readActions(group.rows, action(group.firstRow), worker.actions);
  }
}

void CpuProblem::cacheTile(const Tile& tile, const ObservationScaling& scaling,
                           NumberSpan observations, Worker& worker) {
  const size_t size = model_.observationSize();
  const size_t headSize = model_.distribution.headSize();
  pointToCache(tile, worker);
  float* const inputs = worker.activations.input[0].data;
  scaling.apply(observations.subspan(tile.firstRow * size, tile.rows * size), tile.rows, size,
                inputs, mlp_.inputWidth());
  for (size_t i = 0; i < tile.rows; i++) {
    std::fill_n(inputs + i * mlp_.inputWidth() + size, mlp_.inputWidth() - size, 0.0F);
  }
  mlp_.forward(packed_, tile.rows, worker.activations, worker.head.data());

  const size_t width = mlp_.outputWidth();
  for (size_t first = 0; first < tile.rows; first += kGroupRows) {
    const Group group{0, tile.firstRow + first, std::min(kGroupRows, tile.rows - first)};
    for (size_t i = 0; i < group.rows; i++) {
      std::copy_n(worker.head.data() + (first + i) * width, headSize,
                  heads_.data() + (group.firstRow + i) * headSize);
    }
    readGroup(group, worker);
    if (rollout_.hasActions()) {
      alignas(64) double logProbability[kGroupRows];
      distribution_.logProbability(group.rows, worker.oldHeads, worker.actions, logProbability);
      std::copy_n(logProbability, group.rows, oldLogProbability_.begin() + group.firstRow);
    }
    if (model_.distribution.kind() == DistributionKind::gaussian && group.firstRow > 0) continue;
    distribution_.metricWeights(group.rows, worker.oldHeads,
                                metric_.data() + group.firstRow * width, width);
  }
}

void CpuProblem::meanOverTiles(std::span<double> result, TileTask task) {
  meanOverTiles(result, task, [&](std::span<const double> part, size_t first) {
    mlp_.restoreOrder(part, first, result);
  });
}

void CpuProblem::meanOverTiles(std::span<double> result, TileTask task, TakeMeans take) {
  const size_t networkSize = model_.network.parameterCount();
  meanOverBlocks(
      tileCount(), static_cast<double>(rows_), blockSums_,
      [&](size_t tile, Worker& worker, double* sum, SumMode mode) {
        if (mode == SumMode::overwrite) std::fill(sum + networkSize, sum + result.size(), 0.0);
        task(tileAt(tile), worker, sum, mode);
      },
      take);
}

void CpuProblem::meanOverBlocks(size_t tiles, double rows,
                                std::vector<UninitializedDoubles>& blockSums, NumberedTask task,
                                TakeMeans take) {
  const size_t size = blockSums[0].size();
  const size_t blocks = std::min(blockSums.size(), blockCount(tiles * tileRows_, tiles, size));
  parallelFor(blocks, threads_, [&](size_t block, unsigned worker) {
    const size_t first = block * tiles / blocks;
    for (size_t tile = first; tile < (block + 1) * tiles / blocks; tile++) {
      task(tile, workers_[worker], blockSums[block].data(),
           tile == first ? SumMode::overwrite : SumMode::add);
    }
  });
  constexpr size_t kRange = 2048;
  parallelFor((size + kRange - 1) / kRange, threads_, [&](size_t range, unsigned) {
    const size_t first = range * kRange;
    const size_t count = std::min(size - first, kRange);
    double total[kRange];
    std::copy_n(blockSums[0].begin() + first, count, total);
    for (size_t block = 1; block < blocks; block++) {
      const double* sums = blockSums[block].data() + first;
      for (size_t i = 0; i < count; i++) total[i] += sums[i];
    }
    for (size_t i = 0; i < count; i++) total[i] /= rows;
    take({total, count}, first);
  });
}

}  // namespace trustregion::cpu
