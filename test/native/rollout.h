#pragma once

#include <cstdint>
#include <vector>

#include "core/advantages.h"
#include "core/random.h"
#include "guarded.h"
#include "problems.h"

// Random rewards and values for the tests of advantages.
namespace trustregion::test {

// Owns what an AdvantageInputs points to.
struct Rollout {
  Rollout(size_t stepCount, size_t environmentCount, uint64_t seed = 1)
      : steps(stepCount),
        environments(environmentCount),
        terminated(stepCount * environmentCount),
        truncated(stepCount * environmentCount) {
    Random random(seed);
    rewards = normals(steps * environments, random);
    values = normals(steps * environments, random);
    finalValues = normals(steps * environments, random);
    lastValues = normals(environments, random);
  }

  struct Result {
    std::vector<double> advantages;
    std::vector<double> returns;
  };

  Result estimate(double gamma, double lambda) const {
    return estimate({.gamma = gamma, .lambda = lambda});
  }

  Result estimate(const AdvantageOptions& options) const {
    Guarded<double> advantages(rewards.size());
    Guarded<double> returns(rewards.size());
    estimateAdvantages(inputs(), options, advantages.span(), returns.span());
    CHECK(advantages.intact() && returns.intact());
    CHECK(advantages.complete() && returns.complete());
    return {{advantages.data(), advantages.data() + advantages.size()},
            {returns.data(), returns.data() + returns.size()}};
  }

  AdvantageInputs inputs() const {
    return {steps,
            environments,
            {rewards.data(), rewards.size()},
            {values.data(), values.size()},
            terminated,
            truncated,
            {finalValues.data(), finalValues.size()},
            {lastValues.data(), lastValues.size()}};
  }

  // Ends episodes at random rows, in every way that there is.
  void cutAtRandom(uint64_t seed) {
    Random random(seed, 5);
    for (size_t row = 0; row < rewards.size(); row++) {
      const uint64_t draw = random.below(12);
      terminated[row] = draw == 0 || draw == 1;
      truncated[row] = draw == 1 || draw == 2;
    }
  }

  size_t steps;
  size_t environments;
  std::vector<double> rewards;
  std::vector<double> values;
  std::vector<uint8_t> terminated;
  std::vector<uint8_t> truncated;
  std::vector<double> finalValues;
  std::vector<double> lastValues;
};

}  // namespace trustregion::test
