#pragma once

#include <span>
#include <vector>

namespace trustregion {

struct SymmetricEigen {
  std::vector<double> values;   // in no particular order
  std::vector<double> vectors;  // [size x size], row i is the unit eigenvector of values[i]
};

// Eigenvalues and eigenvectors of a symmetric matrix [size x size], row-major, in a fixed order of
// operations: Householder's reduction to tridiagonal form, then QL with implicit shifts (Golub and
// Van Loan 2013, sections 8.3.1 and 8.3.3). Throws ErrorCode::notFinite if an entry is NaN or
// infinite. About 9 size^3 flops.
SymmetricEigen symmetricEigen(std::span<const double> matrix, size_t size);

}  // namespace trustregion
