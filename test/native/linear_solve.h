#pragma once

#include <algorithm>
#include <vector>

#include "core/conjugate_gradient.h"
#include "core/vector_operations.h"
#include "dense.h"
#include "guarded.h"

// Conjugate gradients with everything that they return, for the tests.
namespace trustregion::test {

struct Solution {
  ConjugateGradientSummary summary;
  std::vector<double> x;
  std::vector<double> residual;
};

inline Solution solve(const LinearOperator& a, const std::vector<double>& b,
                      const ConjugateGradientOptions& options,
                      const LinearOperator& preconditioner = {}) {
  Guarded<double> x(b.size());
  Guarded<double> residual(b.size());
  const auto summary = conjugateGradient(a, b, x.span(), options, residual.span(), preconditioner);
  CHECK(x.intact() && x.complete());
  CHECK(residual.intact());
  return {summary, {x.data(), x.data() + x.size()}, {residual.data(), residual.data() + b.size()}};
}

inline ConjugateGradientOptions iterations(int count, double residualTolerance = 0) {
  ConjugateGradientOptions options;
  options.iterations = count;
  options.residualTolerance = residualTolerance;
  return options;
}

inline std::vector<double> minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference = a;
  axpby(-1, b, 1, difference);
  return difference;
}

// What the summary says must be so: of a matrix of norm at most `largest`.
inline void checkSummary(const Dense& a, const std::vector<double>& b, const Solution& solution,
                         double largest) {
  const std::vector<double> ax = a.times(solution.x);
  const std::vector<double> residual = minus(b, ax);
  // The recurrence drifts from b - A x by some roundings of A x in each iteration.
  const double drift = 8 * (1 + solution.summary.iterations) * static_cast<double>(b.size()) *
                       kDoubleRoundoff * (norm(b) + largest * norm(solution.x));
  CHECK_NEAR(norm(minus(residual, solution.residual)), 0, drift);
  CHECK_NEAR(solution.summary.residualNorm, norm(residual), drift);
  CHECK_NEAR(solution.summary.relativeResidual * norm(b), norm(residual), drift);
  CHECK_NEAR(solution.summary.quadraticModel, 0.5 * dot(solution.x, ax) - dot(b, solution.x),
             drift * norm(solution.x));
  // Free of charge: x'A x = x'(b - r).
  CHECK_NEAR(dot(solution.x, minus(b, solution.residual)), dot(solution.x, ax),
             drift * norm(solution.x));
}

}  // namespace trustregion::test
