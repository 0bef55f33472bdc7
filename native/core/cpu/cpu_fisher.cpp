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

void CpuProblem::meanProduct(std::span<const double> vector, std::span<double> result,
                             TileTask makeCotangent) {
  const auto run = [&](const auto& mlp, const auto& packed, auto& direction, auto scratch) {
    meanOverTiles(
        result,
        [&](const Tile& tile, Worker& worker, double* sum, SumMode mode) {
          const auto& activations = activationsForProduct(mlp, tile, worker);
          mlp.tangent(packed, direction, tile.rows, activations, worker.*scratch,
                      worker.head.data());
          makeCotangent(tile, worker, sum, mode);
          mlp.backward(packed, tile.rows, activations, worker.headCotangent.data(), worker.*scratch,
                       sum, mode);
        },
        [&](std::span<const double> part, size_t first) { mlp.restoreOrder(part, first, result); });
  };
  if (splitMlp_) {
    splitMlp_->packDirection(vector, splitDirection_, threads_);
    run(*splitMlp_, splitPacked_, splitDirection_, &Worker::splitScratch);
    isCut_ = true;
  } else {
    mlp_.pack(vector, PackFor::forward, packedDirection_, threads_);
    run(mlp_, packed_, packedDirection_, &Worker::scratch);
  }
}

void CpuProblem::fisherProduct(std::span<const double> vector, std::span<double> product) {
  meanProduct(vector, product, [&](const Tile& tile, Worker& worker, double*, SumMode) {
    applyMetric(tile, worker.head.data(), worker.headCotangent.data());
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
  meanProduct(vector, product, [&](const Tile& tile, Worker& worker, double* sum, SumMode) {
    const double* headScore = worker.score.data();
    double* logStdScore = worker.score.data() + headSize;
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
  });
}

// Copies or computes the activations of the rows firstRow + i stride for i < rows.
void CpuProblem::gatherActivations(size_t firstRow, size_t stride, size_t rows, Worker& worker,
                                   TileActivations& tile,
                                   std::vector<AlignedFloats>& buffers) const {
  const auto& layers = model_.network.layers();
  const size_t hiddenLayers = layers.size() - 1;
  const bool hasDerivatives = mlp_.storesDerivative();
  if (buffers.empty()) {
    buffers.emplace_back(tileRows_ * mlp_.inputWidth());
    for (size_t l = 0; l < hiddenLayers; l++) {
      const size_t size = tileRows_ * hiddenWidth(layers[l].outputs);
      buffers.emplace_back(size);
      if (hasDerivatives) buffers.emplace_back(size);
    }
    tile.input.resize(layers.size());
    tile.derivative.resize(hasDerivatives ? layers.size() : 0);
  }
  auto buffer = buffers.begin();
  tile.input[0] = rowMajor((buffer++)->data(), mlp_.inputWidth());
  for (size_t i = 0; i < rows; i++) {
    std::copy_n(inputs_[0].data() + (firstRow + i * stride) * mlp_.inputWidth(), mlp_.inputWidth(),
                tile.input[0].data + i * mlp_.inputWidth());
  }
  // From the panels of the tile that a row belongs to.
  const auto copyRows = [&](const UninitializedFloats& held, size_t width, Matrix to) {
    for (size_t i = 0; i < rows; i++) {
      const size_t row = firstRow + i * stride;
      const Tile from = tileAt(row / tileRows_);
      const ConstMatrix matrix = inPanels(held.data() + heldOffset(from, width), from.rows, width)
                                     .from(row - from.firstRow);
      for (size_t first = 0; first < width; first += kPanelColumns) {
        const size_t panel = first / kPanelColumns;
        std::copy_n(matrix.data + panel * matrix.panel, to.row,
                    to.data + panel * to.panel + i * to.row);
      }
    }
  };
  const bool allHeld = heldRows_ == rows_ && !isCut_;
  for (size_t l = 0; l < hiddenLayers; l++) {
    const size_t width = layers[l].outputs;
    tile.input[l + 1] = inPanels((buffer++)->data(), rows, width);
    if (allHeld) copyRows(inputs_[l + 1], width, tile.input[l + 1]);
    if (!hasDerivatives) continue;
    tile.derivative[l] = inPanels((buffer++)->data(), rows, width);
    if (allHeld) copyRows(derivatives_[l], width, tile.derivative[l]);
  }
  if (!allHeld) mlp_.forward(packed_, rows, tile, worker.head.data());
}

KroneckerFactors CpuProblem::kroneckerFactors(const KroneckerSampling& sampling) {
  const auto& layers = model_.network.layers();
  const Distribution& distribution = model_.distribution;
  const size_t headSize = distribution.headSize();
  const size_t stride = sampling.stride;
  const size_t rowsUsed = (rows_ + stride - 1) / stride;
  const size_t tiles = (rowsUsed + tileRows_ - 1) / tileRows_;
  struct FactorWorker {
    TileActivations tile;
    std::vector<AlignedFloats> buffers;
    AlignedFloats scaled;
  };
  std::vector<FactorWorker> factorWorkers(workers_.size());
  const auto factorWorker = [&](const Worker& worker) -> FactorWorker& {
    return factorWorkers[&worker - workers_.data()];
  };
  // Activations of the rows firstRow + i stride of a tile.
  const auto activations = [&](const Tile& tile, Worker& worker) -> const TileActivations& {
    if (stride == 1) {
      pointToActivations(tile, worker);
      return worker.activations;
    }
    FactorWorker& to = factorWorker(worker);
    gatherActivations(tile.firstRow, stride, tile.rows, worker, to.tile, to.buffers);
    return to.tile;
  };
  // Means over the rows of what task(tile, worker, sum) adds to `size` sums.
  const auto meanOverUsed = [&](size_t size, const auto& task) {
    std::vector<UninitializedDoubles> sums = makeBlockSums(rowsUsed, tiles, size);
    UninitializedDoubles means(size);
    meanOverBlocks(
        tiles, static_cast<double>(rowsUsed), sums,
        [&](size_t index, Worker& worker, double* sum, SumMode mode) {
          if (mode == SumMode::overwrite) std::fill(sum, sum + size, 0.0);
          const size_t first = index * tileRows_;
          task({first * stride, std::min(tileRows_, rowsUsed - first)}, worker, sum);
        },
        [&](std::span<const double> part, size_t first) {
          std::copy(part.begin(), part.end(), means.begin() + static_cast<ptrdiff_t>(first));
        });
    return means;
  };
  KroneckerFactors factors = emptyKroneckerFactors(model_.network);

  std::vector<size_t> offsets;  // of each layer: x x', x
  size_t size = 0;
  for (const LayerLayout& layer : layers) {
    offsets.push_back(size);
    size += CpuMlp::gramSize(layer.inputs) + layer.inputs;
  }
  UninitializedDoubles means =
      meanOverUsed(size, [&](const Tile& tile, Worker& worker, double* sum) {
        mlp_.addInputFactors(tile.rows, activations(tile, worker), offsets, sum);
      });
  std::vector<PackedInputWeight> weights;
  for (size_t l = 0; l < layers.size(); l++) {
    const size_t inputs = layers[l].inputs;
    AlignedDoubles& factor = factors.layers[l].input;
    const double* gram = means.data() + offsets[l];
    const double* inputMeans = gram + CpuMlp::gramSize(inputs);
    CpuMlp::unpackGram(gram, inputs, factor.data(), inputs + 1);
    for (size_t i = 0; i < inputs; i++) factor[i * (inputs + 1) + inputs] = inputMeans[i];
    std::copy_n(inputMeans, inputs, factor.data() + inputs * (inputs + 1));
    factor.back() = 1;
    weights.emplace_back(InputWeight(factor));
  }

  // A Gaussian's B is the same diagonal in every row, whatever the head.
  const bool isGaussian = distribution.kind() == DistributionKind::gaussian;
  std::vector<double> diagonal(headSize);
  if (isGaussian) {
    const std::vector<double> ones(headSize, 1.0);
    distribution.metricFactorProduct(ones.data(), logStd(parameters_), ones.data(),
                                     diagonal.data());
  }
  offsets.clear();  // of each layer: w u u', w
  size = 0;
  for (const LayerLayout& layer : layers) {
    offsets.push_back(size);
    size += CpuMlp::gramSize(layer.outputs) + 1;
  }
  means = meanOverUsed(size, [&](const Tile& tile, Worker& worker, double* sum) {
    const TileActivations& inputs = activations(tile, worker);
    AlignedFloats& scaled = factorWorker(worker).scaled;
    scaled.resize(tileRows_ * mlp_.widestLayer());
    const std::span<double> signs(worker.score.data(), headSize);
    double* product = worker.score.data() + headSize;
    for (int probe = 0; probe < sampling.probes; probe++) {
      for (size_t i = 0; i < tile.rows; i++) {
        const size_t row = tile.firstRow + i * stride;
        kroneckerSigns(sampling, row, probe, signs);
        if (isGaussian) {
          for (size_t j = 0; j < headSize; j++) product[j] = diagonal[j] * signs[j];
        } else {
          readOldHead(row, worker);
          distribution.metricFactorProduct(worker.oldHead.data(), nullptr, signs.data(), product);
        }
        std::transform(product, product + headSize,
                       worker.headCotangent.data() + i * mlp_.outputWidth(),
                       [](double value) { return static_cast<float>(value); });
      }
      mlp_.addOutputFactors(packed_, tile.rows, inputs, worker.headCotangent.data(), worker.scratch,
                            weights, scaled, offsets, sum);
    }
  });
  for (size_t l = 0; l < layers.size(); l++) {
    const size_t outputs = layers[l].outputs;
    AlignedDoubles& factor = factors.layers[l].output;
    const double* gram = means.data() + offsets[l];
    const double weight = gram[CpuMlp::gramSize(outputs)];
    CpuMlp::unpackGram(gram, outputs, factor.data(), outputs);
    for (double& value : factor) value /= weight;
  }
  return factors;
}

}  // namespace trustregion::cpu
