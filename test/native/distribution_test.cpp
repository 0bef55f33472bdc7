// Densities, entropies, divergences, scores and metrics against their definitions: by enumeration,
// by integration, by finite difference and in long double.

#include <algorithm>
#include <functional>
#include <numeric>

#include "core/distribution.h"
#include "exact_distribution.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kU = kDoubleRoundoff;

std::vector<Distribution> distributions() {
  return {Distribution::gaussian(1),         Distribution::gaussian(3),
          Distribution::categorical({4}),    Distribution::categorical({3, 2, 4}),
          Distribution::categorical({1, 3}), Distribution::bernoulli(1),
          Distribution::bernoulli(3)};
}

bool isGaussian(const Distribution& distribution) {
  return distribution.kind() == DistributionKind::gaussian;
}

struct Point {
  std::vector<double> head;
  std::vector<double> logStd;
};

Point randomPoint(const Distribution& distribution, Random& random, double scale = 1.5) {
  Point point{normals(distribution.headSize(), random, scale), {}};
  for (size_t i = 0; i < distribution.logStdSize(); i++) {
    point.logStd.push_back(random.uniform() - 0.7);
  }
  return point;
}

// Calls use(distribution, point, random) for some random points of each distribution.
void forEachPoint(const std::function<void(const Distribution&, const Point&, Random&)>& use) {
  Random random(11);
  for (const Distribution& distribution : distributions()) {
    for (int round = 0; round < 20; round++) {
      const Context context(describe(distribution), " round ", round);
      use(distribution, randomPoint(distribution, random), random);
    }
  }
}

double logProbability(const Distribution& distribution, const Point& point,
                      const std::vector<double>& action) {
  return distribution.logProbability(point.head.data(), point.logStd.data(), action.data());
}

// [headScore | logStdScore]
std::vector<double> scoreOf(const Distribution& distribution, const Point& point,
                            const std::vector<double>& action) {
  Guarded<double> head(distribution.headSize());
  Guarded<double> logStd(distribution.logStdSize());
  distribution.score(point.head.data(), point.logStd.data(), action.data(), head.data(),
                     logStd.data());
  CHECK(head.intact() && logStd.intact());
  std::vector<double> both(head.data(), head.data() + head.size());
  both.insert(both.end(), logStd.data(), logStd.data() + logStd.size());
  return both;
}

double kl(const Distribution& distribution, const Point& from, const Point& to) {
  return distribution.kl(from.head.data(), from.logStd.data(), to.head.data(), to.logStd.data());
}

double definedKl(const Distribution& distribution, const Point& from, const Point& to) {
  return static_cast<double>(exactKl(distribution, from.head.data(), from.logStd.data(),
                                     to.head.data(), to.logStd.data()));
}

// Expectation over actions of f(action) -> vector. Discrete: the sum over all. Gaussian: the
// trapezoid rule in each dimension by itself, the others at their means: exact to rounding for
// f that is a sum over dimensions or a product within one, since the integrand is analytic and
// the step of 1/4 sigma leaves an error of e^(-2 pi^2 16).
constexpr double kGridStep = 0.25;
constexpr int kGridHalf = 48;  // 12 sigma

double gridWeight(int index) {
  const double z = index * kGridStep;
  return kGridStep * std::exp(-0.5 * z * z) / std::sqrt(2 * std::acos(-1.0));
}

CASE("probabilities sum to one") {
  forEachPoint([](const Distribution& distribution, const Point& point, Random&) {
    if (isGaussian(distribution)) {
      // Dimensions are independent: each must integrate to one with the others' factors divided
      // out at the mean.
      for (size_t i = 0; i < distribution.headSize(); i++) {
        double integral = 0;
        const double others = [&] {
          double sum = 0;
          for (size_t k = 0; k < distribution.headSize(); k++) {
            if (k != i) sum -= point.logStd[k] + 0.5 * static_cast<double>(kExactLogTwoPi);
          }
          return sum;
        }();
        for (int index = -kGridHalf; index <= kGridHalf; index++) {
          std::vector<double> action = point.head;
          const double sigma = std::exp(point.logStd[i]);
          action[i] += index * kGridStep * sigma;
          integral +=
              kGridStep * sigma * std::exp(logProbability(distribution, point, action) - others);
        }
        // Exponents of size up to 10 with the normalisers: some twenty roundings of each.
        CHECK_NEAR(integral, 1, 20 * 10 * kU);
      }
      return;
    }
    double sum = 0;
    double tolerance = 0;
    for (const std::vector<double>& action : allActions(distribution)) {
      const double logP = logProbability(distribution, point, action);
      sum += std::exp(logP);
      // log p is a sum over parts of logits of size |log p|.
      tolerance += 8 * kU * (1 + std::abs(logP)) * std::exp(logP);
    }
    CHECK_NEAR(sum, 1, static_cast<double>(distribution.actionSize()) * tolerance);
  });
}

// log p, entropy and KL cost a few operations for each head output, on numbers of size `largest`.
double roundingOf(const Distribution& distribution, double largest) {
  return 8 * static_cast<double>(distribution.headSize()) * kU * (1 + largest);
}

CASE("entropy and KL in closed form") {
  forEachPoint([](const Distribution& distribution, const Point& point, Random& random) {
    const Point other = randomPoint(distribution, random);
    const double entropy = distribution.entropy(point.head.data(), point.logStd.data());
    CHECK_NEAR(
        entropy,
        static_cast<double>(exactEntropy(distribution, point.head.data(), point.logStd.data())),
        roundingOf(distribution, 5));
    const double expected = definedKl(distribution, point, other);
    // Log-ratios are of size 5 or, for a Gaussian, as the result.
    CHECK_NEAR(kl(distribution, point, other), expected, roundingOf(distribution, 5 + expected));
    CHECK(expected > 0);
  });
}

CASE("entropy and KL by Monte Carlo") {
  constexpr int kSamples = 40000;
  Random random(12);
  for (const Distribution& distribution : distributions()) {
    const Context context(describe(distribution));
    const Point from = randomPoint(distribution, random, 0.7);
    const Point to = randomPoint(distribution, random, 0.7);
    double sums[2] = {};
    double squares[2] = {};
    std::vector<double> action(distribution.actionSize());
    for (int i = 0; i < kSamples; i++) {
      distribution.sample(from.head.data(), from.logStd.data(), random, action.data());
      const double logP = logProbability(distribution, from, action);
      const double terms[2] = {-logP, logP - logProbability(distribution, to, action)};
      for (int k = 0; k < 2; k++) {
        sums[k] += terms[k] / kSamples;
        squares[k] += terms[k] * terms[k] / kSamples;
      }
    }
    const auto standardError = [&](int k) {
      return std::sqrt((squares[k] - sums[k] * sums[k]) / kSamples);
    };
    CHECK_NEAR(distribution.entropy(from.head.data(), from.logStd.data()), sums[0],
               3 * standardError(0));
    CHECK_NEAR(kl(distribution, from, to), sums[1], 3 * standardError(1));
  }
}

CASE("KL is never negative, and zero exactly at equality") {
  Random random(13);
  for (const Distribution& distribution : distributions()) {
    const Context context(describe(distribution));
    for (int round = 0; round < 20000; round++) {
      const Point point = randomPoint(distribution, random);
      Point other = point;
      const double scale = std::exp(-40 * random.uniform());
      for (double& value : other.head) value += scale * random.normal();
      for (double& value : other.logStd) value += scale * random.normal();
      if (round == 0) CHECK(kl(distribution, point, point) == 0);
      const double divergence = kl(distribution, point, other);
      if (!(divergence >= 0)) CHECK(divergence >= 0);
    }
  }
}

CASE("tiny KL keeps its digits") {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  // The divergence in long double, with the same trick against cancellation.
  const auto tinyKl = [](const Distribution& distribution, const Point& from, const Point& to) {
    Exact sum = 0;
    for (size_t i = 0; i < distribution.logStdSize(); i++) {
      const Exact u = static_cast<Exact>(from.logStd[i]) - static_cast<Exact>(to.logStd[i]);
      const Exact z = (static_cast<Exact>(from.head[i]) - static_cast<Exact>(to.head[i])) *
                      std::exp(-static_cast<Exact>(to.logStd[i]));
      sum += (std::expm1(2 * u) - 2 * u + z * z) / 2;
    }
    if (isGaussian(distribution)) return static_cast<double>(sum);
    const auto before = exactParts(distribution, from.head.data());
    const auto after = exactParts(distribution, to.head.data());
    for (size_t part = 0; part < before.size(); part++) {
      for (size_t i = 0; i < before[part].size(); i++) {
        const Exact difference = before[part][i] - after[part][i];
        sum += std::exp(before[part][i]) * (difference + std::expm1(-difference));
      }
    }
    return static_cast<double>(sum);
  };
  forEachPoint([&](const Distribution& distribution, const Point& point, Random& random) {
    for (double step = 1e-1; step > 1e-10; step /= 10) {
      Point other = point;
      for (double& value : other.head) value += step * (1 + random.uniform());
      if (!isGaussian(distribution)) other.head.back() -= 3 * step;
      for (double& value : other.logStd) value += step * (1 + random.uniform());
      const double expected = tinyKl(distribution, point, other);
      // Log-ratios of size `step` come with an absolute error of some roundings of logits of size
      // up to 8, and go in squared.
      CHECK_RELATIVE(kl(distribution, point, other), expected, 2 * 8 * 8 * kU / step);
    }
  });
}

CASE("score is the derivative of log p") {
  forEachPoint([](const Distribution& distribution, const Point& point, Random& random) {
    std::vector<double> action(distribution.actionSize());
    distribution.sample(point.head.data(), point.logStd.data(), random, action.data());
    const std::vector<double> score = scoreOf(distribution, point, action);
    constexpr double kStep = 1e-5;
    for (size_t i = 0; i < score.size(); i++) {
      const auto at = [&](double step) {
        Point moved = point;
        (i < point.head.size() ? moved.head[i] : moved.logStd[i - point.head.size()]) += step;
        return logProbability(distribution, moved, action);
      };
      const double difference = (at(kStep) - at(-kStep)) / (2 * kStep);
      const double doubled = (at(2 * kStep) - at(-2 * kStep)) / (4 * kStep);
      // Richardson: the step's error is a third of what doubling it changes; then rounding.
      CHECK_NEAR(score[i], difference,
                 std::abs(doubled - difference) + roundingOf(distribution, 10) / kStep);
    }
  });
}

CASE("E[score] = 0 and the metric is E[score score']") {
  forEachPoint([](const Distribution& distribution, const Point& point, Random&) {
    const size_t headSize = distribution.headSize();
    const size_t size = headSize + distribution.logStdSize();
    std::vector<double> mean(size);
    std::vector<double> outer(size * size);
    const auto add = [&](double weight, const std::vector<double>& score, size_t first,
                         size_t last) {
      for (size_t i = first; i < last; i++) {
        mean[i] += weight * score[i];
        for (size_t j = first; j < last; j++) outer[i * size + j] += weight * score[i] * score[j];
      }
    };
    if (isGaussian(distribution)) {
      for (size_t i = 0; i < headSize; i++) {
        for (int index = -kGridHalf; index <= kGridHalf; index++) {
          std::vector<double> action = point.head;
          action[i] += index * kGridStep * std::exp(point.logStd[i]);
          const std::vector<double> score = scoreOf(distribution, point, action);
          const double weight = gridWeight(index);
          add(weight, score, i, i + 1);
          add(weight, score, headSize + i, headSize + i + 1);
          outer[i * size + headSize + i] += weight * score[i] * score[headSize + i];
        }
      }
    } else {
      for (const std::vector<double>& action : allActions(distribution)) {
        add(std::exp(logProbability(distribution, point, action)),
            scoreOf(distribution, point, action), 0, size);
      }
    }

    double largest = 2;  // of the metric
    for (size_t i = 0; i < size; i++) largest = std::max(largest, outer[i * size + i]);
    const double tolerance = 40 * roundingOf(distribution, 5) * largest;
    for (const double value : mean) CHECK_NEAR(value, 0, tolerance);
    Guarded<double> column(headSize);
    for (size_t j = 0; j < headSize; j++) {
      std::vector<double> unit(headSize);
      unit[j] = 1;
      distribution.applyMetric(point.head.data(), point.logStd.data(), unit.data(), column.data());
      CHECK(column.intact());
      for (size_t i = 0; i < headSize; i++) {
        CHECK_NEAR(column[i], outer[i * size + j], tolerance);
      }
    }
    // The block of logStd is 2 I, with no cross term to the mean.
    for (size_t i = headSize; i < size; i++) {
      CHECK_NEAR(outer[i * size + i], 2, tolerance);
      CHECK_NEAR(outer[(i - headSize) * size + i], 0, tolerance);
    }
  });
}

CASE("metric = B B'") {
  forEachPoint([](const Distribution& distribution, const Point& point, Random& random) {
    const size_t size = distribution.headSize();
    const std::vector<double> tangent = normals(size, random);
    std::vector<double> expected(size);
    double largest = 1;
    Guarded<double> column(size);
    for (size_t c = 0; c < size; c++) {
      distribution.metricFactorColumn(point.head.data(), point.logStd.data(), c, column.data());
      CHECK(column.intact() && column.complete());
      const double weight = std::inner_product(tangent.begin(), tangent.end(), column.data(), 0.0);
      for (size_t i = 0; i < size; i++) {
        expected[i] += weight * column[i];
        largest = std::max(largest, column[i] * column[i]);
      }
    }
    Guarded<double> actual(size);
    distribution.applyMetric(point.head.data(), point.logStd.data(), tangent.data(), actual.data());
    for (size_t i = 0; i < size; i++) {
      CHECK_NEAR(actual[i], expected[i], roundingOf(distribution, 5) * largest);
    }
  });
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
