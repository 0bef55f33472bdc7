#pragma once

#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "core/conjugate_gradient.h"
#include "core/line_search.h"

namespace trustregion {

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
UpdateStatus updateStatusOf(LineSearchStop stop);

struct UpdateTiming {  // seconds
  double prepare = 0;  // copying the batch, forward pass, caches
  double gradient = 0;
  double solve = 0;
  double lineSearch = 0;
  double total = 0;
};

// What solved (F + damping I) x = g.
enum class NaturalSolver { conjugateGradient, cholesky };
enum class Preconditioner { identity, jacobi, kronecker };

const char* naturalSolverName(NaturalSolver solver);
const char* preconditionerName(Preconditioner preconditioner);

// How the natural direction was found.
struct NaturalDirectionSummary {
  NaturalSolver solver = NaturalSolver::conjugateGradient;
  Preconditioner preconditioner = Preconditioner::identity;
  bool preconditionerRefreshed = false;  // made in this update, not kept from an earlier one
  bool warmStarted = false;              // from the last update's direction
  double damping = 0;                    // the one used
  size_t fisherRows = 0;                 // rows that the Fisher matrix is a mean over
  // Of the dense solver: no iterations, its products, the residual of the solution.
  ConjugateGradientSummary conjugateGradient;
};

// What an update looked like row by row.
struct UpdateDiagnostics {
  // Rows whose KL divergence lies in [edges[i], edges[i + 1]); the first bin also holds smaller
  // ones, the last one larger ones.
  std::vector<double> klEdges;
  std::vector<uint32_t> klCounts;
  double largestAdvantage = 0;    // max |A|, in the units of the batch
  double meanRatioAdvantage = 0;  // mean of r A in the same units
};

// What an update did. One shape for all methods: a method leaves alone what it does not have.
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
  double effectiveSampleSize = 0;  // of the new policy on the batch; rows unless accepted
  double gradientNorm = 0;
  double stepScale = 0;     // the full step is this times the direction
  double stepFraction = 0;  // what the search left of the full step; 0 unless accepted
  double stepNorm = 0;      // |d| of the accepted step
  int backtracks = 0;       // candidates after the first
  int gradientSteps = 0;    // inner gradient steps (dual gradient descent, PPO)
  int epochs = 0;           // passes over the batch whose steps were kept (PPO)
  double multiplier = 0;    // lambda after the update (dual gradient descent)
  double klPenalty = 0;     // its coefficient after the update (PPO with a penalty)
  double clipFraction = 0;  // of the last epoch's rows (clipped PPO)
  bool hasNaturalDirection = false;
  NaturalDirectionSummary naturalDirection;
  std::vector<Candidate> candidates;
  bool hasDiagnostics = false;
  UpdateDiagnostics diagnostics;
  UpdateTiming timing;
};

}  // namespace trustregion
