#pragma once

#include <span>

#include "core/mlp_layout.h"
#include "core/random.h"

namespace trustregion {

// Orthogonal initialisation (Saxe, McClelland and Ganguli 2014): each weight is `gain` times a
// matrix with orthonormal rows (or columns, where it has more rows than columns), the Q factor of
// a Gaussian matrix; biases are zero. Hidden layers take gain sqrt(2); the last layer takes
// `outputGain`, small for a policy, so that its first actions hardly depend on the observation.
void initializeOrthogonal(const MlpLayout& layout, double outputGain, Random& random,
                          std::span<double> parameters);

}  // namespace trustregion
