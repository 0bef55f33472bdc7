// A batch under other parameters on the CPU: surrogate, KL divergence and entropy.

#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_problem.h"
#include "core/cpu/rounding_error.h"
#include "core/reference/reference_mlp.h"
#include "core/thread_pool.h"

namespace trustregion::cpu {

void CpuProblem::forEachCandidateRow(std::span<const double> parameters, RowTask task) {
  const size_t headSize = model_.distribution.headSize();
  mlp_.pack(parameters, PackFor::forward, packedCandidate_, threads_);
  parallelFor(tileCount(), threads_, [&](size_t index, unsigned workerIndex) {
    const Tile tile = tileAt(index);
    Worker& worker = workers_[workerIndex];
    pointToCandidate(tile, worker);
    mlp_.forward(packedCandidate_, tile.rows, worker.activations, worker.head.data());
    for (size_t i = 0; i < tile.rows; i++) {
      readOldHead(tile.firstRow + i, worker);
      std::copy_n(worker.head.data() + i * mlp_.outputWidth(), headSize, worker.newHead.begin());
      task(tile.firstRow + i, index, worker);
    }
  });
}

double CpuProblem::logRatio(std::span<const double> parameters, size_t row,
                            const Worker& worker) const {
  if (!rollout_.hasActions()) return 0;
  return model_.distribution.logProbability(worker.newHead.data(), logStd(parameters),
                                            action(row)) -
         oldLogProbability_[row];
}

Evaluation CpuProblem::evaluate(std::span<const double> parameters) {
  const Distribution& distribution = model_.distribution;
  std::vector<Evaluation> tiles(tileCount());
  forEachCandidateRow(parameters, [&](size_t row, size_t tile, Worker& worker) {
    Evaluation& sum = tiles[tile];
    const double* newHead = worker.newHead.data();
    const double kl =
        distribution.kl(worker.oldHead.data(), logStd(parameters_), newHead, logStd(parameters));
    sum.addRow(kl, distribution.entropy(newHead, logStd(parameters)));
    const double ratio = std::exp(logRatio(parameters, row, worker));
    sum.addRatio(ratio);
    if (rollout_.hasActions() && rollout_.hasAdvantages()) {
      sum.surrogate += ratio * rollout_.advantages[row];
    }
  });
  Evaluation mean;
  for (const Evaluation& sum : tiles) mean.addRows(sum);
  mean.divideByRows(rows_);
  mean.klUncertainty = klUncertainty(model_, parameters_, parameters, largestInput_, mean.meanKl);
  return mean;
}

Evaluation CpuProblem::evaluateInDouble(std::span<const double> parameters) {
  const Distribution& distribution = model_.distribution;
  const size_t size = model_.observationSize();
  std::vector<Evaluation> tiles(tileCount());
  parallelFor(tiles.size(), threads_, [&](size_t index, unsigned) {
    const Tile tile = tileAt(index);
    std::vector<double> observation(size);
    reference::RowActivations old;
    reference::RowActivations candidate;
    for (size_t row = tile.firstRow; row < tile.firstRow + tile.rows; row++) {
      std::copy_n(inputs_[0].data() + row * mlp_.inputWidth(), size, observation.begin());
      reference::forward(model_.network, parameters_, observation.data(), old);
      reference::forward(model_.network, parameters, observation.data(), candidate);
      const double* oldHead = old.output.data();
      const double* newHead = candidate.output.data();
      Evaluation& sum = tiles[index];
      sum.addRow(distribution.kl(oldHead, logStd(parameters_), newHead, logStd(parameters)),
                 distribution.entropy(newHead, logStd(parameters)));
      if (!rollout_.hasActions()) {
        sum.addRatio(1);
        continue;
      }
      const double ratio =
          std::exp(distribution.logProbability(newHead, logStd(parameters), action(row)) -
                   distribution.logProbability(oldHead, logStd(parameters_), action(row)));
      sum.addRatio(ratio);
      if (rollout_.hasAdvantages()) sum.surrogate += ratio * rollout_.advantages[row];
    }
  });
  Evaluation mean;
  for (const Evaluation& sum : tiles) mean.addRows(sum);
  mean.divideByRows(rows_);
  return mean;
}

void CpuProblem::compareRows(std::span<const double> parameters,
                             std::span<RowComparison> comparisons) {
  forEachCandidateRow(parameters, [&](size_t row, size_t, Worker& worker) {
    comparisons[row] = {model_.distribution.kl(worker.oldHead.data(), logStd(parameters_),
                                               worker.newHead.data(), logStd(parameters)),
                        logRatio(parameters, row, worker)};
  });
}

}  // namespace trustregion::cpu
