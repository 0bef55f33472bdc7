#pragma once

#include <cstddef>
#include <span>

#include "core/backend.h"
#include "core/mlp_layout.h"

namespace trustregion {

struct GaussNewtonOptions {
  int iterations = 2;     // steps tried, rejected ones included
  int cgIterations = 10;  // of conjugate gradients for each step, at most
  double damping = 0.03;  // the least, greater than 0
};

struct GaussNewtonSummary {
  double damping = 0;         // what the next fit goes on with
  int64_t iterations = 0;     // steps tried
  int64_t acceptedSteps = 0;  // of those, how many lowered the loss and were taken
  int64_t products = 0;       // products with the Gauss-Newton matrix
};

// The least squares of a network with one output: L(theta) = mean of (V(s; theta) - target)^2 / 2
// over all rows. Views; nothing is copied.
struct LeastSquares {
  const MlpLayout& layout;
  NumberSpan observations;          // [rows x layout.inputs()]
  std::span<const double> targets;  // [rows]
  const ObservationScaling& scaling;
};

// Damped Gauss-Newton (Levenberg 1944, Marquardt 1963; matrix-free for networks: Schraudolph 2002,
// Martens 2010, "Deep learning via Hessian-free optimization") from `parameters`, in place. A step
// d solves
//
//   (G + damping I) d = -grad L,   G = mean of J' J,  J = dV / dtheta of one row,
//
// by conjugate gradients from d = 0, and is taken if it lowers the loss. Least squares is the
// likelihood of a Gaussian with sigma = 1 and V as its mean, so G is that Gaussian's Fisher matrix:
// the products are the policy's own.
//
// The damping follows the ratio of what the loss lost to what its quadratic model
// m(d) = L + d'grad L + d'G d / 2 promised (as the radius in Nocedal and Wright 2006, "Numerical
// optimization", algorithm 4.1): times 4 below 1/4, divided by 4 above 3/4, but never less than
// options.damping. The model of one rollout is trusted too far otherwise: it is exact enough for
// the damping to vanish, and the noise of the returns is learnt with them.
//
// `damping` is where it starts, raised to options.damping if it is less.
// Sets the parameters to what `backend` can hold, whether or not a step was taken. Throws
// ErrorCode::notFinite if the loss or its gradient is not finite at the start.
GaussNewtonSummary gaussNewton(const LeastSquares& problem, const Backend& backend,
                               const GaussNewtonOptions& options, double damping, unsigned threads,
                               std::span<double> parameters);

}  // namespace trustregion
