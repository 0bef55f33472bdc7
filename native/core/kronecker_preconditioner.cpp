#include "core/kronecker_preconditioner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "core/aligned_memory.h"
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

template <class Number>
using Numbers = std::vector<Number, CacheLineAllocator<Number>>;

// [weight | bias] of a layer, rows `stride` apart, from and to the order of the parameters.
template <class Number>
void readRow(const LayerLayout& layer, size_t row, std::span<const double> parameters, Number* to,
             size_t stride) {
  const double* weight = parameters.data() + layer.weightOffset + row * layer.inputs;
  for (size_t j = 0; j < layer.inputs; j++) to[j] = static_cast<Number>(weight[j]);
  to[layer.inputs] = static_cast<Number>(parameters[layer.biasOffset + row]);
  std::fill(to + layer.inputs + 1, to + stride, Number{0});
}

template <class Number>
void writeRow(const LayerLayout& layer, size_t row, const Number* from,
              std::span<double> parameters) {
  double* weight = parameters.data() + layer.weightOffset + row * layer.inputs;
  for (size_t j = 0; j < layer.inputs; j++) weight[j] = static_cast<double>(from[j]);
  parameters[layer.biasOffset + row] = static_cast<double>(from[layer.inputs]);
}

// The numbers of the matrices that each thread decomposes: the largest first, each to the thread
// with the least work so far.
std::vector<std::vector<size_t>> sharesOf(const std::vector<SymmetricMatrix>& matrices,
                                          unsigned threads) {
  std::vector<size_t> order(matrices.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return matrices[a].size > matrices[b].size; });
  std::vector<std::vector<size_t>> shares(std::min<size_t>(threads, matrices.size()));
  std::vector<double> work(shares.size());
  for (const size_t i : order) {
    const auto least = std::min_element(work.begin(), work.end());
    *least += std::pow(static_cast<double>(matrices[i].size), 3);
    shares[static_cast<size_t>(least - work.begin())].push_back(i);
  }
  return shares;
}

// A symmetric factor in its eigenbasis.
template <class Number>
struct Factor {
  size_t size = 0;
  size_t stride = 0;
  std::vector<double> values;  // eigenvalues, at least 0
  // Padded with zeros: what is in the padding is multiplied too, and denormals would take long.
  Numbers<Number> vectors;     // one eigenvector for each row, rows stride apart
  Numbers<Number> transposed;  // one for each column

  Factor() = default;
  explicit Factor(SymmetricEigen eigen)
      : size(eigen.values.size()),
        stride(denseStride<Number>(size)),
        values(std::move(eigen.values)),
        vectors(size * stride),
        transposed(size * stride) {
    // Rounding may leave an eigenvalue of a positive semidefinite matrix a little below 0.
    for (double& value : values) value = std::max(value, 0.0);
    for (size_t i = 0; i < size; i++) {
      for (size_t j = 0; j < size; j++) {
        const auto element = static_cast<Number>(eigen.vectors[i * size + j]);
        vectors[i * stride + j] = element;
        transposed[j * stride + i] = element;
      }
    }
  }
};

template <class Number>
class KroneckerPreconditionerOf : public KroneckerPreconditioner {
 public:
  using Multiply = void (*)(const MatrixProduct<Number>& product);

  KroneckerPreconditionerOf(const PolicyModel& model, const KroneckerFactors& factors,
                            unsigned threads, Multiply multiply);
  void apply(double damping, std::span<const double> r, std::span<double> z) const override;

 private:
  struct Layer {
    LayerLayout layout;
    Factor<Number> input;
    Factor<Number> output;
    double largest;  // eigenvalue of A (x) G
    size_t offset;   // of its matrices in scratch memory, [outputs x input.stride]
  };
  // Some rows of a layer's matrix: one task.
  struct Range {
    size_t layer;
    size_t first;
    size_t rows;
  };

  std::vector<Layer> layers_;
  std::vector<Range> ranges_;
  size_t scratchSize_ = 0;
  size_t logStdOffset_;
  unsigned threads_;
  Multiply multiply_;
};

template <class Number>
KroneckerPreconditionerOf<Number>::KroneckerPreconditionerOf(const PolicyModel& model,
                                                             const KroneckerFactors& factors,
                                                             unsigned threads, Multiply multiply)
    : logStdOffset_(model.logStdOffset()), threads_(threads), multiply_(multiply) {
  for (size_t l = 0; l < factors.layers.size(); l++) {
    layers_.push_back({model.network.layers()[l], {}, {}, 0, 0});
  }
  std::vector<SymmetricMatrix> matrices;
  std::vector<Factor<Number>*> places;
  for (size_t l = 0; l < layers_.size(); l++) {
    const auto& [inputs, outputs, weightOffset, biasOffset] = layers_[l].layout;
    matrices.push_back({factors.layers[l].input, inputs + 1});
    places.push_back(&layers_[l].input);
    matrices.push_back({factors.layers[l].output, outputs});
    places.push_back(&layers_[l].output);
  }
  const std::vector<std::vector<size_t>> shares = sharesOf(matrices, threads_);
  parallelFor(shares.size(), threads_, [&](size_t share, unsigned) {
    std::vector<SymmetricMatrix> own;
    for (const size_t i : shares[share]) own.push_back(matrices[i]);
    std::vector<SymmetricEigen> eigens = symmetricEigens(own);
    for (size_t i = 0; i < own.size(); i++) {
      *places[shares[share][i]] = Factor<Number>(std::move(eigens[i]));
    }
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

template <class Number>
void KroneckerPreconditionerOf<Number>::apply(double damping, std::span<const double> r,
                                              std::span<double> z) const {
  UninitializedVector<Number> scratch(3 * scratchSize_);
  Number* const residual = scratch.data();
  Number* const first = residual + scratchSize_;
  Number* const second = first + scratchSize_;
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
    const Factor<Number>& input = layer.input;
    const Factor<Number>& output = layer.output;
    const size_t at = layer.offset + firstRow * input.stride;
    multiply_({rows, input.size, output.size, output.vectors.data() + firstRow * output.stride,
               output.stride, 1, residual + layer.offset, input.stride, first + at, input.stride});
    multiply_({rows, input.size, input.size, first + at, input.stride, 1, input.transposed.data(),
               input.stride, second + at, input.stride});
    // A direction that no row has excited would be divided by the damping alone, perhaps by 0, and
    // with it the rounding errors of float32 products that point there.
    const double floor = layer.largest > 0 ? kSmallestEigenvalue * layer.largest
                         : damping > 0     ? damping
                                           : 1;
    for (size_t i = 0; i < rows; i++) {
      Number* row = second + at + i * input.stride;
      const double g = output.values[firstRow + i];
      for (size_t j = 0; j < input.size; j++) {
        const double divisor = std::max(g * input.values[j] + damping, floor);
        row[j] = static_cast<Number>(static_cast<double>(row[j]) / divisor);
      }
    }
    multiply_({rows, input.size, input.size, second + at, input.stride, 1, input.vectors.data(),
               input.stride, first + at, input.stride});
  });
  // V times that
  parallelFor(ranges_.size(), threads_, [&](size_t index, unsigned) {
    const auto& [l, firstRow, rows] = ranges_[index];
    const Layer& layer = layers_[l];
    const Factor<Number>& input = layer.input;
    const Factor<Number>& output = layer.output;
    Number* const result = second + layer.offset + firstRow * input.stride;
    multiply_({rows, input.size, output.size, output.transposed.data() + firstRow * output.stride,
               output.stride, 1, first + layer.offset, input.stride, result, input.stride});
    for (size_t i = 0; i < rows; i++) {
      writeRow(layer.layout, firstRow + i, result + i * input.stride, z);
    }
  });
  for (size_t i = logStdOffset_; i < r.size(); i++) z[i] = r[i] / (2 + damping);
}

}  // namespace

std::unique_ptr<const KroneckerPreconditioner> KroneckerPreconditioner::make(
    const PolicyModel& model, const KroneckerFactors& factors, unsigned threads,
    MultiplySingle multiply) {
  if (multiply != nullptr) {
    return std::make_unique<const KroneckerPreconditionerOf<float>>(model, factors, threads,
                                                                    multiply);
  }
  return std::make_unique<const KroneckerPreconditionerOf<double>>(model, factors, threads,
                                                                   denseKernels().multiply);
}

}  // namespace trustregion
