// Which candidate the backtracking line search accepts, and what it says about the others.

#include "core/line_search.h"

#include <limits>

#include "check.h"

namespace trustregion::test {
namespace {

using Stop = LineSearchStop;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Evaluation evaluation(double surrogate, double meanKl) {
  Evaluation result;
  result.surrogate = surrogate;
  result.meanKl = meanKl;
  return result;
}

LineSearchOptions options() {
  LineSearchOptions values;
  values.maxKl = 0.01;
  values.backtrackFactor = 0.5;
  values.maxBacktracks = 4;
  values.acceptRatio = 0.1;
  return values;
}

// From surrogate 1, where a whole step promises 2.
LineSearchSummary search(const std::function<Evaluation(double)>& evaluate,
                         const LineSearchOptions& values = options()) {
  return backtrackingLineSearch(
      evaluate, 1, [](double fraction) { return 2 * fraction; }, values);
}

CASE("a good first candidate is taken") {
  int calls = 0;
  const auto summary = search([&](double fraction) {
    calls++;
    CHECK(fraction == 1);
    return evaluation(2.5, 0.004);
  });
  CHECK(calls == 1);
  CHECK(summary.stop == Stop::accepted);
  CHECK(summary.candidates.size() == 1);
  CHECK(summary.candidates[0].evaluation.surrogate == 2.5);
}

CASE("shrinks by the factor until the KL fits") {
  std::vector<double> fractions;
  const auto summary = search([&](double fraction) {
    fractions.push_back(fraction);
    return evaluation(1 + fraction, 0.1 * fraction * fraction);
  });
  // 0.1 f^2 <= 0.01 from f = 1/4 on.
  CHECK(fractions == std::vector<double>{1, 0.5, 0.25});
  CHECK(summary.stop == Stop::accepted);
  CHECK(summary.candidates.size() == 3);
  CHECK(summary.candidates.back().fraction == 0.25);
  CHECK(summary.candidates.back().evaluation.meanKl == 0.1 * 0.25 * 0.25);
}

CASE("KL of exactly maxKl is inside, the next number is not") {
  CHECK(search([](double) { return evaluation(3, 0.01); }).stop == Stop::accepted);
  const double above = std::nextafter(0.01, 1);
  const auto summary = search([&](double) { return evaluation(3, above); });
  CHECK(summary.stop == Stop::klExceeded);
  CHECK(summary.candidates.size() == 5);
}

CASE("the KL of every row counts where it is limited") {
  const auto withRow = [](double fraction) {
    Evaluation result = evaluation(1 + fraction, 0.001 * fraction * fraction);
    result.maxKl = 4 * fraction * fraction;
    return result;
  };
  CHECK(search(withRow).candidates.size() == 1);
  LineSearchOptions values = options();
  values.maxRowKl = 1;  // at f = 1/2 exactly
  const auto summary = search(withRow, values);
  CHECK(summary.stop == Stop::accepted);
  CHECK(summary.candidates.size() == 2 && summary.candidates[1].fraction == 0.5);
  values.maxRowKl = std::nextafter(1, 0);
  CHECK(search(withRow, values).candidates.size() == 3);
}

CASE("improvement must exceed the ratio of what that fraction promised") {
  // Promised: 2 f; wanted: more than 0.1 of it, so more than 1 + 0.2 f.
  const auto summary = search([](double fraction) {
    return evaluation(fraction > 0.3 ? 1.09 : 1.06, 0.001);  // f = 1, 0.5: too little; 0.25: enough
  });
  CHECK(summary.stop == Stop::accepted);
  CHECK(summary.candidates.back().fraction == 0.25);
  LineSearchOptions values = options();
  values.acceptRatio = 0.25;
  CHECK(search([](double f) { return evaluation(1 + 0.5 * f, 0.001); }, values).stop ==
        Stop::noImprovement);  // equal is not more
}

CASE("with ratio 0 any improvement will do, none will not") {
  LineSearchOptions values = options();
  values.acceptRatio = 0;
  const auto to = [&](double surrogate) {
    return search([=](double) { return evaluation(surrogate, 0); }, values).stop;
  };
  CHECK(to(std::nextafter(1.0, 2.0)) == Stop::accepted);
  CHECK(to(1) == Stop::noImprovement);
  CHECK(to(0.5) == Stop::noImprovement);
}

CASE("a negative expectation excuses nothing") {
  const StepQuality quality(-0.1, -2);
  CHECK(!quality.exceeds(0.1));  // -0.1 > -0.2, but it is a loss
  CHECK(!StepQuality(0, 0).exceeds(0));
  CHECK(StepQuality(1e-300, 1e-300).exceeds(0.5));  // tiny numbers, no quotient
  CHECK(!StepQuality(kNaN, 1).exceeds(0));
}

CASE("the reason is the last candidate's") {
  const auto with = [](std::vector<Evaluation> candidates) {
    size_t next = 0;
    return search([&](double) { return candidates.at(next++); }).stop;
  };
  Evaluation broken = evaluation(kNaN, 0);
  broken.finite = false;
  const Evaluation far = evaluation(3, 1);
  const Evaluation flat = evaluation(1, 0);
  CHECK(with({broken, broken, broken, broken, far}) == Stop::klExceeded);
  CHECK(with({far, far, far, far, flat}) == Stop::noImprovement);
  CHECK(with({far, flat, far, flat, broken}) == Stop::notFinite);
  CHECK(with({broken, far, flat, evaluation(3, 0)}) == Stop::accepted);
}

CASE("numbers that are not finite are never accepted") {
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    const Context context("number ", bad);
    Evaluation broken = evaluation(bad, 0);
    broken.finite = false;
    CHECK(search([&](double) { return broken; }).stop == Stop::notFinite);
    // Even if the backend missed it in the KL.
    if (bad > 0 || bad != bad) {
      CHECK(search([&](double) { return evaluation(3, bad); }).stop == Stop::klExceeded);
    }
  }
}

CASE("without backtracks there is one candidate") {
  LineSearchOptions values = options();
  values.maxBacktracks = 0;
  const auto summary = search([](double) { return evaluation(3, 1); }, values);
  CHECK(summary.stop == Stop::klExceeded);
  CHECK(summary.candidates.size() == 1);
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
