#pragma once

#include "core/line_search.h"
#include "core/method.h"

namespace trustregion {

// How long the natural direction x = (F + lambda I)^-1 g is made before the line search.
enum class StepLengthRule {
  fisher,  // sqrt(2 maxKl / x'F x): the quadratic model of the KL is maxKl
  damped,  // sqrt(2 maxKl / x'(F + lambda I) x): shorter; what most libraries do
};

enum class LineSearchKind {
  backtracking,
  boundary,  // finds the fraction whose exact KL is maxKl, then backtracks if that does not improve
};

struct TrpoOptions {
  double maxKl = 0.01;
  NaturalDirectionOptions naturalDirection;
  StepLengthRule stepLength = StepLengthRule::fisher;
  LineSearchKind lineSearchKind = LineSearchKind::boundary;
  LineSearchOptions lineSearch;  // its maxKl is set from maxKl above
};

// One trust-region policy optimisation step (Schulman et al. 2015): the natural direction, then a
// line search on exact KL and surrogate. Writes the new parameters to `newParameters` when accepted
// and leaves it alone otherwise.
UpdateSummary trpoStep(const UpdateContext& context, const TrpoOptions& options, MethodState& state,
                       std::span<double> newParameters);

}  // namespace trustregion
