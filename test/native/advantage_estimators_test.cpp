// Every advantage estimator against its definition, written as one sum for each row.

#include <algorithm>

#include "core/advantages.h"
#include "rollout.h"

namespace trustregion::test {
namespace {

using Estimator = AdvantageEstimator;

// Sums of at most 40 numbers of size up to 4.
constexpr double kTolerance = 40 * 40 * 4 * kDoubleRoundoff;

// One row's episode as a list, as far as the rollout knows it: rewards and values from its first
// step there, the value behind the last, and which of them the row is.
struct Episode {
  std::vector<double> rewards;
  std::vector<double> values;  // one more than rewards
  size_t position = 0;
};

Episode episodeOf(const Rollout& rollout, size_t row) {
  const size_t environments = rollout.environments;
  const size_t environment = row % environments;
  const auto ends = [&](size_t i) { return rollout.terminated[i] || rollout.truncated[i]; };
  size_t first = row;
  while (first >= environments && !ends(first - environments)) first -= environments;
  Episode episode;
  episode.position = (row - first) / environments;
  for (size_t i = first;; i += environments) {
    episode.rewards.push_back(rollout.rewards[i]);
    episode.values.push_back(rollout.values[i]);
    if (rollout.terminated[i]) {
      episode.values.push_back(0);
    } else if (rollout.truncated[i]) {
      episode.values.push_back(rollout.finalValues[i]);
    } else if (i + environments >= rollout.rewards.size()) {
      episode.values.push_back(rollout.lastValues[environment]);
    } else {
      continue;
    }
    return episode;
  }
}

// sum_{k<n} gamma^k r_{t+k} + gamma^n V_{t+n}, n cut to what there is.
double sumOf(const Episode& episode, size_t t, double gamma, size_t n) {
  const size_t steps = std::min(n, episode.rewards.size() - t);
  double sum = std::pow(gamma, steps) * episode.values[t + steps];
  for (size_t k = 0; k < steps; k++) sum += std::pow(gamma, k) * episode.rewards[t + k];
  return sum;
}

struct Expected {
  double advantage;
  double target;
};

Expected expected(const Rollout& rollout, size_t row, const AdvantageOptions& options) {
  const Episode episode = episodeOf(rollout, row);
  const size_t t = episode.position;
  const size_t end = episode.rewards.size();
  const double gamma = options.gamma;
  const double value = episode.values[t];
  switch (options.estimator) {
    case Estimator::monteCarlo:
      return {sumOf(episode, 0, gamma, end), sumOf(episode, t, gamma, end)};
    case Estimator::rewardToGo:
      return {sumOf(episode, t, gamma, end) - value, sumOf(episode, t, gamma, end)};
    case Estimator::nStep: {
      const double sum = sumOf(episode, t, gamma, options.horizon);
      return {sum - value, sum};
    }
    case Estimator::gae:
      break;
  }
  double advantage = 0;
  for (size_t i = t; i < end; i++) {
    const double delta = episode.rewards[i] + gamma * episode.values[i + 1] - episode.values[i];
    advantage += std::pow(gamma * options.lambda, i - t) * delta;
  }
  return {advantage, advantage + value};
}

void checkAll(const Rollout& rollout, const AdvantageOptions& options) {
  const Rollout::Result result = rollout.estimate(options);
  for (size_t row = 0; row < rollout.rewards.size(); row++) {
    const Context context("row ", row);
    const Expected answer = expected(rollout, row, options);
    CHECK_NEAR(result.advantages[row], answer.advantage, kTolerance);
    CHECK_NEAR(result.returns[row], answer.target, kTolerance);
  }
}

// All ends at once, whole and cut episodes, one environment and several.
template <class Check>
void forEachRollout(const Check& check) {
  for (const size_t environments : {1, 3}) {
    for (const size_t steps : {1, 2, 7, 40}) {
      for (const uint64_t seed : {0, 1, 2, 3}) {
        const Context context(environments, " environments, ", steps, " steps, seed ", seed);
        Rollout rollout(steps, environments, seed);
        if (seed > 0) rollout.cutAtRandom(seed);
        check(rollout);
      }
    }
  }
}

CASE("generalised advantages") {
  forEachRollout([](const Rollout& rollout) {
    for (const double lambda : {0.0, 0.6, 1.0}) {
      checkAll(rollout, {Estimator::gae, 0.9, lambda});
    }
  });
}

CASE("whole-episode returns, the same on every step of an episode") {
  forEachRollout([](const Rollout& rollout) {
    for (const double gamma : {0.0, 0.9, 1.0}) checkAll(rollout, {Estimator::monteCarlo, gamma});
  });
}

CASE("rewards to go") {
  forEachRollout([](const Rollout& rollout) {
    for (const double gamma : {0.0, 0.9, 1.0}) checkAll(rollout, {Estimator::rewardToGo, gamma});
  });
}

CASE("n steps, for n around every length") {
  forEachRollout([](const Rollout& rollout) {
    for (const size_t horizon : {1, 2, 3, 5, 6, 7, 8, 39, 40, 41, 1 << 30}) {
      const Context context("n ", horizon);
      for (const double gamma : {0.0, 0.9, 1.0}) {
        checkAll(rollout, {Estimator::nStep, gamma, 0, horizon});
      }
    }
  });
}

CASE("by hand: an episode cut by its truncation, and the next cut by the rollout") {
  Rollout rollout(5, 1);
  rollout.rewards = {1, 2, 4, 8, 16};
  rollout.values = {1, 1, 1, 1, 1};
  rollout.truncated[2] = 1;
  rollout.finalValues[2] = 8;
  rollout.lastValues = {32};
  // gamma 1/2. First episode: G = {1 + 1 + 1 + 1, 2 + 2 + 2, 4 + 4}; second {8 + 8 + 8, 16 + 16}.
  const auto monteCarlo = rollout.estimate({Estimator::monteCarlo, 0.5});
  CHECK(monteCarlo.advantages == std::vector<double>{4, 4, 4, 24, 24});
  CHECK(monteCarlo.returns == std::vector<double>{4, 6, 8, 24, 32});
  const auto toGo = rollout.estimate({Estimator::rewardToGo, 0.5});
  CHECK(toGo.advantages == std::vector<double>{3, 5, 7, 23, 31});
  CHECK(toGo.returns == monteCarlo.returns);
  // Two steps: {1 + 1 + 1/4, 2 + 2 + 2, 4 + 4, 8 + 8 + 8, 16 + 16}.
  const auto nStep = rollout.estimate({Estimator::nStep, 0.5, 0, 2});
  CHECK(nStep.returns == std::vector<double>{2.25, 6, 8, 24, 32});
  CHECK(nStep.advantages == std::vector<double>{1.25, 5, 7, 23, 31});
}

CASE("values of the steps do not enter whole-episode returns") {
  const Rollout rollout(6, 1);
  Rollout other = rollout;
  for (double& value : other.values) value += 100;
  CHECK(sameBits(rollout.estimate({Estimator::monteCarlo, 0.9}).advantages,
                 other.estimate({Estimator::monteCarlo, 0.9}).advantages));
}

CASE("a horizon of 0 is refused") {
  const Rollout rollout(3, 1);
  std::vector<double> out(3);
  CHECK_THROWS(ErrorCode::outOfRange, "horizon must be an integer of at least 1, got 0",
               estimateAdvantages(rollout.inputs(), {Estimator::nStep, 0.9, 0, 0}, out, out));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
