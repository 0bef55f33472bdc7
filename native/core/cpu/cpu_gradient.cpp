// Gradients of surrogates and objectives on the CPU.

#include <algorithm>
#include <numeric>

#include "core/cpu/cpu_problem.h"

namespace trustregion::cpu {

void CpuProblem::takeGradient(size_t firstRow, size_t rows, Worker& worker, double* sum) const {
  const size_t width = mlp_.outputWidth();
  float* cotangents = worker.headCotangent.data() + firstRow * width;
  for (size_t j = 0; j < model_.distribution.headSize(); j++) {
    const double* gradient = worker.gradient.head.data() + j * kGroupRows;
    for (size_t i = 0; i < rows; i++) cotangents[i * width + j] = static_cast<float>(gradient[i]);
  }
  for (size_t j = 0; j < model_.distribution.logStdSize(); j++) {
    const double* gradient = worker.gradient.logStd.data() + j * kGroupRows;
    sum[model_.logStdOffset() + j] =
        std::accumulate(gradient, gradient + rows, sum[model_.logStdOffset() + j]);
  }
}

void CpuProblem::surrogateGradient(std::span<double> gradient) {
  rollout_.requireActionsAndAdvantages();
  meanOverTiles(gradient, [&](const Tile& tile, Worker& worker, double* sum, SumMode mode) {
    // Cotangent of row i: A_i times the score of its action.
    for (size_t first = 0; first < tile.rows; first += kGroupRows) {
      const Group group{0, tile.firstRow + first, std::min(kGroupRows, tile.rows - first)};
      readGroup(group, worker);
      alignas(64) double advantages[kGroupRows] = {};
      std::copy_n(rollout_.advantages.data() + group.firstRow, group.rows, advantages);
      distribution_.score(group.rows, worker.oldHeads, worker.actions, advantages, worker.gradient);
      takeGradient(first, group.rows, worker, sum);
    }
    pointToActivations(tile, worker);
    mlp_.backward(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                  worker.scratch, sum, mode);
  });
}

// Copies the inputs of the listed rows to the worker's own activations; in the batch's own order
// they are read where they lie.
void CpuProblem::gatherTile(std::span<const uint32_t> rows, const Tile& tile, Worker& worker) {
  if (worker.gatheredBuffers.empty()) {
    for (const LayerLayout& layer : model_.network.layers()) {
      const bool isFirst = worker.gatheredBuffers.empty();
      const size_t width = isFirst ? mlp_.inputWidth() : hiddenWidth(layer.inputs);
      worker.gatheredBuffers.emplace_back(tileRows_ * width);
    }
    for (size_t l = 0; l < derivatives_.size(); l++) {
      const size_t width = hiddenWidth(model_.network.layers()[l].outputs);
      worker.gatheredBuffers.emplace_back(tileRows_ * width);
    }
    worker.gathered.input.resize(inputs_.size());
    worker.gathered.derivative.resize(worker.activations.derivative.size());
  }
  const auto& layers = model_.network.layers();
  for (size_t l = 1; l < inputs_.size(); l++) {
    worker.gathered.input[l] =
        inPanels(worker.gatheredBuffers[l].data(), tile.rows, layers[l].inputs);
  }
  for (size_t l = 0; l < derivatives_.size(); l++) {
    worker.gathered.derivative[l] =
        inPanels(worker.gatheredBuffers[inputs_.size() + l].data(), tile.rows, layers[l].outputs);
  }
  const size_t width = mlp_.inputWidth();
  if (rows.empty()) {
    worker.gathered.input[0] = rowMajor(inputs_[0].data() + tile.firstRow * width, width);
    return;
  }
  worker.gathered.input[0] = rowMajor(worker.gatheredBuffers[0].data(), width);
  for (size_t i = 0; i < tile.rows; i++) {
    std::copy_n(inputs_[0].data() + rows[tile.firstRow + i] * width, width,
                worker.gathered.input[0].data + i * width);
  }
}

// The objective of the group of rows whose heads and actions `worker` has read, and its gradient.
ObjectiveValue CpuProblem::objectiveOfGroup(const GroupDistribution& distribution,
                                            const Objective& objective,
                                            std::span<const double> oldLogProbability,
                                            std::span<const double> advantages,
                                            Worker& worker) const {
  const size_t rows = advantages.size();
  alignas(64) double ratio[kGroupRows] = {};
  alignas(64) double slope[kGroupRows] = {};
  alignas(64) double kl[kGroupRows];
  alignas(64) double entropy[kGroupRows];
  distribution.logProbability(rows, worker.newHeads, worker.actions, ratio);
  for (size_t i = 0; i < rows; i++) ratio[i] -= oldLogProbability[i];
  mlp_.kernels().inDouble->exponential(kGroupRows, ratio);
  distribution.kl(worker.oldHeads, worker.newHeads, kl);
  distribution.entropy(worker.newHeads, entropy);
  ObjectiveValue sum;
  for (size_t i = 0; i < rows; i++) {
    const ClippedSurrogate surrogate =
        clippedSurrogate(ratio[i], advantages[i], objective.clipRange);
    slope[i] = surrogate.slope;
    sum.surrogate += surrogate.value;
    sum.clipFraction += surrogate.isClipped ? 1 : 0;
    sum.meanKl += kl[i];
    sum.entropy += entropy[i];
  }
  sum.value =
      sum.surrogate - objective.klPenalty * sum.meanKl + objective.entropyBonus * sum.entropy;
  distribution.score(rows, worker.newHeads, worker.actions, slope, worker.gradient);
  if (objective.klPenalty != 0) {
    distribution.addKlGradient(worker.oldHeads, worker.newHeads, -objective.klPenalty,
                               worker.gradient);
  }
  if (objective.entropyBonus != 0) {
    distribution.addEntropyGradient(worker.newHeads, objective.entropyBonus, worker.gradient);
  }
  return sum;
}

ObjectiveValue CpuProblem::objectiveGradient(std::span<const double> parameters,
                                             const Objective& objective,
                                             std::span<const uint32_t> rows,
                                             std::span<double> gradient) {
  rollout_.requireActionsAndAdvantages();
  const size_t headSize = model_.distribution.headSize();
  const size_t width = mlp_.outputWidth();
  const size_t count = rows.empty() ? rows_ : rows.size();
  const size_t tiles = (count + tileRows_ - 1) / tileRows_;
  const GroupDistribution distribution = distributionAt(parameters);
  mlp_.pack(parameters, PackFor::forwardAndBackward, packedCandidate_, threads_);
  std::vector<ObjectiveValue> values(tiles);
  meanOverBlocks(
      tiles, static_cast<double>(count), blockSums_,
      [&](size_t index, Worker& worker, double* sum, SumMode mode) {
        if (mode == SumMode::overwrite) {
          std::fill_n(sum + model_.logStdOffset(), model_.distribution.logStdSize(), 0.0);
        }
        const size_t firstRow = index * tileRows_;
        const Tile tile{firstRow, std::min(tileRows_, count - firstRow)};
        gatherTile(rows, tile, worker);
        mlp_.forward(packedCandidate_, tile.rows, worker.gathered, worker.head.data());
        for (size_t first = 0; first < tile.rows; first += kGroupRows) {
          const size_t size = std::min(kGroupRows, tile.rows - first);
          double oldLogProbability[kGroupRows];
          double advantages[kGroupRows];
          AlignedFloats& oldHeads = worker.groupHeads;
          for (size_t i = 0; i < size; i++) {
            const size_t row = rows.empty() ? firstRow + first + i : rows[firstRow + first + i];
            oldLogProbability[i] = oldLogProbability_[row];
            advantages[i] = rollout_.advantages[row];
            std::copy_n(heads_.data() + row * headSize, headSize, oldHeads.data() + i * headSize);
            distribution.readAction(i, action(row), worker.actions);
          }
          distribution_.read(size, oldHeads.data(), headSize, worker.oldHeads);
          distribution.read(size, worker.head.data() + first * width, width, worker.newHeads);
          values[index].add(objectiveOfGroup(distribution, objective, {oldLogProbability, size},
                                             {advantages, size}, worker));
          takeGradient(first, size, worker, sum);
        }
        mlp_.backward(packedCandidate_, tile.rows, worker.gathered, worker.headCotangent.data(),
                      worker.scratch, sum, mode);
      },
      [&](std::span<const double> part, size_t first) {
        mlp_.restoreOrder(part, first, gradient);
      });
  ObjectiveValue mean;
  for (const ObjectiveValue& value : values) mean.add(value);
  mean.divideBy(static_cast<double>(count));
  return mean;
}

}  // namespace trustregion::cpu
