#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/conjugate_gradient.h"
#include "core/line_search.h"

namespace trustregion {

// How long the natural direction x = (F + lambda I)^-1 g is made before the line search.
enum class StepLengthRule {
  fisher,  // sqrt(2 maxKl / x'F x): the quadratic model of the KL is maxKl
  damped,  // sqrt(2 maxKl / x'(F + lambda I) x): shorter; what most libraries do
};

struct TrpoOptions {
  double maxKl = 0.01;
  double damping = 0.1;
  ConjugateGradientOptions conjugateGradient;
  StepLengthRule stepLength = StepLengthRule::fisher;
  LineSearchOptions lineSearch;  // its maxKl is set from maxKl above
};

// How an update ended. Only `accepted` changes the policy.
enum class UpdateStatus {
  accepted,
  zeroGradient,       // g = 0: nothing to improve (for example constant advantages)
  notFinite,          // gradient, product, direction or every candidate was NaN or infinite
  negativeCurvature,  // no usable direction: x'F x <= 0 or x'g <= 0
  klExceeded,         // every candidate left the trust region
  noImprovement,      // candidates inside the trust region did not improve the surrogate enough
};

const char* updateStatusName(UpdateStatus status);

struct UpdateTiming {  // seconds
  double prepare = 0;  // copying the batch, forward pass, caches
  double gradient = 0;
  double solve = 0;
  double lineSearch = 0;
  double total = 0;
};

struct UpdateSummary {
  UpdateStatus status = UpdateStatus::notFinite;
  double surrogateBefore = 0;
  double surrogateAfter = 0;       // equals surrogateBefore unless accepted
  double expectedImprovement = 0;  // g'd of the last candidate's step d
  double actualImprovement = 0;    // surrogateAfter - surrogateBefore
  double meanKl = 0;               // of the accepted step; 0 unless accepted
  double maxKl = 0;                // largest over states, the same
  double entropyBefore = 0;
  double entropyAfter = 0;
  double gradientNorm = 0;
  double stepScale = 0;     // the step length rule's factor of x
  double stepFraction = 0;  // what the line search left of it; 0 unless accepted
  double stepNorm = 0;      // |d| of the accepted step
  int backtracks = 0;
  ConjugateGradientSummary conjugateGradient;
  std::vector<Candidate> candidates;
  UpdateTiming timing;
};

// One trust-region policy optimisation step (Schulman et al. 2015) on a batch held at
// `parameters`. Writes the new parameters to `newParameters` when accepted and leaves it alone
// otherwise. `backend` rounds candidates to what it can hold, so that the parameters whose KL was
// checked are the very bits that are returned.
UpdateSummary trpoStep(Problem& problem, const Backend& backend, std::span<const double> parameters,
                       const TrpoOptions& options, std::span<double> newParameters);

}  // namespace trustregion
