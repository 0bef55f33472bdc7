#include "core/line_search.h"

namespace trustregion {

const char* lineSearchStopName(LineSearchStop stop) {
  switch (stop) {
    case LineSearchStop::accepted:
      return "accepted";
    case LineSearchStop::klExceeded:
      return "klExceeded";
    case LineSearchStop::noImprovement:
      return "noImprovement";
    case LineSearchStop::notFinite:
      break;
  }
  return "notFinite";
}

LineSearchSummary backtrackingLineSearch(const std::function<Evaluation(double fraction)>& evaluate,
                                         double surrogateBefore, double expectedImprovement,
                                         const LineSearchOptions& options) {
  LineSearchSummary summary;
  double fraction = 1;
  for (int backtrack = 0; backtrack <= options.maxBacktracks; backtrack++) {
    const Evaluation candidate = evaluate(fraction);
    summary.candidates.push_back({fraction, candidate});
    const StepQuality quality(candidate.surrogate - surrogateBefore,
                              fraction * expectedImprovement);
    if (!candidate.finite) {
      summary.stop = LineSearchStop::notFinite;
    } else if (!(candidate.meanKl <= options.maxKl)) {
      summary.stop = LineSearchStop::klExceeded;
    } else if (!quality.exceeds(options.acceptRatio)) {
      summary.stop = LineSearchStop::noImprovement;
    } else {
      summary.stop = LineSearchStop::accepted;
      return summary;
    }
    fraction *= options.backtrackFactor;
  }
  return summary;
}

}  // namespace trustregion
