// A batch under other parameters on the CPU: surrogate, KL divergence and entropy.

#include <algorithm>

#include "core/cpu/cpu_problem.h"
#include "core/cpu/rounding_error.h"
#include "core/thread_pool.h"

namespace trustregion::cpu {

void CpuProblem::forEachCandidateGroup(std::span<const double> parameters,
                                       const GroupDistribution& distribution, GroupTask task) {
  const size_t headSize = model_.distribution.headSize();
  const size_t width = mlp_.outputWidth();
  // The heads of the expansion point itself are there already.
  const bool isCached = std::equal(parameters.begin(), parameters.end(), parameters_.begin());
  if (!isCached) mlp_.pack(parameters, PackFor::forward, packedCandidate_, threads_);
  parallelFor(tileCount(), threads_, [&](size_t index, unsigned workerIndex) {
    const Tile tile = tileAt(index);
    Worker& worker = workers_[workerIndex];
    if (!isCached) {
      pointToCandidate(tile, worker);
      mlp_.forward(packedCandidate_, tile.rows, worker.activations, worker.head.data());
    }
    for (size_t first = 0; first < tile.rows; first += kGroupRows) {
      const Group group{index, tile.firstRow + first, std::min(kGroupRows, tile.rows - first)};
      readGroup(group, worker);
      const float* heads =
          isCached ? heads_.data() + group.firstRow * headSize : worker.head.data() + first * width;
      distribution.read(group.rows, heads, isCached ? headSize : width, worker.newHeads);
      task(group, worker);
    }
  });
}

// Calls task(tile, worker, heads) with the float64 heads of each tile of kDoubleTileRows.
void CpuProblem::forwardInDouble(std::span<const double> parameters, DoubleTask task) {
  const DoubleMlp mlp(model_.network, mlp_.kernels(), parameters);
  std::vector<DoubleMlp::Scratch> scratches(workers_.size());
  const size_t tiles = (rows_ + kDoubleTileRows - 1) / kDoubleTileRows;
  parallelFor(tiles, static_cast<unsigned>(workers_.size()), [&](size_t tile, unsigned worker) {
    DoubleMlp::Scratch& scratch = scratches[worker];
    if (scratch.first.empty()) scratch = mlp.makeScratch();
    const size_t firstRow = tile * kDoubleTileRows;
    const size_t rows = std::min(kDoubleTileRows, rows_ - firstRow);
    const double* heads = mlp.forward(rows, inputs_[0].data() + firstRow * mlp_.inputWidth(),
                                      mlp_.inputWidth(), scratch);
    task(tile, workers_[worker], heads);
  });
}

void CpuProblem::logRatios(const GroupDistribution& distribution, const Group& group,
                           const double* oldLogProbability, const Worker& worker,
                           double* out) const {
  std::fill(out, out + kGroupRows, 0.0);
  if (!rollout_.hasActions()) return;
  distribution.logProbability(group.rows, worker.newHeads, worker.actions, out);
  for (size_t i = 0; i < group.rows; i++) out[i] -= oldLogProbability[i];
}

void CpuProblem::addToEvaluation(const GroupDistribution& distribution, const Group& group,
                                 const double* oldLogProbability, const Worker& worker,
                                 Evaluation& sum) const {
  alignas(64) double kl[kGroupRows];
  alignas(64) double entropy[kGroupRows];
  alignas(64) double ratio[kGroupRows];
  distribution.kl(worker.oldHeads, worker.newHeads, kl);
  distribution.entropy(worker.newHeads, entropy);
  logRatios(distribution, group, oldLogProbability, worker, ratio);
  mlp_.kernels().inDouble->exponential(kGroupRows, ratio);
  const bool hasSurrogate = rollout_.hasActions() && rollout_.hasAdvantages();
  for (size_t i = 0; i < group.rows; i++) {
    sum.addRow(kl[i], entropy[i]);
    sum.addRatio(ratio[i]);
    if (hasSurrogate) sum.surrogate += ratio[i] * rollout_.advantages[group.firstRow + i];
  }
}

Evaluation CpuProblem::meanOf(const std::vector<Evaluation>& tiles) const {
  Evaluation mean;
  for (const Evaluation& sum : tiles) mean.addRows(sum);
  mean.divideByRows(rows_);
  return mean;
}

Evaluation CpuProblem::evaluate(std::span<const double> parameters) {
  const GroupDistribution distribution = distributionAt(parameters);
  std::vector<Evaluation> tiles(tileCount());
  forEachCandidateGroup(parameters, distribution, [&](const Group& group, Worker& worker) {
    addToEvaluation(distribution, group, oldLogProbability_.data() + group.firstRow, worker,
                    tiles[group.tile]);
  });
  Evaluation mean = meanOf(tiles);
  mean.klUncertainty =
      klUncertainty(model_, headVariance_, parameters, meanSquareInput_, mean.meanKl);
  return mean;
}

Evaluation CpuProblem::evaluateInDouble(std::span<const double> parameters) {
  const size_t headSize = model_.distribution.headSize();
  const size_t width = paddedWidth(headSize);
  if (headsInDouble_.empty()) {
    headsInDouble_.resize(rows_ * headSize);
    forwardInDouble(parameters_, [&](size_t tile, Worker&, const double* heads) {
      const size_t firstRow = tile * kDoubleTileRows;
      for (size_t i = 0; i < std::min(kDoubleTileRows, rows_ - firstRow); i++) {
        std::copy_n(heads + i * width, headSize, headsInDouble_.data() + (firstRow + i) * headSize);
      }
    });
  }
  const GroupDistribution distribution = distributionAt(parameters);
  std::vector<Evaluation> tiles((rows_ + kDoubleTileRows - 1) / kDoubleTileRows);
  forwardInDouble(parameters, [&](size_t tile, Worker& worker, const double* heads) {
    const size_t firstRow = tile * kDoubleTileRows;
    const size_t rows = std::min(kDoubleTileRows, rows_ - firstRow);
    for (size_t first = 0; first < rows; first += kGroupRows) {
      const Group group{tile, firstRow + first, std::min(kGroupRows, rows - first)};
      alignas(64) double oldLogProbability[kGroupRows];
      readActions(group, worker);
      distribution_.read(group.rows, headsInDouble_.data() + group.firstRow * headSize, headSize,
                         worker.oldHeads);
      distribution.read(group.rows, heads + first * width, width, worker.newHeads);
      if (rollout_.hasActions()) {
        distribution_.logProbability(group.rows, worker.oldHeads, worker.actions,
                                     oldLogProbability);
      }
      addToEvaluation(distribution, group, oldLogProbability, worker, tiles[tile]);
    }
  });
  return meanOf(tiles);
}

void CpuProblem::compareRows(std::span<const double> parameters,
                             std::span<RowComparison> comparisons) {
  const GroupDistribution distribution = distributionAt(parameters);
  forEachCandidateGroup(parameters, distribution, [&](const Group& group, Worker& worker) {
    alignas(64) double kl[kGroupRows];
    alignas(64) double logRatio[kGroupRows];
    distribution.kl(worker.oldHeads, worker.newHeads, kl);
    logRatios(distribution, group, oldLogProbability_.data() + group.firstRow, worker, logRatio);
    for (size_t i = 0; i < group.rows; i++) {
      comparisons[group.firstRow + i] = {kl[i], logRatio[i]};
    }
  });
}

}  // namespace trustregion::cpu
