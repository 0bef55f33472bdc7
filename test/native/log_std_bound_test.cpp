// The bound on logStd: projections never raise a KL divergence, and no method leaves it.

#include "core/log_std_bound.h"

#include <limits>

#include "core/policy.h"
#include "method_fixture.h"

namespace trustregion::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

PolicyProblem boundedProblem(uint64_t seed, double minLogStd, size_t size = 3) {
  PolicyProblem problem =
      randomProblem(Distribution::gaussian(size), Activation::tanh, {150, 4, {6}}, seed);
  problem.model.minLogStd = minLogStd;
  projectLogStd(problem.model, problem.parameters);
  return problem;
}

std::span<const double> logStdOf(const PolicyModel& model, std::span<const double> parameters) {
  return parameters.subspan(model.logStdOffset());
}

std::vector<MethodOptions> boldMethods() {
  VanillaPolicyGradientOptions vanilla;
  vanilla.learningRate = 3;
  NaturalPolicyGradientOptions natural;
  natural.learningRate = 3;
  TrpoOptions trpo;
  trpo.maxKl = 0.5;
  TrpoOptions backtracking = trpo;
  backtracking.lineSearchKind = LineSearchKind::backtracking;
  DualGradientDescentOptions dual;
  dual.maxKl = 0.5;
  dual.innerLearningRate = 0.1;
  PpoOptions clipped;
  clipped.maxKl = 0.5;
  clipped.learningRate = 0.1;
  PpoOptions penalised = clipped;
  penalised.variant = PpoVariant::klPenalty;
  return {vanilla, natural, trpo, backtracking, dual, clipped, penalised};
}

CASE("a projection never raises the KL divergence from a feasible policy, in any row") {
  Random random(1);
  int lowered = 0;
  for (int trial = 0; trial < 2000; trial++) {
    const size_t size = 1 + static_cast<size_t>(trial) % 4;
    const PolicyModel model{MlpLayout(1, {}, size, Activation::tanh), Distribution::gaussian(size),
                            random.normal()};
    std::vector<double> oldLogStd(size);
    for (double& value : oldLogStd) value = model.minLogStd + std::abs(random.normal());
    std::vector<double> candidate(model.parameterCount());
    for (double& value : candidate) value = model.minLogStd + 2 * random.normal();
    std::vector<double> projected = candidate;
    projectLogStd(model, projected);
    const std::vector<double> oldMean = normals(size, random);
    const std::vector<double> newMean = normals(size, random);
    const auto kl = [&](std::span<const double> parameters) {
      return model.distribution.kl(oldMean.data(), oldLogStd.data(), newMean.data(),
                                   logStdOf(model, parameters).data());
    };
    CHECK(kl(projected) <= kl(candidate) * (1 + 1e-14));
    if (kl(projected) < kl(candidate)) lowered++;
    for (const double value : logStdOf(model, projected)) CHECK(value >= model.minLogStd);
  }
  CHECK(lowered > 1000);
}

CASE("what a projection costs of the expected improvement") {
  const PolicyModel model{MlpLayout(1, {}, 2, Activation::tanh), Distribution::gaussian(2), -1};
  const std::vector<double> gradient = {9, 9, 9, 9, -2, -3};
  std::vector<double> parameters = {0, 0, 0, 0, -1.5, -0.5};
  CHECK_NEAR(projectLogStd(model, parameters, gradient), -2 * 0.5, 1e-15);
  CHECK((parameters == std::vector<double>{0, 0, 0, 0, -1, -0.5}));
}

CASE("only what leads out of the bound at once is left out of a direction") {
  const PolicyModel model{MlpLayout(1, {}, 3, Activation::tanh), Distribution::gaussian(3), -1};
  const std::vector<double> parameters = {0, 0, 0, 0, 0, 0, -1, -1, -0.9};
  std::vector<double> direction = {-1, -1, -1, -1, -1, -1, -1, 2, -1};
  keepInside(model, parameters, direction);
  CHECK((direction == std::vector<double>{-1, -1, -1, -1, -1, -1, 0, 2, -1}));
}

const bool kBoundAdded =
    addForEachSupportedBackend("no method goes below the bound", [](const Backend& backend) {
      int atBound = 0;
      for (uint64_t seed = 1; seed <= 4; seed++) {
        // -0.3 is none of float32's numbers: the bound is where the backend can hold it.
        PolicyProblem problem = boundedProblem(seed, roundToFloat(-0.3));
        MethodFixture fixture(problem, backend);
        const std::vector<MethodOptions> methods = boldMethods();
        for (size_t i = 0; i < methods.size(); i++) {
          const Context context("seed ", seed, " method ", i);
          MethodState state;
          const MethodStep step = fixture.step(methods[i], state);
          if (step.summary.status != UpdateStatus::accepted) continue;
          for (const double value : logStdOf(problem.model, step.newParameters)) {
            CHECK(value >= problem.model.minLogStd);
            if (value == problem.model.minLogStd) atBound++;
          }
          // g'd of the step that was really taken
          std::vector<double> g = fixture.gradient();
          keepInside(problem.model, problem.parameters, g);
          CHECK_NEAR(step.summary.expectedImprovement, dot(g, step.moved),
                     1e-5 * norm(g) * (norm(step.moved) + norm(problem.parameters)));
          if (i == 2 || i == 3) CHECK(step.summary.meanKl <= 0.5);
        }
      }
      CHECK(atBound > 10);
    });

const bool kAlongAdded = addForEachSupportedBackend(
    "at the bound the means go on as if logStd were fixed", [](const Backend& backend) {
      // A policy at the bound whose every deviation would like to fall: actions far from the mean
      // have low advantages.
      PolicyProblem problem = boundedProblem(3, -0.25);
      for (double& value : problem.parameters) value = roundToFloat(value);
      std::fill(problem.parameters.begin() + static_cast<ptrdiff_t>(problem.model.logStdOffset()),
                problem.parameters.end(), -0.25);
      MethodFixture probe(problem, backend);
      std::vector<double> g = probe.gradient();
      for (size_t i = problem.model.logStdOffset(); i < g.size(); i++) {
        if (g[i] < 0) continue;
        for (double& advantage : problem.advantages) advantage = -advantage;
        break;
      }
      MethodFixture fixture(problem, backend);
      g = fixture.gradient();
      TrpoOptions options;
      options.naturalDirection.preconditioner = Preconditioner::identity;
      const MethodStep step = fixture.step(options);
      CHECK(step.summary.status == UpdateStatus::accepted);
      CHECK(step.summary.meanKl <= options.maxKl && step.summary.meanKl > 0.98 * options.maxKl);
      bool isAnyHeld = false;
      for (size_t i = problem.model.logStdOffset(); i < g.size(); i++) {
        if (g[i] >= 0) continue;
        CHECK(step.moved[i] == 0);
        isAnyHeld = true;
      }
      CHECK(isAnyHeld);
    });

const bool kUnusedAdded = addForEachSupportedBackend(
    "a bound that is never reached changes no bit", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 2; seed++) {
        MethodFixture bounded(boundedProblem(seed, -20), backend);
        MethodFixture free(boundedProblem(seed, -kInfinity), backend);
        for (const MethodOptions& options : boldMethods()) {
          MethodState first;
          MethodState second;
          const MethodStep one = bounded.step(options, first);
          const MethodStep two = free.step(options, second);
          CHECK(one.summary.status == two.summary.status);
          CHECK(sameBits(one.newParameters, two.newParameters));
        }
      }
    });

CASE("parameters below the bound are refused, and nothing is changed") {
  PolicyConfig config;
  config.observationSize = 2;
  config.actionCounts = {2};
  config.minLogStd = -1.1;  // no number of float32
  for (const char* backend : {"reference", "cpu-baseline"}) {
    config.backend = backend;
    config.initialLogStd = -1.1;
    Policy policy(config);
    std::vector<double> parameters = policy.snapshot()->parameters;
    policy.setParameters({parameters.data(), parameters.size()});
    CHECK(policy.snapshot()->version == 1);
    parameters.back() = -1.2;
    CHECK_THROWS(ErrorCode::outOfRange, "a logStd, must be at least minLogStd = -1.1",
                 policy.setParameters({parameters.data(), parameters.size()}));
    CHECK(policy.snapshot()->version == 1);
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
