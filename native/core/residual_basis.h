#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/aligned_memory.h"

namespace trustregion {

// The residuals of a conjugate-gradient solve so far, for making the next one orthogonal to them:
// r_j' M^-1 r_k = 0 for j != k, with z_j = M^-1 r_j (z_j = r_j without a preconditioner).
//
// In double whatever the products are made in: where they are made in double, vectors of float32
// would leave the residual 1e-10 of its size away from b - A x.
class ResidualBasis {
 public:
  // For vectors of `dimension` numbers. Memory is taken as residuals come, for up to `expected` of
  // them at once.
  ResidualBasis(size_t dimension, size_t expected, bool isPreconditioned);

  // How many residuals there are.
  size_t size() const { return rhos_.size(); }

  // rho = r'z
  void add(std::span<const double> r, std::span<const double> z, double rho);

  // sums[j] = z_j'r over the numbers [first, first + r.size()) of the vectors, which r has
  void project(size_t first, std::span<const double> r, std::span<double> sums) const;

  // The largest |cosine| of a residual r with those here, in the inner product of M^-1:
  // max_j |z_j'r| / sqrt(rho_j rho), from the sums z_j'r and rho = r'M^-1 r.
  double largestCosine(std::span<const double> sums, double rho) const;

  // r -= sum_j (z_j'r / rho_j) r_j, all at once (classical Gram-Schmidt): what is removed has
  // grown out of rounding, and so has what the residuals here have of each other.
  void remove(std::span<const double> sums, unsigned threads, std::span<double> r) const;

 private:
  using Vectors = std::vector<AlignedDoubles>;

  void append(std::span<const double> vector, Vectors& blocks) const;
  const double* vectorAt(size_t index, const Vectors& blocks) const;
  const double* preconditioned(size_t index) const {
    return vectorAt(index, isPreconditioned_ ? preconditioned_ : residuals_);
  }

  bool isPreconditioned_;
  size_t stride_;           // numbers from one vector to the next
  size_t vectorsPerBlock_;  // large blocks come in huge pages
  Vectors residuals_;       // r_j
  Vectors preconditioned_;  // z_j
  std::vector<double> rhos_;
};

}  // namespace trustregion
