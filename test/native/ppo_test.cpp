// Proximal policy optimisation: what is optimised, in which order, where it ends, and what is left
// for the next update.

#include "core/ppo.h"

#include <algorithm>
#include <limits>

#include "method_fixture.h"

namespace trustregion::test {
namespace {

using Status = UpdateStatus;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

PolicyProblem problemOf(uint64_t seed = 1, size_t rows = 150) {
  const std::vector<Distribution> distributions = {
      Distribution::gaussian(2), Distribution::categorical({3, 2}), Distribution::bernoulli(2)};
  return randomProblem(distributions[seed % 3], Activation::tanh, {rows, 3, {5}}, seed);
}

PpoOptions clipped() {
  PpoOptions options;
  options.epochs = 4;
  options.minibatchSize = 32;
  return options;
}

PpoOptions penalised() {
  PpoOptions options = clipped();
  options.variant = PpoVariant::klPenalty;
  return options;
}

// The first evaluation is of theta, the next ones of the epochs' ends.
std::function<void(int, Evaluation&)> klOfEpochs(std::vector<double> kls) {
  return [kls = std::move(kls)](int call, Evaluation& evaluation) {
    const size_t epoch = static_cast<size_t>(call) - 2;
    if (call >= 2 && epoch < kls.size()) {
      evaluation.meanKl = kls[epoch];
      evaluation.klUncertainty = 0;
    }
  };
}

const bool kOptionsAdded =
    addForEachSupportedBackend("what is optimised, and how often", [](const Backend& backend) {
      for (const size_t minibatch : {1U, 32U, 50U, 150U, 1000U}) {
        for (const bool isClipped : {false, true}) {
          const Context context("minibatch ", minibatch, " clipped ", isClipped);
          MethodFixture fixture(problemOf(), backend);
          PpoOptions options = isClipped ? clipped() : penalised();
          options.minibatchSize = minibatch;
          options.epochs = 2;
          options.clipRange = 0.001;
          options.maxKl = kInfinity;
          options.entropyBonus = 0.003;
          options.initialKlPenalty = 2.5;
          options.learningRate = 1e-4;
          MethodState state;
          const MethodStep step = fixture.step(options, state);
          fixture.checkAccepted(step);
          const Objective& objective = fixture.counting.lastObjective;
          CHECK(objective.clipRange == (isClipped ? 0.001 : kInfinity));
          CHECK(objective.klPenalty == (isClipped ? 0 : 2.5));
          CHECK(objective.entropyBonus == 0.003);
          const size_t batches = (150 + minibatch - 1) / minibatch;
          CHECK(step.summary.epochs == 2);
          CHECK(step.summary.gradientSteps == static_cast<int>(2 * batches));
          // Each epoch sees every row once, in parts of the size asked for.
          const auto& lists = fixture.counting.rowLists;
          CHECK(lists.size() == 2 * batches);
          std::vector<std::vector<uint32_t>> orders(2);
          for (size_t i = 0; i < lists.size(); i++) {
            const bool isLast = i % batches == batches - 1;
            CHECK(isLast ? !lists[i].empty() && lists[i].size() <= minibatch
                         : lists[i].size() == minibatch);
            auto& order = orders[i / batches];
            order.insert(order.end(), lists[i].begin(), lists[i].end());
          }
          CHECK(orders[0] != orders[1]);
          for (std::vector<uint32_t>& order : orders) {
            CHECK(!std::is_sorted(order.begin(), order.end()));
            std::sort(order.begin(), order.end());
            CHECK(order.size() == 150);
            for (uint32_t row = 0; row < order.size(); row++) CHECK(order[row] == row);
          }
          // Of the last epoch's rows, each minibatch in its own weight.
          double clipFraction = 0;
          for (size_t i = batches; i < lists.size(); i++) {
            clipFraction +=
                fixture.counting.values[i].clipFraction * static_cast<double>(lists[i].size());
          }
          CHECK_NEAR(step.summary.clipFraction, clipFraction / 150, 150 * kDoubleRoundoff);
        }
      }
    });

CASE("the clip fraction is not always zero") {
  MethodFixture fixture(problemOf());
  PpoOptions options = clipped();
  options.clipRange = 0.01;
  options.maxKl = kInfinity;
  options.learningRate = 0.01;
  const double fraction = fixture.step(options).summary.clipFraction;
  CHECK(fraction > 0.1 && fraction < 1);
}

CASE("the first step of the first epoch is Adam's: learningRate in every parameter") {
  MethodFixture fixture(problemOf());
  PpoOptions options = clipped();
  options.epochs = 1;
  options.minibatchSize = 1000;
  options.learningRate = 1e-4;
  const MethodStep step = fixture.step(options);
  const std::vector<double> g = fixture.gradient();
  for (size_t i = 0; i < g.size(); i++) {
    // The objective's gradient at theta is the surrogate's; Adam's first step is
    // learningRate g / (|g| + 1e-8), upwards. The difference of parameters of size up to 4 rounds,
    // and so does the sum over rows in another order.
    const double expected = 1e-4 * g[i] / (std::abs(g[i]) + 1e-8);
    const double shift = 1e-4 * 150 * kDoubleRoundoff * 10 / (std::abs(g[i]) + 1e-8);
    CHECK_NEAR(step.moved[i], expected, shift + 8 * kDoubleRoundoff);
  }
}

CASE("the same seed the same steps, another seed others, and the next update goes on") {
  const auto ordersWith = [](uint64_t seed, MethodState& state) {
    MethodFixture fixture(problemOf());
    PpoOptions options = clipped();
    options.seed = seed;
    fixture.step(options, state);
    return fixture.counting.rowLists;
  };
  MethodState a;
  MethodState b;
  MethodState c;
  const auto first = ordersWith(1, a);
  CHECK(ordersWith(1, b) == first);
  CHECK(ordersWith(2, c) != first);
  const MethodState kept = a;
  const auto second = ordersWith(1, a);
  CHECK(second != first);
  CHECK(ordersWith(1, b) == second);
  // A state is a value: an update from a copy finds it as it was.
  MethodState copy = kept;
  CHECK(ordersWith(1, copy) == second);
  copy = kept;
  CHECK(ordersWith(1, copy) == second);
}

// --- the limit ---------------------------------------------------------------------------------

const bool kInsideAdded =
    addForEachSupportedBackend("never outside the limit", [](const Backend& backend) {
      int shortened = 0;
      int early = 0;
      for (uint64_t seed = 1; seed <= 3; seed++) {
        for (const double rate : {1e-4, 1e-3, 3e-3, 0.01, 0.1, 1.0}) {
          for (const bool isClipped : {false, true}) {
            const Context context("seed ", seed, " rate ", rate, " clipped ", isClipped);
            MethodFixture fixture(problemOf(seed), backend);
            PpoOptions options = isClipped ? clipped() : penalised();
            options.learningRate = rate;
            const MethodStep step = fixture.step(options);
            fixture.checkAccepted(step);
            CHECK(step.summary.meanKl <= options.maxKl);
            // In double precision too: float32's doubt was settled before.
            CHECK(fixture.held->evaluateInDouble(step.newParameters).meanKl <= options.maxKl);
            CHECK(step.summary.epochs >= 1 && step.summary.epochs <= options.epochs);
            if (step.summary.stepFraction < 1) {
              shortened++;
              CHECK(step.summary.epochs == 1);
              CHECK(step.summary.meanKl >= 0.99 * options.maxKl);
            }
            early += step.summary.epochs < options.epochs ? 1 : 0;
            const int batches = (150 + 31) / 32;
            CHECK(step.summary.gradientSteps >= batches * step.summary.epochs);
            CHECK(step.summary.gradientSteps <= batches * (step.summary.epochs + 1));
          }
        }
      }
      CHECK(shortened > 0 && early > shortened);
    });

CASE("the epoch that leaves the limit is undone, whole and by itself") {
  for (const bool isClipped : {false, true}) {
    PpoOptions options = isClipped ? clipped() : penalised();
    options.maxKl = 0.5;
    options.epochs = 6;
    MethodFixture stopped(problemOf());
    stopped.counting.changeEvaluation = klOfEpochs({0.1, 0.5, 0.50001});
    const MethodStep step = stopped.step(options);
    CHECK(step.summary.epochs == 2);  // exactly at the limit is inside
    CHECK(step.summary.gradientSteps == 3 * 5);
    CHECK(step.summary.stepFraction == 1);
    MethodFixture asked(problemOf());
    options.epochs = 2;
    options.maxKl = kInfinity;
    CHECK(sameBits(asked.step(options).newParameters, step.newParameters));
  }
}

CASE("doubt about the KL counts as outside") {
  MethodFixture fixture(problemOf());
  PpoOptions options = clipped();
  options.maxKl = 0.5;
  fixture.counting.changeEvaluation = [](int call, Evaluation& evaluation) {
    if (call == 3) {
      evaluation.meanKl = 0.49;
      evaluation.klUncertainty = 0.02;
    }
  };
  CHECK(fixture.step(options).summary.epochs == 1);
}

// Adam's moments belong to the steps that were kept.
CASE("an undone epoch leaves nothing behind in Adam") {
  PpoOptions options = clipped();
  options.minibatchSize = 1000;  // one whole batch: the order of rows is only rounding
  options.maxKl = 0.5;
  options.learningRate = 1e-3;
  options.epochs = 3;
  MethodState stopped;
  MethodFixture first(problemOf());
  first.counting.changeEvaluation = klOfEpochs({0.1, 0.2, 0.7});
  CHECK(first.step(options, stopped).summary.epochs == 2);
  MethodState asked;
  MethodFixture second(problemOf());
  options.epochs = 2;
  CHECK(second.step(options, asked).summary.epochs == 2);
  // Another batch: with the third epoch in its moments Adam would go elsewhere.
  options.epochs = 1;
  MethodFixture third(problemOf());
  for (double& advantage : third.problem.advantages) advantage = -advantage;
  MethodFixture other(third.problem);
  const MethodStep a = other.step(options, stopped);
  const MethodStep b = other.step(options, asked);
  std::vector<double> difference = a.moved;
  axpby(-1, b.moved, 1, difference);
  // Gradients of the same rows in two orders, their roundings enlarged by 1 / |g| in Adam.
  CHECK(norm(difference) <= 1e-9 * norm(a.moved));
}

CASE("an epoch that breaks down is undone, and the next update is not poisoned") {
  for (const bool isClipped : {false, true}) {
    for (const bool inGradient : {false, true}) {
      const Context context("clipped ", isClipped, " gradient ", inGradient);
      PpoOptions options = isClipped ? clipped() : penalised();
      options.epochs = 3;
      MethodState state;
      MethodFixture broken(problemOf());
      if (inGradient) {
        // 5 minibatches an epoch: the second of the second epoch.
        broken.counting.changeObjective = [](int call, std::span<double> gradient) {
          if (call == 7) gradient[0] = kNaN;
        };
      } else {
        broken.counting.changeEvaluation = [](int call, Evaluation& evaluation) {
          if (call == 3) evaluation.finite = false;
        };
      }
      const MethodStep step = broken.step(options, state);
      CHECK(step.summary.status == Status::accepted && step.summary.epochs == 1);
      MethodFixture sane(problemOf());
      const MethodStep next = sane.step(options, state);
      sane.checkAccepted(next);
      CHECK(next.summary.epochs == 3);
    }
  }
}

CASE("a first epoch that breaks down: nothing happens, and nothing is remembered of it") {
  PpoOptions options = penalised();
  options.initialKlPenalty = 3;
  MethodState state;
  MethodFixture good(problemOf());
  good.step(options, state);
  const MethodState before = state;
  MethodFixture broken(problemOf());
  broken.counting.changeObjective = [](int call, std::span<double> gradient) {
    if (call == 2) gradient[0] = kNaN;
  };
  const MethodStep step = broken.step(options, state);
  CHECK(step.summary.status == Status::notFinite && step.summary.epochs == 0);
  CHECK(state.klPenalty == before.klPenalty);
  CHECK(state.adam == before.adam);
  MethodFixture again(problemOf());
  CHECK(again.step(options, state).summary.status == Status::accepted);
}

// --- beta --------------------------------------------------------------------------------------

double betaAfter(double kl, double beta = 3) {
  PpoOptions options = penalised();
  options.epochs = 1;
  options.maxKl = kInfinity;
  options.targetKl = 0.25;
  options.initialKlPenalty = beta;
  MethodFixture fixture(problemOf());
  fixture.counting.changeEvaluation = klOfEpochs({kl});
  MethodState state;
  const MethodStep step = fixture.step(options, state);
  CHECK(step.summary.status == Status::accepted);
  CHECK(step.summary.klPenalty == state.klPenalty);
  CHECK(fixture.counting.lastObjective.klPenalty == beta);
  return state.klPenalty;
}

CASE("beta is doubled above 1.5 target, halved below target / 1.5, kept between") {
  CHECK(betaAfter(0) == 1.5);
  CHECK(betaAfter(0.25 / 1.5 * 0.999) == 1.5);
  CHECK(betaAfter(0.25 / 1.5 * 1.001) == 3);
  CHECK(betaAfter(0.25) == 3);
  CHECK(betaAfter(0.375) == 3);  // 1.5 target itself
  CHECK(betaAfter(std::nextafter(0.375, 1)) == 6);
  CHECK(betaAfter(10) == 6);
}

CASE("beta is handed on, by the KL of the last epoch that ran") {
  PpoOptions options = penalised();
  options.initialKlPenalty = 1;
  options.targetKl = 0.1;
  options.maxKl = 0.2;
  MethodState state;
  const auto betaAfterKls = [&](std::vector<double> kls) {
    MethodFixture fixture(problemOf());
    fixture.counting.changeEvaluation = klOfEpochs(std::move(kls));
    fixture.step(options, state);
    return state.klPenalty;
  };
  CHECK(betaAfterKls({0.3, 0.3, 0.3, 0.1}) == 2);    // the first epoch was outside
  CHECK(betaAfterKls({0.01, 0.05, 0.1, 0.3}) == 4);  // undone, but that is where it went
  CHECK(betaAfterKls({0.01, 0.01, 0.01, 0.1}) == 4);
  CHECK(betaAfterKls({0.1, 0.1, 0.1, 0.01}) == 2);
  options.initialKlPenalty = 77;  // has no say any more
  CHECK(betaAfterKls({0.1, 0.1, 0.1, 0.01}) == 1);
}

CASE("the clipped variant has no beta, and leaves another's alone") {
  MethodFixture fixture(problemOf());
  MethodState state;
  state.klPenalty = 7;
  const MethodStep step = fixture.step(clipped(), state);
  CHECK(step.summary.klPenalty == 0);
  CHECK(state.klPenalty == 7);
}

// The KL of the real thing: with a large beta the policy moves less.
CASE("a penalty holds the policy back") {
  PpoOptions options = penalised();
  options.maxKl = kInfinity;
  options.learningRate = 0.01;
  options.epochs = 20;
  const auto klWith = [&](double beta) {
    MethodFixture fixture(problemOf());
    options.initialKlPenalty = beta;
    return fixture.step(options).summary.meanKl;
  };
  const double free = klWith(0);
  CHECK(klWith(3) < 0.7 * free);
  CHECK(klWith(100) < 0.1 * free);
}

// --- entropy -----------------------------------------------------------------------------------

const bool kEntropyAdded = addForEachSupportedBackend(
    "without advantages a bonus still raises the entropy", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 3; seed++) {
        const Context context("seed ", seed);
        PolicyProblem problem = problemOf(seed);
        std::fill(problem.advantages.begin(), problem.advantages.end(), 0.0);
        MethodFixture fixture(problem, backend);
        for (PpoOptions options : {clipped(), penalised()}) {
          CHECK(fixture.step(options).summary.status == Status::zeroGradient);
          options.entropyBonus = 0.01;
          const MethodStep step = fixture.step(options);
          fixture.checkAccepted(step);
          CHECK(step.summary.entropyAfter > step.summary.entropyBefore);
          options.entropyBonus = -0.01;  // only a positive one is asked for
          CHECK(fixture.step(options).summary.status == Status::zeroGradient);
        }
      }
    });

// --- learning ----------------------------------------------------------------------------------

const bool kImprovesAdded =
    addForEachSupportedBackend("small steps improve the surrogate", [](const Backend& backend) {
      for (uint64_t seed = 1; seed <= 3; seed++) {
        MethodFixture fixture(problemOf(seed), backend);
        for (const PpoOptions& options : {clipped(), penalised()}) {
          const MethodStep step = fixture.step(options);
          CHECK(step.summary.actualImprovement > 0);
        }
      }
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
