// Gradients of surrogates and objectives on the CPU.

#include <algorithm>

#include "core/cpu/cpu_problem.h"

namespace trustregion::cpu {

void CpuProblem::surrogateGradient(std::span<double> gradient) {
  rollout_.requireActionsAndAdvantages();
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  meanOverTiles(gradient, [&](const Tile& tile, Worker& worker, double* sum, SumMode mode) {
    // Cotangent of row i: A_i times the score of its action.
    double* logStdScore = worker.score.data() + headSize;
    for (size_t i = 0; i < tile.rows; i++) {
      const size_t row = tile.firstRow + i;
      const double advantage = rollout_.advantages[row];
      readOldHead(row, worker);
      distribution.score(worker.oldHead.data(), logStd(parameters_), action(row),
                         worker.score.data(), logStdScore);
      float* cotangent = worker.headCotangent.data() + i * mlp_.outputWidth();
      for (size_t j = 0; j < headSize; j++) {
        cotangent[j] = static_cast<float>(advantage * worker.score[j]);
      }
      for (size_t j = 0; j < distribution.logStdSize(); j++) {
        sum[model_.logStdOffset() + j] += advantage * logStdScore[j];
      }
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

ObjectiveValue CpuProblem::objectiveGradient(std::span<const double> parameters,
                                             const Objective& objective,
                                             std::span<const uint32_t> rows,
                                             std::span<double> gradient) {
  rollout_.requireActionsAndAdvantages();
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  const size_t logStdSize = distribution.logStdSize();
  const size_t count = rows.empty() ? rows_ : rows.size();
  const size_t tiles = (count + tileRows_ - 1) / tileRows_;
  mlp_.pack(parameters, PackFor::forwardAndBackward, packedCandidate_, threads_);
  std::vector<ObjectiveValue> values(tiles);
  meanOverBlocks(
      tiles, static_cast<double>(count), blockSums_,
      [&](size_t index, Worker& worker, double* sum, SumMode mode) {
        if (mode == SumMode::overwrite) {
          std::fill_n(sum + model_.logStdOffset(), logStdSize, 0.0);
        }
        const size_t firstRow = index * tileRows_;
        const Tile tile{firstRow, std::min(tileRows_, count - firstRow)};
        gatherTile(rows, tile, worker);
        mlp_.forward(packedCandidate_, tile.rows, worker.gathered, worker.head.data());
        worker.objectiveGradient.resize(2 * (headSize + logStdSize));
        double* headGradient = worker.objectiveGradient.data();
        double* logStdGradient = headGradient + headSize;
        double* scratch = logStdGradient + logStdSize;
        for (size_t i = 0; i < tile.rows; i++) {
          const size_t row = rows.empty() ? firstRow + i : rows[firstRow + i];
          readOldHead(row, worker);
          std::copy_n(worker.head.data() + i * mlp_.outputWidth(), headSize,
                      worker.newHead.begin());
          const ObjectiveRow objectiveRow{
              worker.oldHead.data(),   logStd(parameters_), worker.newHead.data(),
              logStd(parameters),      action(row),         oldLogProbability_[row],
              rollout_.advantages[row]};
          values[index].add(objectiveOfRow(distribution, objective, objectiveRow, headGradient,
                                           logStdGradient, scratch));
          std::transform(headGradient, headGradient + headSize,
                         worker.headCotangent.data() + i * mlp_.outputWidth(),
                         [](double value) { return static_cast<float>(value); });
          for (size_t j = 0; j < logStdSize; j++) {
            sum[model_.logStdOffset() + j] += logStdGradient[j];
          }
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
