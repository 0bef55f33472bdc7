// Generalised advantage estimation in the cases that have closed forms, the normalisation of
// advantages, and explained variance.

#include "core/advantages.h"

#include <limits>
#include <numeric>

#include "core/random.h"
#include "rollout.h"

namespace trustregion::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Sums of at most 20 numbers of size up to 3.
constexpr double kTolerance = 20 * 20 * kDoubleRoundoff;

CASE("by hand: three steps, one environment") {
  Rollout rollout(3, 1);
  rollout.rewards = {1, 2, 3};
  rollout.values = {0.5, 0.25, 1};
  rollout.lastValues = {2};
  // gamma 1/2, lambda 1/2, all exact in binary.
  // delta = {1 + 0.125 - 0.5, 2 + 0.5 - 0.25, 3 + 1 - 1} = {0.625, 2.25, 3}
  // A_2 = 3, A_1 = 2.25 + 0.75 = 3, A_0 = 0.625 + 0.75 = 1.375
  const auto result = rollout.estimate(0.5, 0.5);
  CHECK(result.advantages == std::vector<double>{1.375, 3, 3});
  CHECK(result.returns == std::vector<double>{1.875, 3.25, 4});
}

CASE("lambda 1: discounted rewards less the value") {
  const Rollout rollout(10, 3);
  constexpr double kGamma = 0.9;
  const auto result = rollout.estimate(kGamma, 1);
  for (size_t environment = 0; environment < 3; environment++) {
    double sum = rollout.lastValues[environment];
    for (size_t step = 10; step-- > 0;) {
      const size_t i = step * 3 + environment;
      sum = rollout.rewards[i] + kGamma * sum;
      CHECK_NEAR(result.returns[i], sum, kTolerance);
      CHECK_NEAR(result.advantages[i], sum - rollout.values[i], kTolerance);
    }
  }
}

CASE("lambda 0: one temporal difference") {
  const Rollout rollout(10, 2);
  constexpr double kGamma = 0.9;
  const auto result = rollout.estimate(kGamma, 0);
  for (size_t i = 0; i < 20; i++) {
    const double next = i + 2 < 20 ? rollout.values[i + 2] : rollout.lastValues[i - 18];
    CHECK_NEAR(result.advantages[i], rollout.rewards[i] + kGamma * next - rollout.values[i],
               kTolerance);
  }
}

CASE("gamma 0: only the reward counts") {
  const Rollout rollout(5, 1);
  const auto result = rollout.estimate(0, 0.95);
  for (size_t i = 0; i < 5; i++) CHECK_NEAR(result.returns[i], rollout.rewards[i], kTolerance);
}

CASE("a constant reward forever: V = r / (1 - gamma) has no advantage") {
  Rollout rollout(20, 1);
  std::fill(rollout.rewards.begin(), rollout.rewards.end(), 1.0);
  std::fill(rollout.values.begin(), rollout.values.end(), 10.0);
  rollout.lastValues = {10};
  rollout.truncated[7] = 1;  // even across a cut
  rollout.finalValues[7] = 10;
  for (const double lambda : {0.0, 0.5, 1.0}) {
    for (const double advantage : rollout.estimate(0.9, lambda).advantages) {
      CHECK_NEAR(advantage, 0, 10 * kTolerance);
    }
  }
}

// With exact values every delta is zero, so it does not matter where the sum is cut.
CASE("a truncation with the exact value equals no truncation") {
  constexpr double kGamma = 0.95;
  for (const double lambda : {0.0, 0.7, 1.0}) {
    Rollout whole(12, 1);
    // Exact: V_t = r_t + gamma V_{t+1}.
    double next = whole.lastValues[0];
    for (size_t step = 12; step-- > 0;) {
      next = whole.values[step] = whole.rewards[step] + kGamma * next;
    }
    Rollout split = whole;
    split.truncated[4] = 1;
    split.finalValues[4] = whole.values[5];
    const auto a = whole.estimate(kGamma, lambda);
    const auto b = split.estimate(kGamma, lambda);
    for (size_t i = 0; i < 12; i++) {
      CHECK_NEAR(a.advantages[i], b.advantages[i], kTolerance);
      CHECK_NEAR(b.returns[i], whole.values[i], kTolerance);
    }
  }
}

CASE("lambda 0 does not see a truncation whose final value is the next one") {
  const Rollout whole(6, 1);
  Rollout split = whole;
  split.truncated[2] = 1;
  split.finalValues[2] = whole.values[3];
  CHECK(sameBits(whole.estimate(0.9, 0).advantages, split.estimate(0.9, 0).advantages));
}

CASE("termination: no value after it, and nothing leaks back across") {
  Rollout rollout(6, 1);
  rollout.terminated[2] = 1;
  const auto result = rollout.estimate(0.9, 0.8);
  CHECK_NEAR(result.advantages[2], rollout.rewards[2] - rollout.values[2], kTolerance);
  Rollout other = rollout;
  for (size_t i = 3; i < 6; i++) other.rewards[i] += 100;
  other.lastValues[0] += 100;
  const auto changed = other.estimate(0.9, 0.8);
  for (size_t i = 0; i < 3; i++) CHECK(changed.advantages[i] == result.advantages[i]);
  CHECK(changed.advantages[3] != result.advantages[3]);
}

CASE("truncation: bootstraps, and nothing leaks back across") {
  Rollout rollout(6, 1);
  rollout.truncated[2] = 1;
  const auto result = rollout.estimate(0.9, 0.8);
  CHECK_NEAR(result.advantages[2],
             rollout.rewards[2] + 0.9 * rollout.finalValues[2] - rollout.values[2], kTolerance);
  Rollout other = rollout;
  for (size_t i = 3; i < 6; i++) other.values[i] += 100;
  const auto changed = other.estimate(0.9, 0.8);
  for (size_t i = 0; i < 3; i++) CHECK(changed.advantages[i] == result.advantages[i]);
}

CASE("both at once is a termination, and its final value is not even read") {
  Rollout rollout(4, 1);
  rollout.terminated[1] = rollout.truncated[1] = 1;
  rollout.finalValues[1] = kNaN;
  Rollout terminated = rollout;
  terminated.truncated[1] = 0;
  CHECK(sameBits(rollout.estimate(0.9, 0.8).advantages, terminated.estimate(0.9, 0.8).advantages));
}

CASE("final values are read where a row is truncated, and nowhere else") {
  Rollout rollout(4, 1);
  rollout.finalValues.assign(4, kNaN);
  CHECK(rollout.estimate(0.9, 0.8).advantages.size() == 4);
  rollout.finalValues.clear();
  CHECK(rollout.estimate(0.9, 0.8).advantages.size() == 4);
}

CASE("any byte but zero is a flag") {
  Rollout rollout(3, 1);
  rollout.terminated[1] = 255;
  Rollout one = rollout;
  one.terminated[1] = 1;
  CHECK(sameBits(rollout.estimate(0.9, 0.8).returns, one.estimate(0.9, 0.8).returns));
}

CASE("environments do not mix") {
  const Rollout both(8, 2);
  const auto result = both.estimate(0.9, 0.8);
  for (size_t environment = 0; environment < 2; environment++) {
    Rollout alone(8, 1);
    for (size_t step = 0; step < 8; step++) {
      alone.rewards[step] = both.rewards[step * 2 + environment];
      alone.values[step] = both.values[step * 2 + environment];
    }
    alone.lastValues = {both.lastValues[environment]};
    const auto expected = alone.estimate(0.9, 0.8);
    for (size_t step = 0; step < 8; step++) {
      CHECK(result.advantages[step * 2 + environment] == expected.advantages[step]);
    }
  }
}

CASE("refusals") {
  const auto refuses = [](ErrorCode code, const char* text, auto change) {
    Rollout rollout(3, 2);
    change(rollout);
    std::vector<double> out(6);
    CHECK_THROWS(code, text, estimateAdvantages(rollout.inputs(), {}, out, out));
  };
  refuses(ErrorCode::notFinite, "rewards[3]", [](Rollout& r) { r.rewards[3] = kNaN; });
  refuses(ErrorCode::notFinite, "values[5]", [](Rollout& r) { r.values[5] = HUGE_VAL; });
  refuses(ErrorCode::notFinite, "lastValues[1]", [](Rollout& r) { r.lastValues[1] = kNaN; });
  refuses(ErrorCode::notFinite, "finalValues[2]", [](Rollout& r) {
    r.truncated[2] = 1;
    r.finalValues[2] = kNaN;
  });
  refuses(ErrorCode::shapeMismatch, "rewards must have length 6",
          [](Rollout& r) { r.rewards.pop_back(); });
  refuses(ErrorCode::shapeMismatch, "values must have length 6",
          [](Rollout& r) { r.values.push_back(0); });
  refuses(ErrorCode::shapeMismatch, "lastValues must have length 2",
          [](Rollout& r) { r.lastValues.pop_back(); });
  refuses(ErrorCode::shapeMismatch, "terminated", [](Rollout& r) { r.terminated.pop_back(); });
  refuses(ErrorCode::shapeMismatch, "truncated", [](Rollout& r) { r.truncated.pop_back(); });
  refuses(ErrorCode::shapeMismatch, "finalValues", [](Rollout& r) {
    r.truncated[0] = 1;
    r.finalValues.pop_back();
  });
}

std::vector<double> normalized(std::vector<double> advantages) {
  normalizeAdvantages(advantages);
  return advantages;
}

CASE("normalised advantages have mean 0 and deviation 1") {
  Random random(2);
  for (const double offset : {0.0, 5.0, 1e6}) {
    for (const double scale : {1e-30, 1e-3, 1.0, 1e30}) {
      if (offset != 0 && scale != 1) continue;
      std::vector<double> advantages = normals(1000, random, scale);
      for (double& value : advantages) value += offset;
      const std::vector<double> result = normalized(advantages);
      const double mean = std::accumulate(result.begin(), result.end(), 0.0) / 1000;
      double variance = 0;
      for (const double value : result) variance += value * value / 1000;
      // The mean of a thousand numbers of size |offset| + 1, in units of the deviation.
      CHECK_NEAR(mean, 0, 1000 * kDoubleRoundoff * (1 + offset));
      CHECK_NEAR(variance, 1, 1000 * kDoubleRoundoff);
    }
  }
  CHECK(normalized({1, 3}) == std::vector<double>({-1, 1}));
}

// 0.1 is not a binary fraction: sums of it round, and the mean is not 0.1.
CASE("constant advantages become exactly zero, however many") {
  for (const double constant : {0.0, 1.0, 0.1, -2.3, 1e6 + 0.1, 1e-20}) {
    for (const size_t rows : {1, 2, 3, 10, 1000, 50000, 100000, 1000000}) {
      const Context context(constant, " in ", rows, " rows");
      const std::vector<double> result = normalized(std::vector<double>(rows, constant));
      bool allZero = true;
      for (const double value : result) allZero = allZero && value == 0;
      CHECK(allZero);
    }
  }
}

CASE("advantages whose squares leave the range are still told apart") {
  for (const double scale : {5e-324, 1e-310, 1e-200, 1e200, 1.7e308}) {
    const Context context("scale ", scale);
    const std::vector<double> result = normalized({scale, -scale, scale, -scale});
    CHECK_NEAR(result[0], 1, 16 * kDoubleRoundoff);
    CHECK_NEAR(result[1], -1, 16 * kDoubleRoundoff);
  }
}

double explained(const std::vector<double>& values, const std::vector<double>& returns) {
  return explainedVariance({values.data(), values.size()}, {returns.data(), returns.size()});
}

CASE("explained variance") {
  CHECK(explained({1, 2, 3}, {1, 2, 3}) == 1);
  CHECK_NEAR(explained({2, 2, 2}, {1, 2, 3}), 0, 8 * kDoubleRoundoff);
  CHECK_NEAR(explained({7, 8, 9}, {1, 2, 3}), 1, 16 * kDoubleRoundoff);  // an offset is no error
  CHECK_NEAR(explained({-1, -2, -3}, {1, 2, 3}), -3, 16 * kDoubleRoundoff);
  CHECK(std::isnan(explained({}, {})));
}

CASE("constant returns: there is no variance to explain") {
  for (const double constant : {1.0, 0.1, -2.3, 1e6 + 0.1}) {
    for (const size_t rows : {1, 3, 10, 100000}) {
      const Context context(constant, " in ", rows, " rows");
      std::vector<double> values(rows, 0.5);
      values[0] = 1;
      CHECK(std::isnan(explained(values, std::vector<double>(rows, constant))));
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
