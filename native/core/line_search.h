#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "core/backend.h"

namespace trustregion {

// Ratio of the improvement that came to the one that the linear model promised.
class StepQuality {
 public:
  StepQuality(double actualImprovement, double expectedImprovement)
      : actual_(actualImprovement), expected_(expectedImprovement) {}

  // A product instead of a quotient: expected may be tiny.
  bool exceeds(double ratio) const { return actual_ > 0 && actual_ > ratio * expected_; }

 private:
  double actual_;
  double expected_;
};

struct LineSearchOptions {
  double maxKl = 0.01;
  // Largest KL of a single row: a mean says little about states that are rare.
  double maxRowKl = std::numeric_limits<double>::infinity();
  double backtrackFactor = 0.8;  // in (0, 1)
  int maxBacktracks = 15;
  double acceptRatio = 0.1;  // in [0, 1)
  // Of the boundary search: how far below maxKl it may end, as a part of maxKl, and how many
  // candidates it may try before it takes the best one inside.
  double klTolerance = 0.01;
  int maxBoundaryCandidates = 10;
};

struct Candidate {
  double fraction;
  Evaluation evaluation;
};

enum class LineSearchStop {
  accepted,
  klExceeded,     // the last candidate still left the trust region
  noImprovement,  // the last candidate was inside, but did not improve enough
  notFinite,      // the last candidate was not finite
};

const char* lineSearchStopName(LineSearchStop stop);

struct LineSearchSummary {
  LineSearchStop stop = LineSearchStop::klExceeded;
  std::vector<Candidate> candidates;  // in the order tried; the last is the accepted one, if any
};

// Of the candidate that was evaluated last, at this fraction of the full step.
using ExpectedImprovement = std::function<double(double fraction)>;

// Tries fraction = 1, b, b^2, ... of the full step (Schulman et al. 2015, appendix C) until the
// candidate is finite, its exact mean KL is at most maxKl and no row's above maxRowKl, and its
// surrogate rose by more than acceptRatio x expectedImprovement(fraction).
LineSearchSummary backtrackingLineSearch(const std::function<Evaluation(double fraction)>& evaluate,
                                         double surrogateBefore,
                                         const ExpectedImprovement& expectedImprovement,
                                         const LineSearchOptions& options);

// The first half of the boundary search below, without the improvement test: accepted where the
// last candidate is inside. Fractions go up to largestFraction.
LineSearchSummary findKlBoundary(const std::function<Evaluation(double fraction)>& evaluate,
                                 const LineSearchOptions& options, double largestFraction);

// Finds the fraction whose exact mean KL lies in [(1 - klTolerance) maxKl, maxKl], or whose largest
// KL of a row does so below maxRowKl if that comes first, starting from 1 and going beyond it where
// the whole step stays inside: KL grows like fraction^2, so the root of sqrt(KL) is found by a
// secant in about three evaluations, safeguarded by bisection. Then the same improvement test as in
// backtracking, and backtracking from there if it fails.
LineSearchSummary boundaryLineSearch(const std::function<Evaluation(double fraction)>& evaluate,
                                     double surrogateBefore,
                                     const ExpectedImprovement& expectedImprovement,
                                     const LineSearchOptions& options);

}  // namespace trustregion
