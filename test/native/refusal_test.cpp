// What every backend must refuse, by name, and what it must notice.

#include <functional>
#include <limits>

#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// 5 rows, 3 features, factors of 3 and 2.
PolicyProblem smallProblem(Activation activation = Activation::tanh) {
  return randomProblem(Distribution::categorical({3, 2}), activation, {5, 3, {4}}, 2);
}

const bool kNumbersAdded =
    addForEachBackend("NaN and infinity by name and index", [](const Backend& backend) {
      for (const double bad : {kNaN, kInfinity, -kInfinity}) {
        PolicyProblem problem = smallProblem();
        problem.observations[7] = static_cast<float>(bad);
        CHECK_THROWS(ErrorCode::notFinite, "observations[7]", problem.on(backend));
        problem = smallProblem();
        problem.actions[3] = bad;
        CHECK_THROWS(ErrorCode::notFinite, "actions[3]", problem.on(backend));
        problem = smallProblem();
        problem.advantages[4] = bad;
        CHECK_THROWS(ErrorCode::notFinite, "advantages[4]", problem.on(backend));
      }
    });

const bool kActionsAdded = addForEachBackend("actions that are none", [](const Backend& backend) {
  for (const double bad : {-1.0, 0.5, 3.0, 1e300}) {
    PolicyProblem problem = smallProblem();
    problem.actions[4] = bad;
    CHECK_THROWS(ErrorCode::outOfRange, "actions[4] must be an integer from 0 to 2",
                 problem.on(backend));
  }
});

const bool kShapesAdded =
    addForEachBackend("wrong lengths and no rows", [](const Backend& backend) {
      const PolicyProblem problem = smallProblem();
      const auto make = [&](const RolloutView& view) {
        return backend.makeProblem(problem.model, problem.parameters, {}, view, 2);
      };
      RolloutView view = problem.view();
      view.rows = 0;
      CHECK_THROWS(ErrorCode::outOfRange, "at least one row", make(view));
      CHECK_THROWS(ErrorCode::outOfRange, "at least one row", make(RolloutView{}));
      view = problem.view();
      view.observations = view.observations.subspan(0, 14);
      CHECK_THROWS(ErrorCode::shapeMismatch, "observations must have length 15", make(view));
      view = problem.view();
      view.actions = view.actions.subspan(0, 9);
      CHECK_THROWS(ErrorCode::shapeMismatch, "actions must have length 10", make(view));
      view = problem.view();
      view.advantages = view.advantages.subspan(0, 4);
      CHECK_THROWS(ErrorCode::shapeMismatch, "advantages must have length 5", make(view));
    });

const bool kPartsAdded =
    addForEachBackend("without actions or advantages", [](const Backend& backend) {
      const PolicyProblem problem = smallProblem();
      std::vector<double> out(problem.parameters.size());
      for (const bool hasActions : {false, true}) {
        RolloutView view = problem.view();
        (hasActions ? view.advantages : view.actions) = {};
        const auto held = backend.makeProblem(problem.model, problem.parameters, {}, view, 2);
        CHECK_THROWS(ErrorCode::invalidArgument, "needs a batch with actions and advantages",
                     held->surrogateGradient(out));
        // The rest needs neither.
        const Evaluation evaluation = held->evaluate(problem.candidate);
        CHECK(evaluation.finite && evaluation.meanKl > 0 && evaluation.surrogate == 0);
        held->fisherProduct(problem.direction, out);
        CHECK(out[0] != 0);
      }
    });

// A float64 observation may be finite and yet not a number of the backend's precision.
const bool kRangeAdded =
    addForEachBackend("observations beyond the range of the precision", [](const Backend& backend) {
      const PolicyProblem problem = smallProblem();
      std::vector<double> observations(problem.observations.begin(), problem.observations.end());
      observations[7] = 1e39;
      RolloutView view = problem.view();
      view.observations = {observations.data(), observations.size()};
      const auto make = [&] {
        return backend.makeProblem(problem.model, problem.parameters, {}, view, 1);
      };
      if (backend.precision() == "float32") {
        CHECK_THROWS(ErrorCode::notFinite, "observations[7]", make());
      } else {
        CHECK(make()->evaluate(problem.parameters).finite);
      }
      // Scaled into range it is good for both.
      const ObservationScaling scaling{{0, 0, 0}, {1, 1e-39, 1}, 10};
      const auto held = backend.makeProblem(problem.model, problem.parameters, scaling, view, 1);
      CHECK(held->evaluate(problem.parameters).finite);
    });

// A candidate with a NaN anywhere must never look like a good one, whatever the activation.
const bool kCandidatesAdded =
    addForEachBackend("candidates that are not finite are noticed", [](const Backend& backend) {
      for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
        for (const Distribution& distribution :
             {Distribution::gaussian(1), Distribution::categorical({3}),
              Distribution::bernoulli(2)}) {
          const PolicyProblem problem = randomProblem(distribution, activation, {5, 3, {4}}, 2);
          const auto held = problem.on(backend);
          CHECK(held->evaluate(problem.candidate).finite);
          for (size_t i = 0; i < problem.parameters.size(); i++) {
            const Context context(describe(distribution), " ", activationName(activation),
                                  " parameter ", i);
            std::vector<double> candidate = problem.candidate;
            candidate[i] = kNaN;
            CHECK(!held->evaluate(candidate).finite);
          }
        }
      }
    });

// inf - inf on the way to a ReLU: NaN that must not become a quiet zero.
const bool kOverflowAdded =
    addForEachBackend("preactivations that overflow are noticed", [](const Backend& backend) {
      const double huge = backend.precision() == "float32" ? 3e38 : 1.7e308;
      for (const Activation activation : {Activation::relu, Activation::silu}) {
        const PolicyProblem problem =
            randomProblem(Distribution::gaussian(1), activation, {5, 4, {4}}, 2);
        std::vector<double> candidate = problem.candidate;
        // Two large terms of one sign, then two of the other, over observations of one sign.
        PolicyProblem ones = problem;
        std::fill(ones.observations.begin(), ones.observations.end(), 1.5F);
        candidate[0] = candidate[1] = huge;
        candidate[2] = candidate[3] = -huge;
        CHECK(!ones.on(backend)->evaluate(candidate).finite);
      }
    });

const bool kRegressionAdded =
    addForEachBackend("regression: wrong lengths", [](const Backend& backend) {
      const MlpLayout layout(3, {4}, 1, Activation::tanh);
      const std::vector<double> inputs(14);
      const std::vector<double> targets(5);
      CHECK_THROWS(
          ErrorCode::shapeMismatch, "must have length 15",
          backend.makeRegressionProblem(layout, {inputs.data(), inputs.size()}, targets, 5, {}, 1));
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
