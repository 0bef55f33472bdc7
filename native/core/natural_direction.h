#pragma once

#include <memory>
#include <vector>

#include "core/kronecker_preconditioner.h"
#include "core/update_summary.h"

namespace trustregion {

enum class SolverChoice {
  conjugateGradient,
  cholesky,
  automatic,  // Cholesky up to kDenseParameters parameters
};
// Up to here as many products as there are parameters, and the factorisation, cost less than the
// iterations that a good solution needs.
constexpr size_t kDenseParameters = 64;

// Damping that follows how well the last step's promise was kept, rho = actual / expected
// improvement (Levenberg and Marquardt's rule with Nocedal and Wright's thresholds, 2006, algorithm
// 4.1): multiplied by `factor` where rho < 1/4 or the step was refused, divided by it where rho >
// 3/4, always within [minimum, maximum].
struct AdaptiveDamping {
  bool enabled = false;
  double minimum = 1e-4;
  double maximum = 10;
  double factor = 1.5;
};

struct NaturalDirectionOptions {
  double damping = 0.1;  // where damping is adaptive, the first one
  // What is added to it, in units of trace(F) / rows. g = mean of A s and F = mean of s s', with
  // the scores s, so (F + damping I)^-1 g is the ridge regression of advantages A on scores. Where
  // a part R^2 of their variance is signal, which all parameters share alike, the best ridge is
  // (Hoerl and Kennard 1970) (1 - R^2) / R^2 trace(F) / rows. F grows as exploration shrinks, and a
  // fixed damping is soon next to nothing: the direction then fits the noise of the batch.
  double relativeDamping = 0;
  AdaptiveDamping adaptiveDamping;
  FisherEstimator fisher = FisherEstimator::exact;
  // Part of the rows that the Fisher matrix is a mean over, spread evenly over the batch.
  double fisherFraction = 1;
  SolverChoice solver = SolverChoice::conjugateGradient;
  ConjugateGradientOptions conjugateGradient;
  Preconditioner preconditioner = Preconditioner::identity;
  int preconditionerPeriod = 1;  // updates between two refreshments
  // Part of the rows that Kronecker factors are made from, spread evenly over the batch; at least
  // twelve for each row of the largest factor, where there are as many.
  double preconditionerFraction = 1;
  bool warmStart = false;
};

// What one update leaves to the next. A value: an update works on a copy, which replaces the old
// one only when the update has succeeded.
struct NaturalDirectionState {
  double damping = 0;  // 0: none yet
  std::vector<double> direction;
  std::shared_ptr<const KroneckerPreconditioner> kronecker;
  std::shared_ptr<const std::vector<double>> diagonal;
  int preconditionerAge = 0;
};

// x ~ (F + damping I)^-1 g with g - (F + damping I) x, which costs no product where a step length
// wants x'F x.
struct NaturalDirection {
  std::vector<double> direction;
  std::vector<double> residual;
  NaturalDirectionSummary summary;
  double slope = 0;            // g'x
  double dampedCurvature = 0;  // x'(F + damping I) x
  double curvature = 0;        // x'F x

  // accepted where the direction can be followed, else why it cannot
  UpdateStatus status = UpdateStatus::accepted;
};

// `fisherProblem` holds the rows that F is a mean over; the gradient is one over `rows`.
NaturalDirection findNaturalDirection(Problem& fisherProblem, const PolicyModel& model,
                                      std::span<const double> gradient, size_t rows,
                                      const NaturalDirectionOptions& options,
                                      NaturalDirectionState& state);

// The damping of the next update.
double adaptedDamping(const AdaptiveDamping& rule, double damping, const UpdateSummary& summary);

}  // namespace trustregion
