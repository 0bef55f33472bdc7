#include "core/kronecker_preconditioner.h"

#include <algorithm>

#include "core/symmetric_eigen.h"

namespace trustregion {
namespace {

// Relative to the largest: some float32 roundings.
constexpr double kSmallestEigenvalue = 1e-6;

// Rounding may leave an eigenvalue of a positive semidefinite matrix a little below 0.
std::vector<double> nonNegative(std::vector<double> values) {
  for (double& value : values) value = std::max(value, 0.0);
  return values;
}

typedef double Pair __attribute__((vector_size(16), aligned(8), may_alias));  // SSE2, NEON

// Rows of C = A B, for A read with any strides: kRows x 4 sums in registers.
template <size_t kRows>
void multiplyRows(const double* a, size_t aRow, size_t aInner, const double* b, size_t inner,
                  size_t columns, double* c) {
  size_t j = 0;
  for (; j + 4 <= columns; j += 4) {
    Pair sums[kRows][2] = {};
    for (size_t t = 0; t < inner; t++) {
      const Pair left = *reinterpret_cast<const Pair*>(b + t * columns + j);
      const Pair right = *reinterpret_cast<const Pair*>(b + t * columns + j + 2);
#pragma GCC unroll 4
      for (size_t i = 0; i < kRows; i++) {
        const double factor = a[i * aRow + t * aInner];
        sums[i][0] += factor * left;
        sums[i][1] += factor * right;
      }
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < kRows; i++) {
      *reinterpret_cast<Pair*>(c + i * columns + j) = sums[i][0];
      *reinterpret_cast<Pair*>(c + i * columns + j + 2) = sums[i][1];
    }
  }
  for (; j < columns; j++) {
    double sums[kRows] = {};
    for (size_t t = 0; t < inner; t++) {
#pragma GCC unroll 4
      for (size_t i = 0; i < kRows; i++) sums[i] += a[i * aRow + t * aInner] * b[t * columns + j];
    }
    for (size_t i = 0; i < kRows; i++) c[i * columns + j] = sums[i];
  }
}

// C = A B for A [rows x inner] and row-major B [inner x columns].
void multiplyStrided(const double* a, size_t aRow, size_t aInner, const double* b, size_t rows,
                     size_t inner, size_t columns, double* c) {
  constexpr size_t kRows = 4;
  size_t i = 0;
  for (; i + kRows <= rows; i += kRows) {
    multiplyRows<kRows>(a + i * aRow, aRow, aInner, b, inner, columns, c + i * columns);
  }
  for (; i < rows; i++) {
    multiplyRows<1>(a + i * aRow, aRow, aInner, b, inner, columns, c + i * columns);
  }
}

// C = A B for row-major A [rows x inner] and B [inner x columns].
void multiply(const double* a, const double* b, size_t rows, size_t inner, size_t columns,
              double* c) {
  multiplyStrided(a, inner, 1, b, rows, inner, columns, c);
}

// C = A'B for row-major A [inner x rows] and B [inner x columns].
void multiplyTransposed(const double* a, const double* b, size_t rows, size_t inner, size_t columns,
                        double* c) {
  multiplyStrided(a, 1, rows, b, rows, inner, columns, c);
}

}  // namespace

KroneckerPreconditioner::KroneckerPreconditioner(const PolicyModel& model,
                                                 const KroneckerFactors& factors)
    : logStdOffset_(model.logStdOffset()) {
  const auto decompose = [](const std::vector<double>& matrix, size_t size) {
    SymmetricEigen eigen = symmetricEigen(matrix, size);
    std::vector<double> transposed(size * size);
    for (size_t i = 0; i < size; i++) {
      for (size_t j = 0; j < size; j++) transposed[j * size + i] = eigen.vectors[i * size + j];
    }
    return Factor{size, nonNegative(std::move(eigen.values)), std::move(eigen.vectors),
                  std::move(transposed)};
  };
  for (size_t l = 0; l < factors.layers.size(); l++) {
    const LayerLayout& layer = model.network.layers()[l];
    layers_.push_back({layer, decompose(factors.layers[l].input, layer.inputs + 1),
                       decompose(factors.layers[l].output, layer.outputs)});
  }
}

void KroneckerPreconditioner::apply(double damping, std::span<const double> r,
                                    std::span<double> z) const {
  std::vector<double> first;
  std::vector<double> second;
  for (const Layer& layer : layers_) {
    const auto& [layout, input, output] = layer;
    const size_t rows = output.size;
    const size_t columns = input.size;
    // A direction that no row has excited would be divided by the damping alone, perhaps by 0, and
    // with it the rounding errors of float32 products that point there.
    const double largest = *std::max_element(input.values.begin(), input.values.end()) *
                           *std::max_element(output.values.begin(), output.values.end());
    const double floor = largest > 0 ? kSmallestEigenvalue * largest : damping > 0 ? damping : 1;
    first.resize(rows * columns);
    second.resize(rows * columns);
    // R = [weight | bias]
    for (size_t i = 0; i < rows; i++) {
      std::copy_n(r.data() + layout.weightOffset + i * layout.inputs, layout.inputs,
                  first.data() + i * columns);
      first[i * columns + layout.inputs] = r[layout.biasOffset + i];
    }
    multiply(output.vectors.data(), first.data(), rows, rows, columns, second.data());
    multiply(second.data(), input.transposed.data(), rows, columns, columns, first.data());
    for (size_t i = 0; i < rows; i++) {
      for (size_t j = 0; j < columns; j++) {
        const double eigenvalue = output.values[i] * input.values[j] + damping;
        first[i * columns + j] /= std::max(eigenvalue, floor);
      }
    }
    multiply(first.data(), input.vectors.data(), rows, columns, columns, second.data());
    multiplyTransposed(output.vectors.data(), second.data(), rows, rows, columns, first.data());
    for (size_t i = 0; i < rows; i++) {
      std::copy_n(first.data() + i * columns, layout.inputs,
                  z.data() + layout.weightOffset + i * layout.inputs);
      z[layout.biasOffset + i] = first[i * columns + layout.inputs];
    }
  }
  for (size_t i = logStdOffset_; i < r.size(); i++) z[i] = r[i] / (2 + damping);
}

}  // namespace trustregion
