// Damped Gauss-Newton against direct solutions of the same equations, and what it promises: no step
// that does not lower the loss, the same bits on any number of threads.

#include "core/gauss_newton.h"

#include <numeric>

#include "core/advantages.h"
#include "core/value_function.h"
#include "dense.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

// Numbers that float32 holds, so that backends differ in arithmetic only.
struct Regression {
  Regression(std::vector<size_t> hidden, Activation activation, size_t rowCount, uint64_t seed = 1)
      : layout(3, std::move(hidden), 1, activation), rows(rowCount) {
    Random random(seed);
    observations = normals(rows * 3, random);
    for (double& value : observations) value = roundToFloat(value);
    for (size_t row = 0; row < rows; row++) {
      const double* x = observations.data() + row * 3;
      targets.push_back(roundToFloat(1 + std::sin(2 * x[0]) - x[1] * x[2] + random.normal() / 4));
    }
    parameters = randomParameters({layout, Distribution::bernoulli(1)}, random);
  }

  LeastSquares view() const {
    return {layout, {observations.data(), observations.size()}, targets, scaling};
  }

  // V of each row, and the loss, both by the oracle.
  std::vector<double> values(const std::vector<double>& theta) const {
    std::vector<double> result(rows);
    const auto network = referenceBackend().makeNetwork(layout, theta);
    const auto workspace = network->makeWorkspace();
    network->forward(view().observations, rows, scaling, result.data(), *workspace);
    return result;
  }
  double loss(const std::vector<double>& theta) const {
    const std::vector<double> v = values(theta);
    double sum = 0;
    for (size_t i = 0; i < rows; i++) sum += (v[i] - targets[i]) * (v[i] - targets[i]) / 2;
    return sum / static_cast<double>(rows);
  }

  GaussNewtonSummary improve(std::vector<double>& theta, const GaussNewtonOptions& options,
                             const Backend& backend = referenceBackend(), double damping = 0,
                             unsigned threads = 1) const {
    Guarded<double> guarded(theta.size());
    std::copy(theta.begin(), theta.end(), guarded.data());
    const GaussNewtonSummary summary =
        gaussNewton(view(), backend, options, damping, threads, guarded.span());
    CHECK(guarded.intact() && guarded.complete());
    std::copy(guarded.data(), guarded.data() + guarded.size(), theta.begin());
    return summary;
  }

  MlpLayout layout;
  size_t rows;
  std::vector<double> observations;
  std::vector<double> targets;
  std::vector<double> parameters;
  ObservationScaling scaling;
};

// theta - (mean J'J + damping I)^-1 mean J'(V - target), by Cholesky, with J by central differences
// of the oracle: exact to roundings for a linear model, to 1e-9 or so for a smooth one.
std::vector<double> directStep(const Regression& regression, const std::vector<double>& theta,
                               double damping) {
  constexpr double kStep = 1e-4;
  const size_t size = theta.size();
  const double count = static_cast<double>(regression.rows);
  std::vector<std::vector<double>> columns;
  for (size_t i = 0; i < size; i++) {
    const auto at = [&](double h) {
      std::vector<double> moved = theta;
      moved[i] += h;
      return regression.values(moved);
    };
    const auto one = std::pair(at(kStep), at(-kStep));
    const auto two = std::pair(at(2 * kStep), at(-2 * kStep));
    std::vector<double> column(regression.rows);
    for (size_t row = 0; row < regression.rows; row++) {  // of fourth order
      column[row] = (8 * (one.first[row] - one.second[row]) - (two.first[row] - two.second[row])) /
                    (12 * kStep);
    }
    columns.push_back(std::move(column));
  }
  const std::vector<double> values = regression.values(theta);
  Dense matrix(size);
  std::vector<double> b(size);
  for (size_t row = 0; row < regression.rows; row++) {
    for (size_t i = 0; i < size; i++) {
      b[i] -= columns[i][row] * (values[row] - regression.targets[row]) / count;
      for (size_t j = 0; j < size; j++) {
        matrix.at(i, j) += columns[i][row] * columns[j][row] / count;
      }
    }
  }
  for (size_t i = 0; i < size; i++) matrix.at(i, i) += damping;
  std::vector<double> result = matrix.solve(b);
  for (size_t i = 0; i < size; i++) result[i] += theta[i];
  return result;
}

double largestDifference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); i++) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

bool addForEachBackend() {
  for (const Backend* backend : allBackends()) {
    const bool isDouble = backend->precision() == "float64";

    addCase("a linear model: the normal equations, on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      const Regression regression({}, Activation::tanh, 200);
      for (const double damping : {1e-9, 0.1, 10.0}) {
        const Context context("damping ", damping);
        std::vector<double> theta = regression.parameters;
        // Four parameters: conjugate gradients are done after four iterations.
        const auto summary = regression.improve(
            theta, {.iterations = 1, .cgIterations = 12, .damping = damping}, *backend);
        CHECK(summary.iterations == 1 && summary.acceptedSteps == 1);
        CHECK(summary.damping == damping);
        // Condition below ten, a mean over 200 rows of numbers of size up to ten.
        // Rounded inputs make other normal equations.
        const bool isRounded = productsOf(*backend) == Products::rounded;
        const double tolerance = isDouble ? 1e-9 : isRounded ? 0x1p-9 : 1e-4;
        CHECK_NEAR(largestDifference(theta, directStep(regression, regression.parameters, damping)),
                   0, tolerance);
      }
    });

    addCase("the loss falls with every step, on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
        const Context context(activationName(activation));
        const Regression regression({16, 16}, activation, 300);
        std::vector<double> theta = regression.parameters;
        const double first = regression.loss(theta);
        double loss = first;
        double damping = 0;
        for (int i = 0; i < 20; i++) {
          const auto summary =
              regression.improve(theta, {.iterations = 1, .damping = 1e-3}, *backend, damping);
          damping = summary.damping;
          const double next = regression.loss(theta);
          CHECK(summary.acceptedSteps == 1 ? next < loss : next == loss);
          loss = next;
        }
        CHECK(loss < 0.3 * first);
      }
    });

    addCase("the same bits on any number of threads, on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      const Regression regression({8, 8}, Activation::tanh, 700);
      std::vector<double> one = regression.parameters;
      regression.improve(one, {.iterations = 4}, *backend);
      CHECK(!sameBits(one, regression.parameters));
      for (const unsigned threads : {1, 2, 5}) {
        std::vector<double> theta = regression.parameters;
        regression.improve(theta, {.iterations = 4}, *backend, 0, threads);
        CHECK(sameBits(theta, one));
      }
    });

    addCase("a critic learns a known function on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      const Regression regression({16}, Activation::tanh, 1000);
      std::vector<double> targets = regression.targets;
      for (double& target : targets) target = 100 + 20 * target;
      ValueFunctionConfig config;
      config.observationSize = 3;
      config.hidden = {16};
      config.backend = backend->name();
      config.threads = 1;
      ValueFunction function(config);
      FitOptions options;
      options.solver = FitSolver::gaussNewton;
      options.gaussNewton = {.iterations = 20, .damping = 1e-3};
      ValueFunctionState state = function.state();
      const FitSummary summary = function.computeFit(state, regression.view().observations,
                                                     {targets.data(), targets.size()}, options);
      CHECK(summary.explainedVarianceAfter > 0.85);
      CHECK(summary.minibatches == 0);
      CHECK(summary.gaussNewton.iterations == 20);
      CHECK(summary.gaussNewton.products == 20 * 10);
      CHECK(state.damping == summary.gaussNewton.damping);
      CHECK(function.state().damping == 0);  // not published
    });
  }
  return true;
}

const bool kAdded = addForEachBackend();

// Which no other function of the library computes: Jacobians by differences of forward passes.
CASE("a smooth network: one step solves the damped equations of its Jacobian") {
  for (const Activation activation : {Activation::tanh, Activation::silu}) {
    const Regression regression({3}, activation, 60);
    for (const double damping : {0.1, 1.0}) {
      const Context context(activationName(activation), " damping ", damping);
      std::vector<double> theta = regression.parameters;
      const auto summary =
          regression.improve(theta, {.iterations = 1, .cgIterations = 100, .damping = damping});
      CHECK(summary.acceptedSteps == 1);
      CHECK_NEAR(largestDifference(theta, directStep(regression, regression.parameters, damping)),
                 0, 1e-7);
    }
  }
}

CASE("a linear model with next to no damping: the least squares, which no step improves") {
  const Regression regression({}, Activation::tanh, 50);
  std::vector<double> theta = regression.parameters;
  regression.improve(theta, {.iterations = 3, .cgIterations = 10, .damping = 1e-12});
  const std::vector<double> errors = [&] {
    std::vector<double> values = regression.values(theta);
    for (size_t i = 0; i < values.size(); i++) values[i] -= regression.targets[i];
    return values;
  }();
  // The residuals are orthogonal to every column of the design matrix, the constant included.
  CHECK_NEAR(std::accumulate(errors.begin(), errors.end(), 0.0) / 50, 0, 1e-9);
  for (size_t column = 0; column < 3; column++) {
    double sum = 0;
    for (size_t row = 0; row < 50; row++) {
      sum += errors[row] * regression.observations[row * 3 + column];
    }
    CHECK_NEAR(sum / 50, 0, 1e-9);
  }
}

CASE("a step that fails is not taken, and the damping is raised fourfold until one succeeds") {
  // Saturated units: nearly no slope, so that the undamped step goes far beyond the model's reach.
  Regression regression({4}, Activation::tanh, 100);
  for (double& value : regression.parameters) value *= 4;
  std::vector<double> theta = regression.parameters;
  double damping = 1e-9;
  int failures = 0;
  for (int i = 0; i < 40; i++) {
    const std::vector<double> before = theta;
    const auto summary =
        regression.improve(theta, {.iterations = 1, .cgIterations = 100, .damping = 1e-9},
                           referenceBackend(), damping);
    CHECK(summary.iterations == 1);
    if (summary.acceptedSteps == 0) {
      failures++;
      CHECK(sameBits(theta, before));
      CHECK(summary.damping == 4 * damping);
    } else {
      CHECK(regression.loss(theta) < regression.loss(before));
      CHECK(summary.damping == 4 * damping || summary.damping == damping ||
            summary.damping == std::max(damping / 4, 1e-9));
    }
    damping = summary.damping;
  }
  CHECK(failures > 0 && failures < 40);
  // All of it in one call is the same.
  std::vector<double> atOnce = regression.parameters;
  const auto summary =
      regression.improve(atOnce, {.iterations = 40, .cgIterations = 100, .damping = 1e-9});
  CHECK(sameBits(atOnce, theta));
  CHECK(summary.damping == damping && summary.acceptedSteps == 40 - failures);
}

CASE("the damping starts where it is told, but not below its least") {
  const Regression regression({}, Activation::tanh, 30);
  std::vector<double> theta = regression.parameters;
  CHECK(regression.improve(theta, {.iterations = 1, .damping = 0.5}).damping == 0.5);
  theta = regression.parameters;
  // The model of a linear network is exact, so its ratio is 1.
  CHECK(
      regression.improve(theta, {.iterations = 1, .damping = 0.5}, referenceBackend(), 8).damping ==
      2);
}

CASE("nothing to improve: no step") {
  Regression regression({4}, Activation::tanh, 30);
  regression.targets = regression.values(regression.parameters);
  std::vector<double> theta = regression.parameters;
  const auto summary = regression.improve(theta, {});
  CHECK(summary.iterations == 0 && summary.products == 0);
  CHECK(sameBits(theta, regression.parameters));
}

CASE("refusals") {
  for (const std::string& name : supportedBackendNames()) {
    const Context context(name);
    const Backend& backend = findBackend(name);
    Regression regression({4}, Activation::relu, 10);
    std::vector<double> theta(regression.parameters.size(),
                              backend.precision() == "float32" ? 1e30 : 1e200);
    CHECK_THROWS(ErrorCode::notFinite, "the parameters must give finite values",
                 gaussNewton(regression.view(), backend, {}, 0, 1, theta));
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
