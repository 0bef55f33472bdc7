#pragma once

#include <cstddef>
#include <limits>

#include "core/distribution.h"
#include "core/mlp_layout.h"

namespace trustregion {

// The shape of a policy: network, distribution of its head, and the flat parameter vector
// [network parameters | logStd].
struct PolicyModel {
  MlpLayout network;
  Distribution distribution;
  // No logStd is below it. As the backend can hold it.
  double minLogStd = -std::numeric_limits<double>::infinity();

  size_t observationSize() const { return network.inputs(); }
  size_t logStdOffset() const { return network.parameterCount(); }
  size_t parameterCount() const { return network.parameterCount() + distribution.logStdSize(); }
};

}  // namespace trustregion
