// trpoStep on problems that break down in every place, by a problem made of formulas.

#include <functional>
#include <limits>

#include "core/trpo.h"
#include "core/vector_operations.h"
#include "dense.h"
#include "guarded.h"

namespace trustregion::test {
namespace {

using Status = UpdateStatus;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// L = g'd, KL = d'F d / 2 around theta = (1, 1).
class FormulaProblem : public Problem {
 public:
  size_t parameterCount() const override { return 2; }
  size_t rows() const override { return 1; }
  void surrogateGradient(std::span<double> out) override {
    std::copy(gradient.begin(), gradient.end(), out.begin());
  }
  void fisherProduct(std::span<const double> vector, std::span<double> out) override {
    products++;
    fisher.asOperator()(vector, out);
    if (products == brokenProduct) out[0] = kNaN;
  }
  void fisherDiagonal(std::span<double>) override {}
  void empiricalFisherProduct(std::span<const double> vector, std::span<double> out) override {
    fisherProduct(vector, out);
  }
  KroneckerFactors kroneckerFactors(const KroneckerSampling&) override { return {}; }
  ObjectiveValue objectiveGradient(std::span<const double>, const Objective&,
                                   std::span<const uint32_t>, std::span<double>) override {
    return {};
  }
  void compareRows(std::span<const double>, std::span<RowComparison>) override {}
  Evaluation evaluateInDouble(std::span<const double> parameters) override {
    return evaluate(parameters);
  }
  Evaluation evaluate(std::span<const double> parameters) override {
    evaluations++;
    const std::vector<double> d = {parameters[0] - 1, parameters[1] - 1};
    Evaluation result;
    result.surrogate = dot(gradient, d) + surrogateAtTheta;
    result.meanKl = result.maxKl = klFactor * 0.5 * dot(d, fisher.times(d));
    result.finite = std::isfinite(result.surrogate) && std::isfinite(result.meanKl);
    if (change) change(evaluations, result);
    return result;
  }

  std::vector<double> gradient = {1, 2};
  Dense fisher = diagonalMatrix({2, 5});
  double surrogateAtTheta = 0;
  double klFactor = 0.9;  // a little less than the model, so that the first candidate is inside
  int brokenProduct = 0;
  std::function<void(int evaluation, Evaluation&)> change;
  int products = 0;
  int evaluations = 0;
};

UpdateSummary step(FormulaProblem& problem, TrpoOptions options = {}) {
  const std::vector<double> theta = {1, 1};
  Guarded<double> newParameters(2);
  const std::vector<double> untouched(newParameters.data(), newParameters.data() + 2);
  const PolicyModel model{MlpLayout(1, {}, 1, Activation::tanh), Distribution::bernoulli(1)};
  const UpdateContext context{model, referenceBackend(), theta, problem, problem};
  MethodState state;
  options.lineSearchKind = LineSearchKind::backtracking;
  UpdateSummary summary = trpoStep(context, options, state, newParameters.span());
  CHECK(newParameters.intact());
  if (summary.status == Status::accepted) {
    CHECK(newParameters.complete());
  } else {
    CHECK(sameBits({newParameters.data(), 2}, untouched));
    CHECK(summary.surrogateAfter == summary.surrogateBefore ||
          summary.surrogateBefore != summary.surrogateBefore);
    CHECK(summary.meanKl == 0 && summary.stepNorm == 0 && summary.stepFraction == 0);
  }
  return summary;
}

CASE("nothing broken: the whole step") {
  FormulaProblem problem;
  TrpoOptions options;
  options.naturalDirection.damping = 0;
  const UpdateSummary summary = step(problem, options);
  CHECK(summary.status == Status::accepted);
  CHECK(summary.stepFraction == 1 && summary.backtracks == 0);
  // sqrt(2 maxKl / g'F^-1 g) with g'F^-1 g = 1/2 + 4/5.
  CHECK_RELATIVE(summary.stepScale, std::sqrt(0.02 / 1.3), 16 * kDoubleRoundoff);
  CHECK_RELATIVE(summary.meanKl, 0.009, 64 * kDoubleRoundoff);
  CHECK(summary.gradientNorm == std::sqrt(5.0));
}

CASE("theta itself is not finite") {
  FormulaProblem problem;
  problem.surrogateAtTheta = kNaN;
  CHECK(step(problem).status == Status::notFinite);
  CHECK(problem.products == 0 && problem.evaluations == 1);
}

CASE("the gradient is not finite") {
  for (const double bad : {kNaN, kInfinity}) {
    FormulaProblem problem;
    problem.gradient = {1, bad};
    problem.change = [](int, Evaluation& evaluation) {
      evaluation.surrogate = 0;
      evaluation.finite = true;
    };
    CHECK(step(problem).status == Status::notFinite);
    CHECK(problem.products == 0);
  }
}

CASE("the first product is not finite") {
  FormulaProblem problem;
  problem.brokenProduct = 1;
  const UpdateSummary summary = step(problem);
  CHECK(summary.status == Status::notFinite);
  CHECK(summary.naturalDirection.conjugateGradient.stop == ConjugateGradientStop::notFinite);
  CHECK(summary.candidates.empty());
}

CASE("the second product is not finite: the first iterate still serves") {
  FormulaProblem problem;
  problem.brokenProduct = 2;
  const UpdateSummary summary = step(problem);
  CHECK(summary.status == Status::accepted);
  CHECK(summary.naturalDirection.conjugateGradient.iterations == 1);
  CHECK(summary.naturalDirection.conjugateGradient.stop == ConjugateGradientStop::notFinite);
}

// The same for the product that recomputes the residual: that of the iterate was known before.
CASE("the recomputed residual is not finite: the first iterate still serves") {
  FormulaProblem problem;
  problem.brokenProduct = 2;
  TrpoOptions options;
  options.naturalDirection.conjugateGradient.residualResetPeriod = 1;
  const UpdateSummary summary = step(problem, options);
  CHECK(summary.naturalDirection.conjugateGradient.stop == ConjugateGradientStop::notFinite);
  CHECK(summary.status == Status::accepted);
}

CASE("negative curvature from the start") {
  FormulaProblem problem;
  problem.fisher = diagonalMatrix({-2, -5});
  const UpdateSummary summary = step(problem);
  CHECK(summary.status == Status::negativeCurvature);
  CHECK(summary.candidates.empty());
}

CASE("curvature that the damping hides is no curvature") {
  FormulaProblem problem;
  problem.fisher = diagonalMatrix({-0.05, -0.05});  // F + 0.1 I is positive, x'F x is not
  CHECK(step(problem).status == Status::negativeCurvature);
}

CASE("candidates that are not finite are passed over") {
  FormulaProblem problem;
  problem.change = [](int evaluation, Evaluation& result) {
    if (evaluation == 2 || evaluation == 3) {  // the first is theta
      result.meanKl = kNaN;
      result.finite = false;
    }
  };
  const UpdateSummary summary = step(problem);
  CHECK(summary.status == Status::accepted);
  CHECK(summary.backtracks == 2);
  CHECK_RELATIVE(summary.stepFraction, 0.64, 4 * kDoubleRoundoff);
}

CASE("the line search's reasons become the status") {
  const auto statusWith = [](auto change) {
    FormulaProblem problem;
    problem.change = [=](int evaluation, Evaluation& result) {
      if (evaluation > 1) change(result);
    };
    const UpdateSummary summary = step(problem);
    CHECK(summary.candidates.size() == 16);  // 1 + maxBacktracks
    CHECK(summary.backtracks == 15);
    return summary.status;
  };
  CHECK(statusWith([](Evaluation& result) { result.meanKl = 1; }) == Status::klExceeded);
  CHECK(statusWith([](Evaluation& result) { result.surrogate = -1; }) == Status::noImprovement);
  CHECK(statusWith([](Evaluation& result) { result.finite = false; }) == Status::notFinite);
}

CASE("names of the statuses") {
  CHECK(std::string(updateStatusName(Status::accepted)) == "accepted");
  CHECK(std::string(updateStatusName(Status::zeroGradient)) == "zeroGradient");
  CHECK(std::string(updateStatusName(Status::notFinite)) == "notFinite");
  CHECK(std::string(updateStatusName(Status::negativeCurvature)) == "negativeCurvature");
  CHECK(std::string(updateStatusName(Status::klExceeded)) == "klExceeded");
  CHECK(std::string(updateStatusName(Status::noImprovement)) == "noImprovement");
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
