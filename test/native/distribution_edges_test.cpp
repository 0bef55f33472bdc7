// Distributions at their edges: saturated heads, sampling, modes and actions that are none.

#include <algorithm>
#include <limits>

#include "core/distribution.h"
#include "exact_distribution.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kU = kDoubleRoundoff;

struct Heads {
  Distribution distribution;
  std::vector<double> from;
  std::vector<double> to;
};

// Pairs of heads with logits of +-extreme and everything between.
std::vector<Heads> extremeHeads(double extreme) {
  const Distribution two = Distribution::categorical({2});
  const Distribution three = Distribution::categorical({3});
  const Distribution factors = Distribution::categorical({2, 3});
  const Distribution bit = Distribution::bernoulli(1);
  const double e = extreme;
  return {{two, {e, -e}, {0, 0}},
          {two, {0, 0}, {e, -e}},
          {two, {e, -e}, {-e, e}},
          {two, {e, -e}, {e, -e + 1}},
          {two, {0, -e}, {0, 0}},
          {three, {e, 0, -e}, {0, e, 0}},
          {three, {e, e, -e}, {e, -e, e}},
          {factors, {e, -e, 0, e, -e}, {1, 2, -e, 0, e}},
          {bit, {e}, {0}},
          {bit, {-e}, {0}},
          {bit, {0}, {e}},
          {bit, {e}, {-e}},
          {bit, {-e}, {-e + 1}}};
}

bool addExtremes() {
  // 50: 1 - p rounds to 1. 700 and 1400: p is tiny. 720 and 740: p is denormal. 800: p is zero.
  for (const double extreme : {50.0, 350.0, 700.0, 720.0, 740.0, 800.0}) {
    addCase("logits of +-" + std::to_string(static_cast<int>(extreme)), [extreme] {
      if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
      // Each number is a sum over parts of logits of this size.
      const double tolerance = 32 * kU * extreme;
      for (const Heads& heads : extremeHeads(extreme)) {
        const Distribution& distribution = heads.distribution;
        const Context context(describe(distribution), " head ", heads.from[0], "... to ",
                              heads.to[0], "...");
        CHECK_NEAR(distribution.entropy(heads.from.data(), nullptr),
                   static_cast<double>(exactEntropy(distribution, heads.from.data(), nullptr)),
                   tolerance);
        const double divergence = static_cast<double>(
            exactKl(distribution, heads.from.data(), nullptr, heads.to.data(), nullptr));
        // Probabilities are exponentials of numbers of this size and so have that as a relative
        // error; the log-ratios that they weight add up to the divergence.
        CHECK_NEAR(distribution.kl(heads.from.data(), nullptr, heads.to.data(), nullptr),
                   divergence, tolerance * (1 + divergence));
        const std::vector<ExactPart> parts = exactParts(distribution, heads.from.data());
        for (const std::vector<double>& action : allActions(distribution)) {
          Exact expected = 0;
          for (size_t i = 0; i < parts.size(); i++) {
            expected += parts[i][static_cast<size_t>(action[i])];
          }
          CHECK_NEAR(distribution.logProbability(heads.from.data(), nullptr, action.data()),
                     static_cast<double>(expected), tolerance);
        }
      }
    });
  }
  return true;
}

const bool kExtremesAdded = addExtremes();

CASE("the metric of a saturated bit keeps its digits") {
  const Distribution bit = Distribution::bernoulli(1);
  for (const double logit : {20.0, 50.0, 300.0, 700.0}) {
    for (const double sign : {1.0, -1.0}) {
      const Context context("logit ", sign * logit);
      const double head = sign * logit;
      double weight = 0;
      bit.metricWeights(&head, nullptr, &weight);
      const Exact e = std::exp(static_cast<Exact>(-logit));
      CHECK_RELATIVE(weight, static_cast<double>(e / ((1 + e) * (1 + e))), 8 * kU);
    }
  }
}

CASE("a shift of all logits changes nothing") {
  const Distribution distribution = Distribution::categorical({3});
  for (const double shift : {1e3, -1e3, 1e8}) {
    const Context context("shift ", shift);
    const std::vector<double> head = {0.5, -1, 2};
    std::vector<double> shifted = head;
    for (double& value : shifted) value += shift;
    // Adding the shift rounds the logits themselves.
    const double tolerance = 16 * kU * std::abs(shift);
    CHECK_NEAR(distribution.entropy(shifted.data(), nullptr),
               distribution.entropy(head.data(), nullptr), tolerance);
    CHECK_NEAR(distribution.kl(head.data(), nullptr, shifted.data(), nullptr), 0, tolerance);
    for (const double action : {0.0, 1.0, 2.0}) {
      CHECK_NEAR(distribution.logProbability(shifted.data(), nullptr, &action),
                 distribution.logProbability(head.data(), nullptr, &action), tolerance);
    }
  }
}

CASE("a Gaussian of extreme width") {
  const Distribution distribution = Distribution::gaussian(1);
  const double head = 3;
  const double action = 3;
  for (const double logStd : {-300.0, -20.0, 20.0, 300.0}) {
    const Context context("logStd ", logStd);
    const double peak = -logStd - 0.5 * static_cast<double>(kExactLogTwoPi);
    CHECK_RELATIVE(distribution.logProbability(&head, &logStd, &action), peak, 4 * kU);
    CHECK(distribution.kl(&head, &logStd, &head, &logStd) == 0);
  }
}

// Pearson's statistic for counts against probabilities; its mean is the number of categories less
// one and its standard deviation sqrt(2 (k - 1)). Five of them above the mean is beyond chance.
double chiSquare(const std::vector<double>& counts, const std::vector<double>& probabilities,
                 double samples) {
  double sum = 0;
  for (size_t i = 0; i < counts.size(); i++) {
    const double expected = samples * probabilities[i];
    sum += square(counts[i] - expected) / expected;
  }
  return sum;
}

CASE("sampling frequencies of the joint action") {
  constexpr int kSamples = 100000;
  Random random(21);
  for (const Distribution& distribution :
       {Distribution::categorical({5}), Distribution::categorical({3, 2, 2}),
        Distribution::bernoulli(3)}) {
    const Context context(describe(distribution));
    const std::vector<double> head = normals(distribution.headSize(), random);
    const auto actions = allActions(distribution);
    std::vector<double> counts(actions.size());
    std::vector<double> probabilities;
    for (const auto& action : actions) {
      probabilities.push_back(
          std::exp(distribution.logProbability(head.data(), nullptr, action.data())));
    }
    std::vector<double> action(distribution.actionSize());
    for (int i = 0; i < kSamples; i++) {
      distribution.sample(head.data(), nullptr, random, action.data());
      const auto found = std::find(actions.begin(), actions.end(), action);
      CHECK(found != actions.end());
      if (found != actions.end()) counts[static_cast<size_t>(found - actions.begin())]++;
    }
    const double freedom = static_cast<double>(actions.size()) - 1;
    CHECK_NEAR(chiSquare(counts, probabilities, kSamples), freedom, 5 * std::sqrt(2 * freedom));
  }
}

CASE("sampling a Gaussian: mean, deviation and independence") {
  constexpr int kSamples = 100000;
  Random random(22);
  const Distribution distribution = Distribution::gaussian(2);
  const std::vector<double> head = {1, -2};
  const std::vector<double> logStd = {-1, 0.5};
  double mean[2] = {};
  double variance[2] = {};
  double covariance = 0;
  double action[2];
  for (int i = 0; i < kSamples; i++) {
    distribution.sample(head.data(), logStd.data(), random, action);
    double z[2];
    for (int k = 0; k < 2; k++) {
      z[k] = (action[k] - head[k]) / std::exp(logStd[k]);
      mean[k] += z[k] / kSamples;
      variance[k] += z[k] * z[k] / kSamples;
    }
    covariance += z[0] * z[1] / kSamples;
  }
  const double standardError = 1 / std::sqrt(static_cast<double>(kSamples));
  for (int k = 0; k < 2; k++) {
    CHECK_NEAR(mean[k], 0, 4 * standardError);
    CHECK_NEAR(variance[k], 1, 4 * std::sqrt(2.0) * standardError);
  }
  CHECK_NEAR(covariance, 0, 4 * standardError);
}

CASE("a saturated head samples what it must") {
  Random random(23);
  const Distribution distribution = Distribution::categorical({3});
  const Distribution bits = Distribution::bernoulli(2);
  const std::vector<double> head = {-700, 700, -700};
  const std::vector<double> logits = {800, -800};
  for (int i = 0; i < 1000; i++) {
    double index = -1;
    distribution.sample(head.data(), nullptr, random, &index);
    CHECK(index == 1);
    double bit[2];
    bits.sample(logits.data(), nullptr, random, bit);
    CHECK(bit[0] == 1 && bit[1] == 0);
  }
}

CASE("mode") {
  double action[3];
  Distribution::gaussian(3).mode(std::vector<double>{1, -2, 0.5}.data(), action);
  CHECK(action[0] == 1 && action[1] == -2 && action[2] == 0.5);
  Distribution::categorical({3, 2, 1}).mode(std::vector<double>{1, 3, 2, -1, -2, 7}.data(), action);
  CHECK(action[0] == 1 && action[1] == 0 && action[2] == 0);
  Distribution::bernoulli(3).mode(std::vector<double>{1e-9, -1e-9, 700}.data(), action);
  CHECK(action[0] == 1 && action[1] == 0 && action[2] == 1);
}

CASE("the mode is the most likely action of all") {
  Random random(24);
  for (const Distribution& distribution :
       {Distribution::categorical({4, 3}), Distribution::bernoulli(4)}) {
    for (int round = 0; round < 20; round++) {
      const std::vector<double> head = normals(distribution.headSize(), random);
      std::vector<double> mode(distribution.actionSize());
      distribution.mode(head.data(), mode.data());
      const double best = distribution.logProbability(head.data(), nullptr, mode.data());
      for (const auto& action : allActions(distribution)) {
        CHECK(best >= distribution.logProbability(head.data(), nullptr, action.data()));
      }
    }
  }
}

CASE("actions that are none are refused by index") {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Distribution factors = Distribution::categorical({3, 2});
  const Distribution bits = Distribution::bernoulli(2);
  for (const double bad : {2.0, -1.0, 0.5, 1e300, -1e300, infinity, -infinity, nan}) {
    const Context context("value ", bad);
    const double action[] = {1, bad};
    CHECK_THROWS(ErrorCode::outOfRange, "actions[7] must be an integer from 0 to 1",
                 factors.requireValidAction(action, 6));
    CHECK_THROWS(ErrorCode::outOfRange, "actions[7] must be an integer from 0 to 1",
                 bits.requireValidAction(action, 6));
  }
  for (const auto& action : allActions(factors)) factors.requireValidAction(action.data(), 0);
  for (const auto& action : allActions(bits)) bits.requireValidAction(action.data(), 0);
  const double anything = -1e300;
  Distribution::gaussian(1).requireValidAction(&anything, 0);
}

CASE("empty distributions are refused") {
  const char* message = "at least one dimension, factor or bit";
  CHECK_THROWS(ErrorCode::outOfRange, message, Distribution::gaussian(0));
  CHECK_THROWS(ErrorCode::outOfRange, message, Distribution::bernoulli(0));
  CHECK_THROWS(ErrorCode::outOfRange, message, Distribution::categorical({}));
  CHECK_THROWS(ErrorCode::outOfRange, message, Distribution::categorical({3, 0}));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
