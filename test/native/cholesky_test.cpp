// The dense solver: solutions, and matrices that it must refuse.

#include "core/cholesky.h"

#include <limits>

#include "core/vector_operations.h"
#include "dense.h"
#include "guarded.h"

namespace trustregion::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Writes NaN above the diagonal, which nobody may read.
std::vector<double> lowerTriangle(const Dense& matrix) {
  std::vector<double> values;
  for (size_t i = 0; i < matrix.size(); i++) {
    for (size_t j = 0; j < matrix.size(); j++) values.push_back(j <= i ? matrix.at(i, j) : kNaN);
  }
  return values;
}

bool solve(const Dense& matrix, const std::vector<double>& b, std::vector<double>& x) {
  const std::vector<double> values = lowerTriangle(matrix);
  Guarded<double> a(values.size());
  std::copy(values.begin(), values.end(), a.data());
  Guarded<double> solution(b.size());
  const bool solved = choleskySolve(a.span(), b, solution.span());
  CHECK(a.intact() && solution.intact());
  x.assign(solution.data(), solution.data() + solution.size());
  return solved;
}

bool isRefused(const Dense& matrix) {
  std::vector<double> x;
  return !solve(matrix, std::vector<double>(matrix.size(), 1.0), x);
}

// Backward stable: x solves (A + E) x = b with |E| <= 3 n^2 u |A| at the very most (Higham 2002,
// theorem 10.4), which bounds the residual whatever the condition.
void checkSolution(const Dense& matrix, double norm2, const std::vector<double>& b) {
  std::vector<double> x;
  CHECK(solve(matrix, b, x));
  std::vector<double> residual = matrix.times(x);
  axpby(-1, b, 1, residual);
  const double n = static_cast<double>(b.size());
  CHECK_NEAR(norm(residual), 0, (3 * n * n + n) * kDoubleRoundoff * (norm2 * norm(x) + norm(b)));
}

CASE("positive definite systems of every size and condition") {
  Random random(1);
  for (const size_t size : {1U, 2U, 3U, 7U, 8U, 9U, 17U, 64U, 100U}) {
    for (const double condition : {1.0, 1e4, 1e12}) {
      for (const double scale : {1e-100, 1.0, 1e100}) {
        const Context context("size ", size, " condition ", condition, " scale ", scale);
        std::vector<double> eigenvalues(size, scale);
        for (size_t i = 0; i < size; i++) {
          const double place =
              size > 1 ? static_cast<double>(i) / static_cast<double>(size - 1) : 0;
          eigenvalues[i] = scale * std::pow(condition, -place);
        }
        checkSolution(withEigenvalues(eigenvalues, random), scale, normals(size, random));
      }
    }
  }
}

CASE("a small system by hand") {
  Dense matrix(2);
  matrix.at(0, 0) = 4;
  matrix.at(0, 1) = matrix.at(1, 0) = 2;
  matrix.at(1, 1) = 5;
  std::vector<double> x;
  CHECK(solve(matrix, {8, 12}, x));
  CHECK(x == std::vector<double>({1, 2}));  // every number on the way is an integer
  CHECK(solve(diagonalMatrix({4, 16, 0.25}), {1, 4, 1}, x));
  CHECK(x == std::vector<double>({0.25, 0.25, 4}));
}

CASE("the right-hand side stays, zero gives zero") {
  Random random(2);
  const Dense matrix = withEigenvalues({1, 2, 3, 4}, random);
  std::vector<double> x;
  CHECK(solve(matrix, {0, 0, 0, 0}, x));
  CHECK(x == std::vector<double>({0, 0, 0, 0}));
}

CASE("not positive definite: refused") {
  Random random(3);
  CHECK(isRefused(diagonalMatrix({0})));
  CHECK(isRefused(diagonalMatrix({-1})));
  CHECK(isRefused(diagonalMatrix({1, 2, 0})));
  CHECK(isRefused(diagonalMatrix({1, -1e-300, 1})));
  for (const size_t size : {2U, 5U, 17U, 64U}) {
    for (const double smallest : {-1.0, -1e-3, -1e-9}) {
      const Context context("size ", size, " smallest ", smallest);
      std::vector<double> eigenvalues(size, 1.0);
      eigenvalues[size / 2] = smallest;
      CHECK(isRefused(withEigenvalues(eigenvalues, random)));
    }
  }
}

// Rounding makes pivots of a singular matrix some number of either sign, of the size of u: a
// solution by them would be noise, longer than anything by 1 / u. (One pivot alone at the end of an
// ill-conditioned matrix may be rounded by more than its own subtraction, so of `size` - 1 ranks
// nothing is promised.)
CASE("singular to rounding: refused") {
  Random random(4);
  for (const size_t size : {2U, 3U, 5U, 17U, 64U}) {
    for (const size_t rank : {size_t{1}, size / 2}) {
      for (int round = 0; round < 20; round++) {
        const Context context("size ", size, " rank ", rank, " round ", round);
        Dense matrix(size);
        for (size_t r = 0; r < rank; r++) {
          const std::vector<double> v = normals(size, random);
          for (size_t i = 0; i < size; i++) {
            for (size_t j = 0; j < size; j++) matrix.at(i, j) += v[i] * v[j];
          }
        }
        CHECK(isRefused(matrix));
      }
    }
  }
}

CASE("NaN and infinity: refused") {
  Random random(5);
  for (const double bad : {kNaN, HUGE_VAL, -HUGE_VAL}) {
    for (const auto& [i, j] : {std::pair<size_t, size_t>{0, 0}, {2, 1}, {3, 3}}) {
      Dense matrix = withEigenvalues({1, 2, 3, 4}, random);
      matrix.at(i, j) = bad;
      CHECK(isRefused(matrix));
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
