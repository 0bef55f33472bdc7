// The natural direction by every solver, preconditioner and start: the same vector, an honest
// summary, and a state that means what it says.

#include "core/natural_direction.h"

#include <limits>

#include "core/vector_operations.h"
#include "counting_problem.h"
#include "dense.h"
#include "guarded.h"

namespace trustregion::test {
namespace {

using Status = UpdateStatus;
using Stop = ConjugateGradientStop;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

PolicyProblem smallProblem(const Distribution& distribution, uint64_t seed,
                           const std::vector<size_t>& hidden = {4}) {
  return randomProblem(distribution, Activation::tanh, {90, 3, hidden}, seed);
}

const std::vector<Distribution>& distributions() {
  static const std::vector<Distribution> all = {
      Distribution::gaussian(2), Distribution::categorical({3, 2}), Distribution::bernoulli(2)};
  return all;
}

std::vector<double> gradientOf(Problem& problem) {
  std::vector<double> gradient(problem.parameterCount());
  problem.surrogateGradient(gradient);
  return gradient;
}

// F + damping I, column by column.
Dense matrixOf(Problem& problem, FisherEstimator estimator, double damping) {
  const size_t size = problem.parameterCount();
  Dense matrix(size);
  std::vector<double> unit(size);
  std::vector<double> column(size);
  for (size_t j = 0; j < size; j++) {
    unit[j] = 1;
    problem.estimatedFisherProduct(estimator, unit, column);
    unit[j] = 0;
    for (size_t i = 0; i < size; i++) matrix.at(i, j) = column[i] + (i == j ? damping : 0);
  }
  return matrix;
}

std::vector<double> minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference = a;
  axpby(-1, b, 1, difference);
  return difference;
}

NaturalDirectionOptions converging(double damping) {
  NaturalDirectionOptions options;
  options.damping = damping;
  options.conjugateGradient.iterations = 300;
  options.conjugateGradient.residualTolerance = 1e-12;
  return options;
}

// Everything that the result says of itself, recomputed from the matrix.
void checkResult(const NaturalDirection& result, const std::vector<double>& gradient,
                 const Dense& matrix, double damping, size_t rows) {
  const std::vector<double>& x = result.direction;
  const std::vector<double> ax = matrix.times(x);
  // Each of some 60 iterations rounds products of vectors of some 60 elements; the largest
  // eigenvalue is below the trace.
  double trace = 0;
  for (size_t i = 0; i < matrix.size(); i++) trace += matrix.at(i, i);
  const double rounding = 64 * 64 * kDoubleRoundoff * (norm(gradient) + trace * norm(x));
  CHECK(result.status == Status::accepted);
  CHECK_NEAR(norm(minus(minus(gradient, ax), result.residual)), 0, rounding);
  CHECK_NEAR(result.slope, dot(gradient, x), 0);
  CHECK_NEAR(result.dampedCurvature, dot(x, ax), rounding * norm(x));
  CHECK_NEAR(result.curvature, dot(x, ax) - damping * dot(x, x), rounding * norm(x));
  const NaturalDirectionSummary& summary = result.summary;
  CHECK(summary.damping == damping && summary.fisherRows == rows);
  CHECK_NEAR(summary.conjugateGradient.residualNorm, norm(minus(gradient, ax)), rounding);
  CHECK_NEAR(summary.conjugateGradient.relativeResidual,
             summary.conjugateGradient.residualNorm / norm(gradient), 1e-15);
  CHECK_NEAR(summary.conjugateGradient.quadraticModel, 0.5 * dot(x, ax) - dot(gradient, x),
             rounding * norm(x));
}

CASE("every solver and preconditioner finds the same direction") {
  uint64_t seed = 20;
  for (const Distribution& distribution : distributions()) {
    for (const FisherEstimator estimator : {FisherEstimator::exact, FisherEstimator::empirical}) {
      for (const double damping : {1e-3, 0.1, 10.0}) {
        const PolicyProblem problem = smallProblem(distribution, seed++);
        const auto held = problem.on(referenceBackend());
        const std::vector<double> gradient = gradientOf(*held);
        const Dense matrix = matrixOf(*held, estimator, damping);
        const std::vector<double> exact = matrix.solve(gradient);
        for (int way = 0; way < 6; way++) {
          const Context context(describe(distribution), " estimator ", static_cast<int>(estimator),
                                " damping ", damping, " way ", way);
          NaturalDirectionOptions options = converging(damping);
          options.fisher = estimator;
          if (way >= 4) options.solver = SolverChoice::cholesky;
          options.preconditioner = static_cast<Preconditioner>(way % 3);
          NaturalDirectionState state;
          if (way == 3) {  // a start that says nothing
            options.warmStart = true;
            Random random(seed);
            state.direction = normals(gradient.size(), random);
          }
          const NaturalDirection result =
              findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state);
          checkResult(result, gradient, matrix, damping, problem.rows);
          // |x - x*| <= |residual| / smallest eigenvalue; the solvers stop at 1e-12 or at rounding
          // of the condition number.
          CHECK_NEAR(norm(minus(result.direction, exact)), 0,
                     4e-12 * norm(gradient) / damping +
                         64 * 64 * kDoubleRoundoff / damping * norm(exact) * 100);
          CHECK(sameBits(state.direction, result.direction));
          CHECK(result.summary.warmStarted == (way == 3));
          CHECK(result.summary.solver ==
                (way >= 4 ? NaturalSolver::cholesky : NaturalSolver::conjugateGradient));
          CHECK(result.summary.conjugateGradient.stop == Stop::residual);
        }
      }
    }
  }
}

CASE("a few iterations: the summary still tells the truth") {
  for (const Distribution& distribution : distributions()) {
    for (const int iterations : {1, 2, 5}) {
      for (const Preconditioner preconditioner :
           {Preconditioner::identity, Preconditioner::jacobi, Preconditioner::kronecker}) {
        for (const bool warmStart : {false, true}) {
          const Context context(describe(distribution), " iterations ", iterations);
          const PolicyProblem problem = smallProblem(distribution, 4);
          const auto held = problem.on(referenceBackend());
          const std::vector<double> gradient = gradientOf(*held);
          NaturalDirectionOptions options;
          options.damping = 0.01;
          options.conjugateGradient.iterations = iterations;
          options.preconditioner = preconditioner;
          options.warmStart = warmStart;
          NaturalDirectionState state;
          Random random(6);
          state.direction = normals(gradient.size(), random);
          CountingProblem counting(*held);
          const NaturalDirection result =
              findNaturalDirection(counting, problem.model, gradient, problem.rows, options, state);
          checkResult(result, gradient, matrixOf(*held, FisherEstimator::exact, 0.01), 0.01,
                      problem.rows);
          CHECK(result.summary.conjugateGradient.iterations == iterations);
          CHECK(counting.products == iterations + (warmStart ? 1 : 0));
          CHECK(result.summary.conjugateGradient.products == counting.products);
          CHECK(result.summary.preconditioner == preconditioner);
          CHECK(counting.diagonals == (preconditioner == Preconditioner::jacobi ? 1 : 0));
          CHECK(counting.factors == (preconditioner == Preconditioner::kronecker ? 1 : 0));
        }
      }
    }
  }
}

CASE("products are counted, whichever the estimator and the solver") {
  const PolicyProblem problem = smallProblem(Distribution::gaussian(2), 5);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  for (const FisherEstimator estimator : {FisherEstimator::exact, FisherEstimator::empirical}) {
    for (const SolverChoice solver : {SolverChoice::conjugateGradient, SolverChoice::cholesky}) {
      CountingProblem counting(*held);
      NaturalDirectionOptions options;
      options.fisher = estimator;
      options.solver = solver;
      NaturalDirectionState state;
      const NaturalDirection result =
          findNaturalDirection(counting, problem.model, gradient, problem.rows, options, state);
      const bool isExact = estimator == FisherEstimator::exact;
      CHECK((isExact ? counting.products : counting.empiricalProducts) ==
            result.summary.conjugateGradient.products);
      CHECK((isExact ? counting.empiricalProducts : counting.products) == 0);
      CHECK(counting.factors + counting.diagonals + counting.gradients == 0);
      if (solver == SolverChoice::cholesky) {
        CHECK(result.summary.conjugateGradient.products == static_cast<int>(gradient.size()));
      }
    }
  }
}

CASE("automatic: dense up to 64 parameters") {
  // A linear policy of one bit has observations + 1 parameters.
  for (const size_t parameters : {63U, 64U, 65U}) {
    const PolicyProblem problem = randomProblem(Distribution::bernoulli(1), Activation::tanh,
                                                {200, parameters - 1, {}}, parameters);
    const auto held = problem.on(referenceBackend());
    CHECK(held->parameterCount() == parameters);
    NaturalDirectionOptions options;
    options.solver = SolverChoice::automatic;
    NaturalDirectionState state;
    const NaturalDirection result =
        findNaturalDirection(*held, problem.model, gradientOf(*held), problem.rows, options, state);
    CHECK(result.summary.solver == (parameters <= kDenseParameters
                                        ? NaturalSolver::cholesky
                                        : NaturalSolver::conjugateGradient));
  }
}

// The next update's problem is near the last one's, so its direction is a good start.
CASE("a warm start reaches a residual in fewer products") {
  for (const Preconditioner preconditioner :
       {Preconditioner::identity, Preconditioner::kronecker}) {
    int coldProducts = 0;
    int warmProducts = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
      const Context context("seed ", seed);
      PolicyProblem problem = smallProblem(distributions()[seed % 3], seed, {8});
      NaturalDirectionOptions options;
      options.damping = 0.01;
      options.conjugateGradient.iterations = 100;
      options.conjugateGradient.residualTolerance = 1e-2;
      options.preconditioner = preconditioner;
      NaturalDirectionState state;
      {
        const auto held = problem.on(referenceBackend());
        findNaturalDirection(*held, problem.model, gradientOf(*held), problem.rows, options, state);
      }
      Random random(seed);
      for (double& value : problem.parameters) value *= 1 + 1e-3 * random.normal();
      const auto held = problem.on(referenceBackend());
      const std::vector<double> gradient = gradientOf(*held);
      const auto productsWith = [&](bool warmStart) {
        NaturalDirectionState copy = state;
        options.warmStart = warmStart;
        const NaturalDirection result =
            findNaturalDirection(*held, problem.model, gradient, problem.rows, options, copy);
        CHECK(result.summary.warmStarted == warmStart);
        CHECK(result.summary.conjugateGradient.stop == Stop::residual);
        CHECK(result.summary.conjugateGradient.relativeResidual <= 1e-2);
        checkResult(result, gradient, matrixOf(*held, FisherEstimator::exact, 0.01), 0.01,
                    problem.rows);
        return result.summary.conjugateGradient.products;
      };
      coldProducts += productsWith(false);
      warmProducts += productsWith(true);
    }
    std::printf("      %s: %d products cold, %d warm\n", preconditionerName(preconditioner),
                coldProducts, warmProducts);
    CHECK(warmProducts < coldProducts);
  }
}

CASE("starts that are no use are not used") {
  const PolicyProblem problem = smallProblem(Distribution::gaussian(2), 6);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  NaturalDirectionOptions options;
  const auto with = [&](std::vector<double> start, bool warmStart) {
    options.warmStart = warmStart;
    NaturalDirectionState state;
    state.direction = std::move(start);
    CountingProblem counting(*held);
    NaturalDirection result =
        findNaturalDirection(counting, problem.model, gradient, problem.rows, options, state);
    CHECK(result.summary.conjugateGradient.products == counting.products);
    CHECK(sameBits(state.direction, result.direction));
    return result;
  };
  const NaturalDirection cold = with({}, false);
  const size_t size = gradient.size();
  std::vector<double> broken = gradient;
  broken[2] = kNaN;
  // None, of another network, zero, NaN, one whose square leaves the range of numbers.
  const std::vector<std::vector<double>> starts = {{},
                                                   std::vector<double>(size - 1, 1.0),
                                                   std::vector<double>(size + 1, 1.0),
                                                   std::vector<double>(size, 0.0),
                                                   broken,
                                                   std::vector<double>(size, 1e200)};
  for (size_t i = 0; i < starts.size(); i++) {
    const Context context("start ", i);
    const NaturalDirection result = with(starts[i], true);
    CHECK(!result.summary.warmStarted);
    CHECK(sameBits(result.direction, cold.direction));
    CHECK(sameBits(result.residual, cold.residual));
    CHECK(result.summary.conjugateGradient.iterations == cold.summary.conjugateGradient.iterations);
  }
  // Kept, but not asked for.
  const NaturalDirection unasked = with(gradient, false);
  CHECK(!unasked.summary.warmStarted && sameBits(unasked.direction, cold.direction));
}

CASE("relative damping is measured in the trace of F over the rows of the gradient") {
  uint64_t seed = 60;
  for (const Distribution& distribution : distributions()) {
    const PolicyProblem problem = smallProblem(distribution, seed++);
    const auto held = problem.on(referenceBackend());
    const std::vector<double> gradient = gradientOf(*held);
    const Dense fisher = matrixOf(*held, FisherEstimator::exact, 0);
    double trace = 0;
    for (size_t i = 0; i < gradient.size(); i++) trace += fisher.at(i, i);
    for (const SolverChoice solver : {SolverChoice::conjugateGradient, SolverChoice::cholesky}) {
      const Context context(describe(distribution), " solver ", static_cast<int>(solver));
      NaturalDirectionOptions options = converging(0.01);
      options.solver = solver;
      options.relativeDamping = 3;
      // Rows of the gradient count, not those that F is a mean over.
      const size_t rows = 2 * problem.rows;
      const double damping = 0.01 + 3 * trace / static_cast<double>(rows);
      NaturalDirectionState state;
      NaturalDirection result =
          findNaturalDirection(*held, problem.model, gradient, rows, options, state);
      CHECK_NEAR(result.summary.damping, damping, 1e-13 * damping);
      checkResult(result, gradient, matrixOf(*held, FisherEstimator::exact, result.summary.damping),
                  result.summary.damping, problem.rows);
    }
  }
}

CASE("a start may point anywhere and have any length") {
  const PolicyProblem problem = smallProblem(Distribution::categorical({3, 2}), 7);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  const double damping = 0.1;
  const Dense matrix = matrixOf(*held, FisherEstimator::exact, damping);
  NaturalDirectionOptions options = converging(damping);
  options.warmStart = true;
  const auto from = [&](std::vector<double> start) {
    NaturalDirectionState state;
    state.direction = std::move(start);
    return findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state);
  };
  Random random(3);
  const std::vector<double> start = normals(gradient.size(), random);
  const NaturalDirection plain = from(start);
  checkResult(plain, gradient, matrix, damping, problem.rows);
  // The best point of a line does not depend on where a vector along it points or ends: with
  // powers of two, to the bit.
  for (const double factor : {-1.0, 0x1p40, -0x1p-40, 0x1p300, 0x1p-300}) {
    const Context context("factor ", factor);
    std::vector<double> scaled = start;
    for (double& value : scaled) value *= factor;
    const NaturalDirection result = from(scaled);
    CHECK(result.summary.warmStarted);
    CHECK(sameBits(result.direction, plain.direction));
  }
  // At a right angle to the gradient: of no help, and no harm.
  std::vector<double> across = start;
  axpby(-dot(start, gradient) / dot(gradient, gradient), gradient, 1, across);
  checkResult(from(across), gradient, matrix, damping, problem.rows);
  // The solution itself, of any length: nothing is left to do but to notice.
  std::vector<double> solution = plain.direction;
  for (double& value : solution) value *= 3;
  const NaturalDirection done = from(solution);
  checkResult(done, gradient, matrix, damping, problem.rows);
  CHECK(done.summary.conjugateGradient.products <= 3);
}

CASE("the preconditioner is made again after its period") {
  const PolicyProblem problem = smallProblem(Distribution::gaussian(2), 8);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  for (const Preconditioner preconditioner : {Preconditioner::jacobi, Preconditioner::kronecker}) {
    for (const int period : {1, 2, 3}) {
      CountingProblem counting(*held);
      NaturalDirectionOptions options;
      options.preconditioner = preconditioner;
      options.preconditionerPeriod = period;
      NaturalDirectionState state;
      int made = 0;
      for (int update = 0; update < 7; update++) {
        const Context context(preconditionerName(preconditioner), " period ", period, " update ",
                              update);
        // A copy that is thrown away changes nothing.
        NaturalDirectionState unused = state;
        findNaturalDirection(*held, problem.model, gradient, problem.rows, options, unused);
        const NaturalDirection result =
            findNaturalDirection(counting, problem.model, gradient, problem.rows, options, state);
        made += update % period == 0 ? 1 : 0;
        CHECK(result.summary.preconditionerRefreshed == (update % period == 0));
        CHECK(counting.factors + counting.diagonals == made);
      }
    }
  }
}

// One kind says nothing about the age of the other.
CASE("each kind of preconditioner has its own age") {
  const PolicyProblem problem = smallProblem(Distribution::gaussian(2), 8);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  NaturalDirectionOptions options;
  options.preconditionerPeriod = 3;
  NaturalDirectionState state;
  const auto refreshed = [&](Preconditioner preconditioner) {
    options.preconditioner = preconditioner;
    return findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state)
        .summary.preconditionerRefreshed;
  };
  CHECK(refreshed(Preconditioner::kronecker));
  CHECK(!refreshed(Preconditioner::kronecker));
  CHECK(refreshed(Preconditioner::jacobi));
  CHECK(!refreshed(Preconditioner::jacobi));
  // By now the Kronecker factors are four updates old.
  CHECK(refreshed(Preconditioner::kronecker));
  CHECK(!refreshed(Preconditioner::identity));
}

CASE("an old preconditioner uses the damping of the day, and changes nothing in the end") {
  PolicyProblem problem = smallProblem(Distribution::categorical({3, 2}), 9);
  NaturalDirectionOptions options = converging(0.5);
  options.preconditioner = Preconditioner::kronecker;
  options.preconditionerPeriod = 10;
  NaturalDirectionState state;
  {
    const auto held = problem.on(referenceBackend());
    findNaturalDirection(*held, problem.model, gradientOf(*held), problem.rows, options, state);
  }
  Random random(1);
  for (double& value : problem.parameters) value += 0.3 * random.normal();
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  options.damping = 1e-2;
  const NaturalDirection result =
      findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state);
  CHECK(!result.summary.preconditionerRefreshed);
  checkResult(result, gradient, matrixOf(*held, FisherEstimator::exact, 1e-2), 1e-2, problem.rows);
  CHECK(result.summary.conjugateGradient.relativeResidual <= 1e-12);
}

CASE("the part of the rows that Kronecker factors are made from") {
  // Never fewer than twelve for each row of the largest factor are looked at: 3 inputs and a bias
  // here.
  const size_t rows = 16 * 12 * 4 + 5;
  const PolicyProblem problem =
      randomProblem(Distribution::gaussian(2), Activation::tanh, {rows, 3, {3}}, 10);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  const auto strideOf = [&](double fraction) {
    CountingProblem counting(*held);
    NaturalDirectionOptions options;
    options.preconditioner = Preconditioner::kronecker;
    options.preconditionerFraction = fraction;
    NaturalDirectionState state;
    const NaturalDirection result =
        findNaturalDirection(counting, problem.model, gradient, problem.rows, options, state);
    CHECK(result.status == Status::accepted);
    return counting.lastSampling.stride;
  };
  CHECK(strideOf(1) == 1);
  CHECK(strideOf(0.5) == 2);
  CHECK(strideOf(1.0 / 16) == 16);
  const size_t widest = strideOf(0.01);
  CHECK(widest > 1);
  CHECK((rows + widest - 1) / widest >= 12 * 4);
}

// --- breakdowns --------------------------------------------------------------------------------

CASE("indefinite, or not finite: said so, and no direction is left behind") {
  const PolicyProblem problem = smallProblem(Distribution::gaussian(2), 11);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  const auto negative = [](int, std::span<double> product) {
    for (double& value : product) value = -value;
  };
  const auto broken = [](int call, std::span<double> product) {
    if (call == 1) product[0] = kNaN;
  };
  for (const SolverChoice solver : {SolverChoice::conjugateGradient, SolverChoice::cholesky}) {
    for (const bool isNegative : {false, true}) {
      for (const bool warmStart : {false, true}) {
        const Context context("solver ", static_cast<int>(solver), " negative ", isNegative,
                              " warm ", warmStart);
        CountingProblem counting(*held);
        counting.changeProduct = isNegative ? std::function<void(int, std::span<double>)>(negative)
                                            : std::function<void(int, std::span<double>)>(broken);
        NaturalDirectionOptions options;
        options.damping = 1e-3;
        options.solver = solver;
        options.warmStart = warmStart;
        NaturalDirectionState state;
        const std::vector<double> start(gradient.size(), 1.0);
        if (warmStart) state.direction = start;
        const NaturalDirection result =
            findNaturalDirection(counting, problem.model, gradient, problem.rows, options, state);
        CHECK(result.summary.conjugateGradient.products == counting.products);
        CHECK(!result.summary.warmStarted);
        if (warmStart && !isNegative && solver == SolverChoice::conjugateGradient) {
          // Only the start's product was broken.
          CHECK(result.status == Status::accepted);
          continue;
        }
        CHECK(result.status == (isNegative ? Status::negativeCurvature : Status::notFinite));
        CHECK(result.summary.conjugateGradient.stop ==
              (isNegative ? Stop::negativeCurvature : Stop::notFinite));
        CHECK(result.summary.conjugateGradient.iterations == 0);
        CHECK(sameBits(state.direction, warmStart ? start : std::vector<double>{}));
        // x = 0, of which the residual is the gradient.
        CHECK(norm(result.direction) == 0);
        CHECK(sameBits(result.residual, gradient));
        CHECK(result.summary.conjugateGradient.residualNorm == norm(gradient));
        CHECK(result.summary.conjugateGradient.relativeResidual == 1);
      }
    }
  }
}

CASE("no damping and a null space: CG and the dense solver both say what they found") {
  // Softmax does not see a shift of its logits.
  const PolicyProblem problem = smallProblem(Distribution::categorical({3}), 12, {});
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  NaturalDirectionOptions options = converging(0);
  NaturalDirectionState state;
  const NaturalDirection iterative =
      findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state);
  CHECK(iterative.status == Status::accepted);
  options.solver = SolverChoice::cholesky;
  const NaturalDirection dense =
      findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state);
  CHECK(dense.status == Status::negativeCurvature);
}

// --- the damping of the next update ------------------------------------------------------------

double dampingAfter(double rho, Status status = Status::accepted, double damping = 0.4) {
  AdaptiveDamping rule;
  rule.enabled = true;
  rule.factor = 2;
  UpdateSummary summary;
  summary.status = status;
  summary.expectedImprovement = 8;
  summary.actualImprovement = 8 * rho;
  return adaptedDamping(rule, damping, summary);
}

CASE("damping follows the ratio of what came to what was promised") {
  CHECK(dampingAfter(-1) == 0.8);
  CHECK(dampingAfter(0.2) == 0.8);
  CHECK(dampingAfter(0.25) == 0.4);  // the thresholds themselves change nothing
  CHECK(dampingAfter(0.5) == 0.4);
  CHECK(dampingAfter(0.75) == 0.4);
  CHECK(dampingAfter(0.76) == 0.2);
  CHECK(dampingAfter(3) == 0.2);
  for (const Status status :
       {Status::notFinite, Status::negativeCurvature, Status::klExceeded, Status::noImprovement}) {
    CHECK(dampingAfter(1, status) == 0.8);
    CHECK(dampingAfter(0, status) == 0.8);
  }
  // Within [1e-4, 10], from wherever.
  CHECK(dampingAfter(0, Status::accepted, 9) == 10);
  CHECK(dampingAfter(0, Status::accepted, 1e6) == 10);
  CHECK(dampingAfter(1, Status::accepted, 1.5e-4) == 1e-4);
  CHECK(dampingAfter(0.5, Status::accepted, 1e-9) == 1e-4);
}

CASE("adaptive damping: the first from the options, then from the state") {
  const PolicyProblem problem = smallProblem(Distribution::gaussian(2), 13);
  const auto held = problem.on(referenceBackend());
  const std::vector<double> gradient = gradientOf(*held);
  NaturalDirectionOptions options;
  options.damping = 0.3;
  NaturalDirectionState state;
  const auto used = [&] {
    return findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state)
        .summary.damping;
  };
  options.adaptiveDamping.enabled = true;
  CHECK(used() == 0.3);
  state.damping = 0.7;
  CHECK(used() == 0.7);
  options.adaptiveDamping.enabled = false;
  CHECK(used() == 0.3);
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
