#include "core/line_search.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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

namespace {

using Evaluate = std::function<Evaluation(double fraction)>;

bool limitsRows(const LineSearchOptions& options) { return std::isfinite(options.maxRowKl); }

LineSearchStop limitOf(const Evaluation& candidate, const LineSearchOptions& options) {
  if (!candidate.finite) return LineSearchStop::notFinite;
  const bool isInside = candidate.meanKl <= options.maxKl &&
                        (!limitsRows(options) || candidate.maxKl <= options.maxRowKl);
  return isInside ? LineSearchStop::accepted : LineSearchStop::klExceeded;
}

// What a candidate takes of the trust region, as a mean KL: maxKl is all of it. Both divergences
// grow like the square of the step.
double usedKl(const Evaluation& candidate, const LineSearchOptions& options) {
  if (!limitsRows(options)) return candidate.meanKl;
  const double ofRows = candidate.maxKl / options.maxRowKl * options.maxKl;
  return candidate.meanKl > ofRows ? candidate.meanKl : ofRows;
}

// The acceptance test of a candidate.
class AcceptanceTest {
 public:
  AcceptanceTest(double surrogateBefore, const ExpectedImprovement& expectedImprovement,
                 const LineSearchOptions& options)
      : surrogateBefore_(surrogateBefore),
        expectedImprovement_(expectedImprovement),
        options_(options) {}

  LineSearchStop operator()(const Candidate& candidate) const {
    const LineSearchStop limit = limitOf(candidate.evaluation, options_);
    if (limit != LineSearchStop::accepted) return limit;
    const StepQuality quality(candidate.evaluation.surrogate - surrogateBefore_,
                              expectedImprovement_(candidate.fraction));
    return quality.exceeds(options_.acceptRatio) ? LineSearchStop::accepted
                                                 : LineSearchStop::noImprovement;
  }

 private:
  double surrogateBefore_;
  const ExpectedImprovement& expectedImprovement_;
  const LineSearchOptions& options_;
};

void backtrackFrom(double fraction, int candidates, const Evaluate& evaluate,
                   const AcceptanceTest& test, const LineSearchOptions& options,
                   LineSearchSummary& summary) {
  for (int i = 0; i < candidates; i++) {
    summary.candidates.push_back({fraction, evaluate(fraction)});
    summary.stop = test(summary.candidates.back());
    if (summary.stop == LineSearchStop::accepted) return;
    fraction *= options.backtrackFactor;
  }
}

// Where sqrt(KL), about linear in the fraction, crosses the root of the target.
class BoundaryBracket {
 public:
  explicit BoundaryBracket(double target) : target_(std::sqrt(target)) {}

  void addInside(double fraction, double kl) {
    rememberWidth();
    low_ = {fraction, std::sqrt(kl)};
    addNewest(low_);
  }
  void addOutside(double fraction, double kl) {
    rememberWidth();
    high_ = {fraction, std::sqrt(kl)};
    addNewest(high_);
  }
  void addNotFinite(double fraction) {
    rememberWidth();
    high_ = {fraction, std::numeric_limits<double>::infinity()};
  }

  double next() const {
    const double slope = (newest_.root - previous_.root) / (newest_.fraction - previous_.fraction);
    double fraction = newest_.fraction + (target_ - newest_.root) / slope;
    const double width = high_.fraction - low_.fraction;
    const bool isStuck = width > 0.5 * widths_[2];
    if (std::isinf(width)) {
      // Everything so far was inside: outwards, by a factor of 10 at most.
      if (!(slope > 0)) return 10 * low_.fraction;
      return std::clamp(fraction, 1.001 * low_.fraction, 10 * low_.fraction);
    }
    if (std::isinf(high_.root) || !(slope > 0)) return low_.fraction + 0.25 * width;
    // Where the KL grows like an exponential, secants creep along one end of the bracket: where
    // three have not halved it, bisection takes over (as in Brent 1973, chapter 4).
    if (isStuck) return low_.fraction + 0.5 * width;
    // A secant may not stay within a hair of an end that it already knows. (0 is no candidate.)
    const double margin = 0.01 * width;
    fraction = std::clamp(fraction, low_.fraction > 0 ? low_.fraction + margin : 0,
                          high_.fraction - margin);
    return fraction > 0 && fraction < high_.fraction ? fraction : low_.fraction + 0.5 * width;
  }

 private:
  struct Point {
    double fraction;
    double root;
  };

  void addNewest(Point point) {
    previous_ = newest_;
    newest_ = point;
  }
  void rememberWidth() { widths_ = {high_.fraction - low_.fraction, widths_[0], widths_[1]}; }

  double target_;
  Point low_{0, 0};
  Point high_{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  Point previous_{0, 0};
  Point newest_{0, 0};
  // Widths of the bracket before the last candidate was added, the one before it, and so on.
  std::array<double, 3> widths_{std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::infinity()};
};

}  // namespace

LineSearchSummary backtrackingLineSearch(const Evaluate& evaluate, double surrogateBefore,
                                         const ExpectedImprovement& expectedImprovement,
                                         const LineSearchOptions& options) {
  LineSearchSummary summary;
  const AcceptanceTest test(surrogateBefore, expectedImprovement, options);
  backtrackFrom(1, options.maxBacktracks + 1, evaluate, test, options, summary);
  return summary;
}

LineSearchSummary findKlBoundary(const Evaluate& evaluate, const LineSearchOptions& options,
                                 double largestFraction) {
  LineSearchSummary summary;
  const double lowest = (1 - options.klTolerance) * options.maxKl;
  BoundaryBracket bracket(0.5 * (lowest + options.maxKl));
  double fraction = 1;
  double best = 0;  // the largest fraction known to be inside
  for (int i = 0; i < options.maxBoundaryCandidates; i++) {
    summary.candidates.push_back({fraction, evaluate(fraction)});
    const Evaluation& candidate = summary.candidates.back().evaluation;
    const double used = usedKl(candidate, options);
    summary.stop = limitOf(candidate, options);
    if (summary.stop == LineSearchStop::accepted) {
      if (used >= lowest || fraction >= largestFraction) return summary;
      best = fraction;
      bracket.addInside(fraction, used);
    } else if (summary.stop == LineSearchStop::klExceeded && std::isfinite(used)) {
      bracket.addOutside(fraction, used);
    } else {
      bracket.addNotFinite(fraction);
    }
    const double next = std::min(bracket.next(), largestFraction);
    if (next == fraction) break;
    fraction = next;
  }
  // The last candidate is the one that counts, so the best one comes again.
  if (best > 0 && summary.stop != LineSearchStop::accepted) {
    summary.candidates.push_back({best, evaluate(best)});
    summary.stop = limitOf(summary.candidates.back().evaluation, options);
  }
  return summary;
}

LineSearchSummary boundaryLineSearch(const Evaluate& evaluate, double surrogateBefore,
                                     const ExpectedImprovement& expectedImprovement,
                                     const LineSearchOptions& options) {
  const AcceptanceTest test(surrogateBefore, expectedImprovement, options);
  constexpr double kLargestFraction = 1e6;
  LineSearchSummary summary = findKlBoundary(evaluate, options, kLargestFraction);
  if (summary.stop == LineSearchStop::accepted) summary.stop = test(summary.candidates.back());
  if (summary.stop == LineSearchStop::accepted) return summary;
  // From the full step at most: a KL that hardly grows leads the search far beyond it, where the
  // surrogate's linear model promises nothing, and too far for backtracking to come home.
  const double shorter = summary.candidates.back().fraction * options.backtrackFactor;
  backtrackFrom(std::min(shorter, 1.0), options.maxBacktracks, evaluate, test, options, summary);
  return summary;
}

}  // namespace trustregion
