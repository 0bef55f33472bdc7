// Conjugate gradients against direct solutions, and the ways of stopping in time.

#include <limits>

#include "linear_solve.h"

namespace trustregion::test {
namespace {

using Stop = ConjugateGradientStop;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

CASE("the identity takes one iteration") {
  const Dense identity = diagonalMatrix(std::vector<double>(5, 1));
  const std::vector<double> b = {1, -2, 3, 0, 5};
  const Solution solution = solve(identity.asOperator(), b, iterations(10));
  CHECK(solution.summary.iterations == 1);
  CHECK(solution.summary.products == 1);
  CHECK(solution.summary.stop == Stop::residual);
  CHECK(solution.summary.residualNorm == 0);
  CHECK(sameBits(solution.x, b));
  CHECK(solution.summary.quadraticModel == -0.5 * dot(b, b));
}

CASE("as many iterations as distinct eigenvalues") {
  Random random(1);
  const Dense a = withEigenvalues({1, 1, 1, 4, 4, 9, 9, 9, 9}, random);
  const Solution solution = solve(a.asOperator(), normals(9, random), iterations(9, 1e-12));
  CHECK(solution.summary.iterations == 3);
  CHECK(solution.summary.stop == Stop::residual);
}

CASE("random positive definite systems against Cholesky") {
  Random random(2);
  for (const size_t size : {1, 2, 3, 10, 60}) {
    for (const double condition : {1.0, 10.0, 1e4}) {
      const Context context("size ", size, " condition ", condition);
      std::vector<double> eigenvalues;
      for (size_t i = 0; i < size; i++) {
        eigenvalues.push_back(std::pow(condition, random.uniform()));
      }
      const Dense a = withEigenvalues(eigenvalues, random);
      const std::vector<double> b = normals(size, random);
      const Solution solution =
          solve(a.asOperator(), b, iterations(20 * static_cast<int>(size), 1e-13));
      const std::vector<double> expected = a.solve(b);
      CHECK(solution.summary.stop == Stop::residual);
      // A relative residual t leaves a relative error of at most condition t.
      CHECK_NEAR(norm(minus(solution.x, expected)), 0, 4 * condition * 1e-13 * norm(expected));
      checkSummary(a, b, solution, condition);
    }
  }
}

CASE("the quadratic model falls with every iteration") {
  Random random(3);
  std::vector<double> eigenvalues;
  for (int i = 0; i < 30; i++) eigenvalues.push_back(std::exp(0.3 * i));
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(30, random);
  const std::vector<double> exact = a.solve(b);
  double previousModel = 0;
  double previousError = kInfinity;
  for (int count = 1; count <= 20; count++) {
    const Context context("iterations ", count);
    const Solution solution = solve(a.asOperator(), b, iterations(count));
    CHECK(solution.summary.stop == Stop::iterations);
    CHECK(solution.summary.iterations == count);
    CHECK(solution.summary.quadraticModel < previousModel);
    // Of Hestenes and Stiefel: the error falls in the norm of A and in the Euclidean norm.
    const double error = norm(minus(solution.x, exact));
    CHECK(error < previousError);
    previousModel = solution.summary.quadraticModel;
    previousError = error;
    checkSummary(a, b, solution, std::exp(0.3 * 29));
  }
}

CASE("Hilbert's matrix: badly conditioned, and still a small residual") {
  Dense hilbert(10);
  for (size_t i = 0; i < 10; i++) {
    for (size_t j = 0; j < 10; j++) hilbert.at(i, j) = 1 / static_cast<double>(i + j + 1);
  }
  const std::vector<double> b = hilbert.times(std::vector<double>(10, 1));
  const Solution solution = solve(hilbert.asOperator(), b, iterations(40, 1e-10));
  CHECK(solution.summary.stop == Stop::residual);
  CHECK(norm(minus(b, hilbert.times(solution.x))) <= 2e-10 * norm(b));
  checkSummary(hilbert, b, solution, 2);
}

// Scaling b by a power of two scales every intermediate result exactly: the same digits of x.
CASE("the solution is proportional to the right-hand side") {
  Random random(8);
  const Dense a = withEigenvalues({1, 2, 3, 4}, random);
  const std::vector<double> b = normals(4, random);
  const Solution solution = solve(a.asOperator(), b, iterations(3));
  for (const double factor : {0x1p-300, 0x1p-20, 0x1p20, 0x1p300}) {
    const Context context("factor ", factor);
    std::vector<double> scaledB = b;
    for (double& value : scaledB) value *= factor;
    const Solution scaled = solve(a.asOperator(), scaledB, iterations(3));
    CHECK(scaled.summary.stop == solution.summary.stop);
    for (size_t i = 0; i < 4; i++) CHECK(scaled.x[i] == factor * solution.x[i]);
  }
}

CASE("stops by residual") {
  Random random(9);
  std::vector<double> eigenvalues;
  for (int i = 0; i < 40; i++) eigenvalues.push_back(1 + i);
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(40, random);
  int previous = 0;
  for (const double tolerance : {1e-1, 1e-3, 1e-6, 1e-9}) {
    const Solution solution = solve(a.asOperator(), b, iterations(60, tolerance));
    CHECK(solution.summary.stop == Stop::residual);
    CHECK(solution.summary.relativeResidual <= tolerance);
    CHECK(solution.summary.iterations > previous);
    previous = solution.summary.iterations;
    // One iteration fewer was not yet enough.
    const Solution shorter =
        solve(a.asOperator(), b, iterations(solution.summary.iterations - 1, tolerance));
    CHECK(shorter.summary.relativeResidual > tolerance);
  }
}

CASE("stops by progress of the quadratic model") {
  Random random(10);
  std::vector<double> eigenvalues;
  for (int i = 0; i < 40; i++) eigenvalues.push_back(std::exp(0.2 * i));
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(40, random);
  ConjugateGradientOptions options = iterations(60);
  options.progressTolerance = 0.3;
  const Solution solution = solve(a.asOperator(), b, options);
  CHECK(solution.summary.stop == Stop::progress);
  const int k = solution.summary.iterations;
  CHECK(k > 2 && k < 40);
  const auto model = [&](int count) {
    return solve(a.asOperator(), b, iterations(count)).summary.quadraticModel;
  };
  CHECK(k * (model(k - 1) - model(k)) < 0.3 * -model(k));
  CHECK((k - 1) * (model(k - 2) - model(k - 1)) >= 0.3 * -model(k - 1));
  CHECK(solution.summary.quadraticModel == model(k));
}

CASE("an exact preconditioner takes one iteration") {
  Random random(11);
  const Dense a = withEigenvalues({1, 10, 100, 1000, 1e4}, random);
  const std::vector<double> b = normals(5, random);
  const LinearOperator inverse = [&](std::span<const double> r, std::span<double> z) {
    const std::vector<double> solved = a.solve(r);
    std::copy(solved.begin(), solved.end(), z.begin());
  };
  const Solution solution = solve(a.asOperator(), b, iterations(5, 1e-10), inverse);
  CHECK(solution.summary.iterations == 1);
  CHECK(solution.summary.stop == Stop::residual);
  checkSummary(a, b, solution, 1e4);
}

CASE("a diagonal preconditioner makes a diagonal system one iteration") {
  const Dense a = diagonalMatrix({1e-6, 1, 1e6});
  const LinearOperator inverse = [&](std::span<const double> r, std::span<double> z) {
    for (size_t i = 0; i < 3; i++) z[i] = r[i] / a.at(i, i);
  };
  const Solution solution = solve(a.asOperator(), {1, 2, 3}, iterations(5, 1e-12), inverse);
  CHECK(solution.summary.iterations == 1);
}

CASE("the identity as a preconditioner changes no bit") {
  Random random(12);
  const Dense a = withEigenvalues({1, 2, 3, 4, 5}, random);
  const std::vector<double> b = normals(5, random);
  const LinearOperator copy = [](std::span<const double> r, std::span<double> z) {
    std::copy(r.begin(), r.end(), z.begin());
  };
  CHECK(sameBits(solve(a.asOperator(), b, iterations(4), copy).x,
                 solve(a.asOperator(), b, iterations(4)).x));
}

CASE("recomputing the residual") {
  Random random(13);
  std::vector<double> eigenvalues;
  for (int i = 0; i < 50; i++) eigenvalues.push_back(std::exp(0.1 * i));
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(50, random);
  std::vector<std::vector<double>> inputs;
  const LinearOperator recording = [&](std::span<const double> x, std::span<double> y) {
    inputs.emplace_back(x.begin(), x.end());
    a.asOperator()(x, y);
  };
  ConjugateGradientOptions options = iterations(25);
  options.residualResetPeriod = 10;
  const Solution solution = solve(recording, b, options);
  CHECK(solution.summary.products == 25 + 2);
  checkSummary(a, b, solution, std::exp(4.9));
  // The product after the tenth is A x of the iterate so far.
  options = iterations(10);
  options.residualResetPeriod = 0;
  CHECK(sameBits(inputs[10], solve(a.asOperator(), b, options).x));

  options.iterations = 25;
  CHECK(solve(a.asOperator(), b, options).summary.products == 25);
  // None is due after the last iteration: nobody would use it.
  options.iterations = 20;
  options.residualResetPeriod = 20;
  CHECK(solve(a.asOperator(), b, options).summary.products == 20);
}

// An operator with an error of its own, as one in float32: the recurrence cannot see what it adds
// up to, the recomputed residual does.
CASE("a recomputed residual is that of the operator as it is now") {
  const Dense a = diagonalMatrix({1, 2, 3, 4});
  int products = 0;
  const LinearOperator shifting = [&](std::span<const double> x, std::span<double> y) {
    a.asOperator()(x, y);
    if (++products == 3) y[0] += 0.5;  // the product that recomputes
  };
  const std::vector<double> b = {1, 1, 1, 1};
  ConjugateGradientOptions options = iterations(3);
  options.residualResetPeriod = 2;
  options.reorthogonalize = false;  // which would take the error out again
  const Solution solution = solve(shifting, b, options);
  CHECK(products == 4);
  const std::vector<double> residual = minus(b, a.times(solution.x));
  CHECK_NEAR(solution.residual[0], residual[0] - 0.5, 16 * kDoubleRoundoff);
  for (size_t i = 1; i < 4; i++) {
    CHECK_NEAR(solution.residual[i], residual[i], 16 * kDoubleRoundoff);
  }
}

// The largest of |p_i'A p_j| over the norms, of the directions that CG takes.
double lostConjugacy(const Dense& a, const std::vector<double>& b, bool reorthogonalize) {
  std::vector<std::vector<double>> directions;
  const LinearOperator recording = [&](std::span<const double> x, std::span<double> y) {
    directions.emplace_back(x.begin(), x.end());
    a.asOperator()(x, y);
  };
  ConjugateGradientOptions options = iterations(12);
  options.residualResetPeriod = 0;
  options.reorthogonalize = reorthogonalize;
  solve(recording, b, options);
  double worst = 0;
  for (const auto& p : directions) {
    const std::vector<double> ap = a.times(p);
    for (const auto& other : directions) {
      if (&other == &p) break;
      const double lengths = std::sqrt(dot(p, ap) * dot(other, a.times(other)));
      worst = std::max(worst, std::abs(dot(other, ap)) / lengths);
    }
  }
  return worst;
}

// A few large eigenvalues converge early; from then on the plain recurrence forgets them.
CASE("reorthogonalised directions stay conjugate") {
  Random random(14);
  std::vector<double> eigenvalues = {1e6, 3e5, 1e5};
  for (int i = 0; i < 40; i++) eigenvalues.push_back(1 + 0.1 * i);
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(eigenvalues.size(), random);
  CHECK(lostConjugacy(a, b, false) > 0.01);
  // Residuals are orthogonal to some roundings; A stretches that by the root of its condition.
  CHECK(lostConjugacy(a, b, true) <
        100 * static_cast<double>(b.size()) * kDoubleRoundoff * std::sqrt(1e6));
}

CASE("long vectors: many parts and blocks of residuals, the same bits for every thread count") {
  // 150,000 numbers are 19 parts, and six vectors a block of the basis.
  constexpr size_t kSize = 150'000;
  Random random(17);
  const std::vector<double> b = normals(kSize, random);
  const LinearOperator a = [&](std::span<const double> x, std::span<double> y) {
    for (size_t i = 0; i < kSize; i++) y[i] = x[i] * static_cast<double>(1 + i % 40);
  };
  const LinearOperator half = [&](std::span<const double> r, std::span<double> z) {
    for (size_t i = 0; i < kSize; i++) z[i] = r[i] / (1 + 0.5 * static_cast<double>(i % 40));
  };
  for (const LinearOperator& preconditioner : {LinearOperator{}, half}) {
    ConjugateGradientOptions options = iterations(15);
    const auto run = [&](unsigned threads) {
      options.threads = threads;
      std::vector<double> answers(2 * kSize);
      const std::span<double> all(answers);
      conjugateGradient(a, b, all.first(kSize), options, all.subspan(kSize), preconditioner);
      return answers;
    };
    const std::vector<double> expected = run(1);
    CHECK(sameBits(run(3), expected));
    // 15 iterations on 40 eigenvalues: the residual is small, and what b - A x is.
    std::vector<double> ax(kSize);
    a(std::span<const double>(expected).first(kSize), ax);
    double squaredError = 0;
    double squaredResidual = 0;
    for (size_t i = 0; i < kSize; i++) {
      const double difference = b[i] - ax[i] - expected[kSize + i];
      squaredError += difference * difference;
      squaredResidual += expected[kSize + i] * expected[kSize + i];
    }
    CHECK(std::sqrt(squaredError) < 1e-12 * norm(b));
    CHECK(std::sqrt(squaredResidual) < 0.05 * norm(b));
  }
}

// The largest cosine of two residuals that CG meets.
double largestCosine(const Dense& a, const std::vector<double>& b, double tolerance,
                     bool singleResiduals = false) {
  std::vector<std::vector<double>> residuals;
  const LinearOperator recordingIdentity = [&](std::span<const double> r, std::span<double> z) {
    residuals.emplace_back(r.begin(), r.end());
    std::copy(r.begin(), r.end(), z.begin());
  };
  ConjugateGradientOptions options = iterations(12);
  options.residualResetPeriod = 0;
  options.orthogonalityTolerance = tolerance;
  options.singleResiduals = singleResiduals;
  std::vector<double> x(b.size());
  conjugateGradient(a.asOperator(), b, x, options, {}, recordingIdentity);
  double worst = 0;
  for (size_t i = 0; i < residuals.size(); i++) {
    for (size_t j = 0; j < i; j++) {
      const double lengths = norm(residuals[i]) * norm(residuals[j]);
      worst = std::max(worst, std::abs(dot(residuals[i], residuals[j])) / lengths);
    }
  }
  return worst;
}

CASE("residuals are left alone until they are less orthogonal than is tolerated") {
  Random random(14);
  std::vector<double> eigenvalues = {1e6, 3e5, 1e5};
  for (int i = 0; i < 40; i++) eigenvalues.push_back(1 + 0.1 * i);
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(eigenvalues.size(), random);
  const double roundings = 100 * static_cast<double>(b.size()) * kDoubleRoundoff;
  CHECK(largestCosine(a, b, 0) < roundings);
  for (const double tolerance : {1e-10, 1e-6}) {
    const double worst = largestCosine(a, b, tolerance);
    CHECK(worst > roundings);
    CHECK(worst <= tolerance * (1 + 1e-6));
  }
  // What is kept in float32 is rounded once, so that cosines are off by a rounding and the rest of
  // what is removed is a rounding of it.
  CHECK(largestCosine(a, b, 1e-6, true) <= 1e-6 + 2 * kFloatRoundoff);
  CHECK(largestCosine(a, b, 2) > 0.01);
}

CASE("a shift is a multiple of the identity that the operator leaves out") {
  Random random(16);
  std::vector<double> eigenvalues;
  for (int i = 0; i < 30; i++) eigenvalues.push_back(0.2 * i);
  const Dense a = withEigenvalues(eigenvalues, random);
  for (double& value : eigenvalues) value += 0.3;
  random = Random(16);
  const Dense shifted = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(30, random);
  for (const int period : {0, 3}) {
    ConjugateGradientOptions options = iterations(10);
    options.residualResetPeriod = period;
    const Solution expected = solve(shifted.asOperator(), b, options);
    options.shift = 0.3;
    const Solution solution = solve(a.asOperator(), b, options);
    const double allowed = 1e4 * kDoubleRoundoff * norm(expected.x);
    CHECK_NEAR(norm(minus(solution.x, expected.x)), 0, allowed);
    CHECK_NEAR(norm(minus(solution.residual, minus(b, shifted.times(solution.x)))), 0, allowed);
  }
}

CASE("with products in float32 the summary still tells the truth") {
  Random random(15);
  std::vector<double> eigenvalues;
  for (int i = 0; i < 60; i++) eigenvalues.push_back(0.1 + 0.3 * i);
  const Dense a = withEigenvalues(eigenvalues, random);
  const std::vector<double> b = normals(60, random);
  const LinearOperator inFloat = [&](std::span<const double> x, std::span<double> y) {
    a.asOperator()(x, y);
    for (double& value : y) value = roundToFloat(value);
  };
  std::vector<double> diagonal(60);
  for (size_t i = 0; i < 60; i++) diagonal[i] = 1 + 0.1 * static_cast<double>(i % 7);
  const LinearOperator jacobi = [&](std::span<const double> r, std::span<double> z) {
    for (size_t i = 0; i < r.size(); i++) z[i] = r[i] / diagonal[i];
  };
  for (int way = 0; way < 7; way++) {
    for (const int count : {1, 5, 10, 20}) {
      const Context context("way ", way, " iterations ", count);
      ConjugateGradientOptions options = iterations(count);
      options.reorthogonalize = way > 0;
      options.orthogonalityTolerance = way >= 3 ? 1e-6 : 0;
      options.singleResiduals = way >= 5;
      const Solution solution =
          solve(inFloat, b, options, way % 2 == 0 ? LinearOperator{} : jacobi);
      const std::vector<double> residual = minus(b, a.times(solution.x));
      // Every iteration adds a product of its own rounding: alpha p times |A| times u, and the
      // steps alpha p are together not longer than a few times x.
      const double drift = 4 * count * kFloatRoundoff * 18 * norm(solution.x);
      CHECK_NEAR(norm(minus(residual, solution.residual)), 0, drift);
      CHECK_NEAR(solution.summary.residualNorm, norm(residual), drift);
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
