#include "core/conjugate_gradient.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/residual_basis.h"
#include "core/vector_operations.h"

namespace trustregion {

const char* conjugateGradientStopName(ConjugateGradientStop stop) {
  switch (stop) {
    case ConjugateGradientStop::iterations:
      return "iterations";
    case ConjugateGradientStop::residual:
      return "residual";
    case ConjugateGradientStop::progress:
      return "progress";
    case ConjugateGradientStop::zeroRightHandSide:
      return "zeroRightHandSide";
    case ConjugateGradientStop::negativeCurvature:
      return "negativeCurvature";
    case ConjugateGradientStop::notFinite:
      break;
  }
  return "notFinite";
}

namespace {

// Binary exponent of the largest number; 0 if there is none, or one is NaN or infinite.
int exponentOfLargest(std::span<const double> vector) {
  double largest = 0;
  for (const double value : vector) {
    if (!std::isfinite(value)) return 0;
    largest = std::max(largest, std::abs(value));
  }
  return largest > 0 ? std::ilogb(largest) : 0;
}

// For a right-hand side whose squares stay in the range of double.
ConjugateGradientSummary solve(const LinearOperator& a, std::span<const double> b,
                               std::span<double> x, const ConjugateGradientOptions& options,
                               std::span<double> residual, const LinearOperator& preconditioner) {
  using Stop = ConjugateGradientStop;
  const size_t size = b.size();
  const unsigned threads = options.threads;
  const std::vector<double> rightHandSide(b.begin(), b.end());  // x may be the caller's b
  b = rightHandSide;
  std::vector<double> r = rightHandSide;  // x = 0, so r = b
  std::vector<double> p(size);
  std::vector<double> q(size);  // A p
  std::vector<double> z(preconditioner ? size : 0);
  std::fill(x.begin(), x.end(), 0.0);

  ConjugateGradientSummary summary;
  const double rightHandSideNorm = norm(b, threads);

  const auto finish = [&](Stop stop) {
    summary.stop = stop;
    summary.residualNorm = norm(r, threads);
    summary.relativeResidual = rightHandSideNorm > 0 ? summary.residualNorm / rightHandSideNorm : 0;
    // x'A x / 2 - b'x = -x'(b + r) / 2 because A x = b - r.
    summary.quadraticModel = -0.5 * (dot(x, b, threads) + dot(x, r, threads));
    if (!residual.empty()) std::copy(r.begin(), r.end(), residual.begin());
    return summary;
  };
  // z = M^-1 r; returns r'z.
  const auto precondition = [&]() {
    if (!preconditioner) return dot(r, r, threads);
    preconditioner(r, z);
    return dot(r, z, threads);
  };
  const auto searchDirection = [&]() -> std::span<const double> {
    return preconditioner ? std::span<const double>(z) : std::span<const double>(r);
  };

  if (!std::isfinite(rightHandSideNorm)) return finish(Stop::notFinite);
  if (rightHandSideNorm == 0) return finish(Stop::zeroRightHandSide);

  double rho = precondition();
  if (!std::isfinite(rho)) return finish(Stop::notFinite);
  if (rho <= 0) return finish(Stop::negativeCurvature);  // the preconditioner is not definite
  std::copy(searchDirection().begin(), searchDirection().end(), p.begin());
  ResidualBasis basis(static_cast<bool>(preconditioner), threads);
  // Below the rounding of b itself the system is solved.
  const double residualTolerance =
      std::max(options.residualTolerance, std::numeric_limits<double>::epsilon());
  double model = 0;

  for (int k = 1; k <= options.iterations; k++) {
    if (options.reorthogonalize) basis.add(r, z, rho);
    a(p, q);
    summary.products++;
    const double curvature = dot(p, q, threads);
    if (!std::isfinite(curvature)) return finish(Stop::notFinite);
    if (curvature <= 0) return finish(Stop::negativeCurvature);
    const double alpha = rho / curvature;
    // Against overflow of the step itself: x and r stay as they are unless all of it is finite.
    if (!std::isfinite(alpha) ||
        !std::isfinite(alpha * alpha * (dot(p, p, threads) + dot(q, q, threads)))) {
      return finish(Stop::notFinite);
    }
    axpby(alpha, p, 1, x, threads);
    axpby(-alpha, q, 1, r, threads);
    summary.iterations = k;

    // The recurrence for r drifts away from b - A x by rounding.
    if (options.residualResetPeriod > 0 && k % options.residualResetPeriod == 0 &&
        k < options.iterations) {
      a(x, q);
      summary.products++;
      axpby(1, b, -1, q, threads);
      if (!std::isfinite(norm(q, threads))) return finish(Stop::notFinite);
      std::swap(q, r);
    }
    if (options.reorthogonalize) basis.orthogonalize(r);
    const double residualNorm = norm(r, threads);
    if (!std::isfinite(residualNorm)) return finish(Stop::notFinite);
    if (residualNorm <= residualTolerance * rightHandSideNorm) {
      return finish(Stop::residual);
    }
    const double previousModel = model;
    model = -0.5 * (dot(x, b, threads) + dot(x, r, threads));
    if (options.progressTolerance > 0 &&
        k * (previousModel - model) < options.progressTolerance * -model) {
      return finish(Stop::progress);
    }
    if (k == options.iterations) break;

    const double previousRho = rho;
    rho = precondition();
    if (!std::isfinite(rho)) return finish(Stop::notFinite);
    if (rho <= 0) return finish(Stop::negativeCurvature);
    axpby(1, searchDirection(), rho / previousRho, p, threads);
  }
  return finish(Stop::iterations);
}

}  // namespace

ConjugateGradientSummary conjugateGradient(const LinearOperator& a, std::span<const double> b,
                                           std::span<double> x,
                                           const ConjugateGradientOptions& options,
                                           std::span<double> residual,
                                           const LinearOperator& preconditioner) {
  // Squares of the right-hand side must stay in the range of double. The solution is linear in it,
  // and a power of two changes no digit.
  const int exponent = exponentOfLargest(b);
  if (std::abs(exponent) > 300) {
    std::vector<double> scaled(b.begin(), b.end());
    for (double& value : scaled) value = std::ldexp(value, -exponent);
    ConjugateGradientSummary summary =
        conjugateGradient(a, scaled, x, options, residual, preconditioner);
    for (double& value : x) value = std::ldexp(value, exponent);
    for (double& value : residual) value = std::ldexp(value, exponent);
    summary.residualNorm = std::ldexp(summary.residualNorm, exponent);
    summary.quadraticModel = std::ldexp(summary.quadraticModel, 2 * exponent);
    return summary;
  }
  return solve(a, b, x, options, residual, preconditioner);
}

}  // namespace trustregion
