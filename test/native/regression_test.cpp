// The critic's loss and gradient on every backend, against the oracle on Tracked numbers.

#include "core/cpu/cpu_descent.h"
#include "core/cpu/cpu_mlp.h"
#include "guarded.h"
#include "problems.h"
#include "tracked_mlp.h"

namespace trustregion::test {
namespace {

struct Regression {
  MlpLayout layout;
  std::vector<double> parameters;
  std::vector<double> inputs;
  std::vector<double> targets;
  std::vector<uint32_t> rows;
};

// Kinks of ReLU are avoided by drawing rows again.
Regression regression(Activation activation, const std::vector<size_t>& hidden, size_t chosen) {
  constexpr size_t kRows = 40;
  Random random(chosen);
  const MlpLayout layout(3, hidden, 1, activation);
  const PolicyModel model{layout, Distribution::bernoulli(1)};
  Regression result{layout, randomParameters(model, random), {}, normals(kRows, random, 2), {}};
  const TrackedVector parameters = exactNumbers(result.parameters);
  while (result.inputs.size() < 3 * kRows) {
    std::vector<double> row = normals(3, random);
    for (double& value : row) value = roundToFloat(value);
    if (activation == Activation::relu &&
        trackedForward(layout, parameters, exactNumbers(row)).kinkDistance < 2) {
      continue;
    }
    result.inputs.insert(result.inputs.end(), row.begin(), row.end());
  }
  for (size_t i = 0; i < chosen; i++) {  // with repetitions, in any order
    result.rows.push_back(static_cast<uint32_t>(random.below(kRows)));
  }
  return result;
}

std::unique_ptr<RegressionProblem> on(const Backend& backend, const Regression& regression,
                                      unsigned threads = 1) {
  return backend.makeRegressionProblem(regression.layout,
                                       {regression.inputs.data(), regression.inputs.size()},
                                       regression.targets, regression.targets.size(), {}, threads);
}

struct Expected {
  Tracked loss;
  TrackedVector gradient;
};

// Errors and sums over tiles in double, or in float32 as a descent forms them.
Expected expected(const Regression& regression, bool isDescent = false) {
  const TrackedVector parameters = exactNumbers(regression.parameters);
  const double count = static_cast<double>(regression.rows.size());
  Expected result;
  TrackedTileSum sum(parameters.size(), isDescent ? cpu::kDescentTileRows : cpu::kTileRows,
                     isDescent);
  for (const uint32_t row : regression.rows) {
    const auto first = regression.inputs.begin() + 3 * row;
    const std::vector<double> input(first, first + 3);
    const TrackedRow activations =
        trackedForward(regression.layout, parameters, exactNumbers(input));
    const double target = regression.targets[row];
    const double error = activations.head[0].value - target;
    double variance = activations.head[0].variance;
    if (isDescent) variance += square(kFloatRoundoff * target);
    // The loss is formed in double precision from the head.
    result.loss.value += 0.5 * error * error / count;
    result.loss.variance += square(error / count) * variance + square(0.5 * variance / count);
    trackedBackward(regression.layout, parameters, activations, {rounded(error, variance)},
                    [&](size_t parameter, Tracked u, Tracked x) { sum[parameter] += u * x; });
    sum.endRow();
  }
  result.gradient = sum.mean();
  return result;
}

// What a backend's precision makes of a tolerance that was derived for float32.
Tracked forPrecision(const Backend& backend, Tracked number) {
  if (backend.precision() == "float64") {
    number.variance *= square(2 * kDoubleRoundoff / kFloatRoundoff);
  }
  number.variance += 200 * square(kDoubleRoundoff * (1 + std::abs(number.value)));
  return number;
}

bool addTable() {
  for (const Backend* backend : allBackends()) {
    for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
      addCase(std::string(activationName(activation)) + " on " + backend->name(), [=] {
        if (!backend->isSupported()) skipCase("not supported by this machine");
        for (const std::vector<size_t>& hidden :
             {std::vector<size_t>{}, {17}, {8, 5}, {1, 33, 2}}) {
          for (const size_t chosen : {1, 15, 63, 64, 65, 128, 200}) {
            const Context context("depth ", hidden.size(), " rows ", chosen);
            const Regression problem = regression(activation, hidden, chosen);
            const auto held = on(*backend, problem);
            Guarded<double> gradient(problem.parameters.size());
            const double loss =
                held->lossGradient(problem.parameters, problem.rows, gradient.span());
            CHECK(gradient.intact() && gradient.complete());
            const Expected answer = expected(problem);
            checkTracked(loss, forPrecision(*backend, answer.loss));
            for (size_t i = 0; i < gradient.size(); i++) {
              checkTracked(gradient[i], forPrecision(*backend, answer.gradient[i]));
            }
            // Asked again, nothing has piled up.
            Guarded<double> again(gradient.size());
            CHECK(held->lossGradient(problem.parameters, problem.rows, again.span()) == loss);
            CHECK(sameBits(again.span(), gradient.span()));
          }
        }
      });
    }
  }
  return true;
}

const bool kTableAdded = addTable();

constexpr double kLearningRate = 0.01;

struct Descended {
  std::vector<double> parameters;
  Adam adam;
};

// Minibatches of `minibatch` rows in the problem's order, from what `from` came to.
Descended descended(RegressionProblem& held, const Regression& problem, size_t minibatch,
                    Descended from) {
  size_t first = 0;
  const auto next = [&] {
    const std::span<const uint32_t> rest = std::span(problem.rows).subspan(first);
    const std::span<const uint32_t> rows = rest.first(std::min(minibatch, rest.size()));
    first += rows.size();
    return rows;
  };
  held.descend(next, minibatch, kLearningRate, from.adam, from.parameters);
  CHECK(first == problem.rows.size());
  return from;
}

Descended start(const Regression& problem) {
  return {problem.parameters, Adam(problem.parameters.size())};
}

bool sameBits(Descended& a, Descended& b) {
  return test::sameBits(a.parameters, b.parameters) &&
         test::sameBits(a.adam.mean(), b.adam.mean()) &&
         test::sameBits(a.adam.square(), b.adam.square());
}

const std::vector<std::vector<size_t>> kHidden = {{}, {17}, {8, 5}, {1, 33, 2}, {65, 70}};

template <class Run>
void forEachRegression(const std::vector<size_t>& sizes, const Run& run) {
  for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
    for (const std::vector<size_t>& hidden : kHidden) {
      for (const size_t chosen : sizes) {
        const Context context(activationName(activation), " depth ", hidden.size(), " rows ",
                              chosen);
        run(regression(activation, hidden, chosen));
      }
    }
  }
}

// From moments of zero, m = (1 - beta1) g and v = (1 - beta2) g^2 tell the gradient.
const bool kFirstStepAdded = addForEachBackend("a first step of Adam", [](const Backend& backend) {
  const double roundoff = backend.precision() == "float64" ? kDoubleRoundoff : kFloatRoundoff;
  forEachRegression({1, 15, 63, 64, 65, 128, 200}, [&](const Regression& problem) {
    Descended result = descended(*on(backend, problem), problem, 200, start(problem));
    const Expected answer = expected(problem, true);
    for (size_t i = 0; i < result.parameters.size(); i++) {
      // The sum is multiplied with 1 / rows, rounded itself.
      const Tracked gradient = answer.gradient[i] * rounded(1);
      const Tracked mean = gradient * rounded(1 - Adam::kBeta1);
      const Tracked meanSquare = squared(gradient) * rounded(1 - Adam::kBeta2);
      const double m = result.adam.mean()[i];
      const double v = result.adam.square()[i];
      checkTracked(m, forPrecision(backend, mean));
      checkTracked(v, forPrecision(backend, meanSquare));
      const double step = kLearningRate * m / (1 - Adam::kBeta1) /
                          (std::sqrt(v / (1 - Adam::kBeta2)) + Adam::kEpsilon);
      // Some ten roundings of a step (1 - beta2 alone has lost ten bits in double), one of the
      // parameter.
      const double tolerance = 10 * roundoff * std::abs(step) +
                               1e4 * kDoubleRoundoff * std::abs(step) +
                               roundoff * std::abs(problem.parameters[i]);
      CHECK_NEAR(result.parameters[i], problem.parameters[i] - step, tolerance);
    }
  });
});

const bool kStepsAdded =
    addForEachBackend("many steps are one step many times", [](const Backend& backend) {
      forEachRegression({200}, [&](const Regression& problem) {
        const auto held = on(backend, problem);
        for (const size_t minibatch : {1, 30, 64, 100}) {
          const Context minibatchContext("minibatches of ", minibatch);
          Descended together = descended(*held, problem, minibatch, start(problem));
          Descended apart = start(problem);
          for (size_t first = 0; first < problem.rows.size(); first += minibatch) {
            Regression part = problem;
            part.rows.erase(part.rows.begin(), part.rows.begin() + first);
            part.rows.resize(std::min(minibatch, part.rows.size()));
            apart = descended(*held, part, minibatch, apart);
          }
          CHECK(sameBits(together, apart));
          CHECK(!test::sameBits(together.parameters, problem.parameters));
        }
      });
    });

const bool kThreadsAdded = addForEachBackend(
    "1, 2, 3, 8 and 64 threads descend to the same bits", [](const Backend& backend) {
      forEachRegression({128, 1024}, [&](const Regression& problem) {
        for (const size_t minibatch : {128, 200, 1024}) {
          Descended one = descended(*on(backend, problem), problem, minibatch, start(problem));
          for (const unsigned threads : {2U, 3U, 8U, 64U}) {
            const Context threadsContext("minibatches of ", minibatch, " threads ", threads);
            Descended many =
                descended(*on(backend, problem, threads), problem, minibatch, start(problem));
            CHECK(sameBits(many, one));
          }
        }
      });
    });

const bool kLargeAdded =
    addForEachBackend("large minibatches are summed in float64", [](const Backend& backend) {
      constexpr size_t kRows = cpu::kLargestDescentMinibatch + 1;
      const Regression problem = regression(Activation::tanh, {8, 5}, kRows);
      const auto held = on(backend, problem);
      Descended result = descended(*held, problem, kRows, start(problem));
      Descended expected = start(problem);
      std::vector<double> gradient(problem.parameters.size());
      held->lossGradient(problem.parameters, problem.rows, gradient);
      expected.adam.step(gradient, kLearningRate, expected.parameters);
      CHECK(sameBits(result, expected));
    });

CASE("the gradient is the derivative of the loss") {
  for (const Activation activation : {Activation::tanh, Activation::silu}) {
    const Regression problem = regression(activation, {6, 4}, 30);
    const auto held = on(referenceBackend(), problem);
    std::vector<double> gradient(problem.parameters.size());
    std::vector<double> ignored(gradient.size());
    held->lossGradient(problem.parameters, problem.rows, gradient);
    constexpr double kStep = 1e-5;
    for (size_t i = 0; i < gradient.size(); i++) {
      const auto slope = [&](double h) {
        std::vector<double> moved = problem.parameters;
        moved[i] += h;
        const double ahead = held->lossGradient(moved, problem.rows, ignored);
        moved[i] = problem.parameters[i] - h;
        return (ahead - held->lossGradient(moved, problem.rows, ignored)) / (2 * h);
      };
      // Richardson for the step; losses of size 4 with some 30 roundings.
      CHECK_NEAR(gradient[i], slope(kStep),
                 std::abs(slope(2 * kStep) - slope(kStep)) + 30 * 4 * kDoubleRoundoff / kStep);
    }
  }
}

CASE("the caller's arrays are copied") {
  for (const Backend* backend : allBackends()) {
    if (!backend->isSupported()) continue;
    Regression problem = regression(Activation::tanh, {4}, 20);
    const auto held = on(*backend, problem);
    std::vector<double> gradient(problem.parameters.size());
    const double loss = held->lossGradient(problem.parameters, problem.rows, gradient);
    problem.inputs.assign(problem.inputs.size(), 1e9);
    problem.targets.assign(problem.targets.size(), 1e9);
    CHECK(held->lossGradient(problem.parameters, problem.rows, gradient) == loss);
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
