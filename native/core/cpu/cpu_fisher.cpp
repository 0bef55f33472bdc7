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
  mlp_.pack(vector, PackFor::forward, packedDirection_, threads_);
  meanOverTiles(product, [&](const Tile& tile, Worker& worker, double* sum, SumMode mode) {
    pointToActivations(tile, worker);
    mlp_.tangent(packed_, packedDirection_, tile.rows, worker.activations, worker.scratch,
                 worker.head.data());
    applyMetric(tile, worker.head.data(), worker.headCotangent.data());
    mlp_.backward(packed_, tile.rows, worker.activations, worker.headCotangent.data(),
                  worker.scratch, sum, mode);
  });
  for (size_t i = model_.logStdOffset(); i < product.size(); i++) product[i] = 2 * vector[i];
}

void CpuProblem::fisherDiagonal(std::span<double> diagonal) {
  const Distribution& distribution = model_.distribution;
  meanOverTiles(diagonal, [&](const Tile& tile, Worker& worker, double* sum, SumMode mode) {
    if (mode == SumMode::overwrite) std::fill(sum, sum + model_.network.parameterCount(), 0.0);
    pointToActivations(tile, worker);
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
  mlp_.pack(vector, PackFor::forward, packedDirection_, threads_);
  meanOverTiles(product, [&](const Tile& tile, Worker& worker, double* sum, SumMode mode) {
    const double* headScore = worker.score.data();
    double* logStdScore = worker.score.data() + headSize;
    pointToActivations(tile, worker);
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
                  worker.scratch, sum, mode);
  });
}

// Calls visit(piece) for the rows of a range, cut where tiles end, with the activations of the
// piece.
template <class Visit>
void CpuProblem::forEachPiece(const Tile& range, Worker& worker, Visit&& visit) {
  const size_t end = range.firstRow + range.rows;
  for (size_t row = range.firstRow; row < end;) {
    const Tile tile = tileAt(row / tileRows_);
    const size_t offset = row - tile.firstRow;
    const Tile piece{row, std::min(end - row, tile.rows - offset)};
    pointToActivations(tile, worker);
    for (Matrix& input : worker.activations.input) input = input.from(offset);
    for (Matrix& derivative : worker.activations.derivative) derivative = derivative.from(offset);
    visit(piece);
    row += piece.rows;
  }
}

KroneckerFactors CpuProblem::kroneckerFactors(const KroneckerSampling& sampling) {
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
  const size_t allRuns = (rows_ + kKroneckerRun - 1) / kKroneckerRun;
  const size_t runs = (allRuns + sampling.stride - 1) / sampling.stride;
  const auto runAt = [&](size_t index) {
    const size_t firstRow = index * sampling.stride * kKroneckerRun;
    return Tile{firstRow, std::min(kKroneckerRun, rows_ - firstRow)};
  };
  double rowsUsed = 0;
  for (size_t i = 0; i < runs; i++) rowsUsed += static_cast<double>(runAt(i).rows);
  std::vector<AlignedDoubles> sums(blockCount(runs * kKroneckerRun, runs, size),
                                   AlignedDoubles(size));
  const auto addRun = [&](size_t index, Worker& worker, double* sum, SumMode mode) {
    if (mode == SumMode::overwrite) std::fill(sum, sum + size, 0.0);
    const std::span<double> signs(worker.score.data(), headSize);
    double* product = worker.score.data() + headSize;
    forEachPiece(runAt(index), worker, [&](const Tile& piece) {
      mlp_.addInputFactors(piece.rows, worker.activations, inputOffsets, sum);
      for (int probe = 0; probe < sampling.probes; probe++) {
        for (size_t i = 0; i < piece.rows; i++) {
          readOldHead(piece.firstRow + i, worker);
          kroneckerSigns(sampling, piece.firstRow + i, probe, signs);
          distribution.metricFactorProduct(worker.oldHead.data(), logStd(parameters_), signs.data(),
                                           product);
          std::transform(product, product + headSize,
                         worker.headCotangent.data() + i * mlp_.outputWidth(),
                         [](double value) { return static_cast<float>(value); });
        }
        mlp_.addOutputFactors(packed_, piece.rows, worker.activations, worker.headCotangent.data(),
                              worker.scratch, outputOffsets, sum);
      }
    });
  };
  std::vector<double> means(size);
  meanOverBlocks(runs, rowsUsed, sums, addRun, [&](std::span<const double> part, size_t first) {
    std::copy(part.begin(), part.end(), means.begin() + first);
  });

  KroneckerFactors factors = emptyKroneckerFactors(model_.network);
  for (size_t l = 0; l < factors.layers.size(); l++) {
    auto& [input, output] = factors.layers[l];
    const size_t inputs = model_.network.layers()[l].inputs;
    const double* products = means.data() + inputOffsets[l];
    const double* inputMeans = products + inputs * inputs;
    copyFromPanels(products, 0, inputs * inputs, inputs, inputs, input.data(), inputs + 1, 1);
    for (size_t i = 0; i < inputs; i++) input[i * (inputs + 1) + inputs] = inputMeans[i];
    std::copy_n(inputMeans, inputs, input.data() + inputs * (inputs + 1));
    input.back() = 1;
    const size_t outputs = model_.network.layers()[l].outputs;
    copyFromPanels(means.data() + outputOffsets[l], 0, output.size(), outputs, outputs,
                   output.data(), outputs, 1);
    for (double& value : output) value /= sampling.probes;
  }
  return factors;
}

}  // namespace trustregion::cpu
