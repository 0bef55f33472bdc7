#pragma once

#include <memory>
#include <variant>

#include "core/adam.h"
#include "core/natural_direction.h"
#include "core/random.h"
#include "core/update_summary.h"

namespace trustregion {

// The batch of an update as every method sees it.
struct UpdateContext {
  const PolicyModel& model;
  const Backend& backend;
  std::span<const double> parameters;  // theta
  Problem& problem;                    // all rows, for gradient, KL and surrogate
  Problem& fisherProblem;              // the rows of the Fisher matrix; often `problem` itself
};

// What one update leaves to the next; a value, so an update works on a copy and nothing is changed
// by one that fails.
struct MethodState {
  NaturalDirectionState naturalDirection;
  double multiplier = -1;  // dual gradient descent; negative: none yet
  double klPenalty = -1;   // PPO; negative: none yet
  std::shared_ptr<const Adam> adam;
  std::shared_ptr<const Random> shuffling;
};

}  // namespace trustregion
