#include "core/natural_direction.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/cholesky.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

// The matrix F + damping I, one product for each column.
std::vector<double> denseMatrix(Problem& problem, const FisherSystem& system) {
  const size_t size = problem.parameterCount();
  std::vector<double> matrix(size * size);
  std::vector<double> unit(size);
  for (size_t i = 0; i < size; i++) {
    unit[i] = 1;
    problem.estimatedFisherProduct(system.estimator, unit, {matrix.data() + i * size, size});
    unit[i] = 0;
  }
  for (size_t i = 0; i < size; i++) {
    matrix[i * size + i] += system.damping;
    for (size_t j = 0; j < i; j++) {  // symmetric but for the rounding of float32
      const double mean = 0.5 * (matrix[i * size + j] + matrix[j * size + i]);
      matrix[i * size + j] = matrix[j * size + i] = mean;
    }
  }
  return matrix;
}

ConjugateGradientSummary solveDensely(Problem& problem, const FisherSystem& system,
                                      std::span<const double> gradient,
                                      NaturalDirection& direction) {
  const size_t size = gradient.size();
  ConjugateGradientSummary summary;
  std::vector<double> matrix = denseMatrix(problem, system);
  const std::vector<double> original = matrix;
  summary.products = static_cast<int>(size);
  // Without a solution x = 0, and the residual is the gradient.
  const auto breakDown = [&](ConjugateGradientStop stop) {
    std::fill(direction.direction.begin(), direction.direction.end(), 0.0);
    std::copy(gradient.begin(), gradient.end(), direction.residual.begin());
    summary.stop = stop;
    summary.residualNorm = norm(gradient);
    summary.relativeResidual = 1;
    return summary;
  };
  if (!allFinite(matrix)) return breakDown(ConjugateGradientStop::notFinite);
  if (!choleskySolve(matrix, gradient, direction.direction)) {
    return breakDown(ConjugateGradientStop::negativeCurvature);
  }
  summary.stop = ConjugateGradientStop::residual;
  for (size_t i = 0; i < size; i++) {
    direction.residual[i] =
        gradient[i] - dot({original.data() + i * size, size}, direction.direction);
  }
  summary.iterations = 1;  // one solution
  summary.residualNorm = norm(direction.residual);
  summary.relativeResidual = summary.residualNorm / norm(gradient);
  summary.quadraticModel =
      -0.5 * (dot(direction.direction, gradient) + dot(direction.direction, direction.residual));
  return summary;
}

// Factors from fewer rows than this for each row of the largest factor are noisy: after 7 products
// on a trained policy with factors of up to 65 rows, 128 rows reached 0.94 of the possible
// improvement where 1,024 or all 2,048 reached 0.96.
constexpr size_t kKroneckerRowsPerUnit = 12;

// Every how many rows are looked at for Kronecker factors.
size_t kroneckerStride(size_t rows, const MlpLayout& network, double fraction) {
  size_t largest = 1;
  for (const LayerLayout& layer : network.layers()) {
    largest = std::max({largest, layer.inputs + 1, layer.outputs});
  }
  const auto wanted = static_cast<size_t>(std::round(1 / fraction));
  return std::max<size_t>(1, std::min(wanted, rows / (kKroneckerRowsPerUnit * largest)));
}

bool usesCholesky(SolverChoice choice, size_t parameterCount) {
  return choice == SolverChoice::cholesky ||
         (choice == SolverChoice::automatic && parameterCount <= kDenseParameters);
}

using Diagonal = std::shared_ptr<const std::vector<double>>;

Diagonal fisherDiagonalOf(Problem& problem) {
  std::vector<double> diagonal(problem.parameterCount());
  problem.fisherDiagonal(diagonal);
  return std::make_shared<const std::vector<double>>(std::move(diagonal));
}

// The preconditioner, kept from an earlier update while it is young enough. `known` is the diagonal
// of F, or null.
LinearOperator makePreconditioner(Problem& problem, const PolicyModel& model,
                                  const NaturalDirectionOptions& options, double damping,
                                  const Diagonal& known, NaturalDirectionState& state,
                                  NaturalDirectionSummary& summary) {
  summary.preconditioner = options.preconditioner;
  // Only the kind in use is kept: preconditionerAge is its age.
  if (options.preconditioner != Preconditioner::jacobi) state.diagonal = nullptr;
  if (options.preconditioner != Preconditioner::kronecker) state.kronecker = nullptr;
  const bool isDue = state.preconditionerAge >= options.preconditionerPeriod;
  switch (options.preconditioner) {
    case Preconditioner::identity:
      return {};
    case Preconditioner::jacobi: {
      summary.preconditionerRefreshed = isDue || !state.diagonal;
      if (summary.preconditionerRefreshed) {
        state.diagonal = known ? known : fisherDiagonalOf(problem);
      }
      // As for the Kronecker factors: what no row has excited is not divided by next to nothing.
      const double largest = *std::max_element(state.diagonal->begin(), state.diagonal->end());
      const double floor = largest > 0 ? 1e-6 * largest : damping > 0 ? damping : 1;
      return [diagonal = state.diagonal, damping, floor](std::span<const double> r,
                                                         std::span<double> z) {
        for (size_t i = 0; i < r.size(); i++) {
          z[i] = r[i] / std::max((*diagonal)[i] + damping, floor);
        }
      };
    }
    case Preconditioner::kronecker:
      break;
  }
  summary.preconditionerRefreshed = isDue || !state.kronecker;
  if (summary.preconditionerRefreshed) {
    KroneckerSampling sampling;
    sampling.stride =
        kroneckerStride(problem.rows(), model.network, options.preconditionerFraction);
    state.kronecker = KroneckerPreconditioner::make(model, problem.kroneckerFactors(sampling),
                                                    problem.threads(), problem.multiplySingle());
  }
  return [kronecker = state.kronecker, damping](std::span<const double> r, std::span<double> z) {
    kronecker->apply(damping, r, z);
  };
}

// x0 = (b'd / d'A d) d for the last update's direction d, the best start along it: then CG solves
// A y = b - A x0, and x = x0 + y.
ConjugateGradientSummary solveIteratively(Problem& problem, const FisherSystem& system,
                                          std::span<const double> gradient,
                                          const NaturalDirectionOptions& options,
                                          const NaturalDirectionState& state,
                                          const LinearOperator& preconditioner,
                                          NaturalDirection& result) {
  const size_t size = gradient.size();
  std::vector<double>& x = result.direction;
  std::vector<double>& r = result.residual;
  if (!options.warmStart || state.direction.size() != size) {
    return problem.solve(gradient, system, options.conjugateGradient, x, r, preconditioner);
  }
  std::vector<double> product(size);
  const std::vector<double>& start = state.direction;
  problem.estimatedFisherProduct(system.estimator, start, product);
  axpby(system.damping, start, 1, product);
  const double curvature = dot(start, product);
  const double scale = dot(gradient, start) / curvature;
  if (!(curvature > 0) || !std::isfinite(scale)) {
    ConjugateGradientSummary summary =
        problem.solve(gradient, system, options.conjugateGradient, x, r, preconditioner);
    summary.products++;  // that of the start, in vain
    return summary;
  }
  result.summary.warmStarted = true;
  std::vector<double> rest(gradient.begin(), gradient.end());
  axpby(-scale, product, 1, rest);
  // Stopping rules stay relative to the gradient: the rest is smaller.
  ConjugateGradientOptions cg = options.conjugateGradient;
  const double restNorm = norm(rest);
  const double gradientNorm = norm(gradient);
  if (restNorm > 0)
    cg.residualTolerance = std::min(1.0, cg.residualTolerance * gradientNorm / restNorm);
  ConjugateGradientSummary summary = problem.solve(rest, system, cg, x, r, preconditioner);
  axpby(scale, start, 1, x);
  summary.products++;
  summary.relativeResidual = summary.residualNorm / gradientNorm;
  summary.quadraticModel = -0.5 * (dot(x, gradient) + dot(x, r));
  // The start is an iterate too, so a breakdown at once leaves something to follow.
  summary.iterations = std::max(summary.iterations, 1);
  return summary;
}

}  // namespace

NaturalDirection findNaturalDirection(Problem& fisherProblem, const PolicyModel& model,
                                      std::span<const double> gradient, size_t rows,
                                      const NaturalDirectionOptions& options,
                                      NaturalDirectionState& state) {
  NaturalDirection result;
  result.direction.resize(gradient.size());
  result.residual.resize(gradient.size());
  NaturalDirectionSummary& summary = result.summary;
  const bool isAdaptive = options.adaptiveDamping.enabled;
  double damping = isAdaptive && state.damping > 0 ? state.damping : options.damping;
  Diagonal diagonal;
  if (options.relativeDamping > 0) {
    diagonal = fisherDiagonalOf(fisherProblem);
    const double trace = std::accumulate(diagonal->begin(), diagonal->end(), 0.0);
    damping += options.relativeDamping * trace / static_cast<double>(rows);
  }
  const FisherSystem system{options.fisher, damping};
  summary.damping = damping;
  summary.fisherRows = fisherProblem.rows();
  if (usesCholesky(options.solver, gradient.size())) {
    summary.solver = NaturalSolver::cholesky;
    summary.conjugateGradient = solveDensely(fisherProblem, system, gradient, result);
  } else {
    const LinearOperator preconditioner =
        makePreconditioner(fisherProblem, model, options, damping, diagonal, state, summary);
    state.preconditionerAge = summary.preconditionerRefreshed ? 1 : state.preconditionerAge + 1;
    summary.conjugateGradient =
        solveIteratively(fisherProblem, system, gradient, options, state, preconditioner, result);
  }

  // A x = g - r, so x'A x = x'(g - r) costs no product.
  const std::vector<double>& x = result.direction;
  result.slope = dot(gradient, x);
  result.dampedCurvature = result.slope - dot(x, result.residual);
  result.curvature = result.dampedCurvature - damping * dot(x, x);
  if (!std::isfinite(result.slope) || !std::isfinite(result.dampedCurvature)) {
    result.status = UpdateStatus::notFinite;
  } else if (summary.conjugateGradient.iterations == 0) {
    // No iterate before the breakdown: there is no direction to follow.
    result.status = summary.conjugateGradient.stop == ConjugateGradientStop::notFinite
                        ? UpdateStatus::notFinite
                        : UpdateStatus::negativeCurvature;
  } else if (!(result.slope > 0)) {
    result.status = UpdateStatus::negativeCurvature;
  } else {
    state.direction = x;
  }
  return result;
}

double adaptedDamping(const AdaptiveDamping& rule, double damping, const UpdateSummary& summary) {
  const bool accepted = summary.status == UpdateStatus::accepted;
  double next = damping;
  if (!accepted || summary.actualImprovement < 0.25 * summary.expectedImprovement) {
    next *= rule.factor;
  } else if (summary.actualImprovement > 0.75 * summary.expectedImprovement) {
    next /= rule.factor;
  }
  return std::clamp(next, rule.minimum, rule.maximum);
}

}  // namespace trustregion
