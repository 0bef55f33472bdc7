// The critic's loss and gradient on every backend, against the oracle on Tracked numbers.

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

std::unique_ptr<RegressionProblem> on(const Backend& backend, const Regression& regression) {
  return backend.makeRegressionProblem(regression.layout,
                                       {regression.inputs.data(), regression.inputs.size()},
                                       regression.targets, regression.targets.size(), {}, 1);
}

struct Expected {
  Tracked loss;
  TrackedVector gradient;
};

Expected expected(const Regression& regression) {
  const TrackedVector parameters = exactNumbers(regression.parameters);
  const double count = static_cast<double>(regression.rows.size());
  Expected result;
  TrackedTileSum sum(parameters.size(), cpu::kTileRows);
  for (const uint32_t row : regression.rows) {
    const auto first = regression.inputs.begin() + 3 * row;
    const std::vector<double> input(first, first + 3);
    const TrackedRow activations =
        trackedForward(regression.layout, parameters, exactNumbers(input));
    const double error = activations.head[0].value - regression.targets[row];
    const double variance = activations.head[0].variance;
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

bool addTable() {
  for (const Backend* backend : allBackends()) {
    for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
      addCase(std::string(activationName(activation)) + " on " + backend->name(), [=] {
        if (!backend->isSupported()) skipCase("not supported by this machine");
        const bool isDouble = backend->precision() == "float64";
        const auto forPrecision = [&](Tracked number) {
          if (isDouble) number.variance *= square(2 * kDoubleRoundoff / kFloatRoundoff);
          number.variance += 200 * square(kDoubleRoundoff * (1 + std::abs(number.value)));
          return number;
        };
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
            checkTracked(loss, forPrecision(answer.loss));
            for (size_t i = 0; i < gradient.size(); i++) {
              checkTracked(gradient[i], forPrecision(answer.gradient[i]));
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
