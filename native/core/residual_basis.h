#pragma once

#include <span>
#include <vector>

namespace trustregion {

// The residuals of a conjugate-gradient solve so far, for making the next one orthogonal to them:
// r_j' M^-1 r_k = 0 for j != k, with z_j = M^-1 r_j (z_j = r_j without a preconditioner).
//
// In double whatever the products are made in: vectors of float32 would leave the residual 1e-10 of
// its size away from b - A x, and with it everything that is told about the solution.
class ResidualBasis {
 public:
  ResidualBasis(bool isPreconditioned, unsigned threads)
      : isPreconditioned_(isPreconditioned), threads_(threads) {}

  // rho = r'z
  void add(std::span<const double> r, std::span<const double> z, double rho);

  // r -= sum_j (z_j'r / rho_j) r_j, all at once (classical Gram-Schmidt): what is removed is
  // rounding, so its own components along the others are rounding of rounding; and every vector is
  // read once for the sums and once for the subtraction.
  void orthogonalize(std::span<double> r) const;

 private:
  bool isPreconditioned_;
  unsigned threads_;
  std::vector<std::vector<double>> residuals_;       // r_j
  std::vector<std::vector<double>> preconditioned_;  // z_j
  std::vector<double> rhos_;
};

}  // namespace trustregion
