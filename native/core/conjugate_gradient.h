#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace trustregion {

struct ConjugateGradientOptions {
  int iterations = 10;
  // Stop when |r| <= residualTolerance |b|; 0 stops only where the system is solved to rounding.
  double residualTolerance = 0;
  // Stop when iteration k made less than tolerance / k of the quadratic model's whole progress
  // (Nash and Sofer 1990, "Assessing a search direction within a truncated Newton method");
  // 0 never stops by it.
  double progressTolerance = 0;
  // Recompute r = b - A x after every so many iterations, which costs one product; 0 never does.
  int residualResetPeriod = 20;
  // The matrix is A + shift I: a damping that costs no pass of its own over the vectors.
  double shift = 0;
  // Keep every residual and make each new one orthogonal to all before it. In exact arithmetic they
  // are; in floating point the plain recurrence loses that as soon as the largest eigenvalues have
  // converged, and the iterates drift: 1e-2 after 10 iterations with float32 products on a matrix
  // of condition 200, 1e-5 even in float64, against 1e-6 and 1e-15 with it (Parlett 1980, chapter
  // 13, on the Lanczos process behind CG). Costs one vector of memory (two with a preconditioner)
  // an iteration (half of that in float32), and in iteration k 2 k flops a parameter, 6 k where the
  // residual is corrected.
  bool reorthogonalize = true;
  // With `reorthogonalize`: a residual is left alone while its cosine with each older one, in the
  // preconditioner's inner product, is no larger than this, which saves two thirds of the reading.
  // Up to the root of the rounding unit of the products, cosines do no harm to the iterates (Simon
  // 1984, "The Lanczos algorithm with partial reorthogonalization"). With a preconditioner r'M^-1 r
  // is estimated by the last residual's r'M^-1 r / r'r.
  double orthogonalityTolerance = 0;
  // With `reorthogonalize`: residuals are kept in float32, for products that are no better.
  bool singleResiduals = false;
  // For the vectors' own arithmetic; the operators see to theirs. Changes no bit.
  unsigned threads = 1;
};

enum class ConjugateGradientStop {
  iterations,         // did as many as were asked for
  residual,           // residual small enough
  progress,           // quadratic model no longer improves
  zeroRightHandSide,  // b = 0, so x = 0
  negativeCurvature,  // p'A p <= 0: A is not positive definite along p
  notFinite,          // NaN or infinity appeared
};

const char* conjugateGradientStopName(ConjugateGradientStop stop);

struct ConjugateGradientSummary {
  int iterations = 0;           // updates of x
  int products = 0;             // products with A
  double residualNorm = 0;      // |b - A x| of the returned x
  double relativeResidual = 0;  // the same over |b|
  double quadraticModel = 0;    // x'A x / 2 - b'x, what CG minimises
  ConjugateGradientStop stop = ConjugateGradientStop::iterations;
};

// y = A x, or y = M^-1 r for a preconditioner. Reads x, writes all of y.
using LinearOperator = std::function<void(std::span<const double> x, std::span<double> y)>;

// Solves A x = b for symmetric positive definite A (Hestenes and Stiefel 1952), from x = 0, with no
// epsilon in any denominator. On a breakdown the best iterate so far is in x: the quadratic model
// falls with every iteration, so that is the last one before the breakdown. `residual`, if not
// empty, receives b - A x of that iterate, up to the rounding of the products (which, with
// `reorthogonalize`, is taken out of it). An empty preconditioner is the identity.
ConjugateGradientSummary conjugateGradient(const LinearOperator& a, std::span<const double> b,
                                           std::span<double> x,
                                           const ConjugateGradientOptions& options,
                                           std::span<double> residual = {},
                                           const LinearOperator& preconditioner = {});

}  // namespace trustregion
