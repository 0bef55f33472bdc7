// The Fisher matrix of a batch on the CPU: products, diagonal, Kronecker factors.

#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_problem.h"
#include "core/kronecker_sampling.h"

namespace trustregion::cpu {

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

// (s'v) s for each row, with s'v = (J v)'(d log pi / d head) + the part of logStd.
void CpuProblem::empiricalFisherProduct(std::span<const double> vector, std::span<double> product) {
  rollout_.requireActions();
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  const size_t logStdSize = distribution.logStdSize();
  const double* logStdVector = vector.data() + model_.logStdOffset();
  mlp_.pack(vector, PackFor::forward, packedDirection_);
  meanOverTiles(product, [&](const Tile& tile, Worker& worker, double* sum) {
    const double* headScore = worker.score.data();
    double* logStdScore = worker.score.data() + headSize;
    pointToCache(tile, worker);
    mlp_.tangent(packed_, packedDirection_, tile.rows, worker.activations, worker.scratch,
                 worker.head.data());
    for (size_t i = 0; i < tile.rows; i++) {
      const size_t row = tile.firstRow + i;
      readOldHead(row, worker);
      distribution.score(worker.oldHead.data(), logStd(parameters_), action(row),
                         worker.score.data(), logStdScore);
      const float* tangent = worker.head.data() + i * mlp_.outputWidth();
      double product = 0;
      for (size_t j = 0; j < headSize; j++) product += headScore[j] * tangent[j];
      for (size_t j = 0; j < logStdSize; j++) product += logStdScore[j] * logStdVector[j];
      float* cotangent = worker.headCotangent.data() + i * mlp_.outputWidth();
      for (size_t j = 0; j < headSize; j++) {
        cotangent[j] = static_cast<float>(product * headScore[j]);
      }
      for (size_t j = 0; j < logStdSize; j++) {
        sum[model_.logStdOffset() + j] += product * logStdScore[j];
      }
    }
    mlp_.backward(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                  worker.scratch, sum);
  });
}

KroneckerFactors CpuProblem::kroneckerFactors(const KroneckerSampling& sampling) {
  static_assert(kKroneckerRun == kTileRows, "a run of rows is a tile");
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  // Where the sums of each layer lie: x x', x, u u'.
  std::vector<size_t> inputOffsets;
  std::vector<size_t> outputOffsets;
  size_t size = 0;
  for (const LayerLayout& layer : model_.network.layers()) {
    inputOffsets.push_back(size);
    size += layer.inputs * layer.inputs + layer.inputs;
    outputOffsets.push_back(size);
    size += layer.outputs * layer.outputs;
  }
  const size_t tiles = (tileCount() + sampling.stride - 1) / sampling.stride;
  double rowsUsed = 0;
  for (size_t i = 0; i < tiles; i++) {
    rowsUsed += static_cast<double>(tileAt(i * sampling.stride).rows);
  }
  std::vector<double> means(size);
  std::vector<AlignedDoubles> sums(blockCount(tiles, size), AlignedDoubles(size));
  meanOverBlocks(means, tiles, rowsUsed, sums, [&](size_t index, Worker& worker, double* sum) {
    const Tile tile = tileAt(index * sampling.stride);
    pointToCache(tile, worker);
    mlp_.addInputFactors(tile.rows, worker.activations, inputOffsets, sum);
    const std::span<double> signs(worker.score.data(), headSize);
    double* product = worker.score.data() + headSize;
    for (int probe = 0; probe < sampling.probes; probe++) {
      for (size_t i = 0; i < tile.rows; i++) {
        readOldHead(tile.firstRow + i, worker);
        kroneckerSigns(sampling, tile.firstRow + i, probe, signs);
        distribution.metricFactorProduct(worker.oldHead.data(), logStd(parameters_), signs.data(),
                                         product);
        std::transform(product, product + headSize,
                       worker.headCotangent.data() + i * mlp_.outputWidth(),
                       [](double value) { return static_cast<float>(value); });
      }
      mlp_.addOutputFactors(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                            worker.scratch, outputOffsets, sum);
    }
  });

  KroneckerFactors factors = emptyKroneckerFactors(model_.network);
  for (size_t l = 0; l < factors.layers.size(); l++) {
    auto& [input, output] = factors.layers[l];
    const size_t inputs = model_.network.layers()[l].inputs;
    const double* products = means.data() + inputOffsets[l];
    const double* inputMeans = products + inputs * inputs;
    for (size_t i = 0; i < inputs; i++) {
      std::copy_n(products + i * inputs, inputs, input.data() + i * (inputs + 1));
      input[i * (inputs + 1) + inputs] = inputMeans[i];
    }
    std::copy_n(inputMeans, inputs, input.data() + inputs * (inputs + 1));
    input.back() = 1;
    std::transform(means.begin() + outputOffsets[l],
                   means.begin() + outputOffsets[l] + output.size(), output.begin(),
                   [&](double value) { return value / sampling.probes; });
  }
  return factors;
}

}  // namespace trustregion::cpu
