// The whole step: what an accepted one guarantees, what a rejected one leaves alone, and the
// invariances of the method.

#include "core/trpo.h"

#include <algorithm>
#include <limits>

#include "core/vector_operations.h"
#include "dense.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

using Status = UpdateStatus;

struct Step {
  UpdateSummary summary;
  std::vector<double> newParameters;
};

// newParameters starts as NaN; rejected steps must leave it so, bit for bit.
Step stepOf(const PolicyProblem& problem, const Backend& backend, const TrpoOptions& options) {
  const auto held = problem.on(backend, 2);
  Guarded<double> newParameters(problem.parameters.size());
  const std::vector<double> untouched(newParameters.data(),
                                      newParameters.data() + newParameters.size());
  const UpdateContext context{problem.model, backend, problem.parameters, *held, *held};
  MethodState state;
  Step step{trpoStep(context, options, state, newParameters.span()), {}};
  step.newParameters.assign(newParameters.data(), newParameters.data() + newParameters.size());
  CHECK(newParameters.intact());
  if (step.summary.status == Status::accepted) {
    CHECK(newParameters.complete());
  } else {
    CHECK(sameBits(step.newParameters, untouched));
  }
  return step;
}

std::vector<double> minus(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference = a;
  axpby(-1, b, 1, difference);
  return difference;
}

// What must hold of an accepted step, recomputed on the reference backend.
void checkAccepted(const PolicyProblem& problem, const Backend& backend, const Step& step,
                   const TrpoOptions& options) {
  const UpdateSummary& summary = step.summary;
  const Evaluation again = problem.on(backend)->evaluate(step.newParameters);
  // The very bits that are returned are the ones that were checked.
  const Evaluation inDouble = problem.on(backend)->evaluateInDouble(step.newParameters);
  const Evaluation& used = again.meanKl == summary.meanKl ? again : inDouble;
  CHECK(used.meanKl == summary.meanKl && used.maxKl == summary.maxKl);
  CHECK(used.surrogate == summary.surrogateAfter && used.entropy == summary.entropyAfter);
  CHECK(summary.meanKl > 0 && summary.meanKl <= options.maxKl);
  CHECK(summary.maxKl >= summary.meanKl);
  // Heads of float32 err by some 1e-7, and a KL of 0.01 moves by about 1e-6 of itself.
  const auto reference = problem.on(referenceBackend());
  const Evaluation exact = reference->evaluate(step.newParameters);
  CHECK(exact.meanKl <= options.maxKl * (1 + 1e-4));
  CHECK(exact.surrogate > reference->evaluate(problem.parameters).surrogate);

  CHECK(summary.actualImprovement == summary.surrogateAfter - summary.surrogateBefore);
  CHECK(summary.actualImprovement > options.lineSearch.acceptRatio * summary.expectedImprovement);
  CHECK(!summary.candidates.empty());
  CHECK(summary.stepFraction == summary.candidates.back().fraction);
  CHECK(summary.backtracks == static_cast<int>(summary.candidates.size()) - 1);
  std::vector<double> gradient(problem.parameters.size());
  problem.on(backend)->surrogateGradient(gradient);
  CHECK(summary.gradientNorm == norm(gradient));
  const std::vector<double> moved = minus(step.newParameters, problem.parameters);
  CHECK_RELATIVE(summary.stepNorm, norm(moved), 1e-14);
  // Rounding of the parameters to the backend's precision is all that comes between.
  CHECK_NEAR(dot(gradient, moved), summary.expectedImprovement,
             norm(gradient) * norm(problem.parameters) * kFloatRoundoff * 2);
  std::vector<double> rounded = step.newParameters;
  backend.roundParameters(rounded);
  CHECK(sameBits(rounded, step.newParameters));
}

const std::vector<Distribution>& distributions() {
  static const std::vector<Distribution> all = {
      Distribution::gaussian(2), Distribution::categorical({4}), Distribution::categorical({3, 2}),
      Distribution::bernoulli(3)};
  return all;
}

bool addForEachBackend() {
  for (const Backend* backend : allBackends()) {
    addCase("an accepted step keeps its promises on " + backend->name(), [backend] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      int accepted = 0;
      for (uint64_t seed = 1; seed <= 6; seed++) {
        for (const Distribution& distribution : distributions()) {
          for (const StepLengthRule rule : {StepLengthRule::fisher, StepLengthRule::damped}) {
            const Activation activation = static_cast<Activation>(seed % 3);
            const PolicyProblem problem = randomProblem(
                distribution, activation, {20 + 31 * seed, 3, {6, 5}}, seed, seed % 2 == 0);
            TrpoOptions options;
            options.stepLength = rule;
            options.naturalDirection.damping = seed % 2 == 0 ? 0.1 : 1e-3;
            const Context context(describe(distribution), " seed ", seed, " rule ",
                                  static_cast<int>(rule));
            const Step step = stepOf(problem, *backend, options);
            if (step.summary.status != Status::accepted) continue;
            accepted++;
            checkAccepted(problem, *backend, step, options);
          }
        }
      }
      // Nearly every random problem has a good step.
      CHECK(accepted >= 40);
    });
  }
  return true;
}

const bool kAcceptedAdded = addForEachBackend();

PolicyProblem smallProblem(uint64_t seed = 3) {
  return randomProblem(Distribution::gaussian(2), Activation::tanh, {50, 3, {5}}, seed);
}

CASE("the step length rules: half d'Fd is maxKl, damped or not") {
  const PolicyProblem problem = smallProblem();
  const auto held = problem.on(referenceBackend());
  for (const StepLengthRule rule : {StepLengthRule::fisher, StepLengthRule::damped}) {
    for (const double damping : {0.0, 0.1, 3.0}) {
      const Context context("rule ", static_cast<int>(rule), " damping ", damping);
      TrpoOptions options;
      options.stepLength = rule;
      options.naturalDirection.damping = damping;
      const Step step = stepOf(problem, referenceBackend(), options);
      CHECK(step.summary.status == Status::accepted);
      std::vector<double> d = minus(step.newParameters, problem.parameters);
      for (double& value : d) value /= step.summary.stepFraction;  // the whole step
      std::vector<double> product(d.size());
      held->fisherProduct(d, product);
      const double shown =
          0.5 * dot(d, product) + (rule == StepLengthRule::damped ? 0.5 * damping * dot(d, d) : 0);
      // d is a difference of parameters of size one, some 1e-2 long, each rounded.
      CHECK_RELATIVE(shown, options.maxKl, 1e3 * kDoubleRoundoff);
      // Nothing was spent on it: one product for each iteration.
      CHECK(step.summary.naturalDirection.conjugateGradient.products ==
            step.summary.naturalDirection.conjugateGradient.iterations);
    }
  }
}

CASE("the damped rule takes a shorter step of the same direction") {
  const PolicyProblem problem = smallProblem();
  TrpoOptions options;
  const Step fisher = stepOf(problem, referenceBackend(), options);
  options.stepLength = StepLengthRule::damped;
  const Step damped = stepOf(problem, referenceBackend(), options);
  CHECK(damped.summary.stepScale < fisher.summary.stepScale);
  const std::vector<double> a = minus(fisher.newParameters, problem.parameters);
  const std::vector<double> b = minus(damped.newParameters, problem.parameters);
  CHECK_NEAR(dot(a, b), norm(a) * norm(b), 1e3 * kDoubleRoundoff * norm(a) * norm(b));
}

// A power of two scales gradient and direction exactly and drops out of the step: the same bits.
CASE("scaling the advantages changes no bit of the step") {
  const PolicyProblem problem = smallProblem();
  for (const Backend* backend : allBackends()) {
    if (!backend->isSupported()) continue;
    const Step step = stepOf(problem, *backend, {});
    CHECK(step.summary.status == Status::accepted);
    for (const double factor : {0x1p-20, 0.5, 0x1p20}) {
      const Context context(backend->name(), " factor ", factor);
      PolicyProblem scaled = problem;
      for (double& value : scaled.advantages) value *= factor;
      const Step other = stepOf(scaled, *backend, {});
      CHECK(other.summary.status == Status::accepted);
      CHECK(sameBits(other.newParameters, step.newParameters));
      CHECK(other.summary.meanKl == step.summary.meanKl);
      CHECK(other.summary.actualImprovement == factor * step.summary.actualImprovement);
    }
  }
}

CASE("any positive scale changes the step by rounding only") {
  const PolicyProblem problem = smallProblem();
  TrpoOptions options;
  options.naturalDirection.damping = 1;
  options.naturalDirection.conjugateGradient.iterations = 200;
  options.naturalDirection.conjugateGradient.residualTolerance = 1e-13;
  const Step step = stepOf(problem, referenceBackend(), options);
  // Two solutions with such residuals differ by at most the condition number of F + I times as
  // much, which is at most 1 + trace F.
  std::vector<double> diagonal(problem.parameters.size());
  problem.on(referenceBackend())->fisherDiagonal(diagonal);
  double condition = 1;
  for (const double value : diagonal) condition += value;
  for (const double factor : {1e-100, 3.7, 1e100}) {
    const Context context("factor ", factor);
    PolicyProblem scaled = problem;
    for (double& value : scaled.advantages) value *= factor;
    const Step other = stepOf(scaled, referenceBackend(), options);
    CHECK(other.summary.status == Status::accepted);
    CHECK_NEAR(norm(minus(other.newParameters, step.newParameters)), 0,
               2e-13 * condition * step.summary.stepNorm);
  }
}

CASE("advantages beyond the range of float32 are noticed, not stepped on") {
  for (const Backend* backend : allBackends()) {
    if (!backend->isSupported() || backend->precision() != "float32") continue;
    const Context context(backend->name());
    PolicyProblem scaled = smallProblem();
    for (double& value : scaled.advantages) value *= 1e60;
    CHECK(stepOf(scaled, *backend, {}).summary.status == Status::notFinite);
  }
}

CASE("no advantage: nothing to improve") {
  for (const Backend* backend : allBackends()) {
    if (!backend->isSupported()) continue;
    PolicyProblem problem = smallProblem();
    std::fill(problem.advantages.begin(), problem.advantages.end(), 0.0);
    const Step step = stepOf(problem, *backend, {});
    CHECK(step.summary.status == Status::zeroGradient);
    CHECK(step.summary.surrogateAfter == step.summary.surrogateBefore);
    CHECK(step.summary.meanKl == 0 && step.summary.stepFraction == 0);
    CHECK(step.summary.candidates.empty());
  }
}

CASE("one row") {
  for (const Distribution& distribution : distributions()) {
    const Context context(describe(distribution));
    const PolicyProblem problem = randomProblem(distribution, Activation::tanh, {1, 3, {4}}, 9);
    const TrpoOptions options;
    const Step step = stepOf(problem, referenceBackend(), options);
    CHECK(step.summary.status == Status::accepted);
    checkAccepted(problem, referenceBackend(), step, options);
  }
}

CASE("observations of zero move no weight of the first layer") {
  for (const Backend* backend : allBackends()) {
    if (!backend->isSupported()) continue;
    PolicyProblem problem = smallProblem();
    std::fill(problem.observations.begin(), problem.observations.end(), 0.0F);
    const Step step = stepOf(problem, *backend, {});
    CHECK(step.summary.status == Status::accepted);
    const LayerLayout& first = problem.model.network.layers().front();
    for (size_t i = first.weightOffset; i < first.biasOffset; i++) {
      CHECK(step.newParameters[i] == problem.parameters[i]);
    }
    CHECK(step.newParameters[first.biasOffset] != problem.parameters[first.biasOffset]);
  }
}

CASE("every way of being rejected") {
  const PolicyProblem problem = smallProblem();
  TrpoOptions options;
  // So far away that no quadratic model holds, and no second chance.
  options.maxKl = 4;
  options.lineSearchKind = LineSearchKind::backtracking;
  options.lineSearch.maxBacktracks = 0;
  CHECK(stepOf(problem, referenceBackend(), options).summary.status == Status::klExceeded);
  options = {};
  options.lineSearch.acceptRatio = 0.999999;
  options.lineSearch.maxBacktracks = 0;
  CHECK(stepOf(problem, referenceBackend(), options).summary.status == Status::noImprovement);
  // Below the last place of every parameter: the candidates are theta itself.
  options = {};
  options.maxKl = 1e-40;
  CHECK(stepOf(problem, referenceBackend(), options).summary.status == Status::noImprovement);
  options = {};
  options.maxKl = 1e300;
  const Step far = stepOf(problem, referenceBackend(), options);
  CHECK(far.summary.status == Status::notFinite || far.summary.status == Status::klExceeded ||
        far.summary.status == Status::noImprovement);
  CHECK(far.summary.surrogateAfter == far.summary.surrogateBefore);
}

// Gaussian, linear in x~ = (x, 1): with E = mean x~ x~', the natural gradient of the weights of
// action j is sigma_j^2 E^-1 G_j, and that of logStd is g / 2.
CASE("closed form: the linear Gaussian's natural step") {
  const PolicyProblem problem =
      randomProblem(Distribution::gaussian(2), Activation::tanh, {60, 3, {}}, 12);
  const auto held = problem.on(referenceBackend());
  std::vector<double> gradient(problem.parameters.size());
  held->surrogateGradient(gradient);

  const auto feature = [&](size_t row, size_t k) {
    return k < 3 ? static_cast<double>(problem.observations[row * 3 + k]) : 1.0;
  };
  // Where the parameter of action j and feature k stands: W [2 x 3], b [2], logStd [2].
  const auto index = [](size_t j, size_t k) { return k < 3 ? j * 3 + k : 6 + j; };
  Dense moments(4);
  for (size_t row = 0; row < 60; row++) {
    for (size_t i = 0; i < 4; i++) {
      for (size_t j = 0; j < 4; j++) {
        moments.at(i, j) += feature(row, i) * feature(row, j) / 60;
      }
    }
  }
  std::vector<double> natural(gradient.size());
  for (size_t j = 0; j < 2; j++) {
    std::vector<double> g(4);
    for (size_t k = 0; k < 4; k++) g[k] = gradient[index(j, k)];
    const std::vector<double> x = moments.solve(g);
    const double variance = std::exp(2 * problem.parameters[8 + j]);
    for (size_t k = 0; k < 4; k++) natural[index(j, k)] = variance * x[k];
    natural[8 + j] = gradient[8 + j] / 2;
  }

  TrpoOptions options;
  options.naturalDirection.damping = 0;
  options.naturalDirection.conjugateGradient.iterations = 30;
  options.naturalDirection.conjugateGradient.residualTolerance = 1e-14;
  const Step step = stepOf(problem, referenceBackend(), options);
  CHECK(step.summary.status == Status::accepted);
  // lambda* = sqrt(g'F^-1 g / 2 maxKl), and the step is F^-1 g / lambda*.
  const double scale = std::sqrt(2 * options.maxKl / dot(gradient, natural));
  CHECK_RELATIVE(step.summary.stepScale, scale, 1e-11);
  CHECK_RELATIVE(step.summary.expectedImprovement / step.summary.stepFraction,
                 std::sqrt(2 * options.maxKl * dot(gradient, natural)), 1e-11);
  for (size_t i = 0; i < natural.size(); i++) {
    const double expected = problem.parameters[i] + step.summary.stepFraction * scale * natural[i];
    // A residual of 1e-14 times a condition number below 1e2, and rounding.
    CHECK_NEAR(step.newParameters[i], expected, 1e-12);
  }
}

// One state: the natural step of softmax adds the advantages to the logits.
CASE("closed form: softmax of one state") {
  PolicyProblem problem =
      randomProblem(Distribution::categorical({3}), Activation::tanh, {4, 1, {}}, 1);
  problem.parameters = {0, 0, 0, std::log(2.0), 0, 0};  // W, b: p = 1/2, 1/4, 1/4
  std::fill(problem.observations.begin(), problem.observations.end(), 0.0F);
  problem.actions = {0, 0, 1, 2};  // as often as their probabilities say
  const std::vector<double> advantage = {0.5, -2, 1};
  problem.advantages = {0.5, 0.5, -2, 1};
  TrpoOptions options;
  options.naturalDirection.damping = 0;  // singular along (1, 1, 1), and consistent
  const Step step = stepOf(problem, referenceBackend(), options);
  CHECK(step.summary.status == Status::accepted);
  const double scale = step.summary.stepScale * step.summary.stepFraction;
  const auto change = [&](size_t i) {
    return step.newParameters[3 + i] - problem.parameters[3 + i];
  };
  for (size_t i = 1; i < 3; i++) {
    CHECK_NEAR((change(i) - change(0)) / scale, advantage[i] - advantage[0],
               1e2 * kDoubleRoundoff / scale);
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
