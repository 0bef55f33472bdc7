// Conjugate gradients where they break down: what they say, and what they return.

#include <limits>
#include <memory>
#include <string>

#include "linear_solve.h"

namespace trustregion::test {
namespace {

using Stop = ConjugateGradientStop;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

CASE("zero right-hand side") {
  int products = 0;
  const LinearOperator a = [&](auto, auto) { products++; };
  const Solution solution = solve(a, std::vector<double>(4), iterations(10));
  CHECK(solution.summary.stop == Stop::zeroRightHandSide);
  CHECK(products == 0 && solution.summary.products == 0 && solution.summary.iterations == 0);
  CHECK(solution.summary.relativeResidual == 0);
  CHECK(sameBits(solution.x, std::vector<double>(4)));
}

CASE("no iterations") {
  const Dense a = diagonalMatrix({2, 3});
  const Solution solution = solve(a.asOperator(), {1, 1}, iterations(0));
  CHECK(solution.summary.stop == Stop::iterations);
  CHECK(solution.summary.iterations == 0);
  CHECK(sameBits(solution.x, std::vector<double>(2)));
  CHECK(sameBits(solution.residual, std::vector<double>{1, 1}));
}

CASE("indefinite: stops, and keeps the best iterate") {
  Random random(4);
  const Dense a = withEigenvalues({5, 4, 3, 2, -1}, random);
  const std::vector<double> b = normals(5, random);
  const Solution solution = solve(a.asOperator(), b, iterations(20, 1e-14));
  CHECK(solution.summary.stop == Stop::negativeCurvature);
  checkSummary(a, b, solution, 5);
  CHECK(solution.summary.quadraticModel <= 0);

  const Solution negative = solve(diagonalMatrix({-1, -2}).asOperator(), {1, 1}, iterations(5));
  CHECK(negative.summary.stop == Stop::negativeCurvature);
  CHECK(negative.summary.iterations == 0 && negative.summary.products == 1);
  CHECK(sameBits(negative.x, std::vector<double>(2)));
  CHECK(sameBits(negative.residual, std::vector<double>{1, 1}));
}

CASE("the zero operator is no descent") {
  const Solution solution = solve(Dense(2).asOperator(), {1, 1}, iterations(5));
  CHECK(solution.summary.stop == Stop::negativeCurvature);
  CHECK(solution.summary.iterations == 0);
}

CASE("singular but consistent") {
  Random random(5);
  const Dense a = withEigenvalues({3, 2, 1, 0, 0}, random);
  const std::vector<double> wanted = normals(5, random);
  const std::vector<double> b = a.times(wanted);
  const Solution solution = solve(a.asOperator(), b, iterations(10, 1e-13));
  CHECK(solution.summary.stop == Stop::residual);
  CHECK(norm(minus(b, a.times(solution.x))) <= 2e-13 * norm(b));
  // The solution of least norm: CG never leaves the range of A.
  CHECK(norm(solution.x) <= norm(wanted) * (1 + 1e-12));
}

CASE("singular and inconsistent ends without a crash") {
  const Dense a = diagonalMatrix({1, 0});
  const Solution solution = solve(a.asOperator(), {1, 1}, iterations(10));
  CHECK(solution.summary.iterations >= 1);
  CHECK(allFinite(solution.x));
  CHECK(std::isfinite(solution.summary.quadraticModel));
}

CASE("NaN and infinity in b") {
  const Dense a = diagonalMatrix({1, 2});
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    const Solution solution = solve(a.asOperator(), {1, bad}, iterations(5));
    CHECK(solution.summary.stop == Stop::notFinite);
    CHECK(solution.summary.iterations == 0 && solution.summary.products == 0);
    CHECK(sameBits(solution.x, std::vector<double>(2)));
  }
}

// The operator breaks down in the given product.
LinearOperator breakingIn(const Dense& a, int product, double bad) {
  auto count = std::make_shared<int>(0);
  return [&a, count, product, bad](std::span<const double> x, std::span<double> y) {
    a.asOperator()(x, y);
    if (++*count == product) y[1] = bad;
  };
}

CASE("NaN and infinity in a product keep the iterate before it") {
  Random random(6);
  const Dense a = withEigenvalues({1, 2, 3, 4, 5, 6}, random);
  const std::vector<double> b = normals(6, random);
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    for (const int product : {1, 2, 4}) {
      const Context context("product ", product, " gives ", bad);
      const Solution solution = solve(breakingIn(a, product, bad), b, iterations(6));
      CHECK(solution.summary.stop == Stop::notFinite ||
            (bad == -kInfinity && solution.summary.stop == Stop::negativeCurvature));
      CHECK(solution.summary.iterations == product - 1);
      const Solution before = solve(a.asOperator(), b, iterations(product - 1));
      CHECK(sameBits(solution.x, before.x));
      CHECK(sameBits(solution.residual, before.residual));
      CHECK(solution.summary.quadraticModel == before.summary.quadraticModel);
    }
  }
}

CASE("NaN in the product that recomputes the residual") {
  Random random(7);
  const Dense a = withEigenvalues({1, 2, 3, 4, 5, 6}, random);
  const std::vector<double> b = normals(6, random);
  ConjugateGradientOptions options = iterations(6);
  options.residualResetPeriod = 2;
  const Solution solution = solve(breakingIn(a, 3, kNaN), b, options);
  CHECK(solution.summary.stop == Stop::notFinite);
  CHECK(allFinite(solution.x));
  // The residual of the returned iterate was known before the product that failed.
  CHECK(allFinite(solution.residual));
  CHECK(std::isfinite(solution.summary.residualNorm));
  CHECK(std::isfinite(solution.summary.quadraticModel));
}

CASE("overflow ends the iteration, not the numbers") {
  for (const double size : {1e150, 1e-150, 1e300, 1e-300}) {
    const Context context("eigenvalues of size ", size);
    const Dense a = diagonalMatrix({size, 2 * size, 3 * size});
    const Solution solution = solve(a.asOperator(), {1, 1, 1}, iterations(5));
    CHECK(allFinite(solution.x));
    CHECK(allFinite(solution.residual));
    CHECK(std::isfinite(solution.summary.quadraticModel));
  }
}

// Beyond about 1e+-154 squares leave the range of double.
CASE("a tiny right-hand side is not a zero one") {
  for (const double size : {1e-150, 1e-170, 1e-300}) {
    const Context context("size ", size);
    const Solution solution =
        solve(diagonalMatrix({2, 4}).asOperator(), {size, size}, iterations(2));
    CHECK(solution.summary.stop != Stop::zeroRightHandSide);
  }
}

CASE("a huge right-hand side is solved or refused, not answered wrongly") {
  for (const double size : {1e150, 1e170, 1e300}) {
    const Context context("size ", size);
    const Solution solution =
        solve(diagonalMatrix({2, 4}).asOperator(), {size, size}, iterations(2));
    if (solution.summary.stop == Stop::notFinite) {
      CHECK(solution.summary.iterations == 0);
      CHECK(sameBits(solution.x, std::vector<double>(2)));
    } else {
      CHECK_RELATIVE(solution.x[0], size / 2, 8 * kDoubleRoundoff);
      CHECK_RELATIVE(solution.x[1], size / 4, 8 * kDoubleRoundoff);
    }
  }
}

CASE("a preconditioner that is not definite, or not finite") {
  const Dense a = diagonalMatrix({1, 2});
  const auto scaledBy = [&](double factor) {
    return solve(a.asOperator(), {1, 1}, iterations(3),
                 [=](std::span<const double> r, std::span<double> z) {
                   for (size_t i = 0; i < r.size(); i++) z[i] = factor * r[i];
                 });
  };
  CHECK(scaledBy(-1).summary.stop == Stop::negativeCurvature);
  CHECK(scaledBy(0).summary.stop == Stop::negativeCurvature);
  CHECK(scaledBy(kNaN).summary.stop == Stop::notFinite);
  CHECK(scaledBy(kNaN).summary.iterations == 0);
  CHECK(allFinite(scaledBy(kNaN).x));
}

CASE("x or the residual may be the array of b") {
  const Dense a = diagonalMatrix({2, 4, 8});
  const std::vector<double> b = {2, 4, 16};
  std::vector<double> shared = b;
  std::vector<double> x(3);
  conjugateGradient(a.asOperator(), shared, x, iterations(3), shared);
  const Solution separate = solve(a.asOperator(), b, iterations(3));
  CHECK(sameBits(x, separate.x));
  CHECK(sameBits(shared, separate.residual));
  shared = b;
  const auto summary = conjugateGradient(a.asOperator(), shared, shared, iterations(3));
  CHECK(summary.iterations == separate.summary.iterations);
  CHECK(sameBits(shared, separate.x));
}

CASE("names of the ways to stop") {
  CHECK(std::string(conjugateGradientStopName(Stop::iterations)) == "iterations");
  CHECK(std::string(conjugateGradientStopName(Stop::residual)) == "residual");
  CHECK(std::string(conjugateGradientStopName(Stop::progress)) == "progress");
  CHECK(std::string(conjugateGradientStopName(Stop::zeroRightHandSide)) == "zeroRightHandSide");
  CHECK(std::string(conjugateGradientStopName(Stop::negativeCurvature)) == "negativeCurvature");
  CHECK(std::string(conjugateGradientStopName(Stop::notFinite)) == "notFinite");
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
