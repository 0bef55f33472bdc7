#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/aligned_memory.h"

namespace trustregion {

// The residuals of a conjugate-gradient solve so far, for making the next one orthogonal to them:
// r_j' M^-1 r_k = 0 for j != k, with z_j = M^-1 r_j (z_j = r_j without a preconditioner). They are
// kept with length 1, r_j'z_j = 1.
//
// In float32 where products are: what is removed of a residual is rounding itself, so that its own
// rounding says nothing, and half as much is read in every iteration. In double where products are
// made in double: vectors of float32 would leave the residual 1e-10 of its size away from b - A x.
template <class Number>
class ResidualBasis {
 public:
  // For vectors of `dimension` numbers. Memory is taken as residuals come, for up to `expected` of
  // them at once.
  ResidualBasis(size_t dimension, size_t expected, bool isPreconditioned);

  // How many residuals there are.
  size_t size() const { return size_; }

  // rho = r'z, the square of the length that they have
  void add(std::span<const double> r, std::span<const double> z, double rho);

  // sums[j] = z_j'r over the numbers [first, first + r.size()) of the vectors, which r has
  void project(size_t first, std::span<const double> r, std::span<double> sums) const;

  // The largest |cosine| of a residual r with those here, in the inner product of M^-1:
  // max_j |z_j'r| / sqrt(rho), from the sums z_j'r and rho = r'M^-1 r.
  double largestCosine(std::span<const double> sums, double rho) const;

  // r -= sum_j (z_j'r) r_j, all at once (classical Gram-Schmidt): what is removed has grown out of
  // rounding, and so has what the residuals here have of each other.
  void remove(std::span<const double> sums, unsigned threads, std::span<double> r) const;

 private:
  using Vectors = std::vector<UninitializedVector<Number>>;

  void append(std::span<const double> vector, double scale, Vectors& blocks) const;
  const Number* vectorAt(size_t index, const Vectors& blocks) const;

  bool isPreconditioned_;
  size_t stride_;           // numbers from one vector to the next
  size_t vectorsPerBlock_;  // large blocks come in huge pages
  size_t size_ = 0;
  Vectors residuals_;       // r_j
  Vectors preconditioned_;  // z_j
};

extern template class ResidualBasis<double>;
extern template class ResidualBasis<float>;

}  // namespace trustregion
