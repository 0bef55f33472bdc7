#include "core/residual_basis.h"

#include <algorithm>
#include <cmath>

#include "core/dense_kernels.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

void dotsOf(size_t count, size_t rows, const double* const* a, const double* b, double* sums) {
  denseKernels().dots(count, rows, a, b, sums);
}
void dotsOf(size_t count, size_t rows, const float* const* a, const double* b, double* sums) {
  denseKernels().dotsSingle(count, rows, a, b, sums);
}
void addScaled(size_t count, double a, const double* x, double* y) {
  denseKernels().axpby(count, a, x, 1, y);
}
void addScaled(size_t count, double a, const float* x, double* y) {
  denseKernels().axpbySingle(count, a, x, 1, y);
}

}  // namespace

template <class Number>
ResidualBasis<Number>::ResidualBasis(size_t dimension, size_t expected, bool isPreconditioned)
    : isPreconditioned_(isPreconditioned), stride_(denseStride<Number>(dimension)) {
  constexpr size_t kBlock = (size_t{8} << 20) / sizeof(Number);
  constexpr size_t kVectors = 8;  // few iterations of many that were allowed cost little
  vectorsPerBlock_ =
      std::clamp<size_t>(kBlock / stride_, 1, std::clamp<size_t>(expected, 1, kVectors));
}

template <class Number>
void ResidualBasis<Number>::append(std::span<const double> vector, double scale,
                                   Vectors& blocks) const {
  if (size() % vectorsPerBlock_ == 0) blocks.emplace_back(vectorsPerBlock_ * stride_);
  Number* const to = blocks.back().data() + size() % vectorsPerBlock_ * stride_;
  for (size_t i = 0; i < vector.size(); i++) to[i] = static_cast<Number>(scale * vector[i]);
}

template <class Number>
const Number* ResidualBasis<Number>::vectorAt(size_t index, const Vectors& blocks) const {
  return blocks[index / vectorsPerBlock_].data() + index % vectorsPerBlock_ * stride_;
}

template <class Number>
void ResidualBasis<Number>::add(std::span<const double> r, std::span<const double> z, double rho) {
  const double scale = 1 / std::sqrt(rho);
  append(r, scale, residuals_);
  if (isPreconditioned_) append(z, scale, preconditioned_);
  size_++;
}

template <class Number>
void ResidualBasis<Number>::project(size_t first, std::span<const double> r,
                                    std::span<double> sums) const {
  const Vectors& vectors = isPreconditioned_ ? preconditioned_ : residuals_;
  constexpr size_t kAtOnce = 16;
  const Number* rows[kAtOnce];
  for (size_t j = 0; j < size(); j += kAtOnce) {
    const size_t count = std::min(kAtOnce, size() - j);
    for (size_t i = 0; i < count; i++) rows[i] = vectorAt(j + i, vectors) + first;
    dotsOf(r.size(), count, rows, r.data(), sums.data() + j);
  }
}

template <class Number>
double ResidualBasis<Number>::largestCosine(std::span<const double> sums, double rho) const {
  double largest = 0;
  for (const double sum : sums) largest = std::max(largest, std::abs(sum));
  return largest / std::sqrt(rho);
}

template <class Number>
void ResidualBasis<Number>::remove(std::span<const double> sums, unsigned threads,
                                   std::span<double> r) const {
  forEachVectorPart(r.size(), threads, [&](size_t, size_t first, size_t count) {
    for (size_t j = 0; j < size(); j++) {
      addScaled(count, -sums[j], vectorAt(j, residuals_) + first, r.data() + first);
    }
  });
}

template class ResidualBasis<double>;
template class ResidualBasis<float>;

}  // namespace trustregion
