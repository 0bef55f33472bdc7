#pragma once

#include <span>
#include <vector>

namespace trustregion {

struct SymmetricEigen {
  std::vector<double> values;   // in no particular order
  std::vector<double> vectors;  // [size x size], row i is the unit eigenvector of values[i]
};

// [size x size], row-major.
struct SymmetricMatrix {
  std::span<const double> elements;
  size_t size;
};

// Eigenvalues and eigenvectors of symmetric matrices, in a fixed order of operations: Householder's
// reduction to tridiagonal form, then QL with implicit shifts (Golub and Van Loan 2013, sections
// 8.3.1 and 8.3.3). Throws ErrorCode::notFinite if an entry is NaN or infinite. About 9 size^3
// flops each.
//
// An iteration of QL is one long chain of square roots and divisions. Those of several matrices are
// made by turns, so that each waits in the time of the others: four small matrices together take
// little longer than one. No bit depends on which matrices come together.
std::vector<SymmetricEigen> symmetricEigens(std::span<const SymmetricMatrix> matrices);
SymmetricEigen symmetricEigen(std::span<const double> matrix, size_t size);

}  // namespace trustregion
