#include "core/residual_basis.h"

#include <algorithm>
#include <cmath>

#include "core/dense_kernels.h"
#include "core/vector_operations.h"

namespace trustregion {

ResidualBasis::ResidualBasis(size_t dimension, size_t expected, bool isPreconditioned)
    : isPreconditioned_(isPreconditioned), stride_(denseStride(dimension)) {
  constexpr size_t kBlock = size_t{1} << 20;  // numbers
  constexpr size_t kVectors = 8;  // few iterations of many that were allowed cost little
  vectorsPerBlock_ =
      std::clamp<size_t>(kBlock / stride_, 1, std::clamp<size_t>(expected, 1, kVectors));
}

void ResidualBasis::append(std::span<const double> vector, Vectors& blocks) const {
  if (size() % vectorsPerBlock_ == 0) {
    blocks.emplace_back().reserve(vectorsPerBlock_ * stride_);
  }
  AlignedDoubles& block = blocks.back();
  block.insert(block.end(), vector.begin(), vector.end());
  block.resize(block.size() + stride_ - vector.size());
}

const double* ResidualBasis::vectorAt(size_t index, const Vectors& blocks) const {
  return blocks[index / vectorsPerBlock_].data() + index % vectorsPerBlock_ * stride_;
}

void ResidualBasis::add(std::span<const double> r, std::span<const double> z, double rho) {
  append(r, residuals_);
  if (isPreconditioned_) append(z, preconditioned_);
  rhos_.push_back(rho);
}

void ResidualBasis::project(size_t first, std::span<const double> r, std::span<double> sums) const {
  for (size_t j = 0; j < size(); j++) sums[j] = dot({preconditioned(j) + first, r.size()}, r);
}

double ResidualBasis::largestCosine(std::span<const double> sums, double rho) const {
  double largest = 0;
  for (size_t j = 0; j < size(); j++) {
    largest = std::max(largest, std::abs(sums[j]) / (std::sqrt(rhos_[j]) * std::sqrt(rho)));
  }
  return largest;
}

void ResidualBasis::remove(std::span<const double> sums, unsigned threads,
                           std::span<double> r) const {
  forEachVectorPart(r.size(), threads, [&](size_t, size_t first, size_t count) {
    for (size_t j = 0; j < size(); j++) {
      axpby(-sums[j] / rhos_[j], {vectorAt(j, residuals_) + first, count}, 1,
            r.subspan(first, count));
    }
  });
}

}  // namespace trustregion
