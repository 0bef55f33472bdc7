// The empirical Fisher matrix: the mean outer product of scores, on every backend.

#include <algorithm>

#include "core/vector_operations.h"
#include "guarded.h"
#include "tracked_problem.h"

namespace trustregion::test {
namespace {

std::vector<TestPolicy> policies() {
  return {{Distribution::gaussian(2), Activation::tanh, {70, 3, {5}}},
          {Distribution::gaussian(1), Activation::silu, {130, 2, {3, 3}}},
          {Distribution::categorical({3, 2}), Activation::relu, {65, 3, {6}}},
          {Distribution::categorical({4}), Activation::tanh, {33, 17, {}}},
          {Distribution::bernoulli(3), Activation::silu, {64, 3, {4}}}};
}

PolicyProblem problemOf(const TestPolicy& policy, uint64_t seed) {
  return randomProblem(policy.distribution, policy.activation, policy.shape, seed, seed % 2 == 0);
}

std::vector<double> productOf(Problem& held, const std::vector<double>& vector) {
  Guarded<double> product(vector.size());
  held.empiricalFisherProduct(vector, product.span());
  CHECK(product.intact() && product.complete());
  return {product.data(), product.data() + product.size()};
}

// One row of a problem as a problem, with advantage 1: its surrogate gradient is the score.
PolicyProblem rowOf(const PolicyProblem& problem, size_t row) {
  const auto part = [&](const auto& values, size_t size) {
    const auto first = values.begin() + static_cast<long>(row * size);
    return std::decay_t<decltype(values)>(first, first + static_cast<long>(size));
  };
  PolicyProblem one = problem;
  one.rows = 1;
  one.observations = part(problem.observations, problem.model.observationSize());
  one.actions = part(problem.actions, problem.model.distribution.actionSize());
  one.advantages = {1};
  return one;
}

std::vector<std::vector<double>> scoresOf(const PolicyProblem& problem) {
  std::vector<std::vector<double>> scores;
  for (size_t row = 0; row < problem.rows; row++) {
    scores.emplace_back(problem.parameters.size());
    rowOf(problem, row).on(referenceBackend())->surrogateGradient(scores.back());
  }
  return scores;
}

CASE("the reference: outer products of the scores, one after the other") {
  uint64_t seed = 1;
  for (const TestPolicy& policy : policies()) {
    const Context context(describe(policy.distribution, policy.activation, policy.shape));
    const PolicyProblem problem = problemOf(policy, seed++);
    const auto held = problem.on(referenceBackend());
    const std::vector<std::vector<double>> scores = scoresOf(problem);
    const double rows = static_cast<double>(problem.rows);
    for (const std::vector<double>& vector : {problem.direction, problem.candidate}) {
      std::vector<double> expected(vector.size());
      std::vector<double> size(vector.size());  // of the terms
      for (const std::vector<double>& score : scores) {
        const double along = dot(score, vector);
        for (size_t i = 0; i < vector.size(); i++) {
          expected[i] += along * score[i] / rows;
          size[i] += norm(score) * norm(vector) * std::abs(score[i]) / rows;
        }
      }
      const std::vector<double> product = productOf(*held, vector);
      for (size_t i = 0; i < vector.size(); i++) {
        const double terms = static_cast<double>(vector.size()) + rows;
        CHECK_NEAR(product[i], expected[i], 2 * terms * kDoubleRoundoff * size[i]);
      }
    }
  }
}

// J v and the scores with their errors in float32; s'v in double precision.
TrackedVector expectedProduct(const PolicyProblem& problem, const std::vector<double>& vector,
                              const Backend& backend) {
  const Distribution& distribution = problem.model.distribution;
  const size_t headSize = distribution.headSize();
  const size_t offset = problem.model.logStdOffset();
  const TrackedVector parameters = exactNumbers(problem.parameters);
  const TrackedVector direction = exactNumbers(vector);
  TrackedTileSum sum(vector.size(), 64);
  for (size_t row = 0; row < problem.rows; row++) {
    const TrackedRow forward =
        trackedForward(problem.model.network, parameters, problem.scaledObservation(row));
    const SplitProducts split(productsOf(backend));
    TrackedVector inputs = forward.head;
    const TrackedVector tangent =
        trackedTangent(problem.model.network, parameters, direction, forward);
    inputs.insert(inputs.end(), tangent.begin(), tangent.end());
    const TrackedVector numbers = propagate(inputs, [&](const std::vector<double>& values) {
      std::vector<double> score(headSize + distribution.logStdSize());
      distribution.score(values.data(), problem.parameters.data() + offset,
                         problem.actions.data() + row * distribution.actionSize(), score.data(),
                         score.data() + headSize);
      double along = 0;
      for (size_t j = 0; j < headSize; j++) along += score[j] * values[headSize + j];
      for (size_t j = headSize; j < score.size(); j++) {
        along += score[j] * vector[offset + j - headSize];
      }
      for (double& value : score) value *= along;
      return score;
    });
    TrackedVector cotangent;
    for (size_t j = 0; j < headSize; j++) {
      cotangent.push_back(rounded(numbers[j].value, numbers[j].variance));
    }
    trackedBackward(problem.model.network, parameters, forward, cotangent,
                    [&](size_t i, Tracked u, Tracked x) { sum[i] += u * x; });
    for (size_t j = headSize; j < numbers.size(); j++) sum[offset + j - headSize] += numbers[j];
    sum.endRow();
  }
  return sum.mean();
}

const bool kOracleAdded = addForEachBackend("against the oracle", [](const Backend& backend) {
  uint64_t seed = 11;
  for (const TestPolicy& policy : policies()) {
    const Context context(describe(policy.distribution, policy.activation, policy.shape));
    const PolicyProblem problem = problemOf(policy, seed++);
    const TrackedVector expected = expectedProduct(problem, problem.direction, backend);
    const std::vector<double> product = productOf(*problem.on(backend, 2), problem.direction);
    for (size_t i = 0; i < product.size(); i++) {
      const Context element("element ", i);
      Tracked number = expected[i];
      if (backend.precision() == "float64") {
        number.variance *= square(2 * kDoubleRoundoff / kFloatRoundoff);
      }
      number.variance += square(static_cast<double>(problem.rows) * kDoubleRoundoff *
                                (1 + std::abs(number.value)));
      checkTracked(product[i], number);
    }
  }
});

const bool kSymmetryAdded =
    addForEachBackend("u'Ev = v'Eu, v'Ev >= 0, and linear", [](const Backend& backend) {
      uint64_t seed = 21;
      for (const TestPolicy& policy : policies()) {
        const Context context(describe(policy.distribution, policy.activation, policy.shape));
        const PolicyProblem problem = problemOf(policy, seed++);
        const auto held = problem.on(backend, 2);
        const std::vector<double>& u = problem.direction;
        const std::vector<double>& v = problem.candidate;
        const std::vector<double> productU = productOf(*held, u);
        const std::vector<double> productV = productOf(*held, v);
        const auto variance = [&](const std::vector<double>& by, const TrackedVector& of) {
          double sum = 0;
          for (size_t i = 0; i < by.size(); i++) sum += square(by[i]) * of[i].variance;
          if (backend.precision() == "float64") {
            sum *= square(2 * kDoubleRoundoff / kFloatRoundoff);
          }
          return sum + square(64 * kDoubleRoundoff * norm(by) * norm(valuesOf(of)));
        };
        checkTracked(dot(u, productV),
                     {dot(v, productU), variance(u, expectedProduct(problem, v, backend)) +
                                            variance(v, expectedProduct(problem, u, backend))});
        CHECK(dot(u, productU) > 0 && dot(v, productV) > 0);
        // A power of two comes through every operation.
        std::vector<double> scaled = u;
        for (double& value : scaled) value *= -0.25;
        const std::vector<double> productScaled = productOf(*held, scaled);
        for (size_t i = 0; i < u.size(); i++) CHECK(productScaled[i] == -0.25 * productU[i]);
        for (const double value : productOf(*held, std::vector<double>(u.size()))) {
          CHECK(value == 0);
        }
      }
    });

// Over actions of the policy itself the scores' outer product is the Fisher matrix in expectation.
CASE("its expectation is the exact Fisher matrix") {
  const PolicyProblem one =
      randomProblem(Distribution::categorical({3}), Activation::tanh, {1, 2, {3}}, 31);
  constexpr size_t kRows = 20000;
  PolicyProblem many = one;
  many.rows = kRows;
  many.observations.clear();
  many.actions.resize(kRows);
  many.advantages.assign(kRows, 1.0);
  const auto network = referenceBackend().makeNetwork(one.model.network, one.parameters);
  std::vector<double> head(3);
  network->forward(one.view().observations, 1, {}, head.data(), *network->makeWorkspace());
  Random random(5);
  for (size_t row = 0; row < kRows; row++) {
    many.observations.insert(many.observations.end(), one.observations.begin(),
                             one.observations.end());
    one.model.distribution.sample(head.data(), nullptr, random, &many.actions[row]);
  }
  const double exact = [&] {
    std::vector<double> product(one.parameters.size());
    one.on(referenceBackend())->fisherProduct(one.direction, product);
    return dot(product, one.direction);
  }();
  const double empirical =
      dot(productOf(*many.on(referenceBackend()), one.direction), one.direction);
  // (s'v)^2 of three actions: a mean of 20000 with a standard deviation of at most its largest.
  double largest = 0;
  for (double action = 0; action < 3; action++) {
    PolicyProblem single = one;
    single.actions = {action};
    largest = std::max(
        largest, dot(productOf(*single.on(referenceBackend()), one.direction), one.direction));
  }
  CHECK_NEAR(empirical, exact, 5 * largest / std::sqrt(static_cast<double>(kRows)));
}

const bool kThreadsAdded =
    addForEachBackend("1, 2, 3, 8 and 64 threads give the same bits", [](const Backend& backend) {
      const PolicyProblem problem =
          randomProblem(Distribution::gaussian(2), Activation::silu, {1001, 3, {5}}, 41);
      const std::vector<double> one = productOf(*problem.on(backend, 1), problem.direction);
      for (const unsigned threads : {2U, 3U, 8U, 64U}) {
        CHECK(sameBits(productOf(*problem.on(backend, threads), problem.direction), one));
      }
    });

const bool kRefusedAdded =
    addForEachBackend("needs actions, but no advantages", [](const Backend& backend) {
      const PolicyProblem problem =
          randomProblem(Distribution::bernoulli(2), Activation::tanh, {5, 2, {3}}, 51);
      std::vector<double> product(problem.parameters.size());
      RolloutView view = problem.view();
      view.advantages = {};
      const auto held = backend.makeProblem(problem.model, problem.parameters, {}, view, 1);
      held->empiricalFisherProduct(problem.direction, product);
      CHECK(sameBits(product, productOf(*problem.on(backend), problem.direction)));
      view.actions = {};
      const auto blind = backend.makeProblem(problem.model, problem.parameters, {}, view, 1);
      CHECK_THROWS(ErrorCode::invalidArgument, "needs a batch with actions",
                   blind->empiricalFisherProduct(problem.direction, product));
      CHECK_THROWS(
          ErrorCode::invalidArgument, "needs a batch with actions",
          blind->estimatedFisherProduct(FisherEstimator::empirical, problem.direction, product));
      blind->estimatedFisherProduct(FisherEstimator::exact, problem.direction, product);
      std::vector<double> exact(product.size());
      problem.on(backend)->fisherProduct(problem.direction, exact);
      CHECK(sameBits(product, exact));
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
