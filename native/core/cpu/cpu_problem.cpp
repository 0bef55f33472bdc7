#include "core/cpu/cpu_problem.h"

#include <algorithm>
#include <cmath>

#include "core/thread_pool.h"

namespace trustregion::cpu {
namespace {

// Blocks that sums over rows are cut into: enough for many threads, few enough that adding them up
// costs little and that their accumulators stay below 64 MB (but at least 4).
size_t blockCount(size_t tiles, size_t parameterCount) {
  constexpr size_t kTilesPerBlock = 4;
  constexpr size_t kMostBlocks = 64;
  constexpr size_t kFewestBlocks = 4;
  constexpr size_t kAccumulatorBytes = 64 << 20;
  const size_t affordable =
      std::max(kFewestBlocks, kAccumulatorBytes / (sizeof(double) * parameterCount));
  const size_t wanted = (tiles + kTilesPerBlock - 1) / kTilesPerBlock;
  return std::min({wanted, affordable, kMostBlocks});
}

}  // namespace

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
  heads_.resize(rows_ * headSize);
  metric_.resize((sameMetricInEveryRow ? 1 : rows_) * mlp_.outputWidth());
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

// u = M t for each row: t times 1/sigma^2 or p (1 - p), or p (t - p't) for each categorical factor.
void CpuProblem::applyMetric(const Tile& tile, const float* headTangent,
                             float* headCotangent) const {
  const Distribution& distribution = model_.distribution;
  const size_t width = mlp_.outputWidth();
  const Kernels& kernels = mlp_.kernels();
  const float* metric = metric_.data();
  if (distribution.kind() == DistributionKind::gaussian) {
    for (size_t i = 0; i < tile.rows; i++) {
      kernels.multiplyElements(width, headTangent + i * width, metric, headCotangent + i * width);
    }
    return;
  }
  metric += tile.firstRow * width;
  if (distribution.kind() == DistributionKind::bernoulli) {
    kernels.multiplyElements(tile.rows * width, headTangent, metric, headCotangent);
    return;
  }
  for (size_t i = 0; i < tile.rows; i++) {
    size_t j = i * width;
    for (const size_t count : distribution.counts()) {
      float mean = 0;
      for (size_t k = j; k < j + count; k++) mean += metric[k] * headTangent[k];
      for (size_t k = j; k < j + count; k++) headCotangent[k] = metric[k] * (headTangent[k] - mean);
      j += count;
    }
  }
}

void CpuProblem::meanOverTiles(std::span<double> result, TileTask task) {
  const size_t blocks = blockSums_.size();
  const size_t tiles = tileCount();
  parallelFor(blocks, threads_, [&](size_t block, unsigned worker) {
    AlignedDoubles& sums = blockSums_[block];
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t tile = block * tiles / blocks; tile < (block + 1) * tiles / blocks; tile++) {
      task(tileAt(tile), workers_[worker], sums.data());
    }
  });
  constexpr size_t kRange = 4096;
  const double rowCount = static_cast<double>(rows_);
  parallelFor((result.size() + kRange - 1) / kRange, threads_, [&](size_t range, unsigned) {
    const size_t first = range * kRange;
    const size_t last = std::min(result.size(), first + kRange);
    std::copy(blockSums_[0].begin() + first, blockSums_[0].begin() + last, result.begin() + first);
    for (size_t block = 1; block < blocks; block++) {
      const AlignedDoubles& sums = blockSums_[block];
      for (size_t i = first; i < last; i++) result[i] += sums[i];
    }
    for (size_t i = first; i < last; i++) result[i] /= rowCount;
  });
}

void CpuProblem::surrogateGradient(std::span<double> gradient) {
  rollout_.requireActionsAndAdvantages();
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  meanOverTiles(gradient, [&](const Tile& tile, Worker& worker, double* sum) {
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
    pointToCache(tile, worker);
    mlp_.backward(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                  worker.scratch, sum);
  });
}

void CpuProblem::fisherProduct(std::span<const double> vector, std::span<double> product) {
  mlp_.pack(vector, PackFor::forward, packedDirection_);
  meanOverTiles(product, [&](const Tile& tile, Worker& worker, double* sum) {
    pointToCache(tile, worker);
    mlp_.tangent(packed_, packedDirection_, tile.rows, worker.activations, worker.scratch,
                 worker.head.data());
    applyMetric(tile, worker.head.data(), worker.headCotangent.data());
    mlp_.backward(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                  worker.scratch, sum);
  });
  for (size_t i = model_.logStdOffset(); i < product.size(); i++) product[i] = 2 * vector[i];
}

void CpuProblem::fisherDiagonal(std::span<double> diagonal) {
  const Distribution& distribution = model_.distribution;
  meanOverTiles(diagonal, [&](const Tile& tile, Worker& worker, double* sum) {
    pointToCache(tile, worker);
    for (size_t column = 0; column < distribution.headSize(); column++) {
      for (size_t i = 0; i < tile.rows; i++) {
        readOldHead(tile.firstRow + i, worker);
        distribution.metricFactorColumn(worker.oldHead.data(), logStd(parameters_), column,
                                        worker.score.data());
        std::transform(worker.score.begin(), worker.score.begin() + distribution.headSize(),
                       worker.headCotangent.data() + i * mlp_.outputWidth(),
                       [](double value) { return static_cast<float>(value); });
      }
      mlp_.backwardSquared(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                           worker.scratch, sum);
    }
  });
  for (size_t i = model_.logStdOffset(); i < diagonal.size(); i++) diagonal[i] = 2;
}

Evaluation CpuProblem::evaluate(std::span<const double> parameters) {
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  mlp_.pack(parameters, PackFor::forward, packedCandidate_);
  std::vector<Evaluation> tiles(tileCount());
  parallelFor(tiles.size(), threads_, [&](size_t index, unsigned workerIndex) {
    const Tile tile = tileAt(index);
    Worker& worker = workers_[workerIndex];
    pointToCandidate(tile, worker);
    mlp_.forward(packedCandidate_, tile.rows, worker.activations, worker.head.data());
    Evaluation& sum = tiles[index];
    for (size_t i = 0; i < tile.rows; i++) {
      const size_t row = tile.firstRow + i;
      readOldHead(row, worker);
      std::copy_n(worker.head.data() + i * mlp_.outputWidth(), headSize, worker.newHead.begin());
      const double kl = distribution.kl(worker.oldHead.data(), logStd(parameters_),
                                        worker.newHead.data(), logStd(parameters));
      sum.addRow(kl, distribution.entropy(worker.newHead.data(), logStd(parameters)));
      if (rollout_.hasActions() && rollout_.hasAdvantages()) {
        const double logRatio =
            distribution.logProbability(worker.newHead.data(), logStd(parameters), action(row)) -
            oldLogProbability_[row];
        sum.surrogate += std::exp(logRatio) * rollout_.advantages[row];
      }
    }
  });
  Evaluation mean;
  for (const Evaluation& sum : tiles) mean.addRows(sum);
  mean.divideByRows(rows_);
  return mean;
}

}  // namespace trustregion::cpu
