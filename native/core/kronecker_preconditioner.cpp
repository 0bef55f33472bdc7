#include "core/kronecker_preconditioner.h"

#include <algorithm>
#include <memory>

#include "core/dense_kernels.h"
#include "core/symmetric_eigen.h"
#include "core/thread_pool.h"

namespace trustregion {
namespace {

// Relative to the largest: some float32 roundings.
constexpr double kSmallestEigenvalue = 1e-6;

// Rows of a task: some tasks for each layer, each wide enough to use what it loads more than once.
size_t rowsPerRange(size_t rows) {
  constexpr size_t kFewest = 24;  // a multiple of the rows of the kernels' blocks
  return std::max(kFewest, rows / 12 / kFewest * kFewest);
}

// [weight | bias] of a layer, rows `stride` apart, from and to the order of the parameters.
void readRow(const LayerLayout& layer, size_t row, std::span<const double> parameters, double* to,
             size_t stride) {
  std::copy_n(parameters.data() + layer.weightOffset + row * layer.inputs, layer.inputs, to);
  to[layer.inputs] = parameters[layer.biasOffset + row];
  std::fill(to + layer.inputs + 1, to + stride, 0.0);
}

void writeRow(const LayerLayout& layer, size_t row, const double* from,
              std::span<double> parameters) {
  std::copy_n(from, layer.inputs, parameters.data() + layer.weightOffset + row * layer.inputs);
  parameters[layer.biasOffset + row] = from[layer.inputs];
}

}  // namespace

KroneckerPreconditioner::Factor KroneckerPreconditioner::decompose(std::span<const double> matrix,
                                                                   size_t size) {
  SymmetricEigen eigen = symmetricEigen(matrix, size);
  const size_t stride = denseStride(size);
  Factor factor{size, stride, std::move(eigen.values), std::vector<double>(size * stride),
                std::vector<double>(size * stride)};
  // Rounding may leave an eigenvalue of a positive semidefinite matrix a little below 0.
  for (double& value : factor.values) value = std::max(value, 0.0);
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < size; j++) {
      factor.vectors[i * stride + j] = eigen.vectors[i * size + j];
      factor.transposed[j * stride + i] = eigen.vectors[i * size + j];
    }
  }
  return factor;
}

KroneckerPreconditioner::KroneckerPreconditioner(const PolicyModel& model,
                                                 const KroneckerFactors& factors, unsigned threads)
    : logStdOffset_(model.logStdOffset()), threads_(threads) {
  for (size_t l = 0; l < factors.layers.size(); l++) {
    layers_.push_back({model.network.layers()[l], {}, {}, 0, 0});
  }
  // The largest first, so that no thread is left with one at the end.
  struct Task {
    std::span<const double> matrix;
    size_t size;
    Factor* factor;
  };
  std::vector<Task> tasks;
  for (size_t l = 0; l < layers_.size(); l++) {
    const auto& [inputs, outputs, weightOffset, biasOffset] = layers_[l].layout;
    tasks.push_back({factors.layers[l].input, inputs + 1, &layers_[l].input});
    tasks.push_back({factors.layers[l].output, outputs, &layers_[l].output});
  }
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const Task& a, const Task& b) { return a.size > b.size; });
  parallelFor(tasks.size(), threads_, [&](size_t i, unsigned) {
    *tasks[i].factor = decompose(tasks[i].matrix, tasks[i].size);
  });

  for (Layer& layer : layers_) {
    layer.largest = *std::max_element(layer.input.values.begin(), layer.input.values.end()) *
                    *std::max_element(layer.output.values.begin(), layer.output.values.end());
    layer.offset = scratchSize_;
    scratchSize_ += layer.output.size * layer.input.stride;
  }
  for (size_t l = 0; l < layers_.size(); l++) {
    const size_t rows = layers_[l].output.size;
    const size_t step = rowsPerRange(rows);
    for (size_t first = 0; first < rows; first += step) {
      ranges_.push_back({l, first, std::min(step, rows - first)});
    }
  }
}

void KroneckerPreconditioner::apply(double damping, std::span<const double> r,
                                    std::span<double> z) const {
  const DenseKernels& kernels = denseKernels();
  const auto scratch = std::make_unique_for_overwrite<double[]>(3 * scratchSize_);
  double* const residual = scratch.get();
  double* const first = residual + scratchSize_;
  double* const second = first + scratchSize_;
  parallelFor(ranges_.size(), threads_, [&](size_t index, unsigned) {
    const auto& [l, firstRow, rows] = ranges_[index];
    const Layer& layer = layers_[l];
    for (size_t i = firstRow; i < firstRow + rows; i++) {
      readRow(layer.layout, i, r, residual + layer.offset + i * layer.input.stride,
              layer.input.stride);
    }
  });
  // (V'R U) / (g a + damping) U', some rows of V' at a time
  parallelFor(ranges_.size(), threads_, [&](size_t index, unsigned) {
    const auto& [l, firstRow, rows] = ranges_[index];
    const Layer& layer = layers_[l];
    const Factor& input = layer.input;
    const Factor& output = layer.output;
    const size_t at = layer.offset + firstRow * input.stride;
    kernels.multiply({rows, input.size, output.size,
                      output.vectors.data() + firstRow * output.stride, output.stride, 1,
                      residual + layer.offset, input.stride, first + at, input.stride});
    kernels.multiply({rows, input.size, input.size, first + at, input.stride, 1,
                      input.transposed.data(), input.stride, second + at, input.stride});
    // A direction that no row has excited would be divided by the damping alone, perhaps by 0, and
    // with it the rounding errors of float32 products that point there.
    const double floor = layer.largest > 0 ? kSmallestEigenvalue * layer.largest
                         : damping > 0     ? damping
                                           : 1;
    for (size_t i = 0; i < rows; i++) {
      double* row = second + at + i * input.stride;
      const double g = output.values[firstRow + i];
      for (size_t j = 0; j < input.size; j++) {
        row[j] /= std::max(g * input.values[j] + damping, floor);
      }
    }
    kernels.multiply({rows, input.size, input.size, second + at, input.stride, 1,
                      input.vectors.data(), input.stride, first + at, input.stride});
  });
  // V times that
  parallelFor(ranges_.size(), threads_, [&](size_t index, unsigned) {
    const auto& [l, firstRow, rows] = ranges_[index];
    const Layer& layer = layers_[l];
    const Factor& input = layer.input;
    const Factor& output = layer.output;
    double* const result = second + layer.offset + firstRow * input.stride;
    kernels.multiply({rows, input.size, output.size,
                      output.transposed.data() + firstRow * output.stride, output.stride, 1,
                      first + layer.offset, input.stride, result, input.stride});
    for (size_t i = 0; i < rows; i++) {
      writeRow(layer.layout, firstRow + i, result + i * input.stride, z);
    }
  });
  for (size_t i = logStdOffset_; i < r.size(); i++) z[i] = r[i] / (2 + damping);
}

}  // namespace trustregion
