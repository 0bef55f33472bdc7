// The search for the fraction whose KL is maxKl, on formulas of every kind, and the improvement
// test and backtracking behind it.

#include <functional>
#include <limits>

#include "check.h"
#include "core/line_search.h"

namespace trustregion::test {
namespace {

using Stop = LineSearchStop;
using Formula = std::function<double(double fraction)>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLargestFraction = 1e6;

Evaluation evaluation(double surrogate, double meanKl) {
  Evaluation result;
  result.surrogate = surrogate;
  result.meanKl = meanKl;
  result.finite = std::isfinite(surrogate) && std::isfinite(meanKl);
  return result;
}

bool isInside(const Evaluation& candidate, const LineSearchOptions& options) {
  return candidate.finite && candidate.meanKl <= options.maxKl;
}

// `kl` in units of maxKl. What must hold of any search whatever the formula.
LineSearchSummary find(const Formula& kl, const LineSearchOptions& options = {},
                       double largestFraction = kLargestFraction) {
  std::vector<double> asked;
  auto summary = findKlBoundary(
      [&](double fraction) {
        asked.push_back(fraction);
        return evaluation(0, options.maxKl * kl(fraction));
      },
      options, largestFraction);
  CHECK(!asked.empty() && asked.front() == 1);
  CHECK(summary.candidates.size() == asked.size());
  // One more than allowed only to bring the best one back.
  CHECK(static_cast<int>(asked.size()) <= options.maxBoundaryCandidates + 1);
  bool anyInside = false;
  for (size_t i = 0; i < asked.size(); i++) {
    CHECK(summary.candidates[i].fraction == asked[i]);
    CHECK(asked[i] > 0 && asked[i] <= largestFraction);
    anyInside = anyInside || isInside(summary.candidates[i].evaluation, options);
  }
  const Evaluation& last = summary.candidates.back().evaluation;
  CHECK((summary.stop == Stop::accepted) == isInside(last, options));
  CHECK((summary.stop == Stop::accepted) == anyInside);
  if (static_cast<int>(asked.size()) > options.maxBoundaryCandidates) {
    double best = 0;
    for (const Candidate& candidate : summary.candidates) {
      if (isInside(candidate.evaluation, options)) best = std::max(best, candidate.fraction);
    }
    CHECK(asked.back() == best);
  }
  return summary;
}

bool endsInBand(const LineSearchSummary& summary, const LineSearchOptions& options = {}) {
  const double kl = summary.candidates.back().evaluation.meanKl;
  return summary.stop == Stop::accepted && kl >= (1 - options.klTolerance) * options.maxKl;
}

CASE("a quadratic KL: one secant is exact") {
  for (const double factor : {0.95, 1.05, 0.02, 0.5, 2.0, 50.0, 1e4, 1e8, 1e12}) {
    const Context context("factor ", factor);
    const auto summary = find([=](double f) { return factor * f * f; });
    CHECK(endsInBand(summary));
    CHECK(summary.candidates.size() == 2);
  }
}

CASE("a KL already in the band: one evaluation") {
  for (const double kl : {1.0, 0.9901, 0.995}) {
    CHECK(find([=](double) { return kl; }).candidates.size() == 1);
  }
  // The edges belong to it, the next numbers do not.
  LineSearchOptions options;
  options.maxKl = 1;
  options.klTolerance = 0.25;
  CHECK(find([](double) { return 0.75; }, options).candidates.size() == 1);
  CHECK(find([](double f) { return std::nextafter(0.75, 0) * f * f; }, options).candidates.size() >
        1);
  CHECK(find([](double f) { return std::nextafter(1.0, 2) * f * f; }, options).candidates.size() >
        1);
}

CASE("nearly quadratic KLs: at most four evaluations") {
  int evaluations = 0;
  int searches = 0;
  for (const double scale : {0.5, 0.8, 1.0, 1.2}) {
    const std::vector<Formula> formulas = {
        [](double f) { return f * f * (1 + 0.3 * f); },
        [](double f) { return f * f * (1 - 0.2 * f + 0.02 * f * f); },
        [](double f) { return 2 * (std::cosh(f) - 1); },
        // A Gaussian's logStd on its way down and up.
        [](double f) { return 2 * (std::expm1(0.5 * f) - 0.5 * f) * 4; },
        [](double f) { return 2 * (std::expm1(-0.5 * f) + 0.5 * f) * 4; },
        [](double f) { return 2 * std::log(std::cosh(f)); },
        [](double f) { return 1.5 * f * f / (1 + 0.1 * f); }};
    for (size_t i = 0; i < formulas.size(); i++) {
      const Context context("formula ", i, " scale ", scale);
      const auto summary = find([&](double f) { return formulas[i](scale * f); });
      CHECK(endsInBand(summary));
      CHECK(summary.candidates.size() <= 4);
      evaluations += static_cast<int>(summary.candidates.size());
      searches++;
    }
  }
  CHECK(10 * evaluations <= 33 * searches);  // about three
}

CASE("other powers") {
  for (const double power : {0.75, 1.0, 1.5, 3.0, 4.0}) {
    for (const double factor : {1e-2, 0.1, 7.0, 100.0}) {
      const Context context("power ", power, " factor ", factor);
      if (factor < 1 && std::pow(factor, -1 / power) > 1e3) continue;
      CHECK(endsInBand(find([=](double f) { return factor * std::pow(f, power); })));
    }
  }
}

// Secants alone creep along the foot of a wall, and ended at a thousandth of maxKl.
CASE("walls: flat, then steep") {
  for (const double power : {10.0, 20.0, 40.0}) {
    const Context context("power ", power);
    CHECK(endsInBand(find([=](double f) { return std::pow(f / 0.5, power); })));
  }
  // e^20 f passes maxKl at f = 0.345: bisection finds the place to some digits in ten candidates.
  const auto summary = find([](double f) { return 1e-3 * std::expm1(20 * f); });
  CHECK(summary.stop == Stop::accepted);
  CHECK(summary.candidates.back().evaluation.meanKl > 0.3 * LineSearchOptions().maxKl);
  // With more candidates it is in the band.
  LineSearchOptions patient;
  patient.maxBoundaryCandidates = 25;
  CHECK(endsInBand(find([](double f) { return 1e-3 * std::expm1(20 * f); }, patient)));
  CHECK(endsInBand(find([](double f) { return 1e-6 * std::expm1(100 * f); }, patient)));
  CHECK(endsInBand(find([](double f) { return 1e-6 * std::expm1(600 * f); }, patient)));
}

CASE("the same candidate is never tried twice in a row") {
  for (const double rate : {20.0, 100.0, 600.0}) {
    const Context context("rate ", rate);
    const auto summary = find([=](double f) { return 1e-6 * std::expm1(rate * f); });
    for (size_t i = 1; i < summary.candidates.size(); i++) {
      CHECK(summary.candidates[i].fraction != summary.candidates[i - 1].fraction);
    }
  }
}

CASE("a KL that jumps over the band: ends inside, close to the jump") {
  LineSearchOptions patient;
  patient.maxBoundaryCandidates = 40;
  for (const double at : {1e-3, 0.1, 0.5, 50.0}) {
    for (const double above : {2.0, 1e6, kInfinity, kNaN}) {
      const Context context("jump at ", at, " to ", above);
      const auto summary = find([=](double f) { return f > at ? above : 0.1; }, patient);
      CHECK(summary.stop == Stop::accepted);
      const double fraction = summary.candidates.back().fraction;
      CHECK(fraction <= at && fraction >= 0.9 * at);
      // Ten are enough to be inside, on the same side.
      CHECK(find([=](double f) { return f > at ? above : 0.1; }).stop == Stop::accepted);
    }
  }
}

CASE("numbers that end somewhere: the boundary below that is found") {
  for (const double end : {0.3, 0.9, 0.999}) {
    for (const double root : {0.05, 0.2, 0.7}) {
      if (root >= end) continue;
      for (const double beyond : {kInfinity, kNaN}) {
        const Context context("end ", end, " root ", root);
        CHECK(endsInBand(find([=](double f) { return f > end ? beyond : f * f / (root * root); })));
      }
    }
  }
}

CASE("steps that are far too long, and far too short") {
  for (const double root : {1e-6, 1e-4, 1e-2, 10.0, 1e3, 1e5}) {
    const Context context("root ", root);
    const auto summary = find([=](double f) { return f * f / (root * root); });
    CHECK(endsInBand(summary));
    // A secant scales back at once; outwards it goes by a factor of ten at most.
    CHECK(static_cast<double>(summary.candidates.size()) <= 3 + std::max(0.0, std::log10(root)));
    for (size_t i = 1; i < summary.candidates.size(); i++) {
      CHECK(summary.candidates[i].fraction <= 10 * summary.candidates[i - 1].fraction);
    }
  }
}

CASE("no KL at all: outwards to the largest fraction and no further") {
  const auto summary = find([](double) { return 0.0; });
  CHECK(summary.stop == Stop::accepted);
  CHECK(summary.candidates.back().fraction == kLargestFraction);
  // Nor where the way there does not end on it by itself.
  CHECK(find([](double) { return 0.5; }).candidates.back().fraction == kLargestFraction);
  const auto limited = find([](double) { return 0.0; }, {}, 1);
  CHECK(limited.stop == Stop::accepted && limited.candidates.size() == 1);
  // Rounding may leave a KL a little below zero.
  const auto negative = find([](double f) { return f < 0.3 ? -1e-16 : f * f; });
  CHECK(endsInBand(negative));
}

CASE("rows that reach their bound first end the search at it") {
  LineSearchOptions options;
  options.maxRowKl = 1;
  for (const double ratio : {0.1, 1.0, 40.0, 50.0, 60.0, 3000.0}) {  // row's over mean, at 50 equal
    const Context context("ratio ", ratio);
    std::vector<double> asked;
    const auto summary = findKlBoundary(
        [&](double fraction) {
          asked.push_back(fraction);
          Evaluation result = evaluation(0, 0.3 * fraction * fraction);
          result.maxKl = ratio * result.meanKl;
          return result;
        },
        options, kLargestFraction);
    const Evaluation& last = summary.candidates.back().evaluation;
    CHECK(summary.stop == Stop::accepted);
    CHECK(last.meanKl <= options.maxKl && last.maxKl <= options.maxRowKl);
    CHECK(last.meanKl >= (1 - options.klTolerance) * options.maxKl ||
          last.maxKl >= (1 - options.klTolerance) * options.maxRowKl);
    CHECK(asked.size() <= 4);
  }
  // Without a number of the rows there is nothing to go by.
  const auto unknown = findKlBoundary(
      [](double fraction) {
        Evaluation result = evaluation(0, 0.001 * fraction * fraction);
        result.maxKl = kNaN;
        return result;
      },
      options, 1);
  CHECK(unknown.stop == Stop::klExceeded);
}

CASE("limited to the whole step: inside is good enough there, outside is searched below it") {
  CHECK(find([](double f) { return 0.2 * f; }, {}, 1).candidates.size() == 1);
  const auto summary = find([](double f) { return 5 * f * f; }, {}, 1);
  CHECK(endsInBand(summary));
  for (const Candidate& candidate : summary.candidates) CHECK(candidate.fraction <= 1);
  LineSearchOptions unlimited;
  unlimited.maxKl = kInfinity;
  const auto whole = findKlBoundary([](double) { return evaluation(0, 123); }, unlimited, 1);
  CHECK(whole.stop == Stop::accepted && whole.candidates.size() == 1);
}

CASE("up and down: still ends inside") {
  for (const double frequency : {5.0, 20.0, 100.0}) {
    for (const double level : {0.8, 1.2, 3.0}) {
      const Context context("frequency ", frequency, " level ", level);
      const auto summary =
          find([=](double f) { return level * f * (1 + 0.9 * std::sin(frequency * f)); });
      CHECK(summary.stop == Stop::accepted);
      CHECK(summary.candidates.back().evaluation.meanKl > 0);
    }
  }
}

CASE("never inside: the reason is the last candidate's") {
  CHECK(find([](double) { return 2.0; }).stop == Stop::klExceeded);
  CHECK(find([](double) { return kNaN; }).stop == Stop::notFinite);
  CHECK(find([](double) { return kInfinity; }).stop == Stop::notFinite);
  CHECK(find([](double f) { return f > 0.1 ? kNaN : 2.0; }).stop == Stop::klExceeded);
  // A KL that a backend missed to call not finite.
  const auto missed = findKlBoundary(
      [](double) {
        Evaluation result;
        result.meanKl = kNaN;
        return result;
      },
      {}, kLargestFraction);
  CHECK(missed.stop == Stop::klExceeded);
}

CASE("exactly maxKl is inside, the next number is not") {
  LineSearchOptions options;
  const auto at = findKlBoundary([&](double) { return evaluation(0, options.maxKl); }, options, 1);
  CHECK(at.stop == Stop::accepted && at.candidates.size() == 1);
  const double above = std::nextafter(options.maxKl, 1);
  const auto past = findKlBoundary([&](double) { return evaluation(0, above); }, options, 1);
  CHECK(past.stop == Stop::klExceeded);
}

CASE("any scale of maxKl") {
  for (const double maxKl : {1e-300, 1e-12, 1e-3, 1e3, 1e300}) {
    const Context context("maxKl ", maxKl);
    LineSearchOptions options;
    options.maxKl = maxKl;
    const auto summary = find([](double f) { return 3 * f * f * (1 + 0.2 * f); }, options);
    CHECK(endsInBand(summary, options));
    CHECK(summary.candidates.size() <= 4);
  }
}

CASE("a single candidate") {
  LineSearchOptions options;
  options.maxBoundaryCandidates = 1;
  CHECK(find([](double) { return 0.5; }, options).stop == Stop::accepted);
  CHECK(find([](double) { return 2.0; }, options).stop == Stop::klExceeded);
}

// --- with the improvement test -------------------------------------------------------------------

struct Search {
  LineSearchSummary summary;
  std::vector<double> asked;
};

// From surrogate 1, where a whole step promises 2.
Search search(const Formula& surrogate, const Formula& kl, const LineSearchOptions& options = {}) {
  Search result;
  result.summary = boundaryLineSearch(
      [&](double fraction) {
        result.asked.push_back(fraction);
        return evaluation(surrogate(fraction), options.maxKl * kl(fraction));
      },
      1, [](double fraction) { return 2 * fraction; }, options);
  CHECK(result.summary.candidates.size() == result.asked.size());
  CHECK(static_cast<int>(result.asked.size()) <=
        options.maxBoundaryCandidates + 1 + options.maxBacktracks);
  for (size_t i = 0; i < result.asked.size(); i++) {
    CHECK(result.summary.candidates[i].fraction == result.asked[i]);
  }
  if (result.summary.stop == Stop::accepted) {
    const Candidate& last = result.summary.candidates.back();
    CHECK(isInside(last.evaluation, options));
    CHECK(last.evaluation.surrogate - 1 > options.acceptRatio * last.fraction * 2);
    CHECK(last.evaluation.surrogate > 1);
  }
  return result;
}

CASE("an improvement at the boundary is accepted there") {
  for (const double factor : {0.1, 1.0, 9.0}) {
    const auto found =
        search([](double f) { return 1 + 2 * f; }, [=](double f) { return factor * f * f; });
    CHECK(endsInBand(found.summary));
  }
}

CASE("too little improvement at the boundary: back from there by the factor") {
  LineSearchOptions options;
  options.backtrackFactor = 0.5;
  // The boundary is at 1/2, where 0.05 came of the 0.1 that are the least.
  const auto surrogate = [](double f) { return 1 + 2 * f - 3.8 * f * f; };
  const auto found = search(
      surrogate, [](double f) { return 4 * f * f; }, options);
  CHECK(found.summary.stop == Stop::accepted);
  CHECK(found.summary.candidates.size() >= 3);
  const size_t last = found.asked.size() - 1;
  CHECK(found.asked[last] == 0.5 * found.asked[last - 1]);
  // The one before it was inside, but surrogate(f) - 1 <= 0.2 f.
  CHECK(isInside(found.summary.candidates[last - 1].evaluation, options));
  CHECK(surrogate(found.asked[last - 1]) - 1 <= 0.2 * found.asked[last - 1]);
}

CASE("too little improvement beyond the full step: the full step is next") {
  // The boundary at 4, and a KL that never comes near one.
  for (const double limit : {HUGE_VAL, 0.5}) {
    const auto found = search([](double f) { return 1 + 2 * f - 0.55 * f * f; },
                              [=](double f) { return std::min(limit, f * f / 16); });
    CHECK(found.summary.stop == Stop::accepted);
    CHECK(found.asked.back() == 1);
  }
}

CASE("no improvement anywhere") {
  LineSearchOptions options;
  const auto found =
      search([](double f) { return 1 - f; }, [](double f) { return f * f; }, options);
  CHECK(found.summary.stop == Stop::noImprovement);
  // All of them: those of the boundary and every backtrack.
  CHECK(static_cast<int>(found.asked.size()) > options.maxBacktracks);
  options.maxBacktracks = 0;
  const auto once = search([](double f) { return 1 - f; }, [](double f) { return f * f; }, options);
  CHECK(once.summary.stop == Stop::noImprovement && once.asked.size() == 1);
  // Equal is no improvement either.
  options.acceptRatio = 0;
  CHECK(search([](double) { return 1.0; }, [](double f) { return f * f; }, options).summary.stop ==
        Stop::noImprovement);
}

CASE("no boundary within the candidates: backtracking goes on from the last one") {
  LineSearchOptions options;
  options.maxBoundaryCandidates = 2;
  options.backtrackFactor = 0.1;
  // 1, then a quarter, both broken; then 0.025.
  const auto found = search([](double f) { return 1 + 2 * f; },
                            [](double f) { return f > 0.1 ? kNaN : f * f; }, options);
  CHECK(found.asked == std::vector<double>{1, 0.25, 0.25 * 0.1});
  CHECK(found.summary.stop == Stop::accepted);
  options.maxBacktracks = 0;
  CHECK(search([](double f) { return 1 + 2 * f; }, [](double f) { return f > 0.1 ? kNaN : f * f; },
               options)
            .summary.stop == Stop::notFinite);
}

CASE("a surrogate that is not finite is not accepted") {
  const auto found =
      search([](double f) { return f > 0.5 ? kNaN : 1 + 2 * f; }, [](double f) { return f * f; });
  CHECK(found.summary.stop == Stop::accepted);
  CHECK(found.summary.candidates.back().fraction <= 0.5);
}

CASE("outside at every try: the reason says so") {
  CHECK(search([](double) { return 3.0; }, [](double) { return 2.0; }).summary.stop ==
        Stop::klExceeded);
  CHECK(search([](double) { return kNaN; }, [](double) { return 0.5; }).summary.stop ==
        Stop::notFinite);
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
