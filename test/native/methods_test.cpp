// Vanilla and natural policy gradients, dual gradient descent, adaptive damping: what every method
// promises, and what each one computes.

#include <limits>

#include "method_fixture.h"

namespace trustregion::test {
namespace {

using Status = UpdateStatus;

PolicyProblem problemOf(uint64_t seed, const std::vector<size_t>& hidden = {5}) {
  const std::vector<Distribution> distributions = {
      Distribution::gaussian(2), Distribution::categorical({3, 2}), Distribution::bernoulli(2)};
  return randomProblem(distributions[seed % 3], Activation::tanh, {100 + 7 * seed, 3, hidden},
                       seed);
}

// Each with moderate steps.
std::vector<MethodOptions> allMethods() {
  VanillaPolicyGradientOptions vanilla;
  VanillaPolicyGradientOptions vanillaRate;
  vanillaRate.learningRate = 0.1;
  NaturalPolicyGradientOptions natural;
  NaturalPolicyGradientOptions naturalRate;
  naturalRate.learningRate = 0.1;
  naturalRate.naturalDirection.preconditioner = Preconditioner::kronecker;
  TrpoOptions trpo;
  TrpoOptions backtracking;
  backtracking.lineSearchKind = LineSearchKind::backtracking;
  backtracking.naturalDirection.solver = SolverChoice::cholesky;
  DualGradientDescentOptions dual;
  PpoOptions clipped;
  clipped.epochs = 3;
  PpoOptions penalised = clipped;
  penalised.variant = PpoVariant::klPenalty;
  return {vanilla, vanillaRate, natural, naturalRate, trpo, backtracking, dual, clipped, penalised};
}

const bool kPromisesAdded =
    addForEachSupportedBackend("an accepted step keeps its promises", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 3; seed++) {
        MethodFixture fixture(problemOf(seed), backend);
        const std::vector<MethodOptions> methods = allMethods();
        for (size_t i = 0; i < methods.size(); i++) {
          const Context context("seed ", seed, " method ", i);
          MethodState state;
          const MethodStep step = fixture.step(methods[i], state);
          fixture.checkAccepted(step);
          CHECK(step.summary.hasNaturalDirection == (i >= 2 && i <= 5));
          CHECK(step.summary.meanKl > 0);
          // Once more from the state that it left.
          fixture.checkAccepted(fixture.step(methods[i], state));
        }
      }
    });

const bool kThreadsAdded =
    addForEachSupportedBackend("1, 2 and 8 threads take the same step", [](const Backend& backend) {
      PolicyProblem problem =
          randomProblem(Distribution::gaussian(2), Activation::silu, {700, 3, {5}}, 4);
      MethodFixture one(problem, backend, 1);
      const std::vector<MethodOptions> methods = allMethods();
      for (size_t i = 0; i < methods.size(); i++) {
        const MethodStep step = one.step(methods[i]);
        for (const unsigned threads : {2U, 8U}) {
          const Context context("method ", i, " threads ", threads);
          MethodFixture other(problem, backend, threads);
          CHECK(sameBits(other.step(methods[i]).newParameters, step.newParameters));
        }
      }
    });

const bool kZeroAdded =
    addForEachSupportedBackend("no advantage: no step, by any method", [](const Backend& backend) {
      PolicyProblem problem = problemOf(3);
      std::fill(problem.advantages.begin(), problem.advantages.end(), 0.0);
      MethodFixture fixture(problem, backend);
      for (const MethodOptions& options : allMethods()) {
        const MethodStep step = fixture.step(options);
        CHECK(step.summary.status == Status::zeroGradient);
        CHECK(step.summary.candidates.empty() && step.summary.gradientNorm == 0);
        CHECK_NEAR(step.summary.effectiveSampleSize, static_cast<double>(problem.rows),
                   static_cast<double>(problem.rows * problem.rows) * kDoubleRoundoff);
      }
    });

// Whatever the size, a number comes out or nothing does (MethodFixture::step checks it).
const bool kExplosionAdded = addForEachSupportedBackend(
    "exploding learning rates put no NaN out", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 3; seed++) {
        MethodFixture fixture(problemOf(seed), backend);
        int refused = 0;
        for (const double rate : {1e3, 1e10, 1e37, 1e100, 1e300}) {
          VanillaPolicyGradientOptions vanilla;
          vanilla.learningRate = rate;
          NaturalPolicyGradientOptions natural;
          natural.learningRate = rate;
          NaturalPolicyGradientOptions naturalEpsilon;
          naturalEpsilon.epsilon = rate;
          DualGradientDescentOptions dual;
          dual.innerLearningRate = rate;
          dual.innerSteps = 3;
          PpoOptions ppo;
          ppo.learningRate = rate;
          ppo.epochs = 3;
          PpoOptions unlimited = ppo;
          unlimited.maxKl = std::numeric_limits<double>::infinity();
          const std::vector<MethodOptions> methods = {vanilla, natural, naturalEpsilon,
                                                      dual,    ppo,     unlimited};
          for (size_t i = 0; i < methods.size(); i++) {
            const Context context("seed ", seed, " rate ", rate, " method ", i);
            MethodState state;
            const MethodStep step = fixture.step(methods[i], state);
            if (step.summary.status != Status::accepted) {
              CHECK(step.summary.status == Status::notFinite ||
                    step.summary.status == Status::klExceeded);
              refused++;
            }
            if (i == 3 || i == 4) CHECK(step.summary.meanKl <= 0.02);
            // What is left behind does no harm to an update with a sane rate.
            ppo.learningRate = 1e-3;
            dual.innerLearningRate = 1e-4;
            const MethodStep next = i >= 4 ? fixture.step(ppo, state) : fixture.step(dual, state);
            CHECK(next.summary.status == Status::accepted);
          }
        }
        CHECK(refused > 0);
      }
    });

// --- vanilla -----------------------------------------------------------------------------------

const bool kVanillaAdded =
    addForEachSupportedBackend("vanilla: along g, |d|^2 = epsilon", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 3; seed++) {
        MethodFixture fixture(problemOf(seed), backend);
        const std::vector<double> g = fixture.gradient();
        const double roundoff =
            2 * (backend.precision() == "float32" ? kFloatRoundoff : kDoubleRoundoff) *
            (norm(fixture.problem.parameters) + 1);
        for (const double epsilon : {1e-6, 0.01, 0.5}) {
          const Context context("seed ", seed, " epsilon ", epsilon);
          VanillaPolicyGradientOptions options;
          options.epsilon = epsilon;
          const MethodStep step = fixture.step(options);
          CHECK_NEAR(norm(step.moved), std::sqrt(epsilon), roundoff);
          CHECK_NEAR(dot(step.moved, g), norm(g) * std::sqrt(epsilon), roundoff * norm(g));
        }
        for (const double rate : {1e-3, 0.7}) {
          VanillaPolicyGradientOptions options;
          options.learningRate = rate;
          options.epsilon = 123;  // has no say
          const MethodStep step = fixture.step(options);
          CHECK(step.summary.stepScale == rate);
          std::vector<double> difference = step.moved;
          axpby(-rate, g, 1, difference);
          CHECK_NEAR(norm(difference), 0, roundoff);
        }
      }
    });

// --- natural -----------------------------------------------------------------------------------

NaturalPolicyGradientOptions exactNatural(double damping) {
  NaturalPolicyGradientOptions options;
  options.naturalDirection.damping = damping;
  options.naturalDirection.solver = SolverChoice::cholesky;
  return options;
}

CASE("natural: d = sqrt(2 epsilon / g'x) x, so that d'(F + damping I) d / 2 is epsilon") {
  for (uint64_t seed = 1; seed <= 3; seed++) {
    for (const double damping : {1e-3, 0.1, 10.0}) {
      const Context context("seed ", seed, " damping ", damping);
      MethodFixture fixture(problemOf(seed));
      NaturalPolicyGradientOptions options = exactNatural(damping);
      options.epsilon = 1e-3;
      const MethodStep step = fixture.step(options);
      const std::vector<double> g = fixture.gradient();
      std::vector<double> product(g.size());
      fixture.held->fisherProduct(step.moved, product);
      axpby(damping, step.moved, 1, product);
      // d is a difference of parameters of size one and some 1e-3 long or more, so good to 1e-12;
      // the solver's residual adds the condition number, 1e4, in roundings.
      const double tolerance = 1e-11;
      CHECK_RELATIVE(0.5 * dot(step.moved, product), options.epsilon, tolerance);
      // (F + damping I) d = scale g
      axpby(-step.summary.stepScale, g, 1, product);
      CHECK_NEAR(norm(product), 0, tolerance * step.summary.stepScale * norm(g) / damping);
      CHECK_RELATIVE(step.summary.expectedImprovement, 2 * options.epsilon / step.summary.stepScale,
                     tolerance);
    }
  }
}

CASE("natural: a learning rate takes the place of epsilon") {
  MethodFixture fixture(problemOf(1));
  NaturalPolicyGradientOptions options = exactNatural(0.1);
  const MethodStep byEpsilon = fixture.step(options);
  options.learningRate = byEpsilon.summary.stepScale;
  options.epsilon = 77;
  CHECK(sameBits(fixture.step(options).newParameters, byEpsilon.newParameters));
  options.learningRate = 2 * byEpsilon.summary.stepScale;
  std::vector<double> twice = fixture.step(options).moved;
  axpby(-2, byEpsilon.moved, 1, twice);
  CHECK_NEAR(norm(twice), 0, 8 * kDoubleRoundoff * norm(fixture.problem.parameters));
}

// d'F d / 2 = epsilon - damping |d|^2 / 2, and third-order terms: the relative error of the
// quadratic model falls with the step's length.
CASE("natural: the KL tends to what the damping leaves of epsilon") {
  for (uint64_t seed = 1; seed <= 6; seed++) {
    const Context context("seed ", seed);
    MethodFixture fixture(problemOf(seed));
    NaturalPolicyGradientOptions options = exactNatural(0.05);
    const auto errorAt = [&](double epsilon) {
      options.epsilon = epsilon;
      const MethodStep step = fixture.step(options);
      const double expected = epsilon - 0.5 * 0.05 * dot(step.moved, step.moved);
      CHECK(expected > 0.1 * epsilon);
      return std::abs(step.summary.meanKl / expected - 1);
    };
    const double coarse = errorAt(1e-3);
    const double fine = errorAt(1e-7);  // a hundredth of the length
    CHECK(coarse < 0.3);
    CHECK(fine < 0.05 * coarse + 1e-6);
  }
}

// The step is invariant: another basis of the logits, the same new policy.
CASE("natural: the step does not depend on the units of an observation, a vanilla step does") {
  PolicyProblem problem =
      randomProblem(Distribution::gaussian(2), Activation::tanh, {80, 3, {}}, 5);
  PolicyProblem scaled = problem;
  for (size_t i = 0; i < scaled.observations.size(); i += 3) scaled.observations[i] *= 16;
  for (const size_t weight : {0U, 3U}) scaled.parameters[weight] /= 16;
  NaturalPolicyGradientOptions natural = exactNatural(1e-10);
  const VanillaPolicyGradientOptions vanilla;
  MethodFixture plain(problem);
  MethodFixture other(scaled);
  // Damping is not invariant, but small: a condition number of 1e5 times 1e-10.
  CHECK_RELATIVE(other.step(natural).summary.meanKl, plain.step(natural).summary.meanKl, 1e-5);
  CHECK_RELATIVE(other.step(natural).summary.surrogateAfter,
                 plain.step(natural).summary.surrogateAfter, 1e-5);
  const double vanillaKl = plain.step(vanilla).summary.meanKl;
  CHECK(std::abs(other.step(vanilla).summary.meanKl / vanillaKl - 1) > 0.1);
}

// --- adaptive damping through whole updates ------------------------------------------------------

CASE("adaptive damping is handed from update to update") {
  MethodFixture fixture(problemOf(1));
  for (const bool isTrpo : {false, true}) {
    TrpoOptions trpo;
    NaturalPolicyGradientOptions natural;
    const auto step = [&](MethodState& state) {
      return isTrpo ? fixture.step(trpo, state) : fixture.step(natural, state);
    };
    for (NaturalDirectionOptions* options : {&trpo.naturalDirection, &natural.naturalDirection}) {
      options->damping = 0.3;
      options->adaptiveDamping.enabled = true;
    }
    MethodState state;
    double expected = 0.3;
    for (int update = 0; update < 5; update++) {
      const Context context("trpo ", isTrpo, " update ", update);
      const UpdateSummary summary = step(state).summary;
      CHECK(summary.naturalDirection.damping == expected);
      expected = adaptedDamping(trpo.naturalDirection.adaptiveDamping, expected, summary);
      CHECK(state.naturalDirection.damping == expected);
      CHECK(expected >= 1e-4 && expected <= 10);
    }
    CHECK(expected != 0.3);  // it did something
  }
}

CASE("adaptive damping rises after a refused step") {
  MethodFixture fixture(problemOf(1));
  TrpoOptions options;
  options.naturalDirection.adaptiveDamping.enabled = true;
  options.lineSearch.acceptRatio = 0.9999999;
  options.lineSearch.maxBacktracks = 0;
  MethodState state;
  CHECK(fixture.step(options, state).summary.status == Status::noImprovement);
  CHECK_RELATIVE(state.naturalDirection.damping, 0.15, 4 * kDoubleRoundoff);
  // Without a direction there is nothing to learn.
  std::fill(fixture.problem.advantages.begin(), fixture.problem.advantages.end(), 0.0);
  MethodFixture zero(fixture.problem);
  CHECK(zero.step(options, state).summary.status == Status::zeroGradient);
  CHECK_RELATIVE(state.naturalDirection.damping, 0.15, 4 * kDoubleRoundoff);
}

// --- dual gradient descent -----------------------------------------------------------------------

const bool kDualAdded = addForEachSupportedBackend(
    "dual: never outside, the multiplier by its rule", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 3; seed++) {
        MethodFixture fixture(problemOf(seed), backend);
        for (const double initial : {0.0, 1.0, 1e4}) {
          DualGradientDescentOptions options;
          options.initialMultiplier = initial;
          options.innerLearningRate = 0.02;
          options.multiplierLearningRate = 30;
          MethodState state;
          double multiplier = initial;
          for (int update = 0; update < 4; update++) {
            const Context context("seed ", seed, " from ", initial, " update ", update);
            fixture.counting.objectiveGradients = 0;
            const MethodStep step = fixture.step(options, state);
            fixture.checkAccepted(step);
            CHECK(step.summary.meanKl <= options.maxKl);
            CHECK(step.summary.gradientSteps == options.innerSteps);
            CHECK(fixture.counting.objectiveGradients == options.innerSteps);
            CHECK(fixture.counting.lastObjective.klPenalty == multiplier);
            CHECK(std::isinf(fixture.counting.lastObjective.clipRange));
            CHECK(fixture.counting.lastObjective.entropyBonus == 0);
            // By the KL that the inner steps came to, not by that of the shortened step.
            const Evaluation& wanted = step.summary.candidates.front().evaluation;
            CHECK(step.summary.candidates.front().fraction == 1);
            multiplier = std::max(0.0, multiplier + 30 * (wanted.meanKl - options.maxKl));
            CHECK(state.multiplier == multiplier && step.summary.multiplier == multiplier);
            if (wanted.meanKl > options.maxKl) {
              CHECK(step.summary.stepFraction < 1);
              CHECK(step.summary.meanKl >= 0.99 * options.maxKl);
            } else {
              CHECK(step.summary.stepFraction == 1);
            }
          }
        }
      }
    });

CASE("dual: both sides of the limit were there, and zero is the floor") {
  MethodFixture fixture(problemOf(1));
  DualGradientDescentOptions options;
  options.innerLearningRate = 0.05;
  options.initialMultiplier = 0;
  MethodState state;
  CHECK(fixture.step(options, state).summary.stepFraction < 1);
  CHECK(state.multiplier > 0);
  options.innerLearningRate = 1e-5;
  options.initialMultiplier = 0.1;
  state = {};
  CHECK(fixture.step(options, state).summary.stepFraction == 1);
  CHECK(state.multiplier == 0);
  // 0 is a multiplier like any other, not "none yet".
  options.initialMultiplier = 55;
  fixture.step(options, state);
  CHECK(fixture.counting.lastObjective.klPenalty == 0);
}

// On one batch, from one theta, again and again: KL(lambda) = g'F^-1 g / (2 lambda^2) where the
// models hold. For steps of a KL of 1e-4 third-order terms are some sqrt(2 1e-4) = 1.4 % of the
// second-order ones, with factors of a few before them: 10 % is room enough, and the start is wrong
// by 300 %.
CASE("dual: the multiplier tends to sqrt(g'F^-1 g / (2 maxKl))") {
  for (uint64_t seed = 1; seed <= 2; seed++) {
    for (const double wrong : {0.33, 3.0}) {
      const Context context("seed ", seed, " start ", wrong);
      MethodFixture fixture(problemOf(seed, {}));
      NaturalPolicyGradientOptions natural = exactNatural(1e-9);
      natural.learningRate = 1;
      const double slope = dot(fixture.gradient(), fixture.step(natural).moved);
      DualGradientDescentOptions options;
      options.maxKl = 1e-4;
      const double expected = std::sqrt(slope / (2 * options.maxKl));
      options.initialMultiplier = wrong * expected;
      options.innerSteps = 150;
      options.innerLearningRate = 2e-4;
      // d KL / d lambda is -2 maxKl / lambda there: half a Newton step.
      options.multiplierLearningRate = 0.5 * expected / (2 * options.maxKl);
      MethodState state;
      for (int update = 0; update < 16; update++) {
        CHECK(fixture.step(options, state).summary.meanKl <= options.maxKl);
      }
      CHECK_RELATIVE(state.multiplier, expected, 0.1);
    }
  }
}

CASE("dual: inner steps that break down leave the multiplier alone") {
  MethodFixture fixture(problemOf(1));
  fixture.counting.changeObjective = [](int call, std::span<double> gradient) {
    if (call == 3) gradient[1] = std::numeric_limits<double>::quiet_NaN();
  };
  DualGradientDescentOptions options;
  options.initialMultiplier = 2;
  MethodState state;
  CHECK(fixture.step(options, state).summary.status == Status::notFinite);
  CHECK(state.multiplier == 2);
}

// Where float32 leaves it open on which side of maxKl a candidate is, float64 decides.
CASE("a KL in doubt is taken again in double precision, another one is not") {
  for (const double distance : {-0.9, 0.9, -1.1, 1.1}) {
    const Context context("distance ", distance);
    DualGradientDescentOptions options;
    options.innerLearningRate = 1e-5;  // far inside
    constexpr double kUncertainty = 1e-5;
    MethodFixture fixture(problemOf(1));
    fixture.counting.changeEvaluation = [&](int call, Evaluation& evaluation) {
      if (call != 2) return;
      evaluation.meanKl = options.maxKl + distance * kUncertainty;
      evaluation.klUncertainty = kUncertainty;
    };
    const MethodStep step = fixture.step(options);
    CHECK(step.summary.status == Status::accepted && step.summary.meanKl <= options.maxKl);
    const bool isOpen = std::abs(distance) <= 1;
    CHECK(fixture.counting.doubleEvaluations == (isOpen ? 1 : 0));
    const double first = step.summary.candidates.front().evaluation.meanKl;
    CHECK(isOpen ? first < 0.5 * options.maxKl : first == options.maxKl + distance * kUncertainty);
    CHECK((step.summary.candidates.size() == 1) == (distance <= 1));
  }
}

CASE("only some methods look at a part of the rows") {
  const std::vector<MethodOptions> methods = allMethods();
  for (const MethodOptions& options : methods) CHECK(fisherFractionOf(options) == 1);
  NaturalPolicyGradientOptions natural;
  natural.naturalDirection.fisherFraction = 0.25;
  CHECK(fisherFractionOf(natural) == 0.25);
  TrpoOptions trpo;
  trpo.naturalDirection.fisherFraction = 0.5;
  CHECK(fisherFractionOf(trpo) == 0.5);
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
