// Gradients of KL and entropy, and products with the metric's factor: against definitions in long
// double, at ordinary and extreme parameters.

#include <algorithm>
#include <functional>

#include "core/distribution.h"
#include "exact_distribution.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kU = kDoubleRoundoff;

const std::vector<Distribution>& distributions() {
  static const std::vector<Distribution> all = {
      Distribution::gaussian(1),      Distribution::gaussian(3),
      Distribution::categorical({4}), Distribution::categorical({3, 2, 4}),
      Distribution::categorical({1}), Distribution::bernoulli(1),
      Distribution::bernoulli(3)};
  return all;
}

struct Point {
  std::vector<double> head;
  std::vector<double> logStd;
};

Point randomPoint(const Distribution& distribution, Random& random, double scale) {
  return {normals(distribution.headSize(), random, scale),
          normals(distribution.logStdSize(), random, 0.4)};
}

// [head | logStd]
std::vector<double> klGradient(const Distribution& distribution, const Point& from,
                               const Point& to) {
  Guarded<double> head(distribution.headSize());
  Guarded<double> logStd(distribution.logStdSize());
  distribution.klGradient(from.head.data(), from.logStd.data(), to.head.data(), to.logStd.data(),
                          head.data(), logStd.data());
  CHECK(head.intact() && head.complete() && logStd.intact() && logStd.complete());
  std::vector<double> both(head.data(), head.data() + head.size());
  both.insert(both.end(), logStd.data(), logStd.data() + logStd.size());
  return both;
}

std::vector<double> entropyGradient(const Distribution& distribution, const Point& at) {
  Guarded<double> head(distribution.headSize());
  Guarded<double> logStd(distribution.logStdSize());
  distribution.entropyGradient(at.head.data(), at.logStd.data(), head.data(), logStd.data());
  CHECK(head.intact() && head.complete() && logStd.intact() && logStd.complete());
  std::vector<double> both(head.data(), head.data() + head.size());
  both.insert(both.end(), logStd.data(), logStd.data() + logStd.size());
  return both;
}

Exact exactSigmoid(double logit) { return 1 / (1 + std::exp(-static_cast<Exact>(logit))); }

// Derivatives in closed form, in long double: p_new - p_old of logits; of a Gaussian from its
// definition.
std::vector<Exact> exactKlGradient(const Distribution& distribution, const Point& from,
                                   const Point& to) {
  std::vector<Exact> gradient;
  switch (distribution.kind()) {
    case DistributionKind::gaussian:
      for (size_t i = 0; i < to.head.size(); i++) {
        const Exact variance = std::exp(2 * static_cast<Exact>(to.logStd[i]));
        gradient.push_back((static_cast<Exact>(to.head[i]) - from.head[i]) / variance);
      }
      for (size_t i = 0; i < to.head.size(); i++) {
        const Exact newVariance = std::exp(2 * static_cast<Exact>(to.logStd[i]));
        const Exact oldVariance = std::exp(2 * static_cast<Exact>(from.logStd[i]));
        const Exact moved = static_cast<Exact>(to.head[i]) - from.head[i];
        gradient.push_back(1 - (oldVariance + moved * moved) / newVariance);
      }
      break;
    case DistributionKind::categorical: {
      const auto oldParts = exactParts(distribution, from.head.data());
      const auto newParts = exactParts(distribution, to.head.data());
      for (size_t part = 0; part < oldParts.size(); part++) {
        for (size_t i = 0; i < oldParts[part].size(); i++) {
          gradient.push_back(std::exp(newParts[part][i]) - std::exp(oldParts[part][i]));
        }
      }
      break;
    }
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < to.head.size(); i++) {
        gradient.push_back(exactSigmoid(to.head[i]) - exactSigmoid(from.head[i]));
      }
      break;
  }
  return gradient;
}

std::vector<Exact> exactEntropyGradient(const Distribution& distribution, const Point& at) {
  std::vector<Exact> gradient;
  switch (distribution.kind()) {
    case DistributionKind::gaussian:
      gradient.assign(at.head.size(), 0);
      gradient.resize(2 * at.head.size(), 1);
      break;
    case DistributionKind::categorical:
      for (const ExactPart& part : exactParts(distribution, at.head.data())) {
        Exact entropy = 0;
        for (const Exact logP : part) entropy -= std::exp(logP) * logP;
        for (const Exact logP : part) gradient.push_back(-std::exp(logP) * (logP + entropy));
      }
      break;
    case DistributionKind::bernoulli:
      for (const double logit : at.head) {
        gradient.push_back(-static_cast<Exact>(logit) * exactSigmoid(logit) * exactSigmoid(-logit));
      }
      break;
  }
  return gradient;
}

// The closed forms above are no copies of the core's mistakes: they are the derivatives of the
// definitions, by differences in long double.
CASE("the formulas are derivatives") {
  if (!kLongDoubleIsWider) skipCase("long double is double here");
  Random random(1);
  for (const Distribution& distribution : distributions()) {
    const Context context(describe(distribution));
    const Point from = randomPoint(distribution, random, 1);
    const Point to = randomPoint(distribution, random, 1);
    const std::vector<Exact> kl = exactKlGradient(distribution, from, to);
    const std::vector<Exact> entropy = exactEntropyGradient(distribution, to);
    for (size_t i = 0; i < kl.size(); i++) {
      const auto at = [&](double h, bool isKl) {
        Point moved = to;
        (i < to.head.size() ? moved.head[i] : moved.logStd[i - to.head.size()]) += h;
        return isKl ? exactKl(distribution, from.head.data(), from.logStd.data(), moved.head.data(),
                              moved.logStd.data())
                    : exactEntropy(distribution, moved.head.data(), moved.logStd.data());
      };
      // 2^-14: moved exactly; an error of h^2, of which Richardson leaves h^4 = 1e-17.
      constexpr double kStep = 0x1p-14;
      const auto slope = [&](bool isKl) {
        const Exact fine = (at(kStep, isKl) - at(-kStep, isKl)) / (2 * kStep);
        const Exact coarse = (at(2 * kStep, isKl) - at(-2 * kStep, isKl)) / (4 * kStep);
        return static_cast<double>(fine + (fine - coarse) / 3);
      };
      // to.head + h rounds to double, by 1e-16 / 6e-5 of the slope.
      CHECK_NEAR(slope(true), static_cast<double>(kl[i]), 1e-10);
      CHECK_NEAR(slope(false), static_cast<double>(entropy[i]), 1e-10);
    }
  }
}

// p and log p of logits up to `scale` come with errors of some u (1 + |logit|); their differences
// and products with a log p keep them. A Gaussian's are relative to its variance ratio.
CASE("ordinary and extreme parameters") {
  Random random(2);
  for (const Distribution& distribution : distributions()) {
    for (const double scale : {1e-8, 0.1, 1.0, 10.0, 100.0}) {
      for (int round = 0; round < 20; round++) {
        const Context context(describe(distribution), " scale ", scale, " round ", round);
        const Point from = randomPoint(distribution, random, scale);
        const Point to = randomPoint(distribution, random, scale);
        const std::vector<double> kl = klGradient(distribution, from, to);
        const std::vector<Exact> exactKlValues = exactKlGradient(distribution, from, to);
        const std::vector<double> entropy = entropyGradient(distribution, to);
        const std::vector<Exact> exactEntropyValues = exactEntropyGradient(distribution, to);
        CHECK(kl.size() == exactKlValues.size() && entropy.size() == exactEntropyValues.size());
        for (size_t i = 0; i < kl.size(); i++) {
          const double size = static_cast<double>(distribution.headSize());
          double largest = 1;
          for (const double logit : to.head) largest = std::max(largest, std::abs(logit));
          for (const double logit : from.head) largest = std::max(largest, std::abs(logit));
          const double expected = static_cast<double>(exactKlValues[i]);
          // 1 - (so^2 + d^2) / sn^2: with parts as large as itself plus two.
          const double tolerance = 16 * size * kU * largest * (2 + std::abs(expected));
          CHECK_NEAR(kl[i], expected, tolerance);
          CHECK_NEAR(entropy[i], static_cast<double>(exactEntropyValues[i]),
                     16 * size * kU * largest * (1 + largest));
        }
      }
    }
  }
}

CASE("at the same parameters the KL has no gradient, to the bit") {
  Random random(3);
  for (const Distribution& distribution : distributions()) {
    for (const double scale : {0.0, 1.0, 1e3}) {
      const Point point = randomPoint(distribution, random, scale);
      for (const double value : klGradient(distribution, point, point)) CHECK(value == 0);
    }
  }
}

// KL(theta || theta + t d) has the gradient t M d + O(t^2): the metric is its derivative.
CASE("near the same parameters the KL's gradient is the metric times the displacement") {
  Random random(4);
  for (const Distribution& distribution : distributions()) {
    const Context context(describe(distribution));
    const Point point = randomPoint(distribution, random, 1);
    const std::vector<double> direction = normals(distribution.headSize(), random);
    std::vector<double> expected(distribution.headSize());
    distribution.applyMetric(point.head.data(), point.logStd.data(), direction.data(),
                             expected.data());
    constexpr double kStep = 1e-6;
    Point moved = point;
    for (size_t i = 0; i < direction.size(); i++) moved.head[i] += kStep * direction[i];
    const std::vector<double> gradient = klGradient(distribution, point, moved);
    double size = 1;
    for (const double value : expected) size = std::max(size, std::abs(value));
    for (size_t i = 0; i < direction.size(); i++) {
      // Second derivatives of softmax are below one, of directions up to 3 in some entries; the
      // difference of probabilities rounds by u / t.
      CHECK_NEAR(gradient[i] / kStep, expected[i], 100 * kStep + 64 * kU / kStep * size);
    }
  }
}

CASE("logits out at the ends: finite, and what the definition says") {
  for (const double end : {40.0, 700.0, 1e4, 1e300}) {
    const Context context("end ", end);
    const Distribution bit = Distribution::bernoulli(1);
    const Distribution choice = Distribution::categorical({2});
    for (const double sign : {1.0, -1.0}) {
      const Point far{{sign * end}, {}};
      const Point near{{0}, {}};
      // p_new - p_old
      CHECK_NEAR(klGradient(bit, far, near)[0], -sign * 0.5, kU + std::exp(-40.0));
      CHECK_NEAR(klGradient(bit, near, far)[0], sign * 0.5, kU + std::exp(-40.0));
      CHECK(klGradient(bit, far, far)[0] == 0);
      const double entropy = entropyGradient(bit, far)[0];
      // -l p (1 - p): towards zero, still of the right sign until it underflows.
      CHECK(sign * entropy <= 0 && std::abs(entropy) <= end * std::exp(-std::min(end, 745.0)) * 2);
      if (end == 40) CHECK_RELATIVE(entropy, -sign * 40 * std::exp(-40.0), 64 * kU);
      const Point farChoice{{sign * end, 0}, {}};
      const Point nearChoice{{0, 0}, {}};
      const std::vector<double> gradient = klGradient(choice, farChoice, nearChoice);
      CHECK_NEAR(gradient[0], -sign * 0.5, kU + std::exp(-40.0));
      CHECK_NEAR(gradient[1], sign * 0.5, kU + std::exp(-40.0));
      for (const double value : entropyGradient(choice, farChoice)) {
        CHECK(std::isfinite(value) && std::abs(value) < 1e-14);
      }
    }
  }
}

CASE("shifting a factor's logits changes nothing, and its gradients sum to zero") {
  Random random(5);
  const Distribution distribution = Distribution::categorical({3, 2, 4});
  const Point from = randomPoint(distribution, random, 1);
  const Point to = randomPoint(distribution, random, 1);
  Point shifted = to;
  for (size_t i = 3; i < 5; i++) shifted.head[i] += 4;  // exact to three bits of the logits
  const std::vector<double> kl = klGradient(distribution, from, to);
  const std::vector<double> shiftedKl = klGradient(distribution, from, shifted);
  const std::vector<double> entropy = entropyGradient(distribution, to);
  for (size_t i = 0; i < kl.size(); i++) CHECK_NEAR(kl[i], shiftedKl[i], 64 * kU);
  size_t first = 0;
  for (const size_t count : distribution.counts()) {
    double klSum = 0;
    double entropySum = 0;
    for (size_t i = first; i < first + count; i++) {
      klSum += kl[i];
      entropySum += entropy[i];
    }
    CHECK_NEAR(klSum, 0, 64 * kU);
    CHECK_NEAR(entropySum, 0, 64 * kU);
    first += count;
  }
}

CASE("B e is the sum of the columns of B, and B B' is the metric") {
  Random random(6);
  for (const Distribution& distribution : distributions()) {
    const size_t size = distribution.headSize();
    for (const double scale : {0.1, 1.0, 30.0, 1000.0}) {
      const Context context(describe(distribution), " scale ", scale);
      const Point point = randomPoint(distribution, random, scale);
      const std::vector<double> e = normals(size, random);
      Guarded<double> product(size);
      distribution.metricFactorProduct(point.head.data(), point.logStd.data(), e.data(),
                                       product.data());
      CHECK(product.intact() && product.complete());
      std::vector<double> sum(size);
      std::vector<double> transposed(size);  // B'e
      std::vector<double> column(size);
      double largest = 1;
      for (size_t c = 0; c < size; c++) {
        distribution.metricFactorColumn(point.head.data(), point.logStd.data(), c, column.data());
        for (size_t i = 0; i < size; i++) {
          sum[i] += e[c] * column[i];
          transposed[c] += column[i] * e[i];
          largest = std::max(largest, square(column[i]));
        }
      }
      // B B'e
      std::vector<double> metric(size);
      distribution.applyMetric(point.head.data(), point.logStd.data(), e.data(), metric.data());
      Guarded<double> twice(size);
      distribution.metricFactorProduct(point.head.data(), point.logStd.data(), transposed.data(),
                                       twice.data());
      for (size_t i = 0; i < size; i++) {
        // Sums of `size` terms up to 4 sqrt(largest), in another order.
        CHECK_NEAR(product[i], sum[i], 16 * static_cast<double>(size) * kU * std::sqrt(largest));
        CHECK_NEAR(twice[i], metric[i], 64 * static_cast<double>(size) * kU * largest);
      }
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
