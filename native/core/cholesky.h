#pragma once

#include <cstddef>
#include <span>

namespace trustregion {

// Solves A x = b for a symmetric positive definite A [size x size], row-major, by A = L L' (Golub
// and Van Loan 2013, algorithm 4.2.2). Replaces the lower triangle of A by L and reads nothing
// above the diagonal. False, and x unspecified, if a pivot is not positive by more than its own
// rounding. size^3 / 3 flops.
bool choleskySolve(std::span<double> a, std::span<const double> b, std::span<double> x);

}  // namespace trustregion
