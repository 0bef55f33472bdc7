#pragma once

#include <functional>
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
  double backtrackFactor = 0.8;  // in (0, 1)
  int maxBacktracks = 15;
  double acceptRatio = 0.1;  // in [0, 1)
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

// Tries fraction = 1, b, b^2, ... of the full step (Schulman et al. 2015, appendix C) until the
// candidate is finite, its exact mean KL is at most maxKl, and its surrogate rose by more than
// acceptRatio x fraction x expectedImprovement.
LineSearchSummary backtrackingLineSearch(const std::function<Evaluation(double fraction)>& evaluate,
                                         double surrogateBefore, double expectedImprovement,
                                         const LineSearchOptions& options);

}  // namespace trustregion
