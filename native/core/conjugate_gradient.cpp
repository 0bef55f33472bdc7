#include "core/conjugate_gradient.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/aligned_memory.h"
#include "core/dense_kernels.h"
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

// For a right-hand side whose squares stay in the range of double. Residuals are kept as `Kept`.
template <class Kept>
ConjugateGradientSummary solve(const LinearOperator& a, std::span<const double> b,
                               std::span<double> x, const ConjugateGradientOptions& options,
                               std::span<double> residual, const LinearOperator& preconditioner) {
  using Stop = ConjugateGradientStop;
  const size_t size = b.size();
  const unsigned threads = options.threads;
  // All vectors in one piece of memory, which comes in huge pages if it is large.
  const size_t stride = denseStride(size);
  AlignedDoubles memory((preconditioner ? 5 : 4) * stride);
  const auto vectorAt = [&](size_t index) {
    return std::span<double>(memory.data() + index * stride, size);
  };
  std::span<double> r = vectorAt(0);
  const std::span<double> p = vectorAt(1);
  std::span<double> q = vectorAt(2);                    // (A + shift I) p
  const std::span<double> rightHandSide = vectorAt(3);  // x may be the caller's b
  const std::span<double> z = preconditioner ? vectorAt(4) : std::span<double>();
  std::copy(b.begin(), b.end(), rightHandSide.begin());
  b = rightHandSide;
  std::copy(b.begin(), b.end(), r.begin());  // x = 0, so r = b
  std::fill(x.begin(), x.end(), 0.0);

  ConjugateGradientSummary summary;
  const double squaredRightHandSide = dot(b, b, threads);
  const double rightHandSideNorm = std::sqrt(squaredRightHandSide);

  const auto finish = [&](Stop stop) {
    summary.stop = stop;
    summary.residualNorm = norm(r, threads);
    summary.relativeResidual = rightHandSideNorm > 0 ? summary.residualNorm / rightHandSideNorm : 0;
    // x'A x / 2 - b'x = -x'(b + r) / 2 because A x = b - r.
    summary.quadraticModel = -0.5 * (dot(x, b, threads) + dot(x, r, threads));
    if (!residual.empty()) std::copy(r.begin(), r.end(), residual.begin());
    return summary;
  };

  if (!std::isfinite(rightHandSideNorm)) return finish(Stop::notFinite);
  if (rightHandSideNorm == 0) return finish(Stop::zeroRightHandSide);

  ResidualBasis<Kept> basis(size, static_cast<size_t>(options.iterations),
                            static_cast<bool>(preconditioner));
  // [0] is r'r, the others z_j'r for the basis.
  std::vector<double> sums{squaredRightHandSide};
  const auto sumPart = [&](size_t first, size_t count, std::span<double> part) {
    const std::span<const double> ofPart = r.subspan(first, count);
    part[0] = dot(ofPart, ofPart);
    basis.project(first, ofPart, part.subspan(1));
  };
  // z = M^-1 r; returns r'z.
  const auto precondition = [&]() {
    if (!preconditioner) return sums[0];
    preconditioner(r, z);
    return dot(r, z, threads);
  };
  const auto searchDirection = [&]() -> std::span<const double> { return preconditioner ? z : r; };

  double rho = precondition();
  if (!std::isfinite(rho)) return finish(Stop::notFinite);
  if (rho <= 0) return finish(Stop::negativeCurvature);  // the preconditioner is not definite
  std::copy(searchDirection().begin(), searchDirection().end(), p.begin());
  // Below the rounding of b itself the system is solved.
  const double residualTolerance =
      std::max(options.residualTolerance, std::numeric_limits<double>::epsilon());
  double squaredResidual = squaredRightHandSide;
  double model = 0;

  for (int k = 1; k <= options.iterations; k++) {
    if (options.reorthogonalize) basis.add(r, z, rho);
    sums.resize(basis.size() + 1);
    a(p, q);
    summary.products++;
    double curvatures[3];  // p'q, and for the size of the step p'p and q'q
    sumVectorParts(size, threads, curvatures,
                   [&](size_t first, size_t count, std::span<double> part) {
                     const std::span<const double> ofP = p.subspan(first, count);
                     const std::span<double> ofQ = q.subspan(first, count);
                     if (options.shift != 0) axpby(options.shift, ofP, 1, ofQ);
                     const double* const both[] = {ofQ.data(), ofP.data()};
                     denseKernels().dots(count, 2, both, ofP.data(), part.data());
                     part[2] = dot(ofQ, ofQ);
                   });
    const double curvature = curvatures[0];
    if (!std::isfinite(curvature)) return finish(Stop::notFinite);
    if (curvature <= 0) return finish(Stop::negativeCurvature);
    const double alpha = rho / curvature;
    // Against overflow of the step itself: x and r stay as they are unless all of it is finite.
    if (!std::isfinite(alpha) || !std::isfinite(alpha * alpha * (curvatures[1] + curvatures[2]))) {
      return finish(Stop::notFinite);
    }
    sumVectorParts(size, threads, sums, [&](size_t first, size_t count, std::span<double> part) {
      axpby(alpha, p.subspan(first, count), 1, x.subspan(first, count));
      axpby(-alpha, q.subspan(first, count), 1, r.subspan(first, count));
      sumPart(first, count, part);
    });
    summary.iterations = k;

    // The recurrence for r drifts away from b - A x by rounding.
    if (options.residualResetPeriod > 0 && k % options.residualResetPeriod == 0 &&
        k < options.iterations) {
      a(x, q);
      summary.products++;
      if (options.shift != 0) axpby(options.shift, x, 1, q, threads);
      axpby(1, b, -1, q, threads);
      if (!std::isfinite(norm(q, threads))) return finish(Stop::notFinite);
      std::swap(q, r);
      sumVectorParts(size, threads, sums, sumPart);
    }
    if (options.reorthogonalize) {
      // r'M^-1 r is not known yet: as large for the length of r as that of the last residual.
      const double rhoOfSquare = preconditioner ? rho / squaredResidual : 1;
      const std::span<const double> projections(sums.data() + 1, basis.size());
      // Where nearly all of r is rounding, what one pass leaves is not orthogonal yet; two are
      // enough (Parlett 1980, section 6-9).
      double tolerance = options.orthogonalityTolerance;
      for (int pass = 0; pass < 2; pass++) {
        if (!(basis.largestCosine(projections, rhoOfSquare * sums[0]) > tolerance)) break;
        basis.remove(projections, threads, r);
        sumVectorParts(size, threads, sums, sumPart);
        tolerance = std::max(tolerance, 1e-14);  // to rounding it is orthogonal
      }
    }
    squaredResidual = sums[0];
    const double residualNorm = std::sqrt(squaredResidual);
    if (!std::isfinite(residualNorm)) return finish(Stop::notFinite);
    if (residualNorm <= residualTolerance * rightHandSideNorm) {
      return finish(Stop::residual);
    }
    if (options.progressTolerance > 0) {
      const double previousModel = model;
      model = -0.5 * (dot(x, b, threads) + dot(x, r, threads));
      if (k * (previousModel - model) < options.progressTolerance * -model) {
        return finish(Stop::progress);
      }
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
  return options.singleResiduals ? solve<float>(a, b, x, options, residual, preconditioner)
                                 : solve<double>(a, b, x, options, residual, preconditioner);
}

}  // namespace trustregion
