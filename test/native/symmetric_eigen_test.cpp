// Eigenvalues and eigenvectors of symmetric matrices of every shape and scale.

#include "core/symmetric_eigen.h"

#include <algorithm>
#include <limits>
#include <numbers>

#include "check.h"
#include "core/vector_operations.h"
#include "dense.h"

namespace trustregion::test {
namespace {

constexpr double kU = kDoubleRoundoff;

std::vector<double> flat(const Dense& matrix) {
  std::vector<double> values;
  for (size_t i = 0; i < matrix.size(); i++) {
    for (size_t j = 0; j < matrix.size(); j++) values.push_back(matrix.at(i, j));
  }
  return values;
}

// Householder's reduction and QL find the exact eigenvalues of A + E, |E| of the order of u |A|
// times a slowly growing function of the size (Golub and Van Loan 2013, section 8.3; Wilkinson 1965
// has the bound). Each of the n - 2 reflections and of the at most some 2 n sweeps of rotations
// that touch a row adds some roundings: 16 n u is room enough where errors do not all add up.
SymmetricEigen checkedEigen(const Dense& matrix) {
  const size_t size = matrix.size();
  const std::vector<double> values = flat(matrix);
  SymmetricEigen eigen = symmetricEigen(values, size);
  CHECK(eigen.values.size() == size && eigen.vectors.size() == size * size);
  CHECK(allFinite(eigen.values) && allFinite(eigen.vectors));
  // The largest element times the size bounds |A| without leaving the range of numbers.
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  const double n = static_cast<double>(size);
  const double tolerance = 16 * n * kU;
  for (size_t i = 0; i < size; i++) {
    const Context context("vector ", i, " of ", size);
    const std::span<const double> v(eigen.vectors.data() + i * size, size);
    for (size_t j = 0; j <= i; j++) {
      const std::span<const double> w(eigen.vectors.data() + j * size, size);
      CHECK_NEAR(dot(v, w), i == j ? 1 : 0, tolerance);
    }
    if (largest == 0) {
      CHECK(eigen.values[i] == 0);
      continue;
    }
    // A v - lambda v in units of the largest element.
    double squared = 0;
    for (size_t k = 0; k < size; k++) {
      double sum = -eigen.values[i] / largest * v[k];
      for (size_t j = 0; j < size; j++) sum += matrix.at(k, j) / largest * v[j];
      squared += square(sum);
    }
    CHECK_NEAR(std::sqrt(squared), 0, tolerance * n);
  }
  return eigen;
}

std::vector<double> sorted(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values;
}

void checkValues(const Dense& matrix, std::vector<double> expected, double scale) {
  const std::vector<double> actual = sorted(checkedEigen(matrix).values);
  expected = sorted(std::move(expected));
  for (size_t i = 0; i < expected.size(); i++) {
    CHECK_NEAR(actual[i], expected[i], 16 * static_cast<double>(matrix.size()) * kU * scale);
  }
}

Dense randomSymmetric(size_t size, Random& random, double scale = 1) {
  Dense matrix(size);
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j <= i; j++) {
      matrix.at(i, j) = matrix.at(j, i) = scale * random.normal();
    }
  }
  return matrix;
}

const std::vector<size_t> kSizes = {1, 2, 3, 4, 5, 8, 17, 64, 65, 128};

CASE("nothing") {
  const SymmetricEigen eigen = symmetricEigen({}, 0);
  CHECK(eigen.values.empty() && eigen.vectors.empty());
}

CASE("one by one") {
  for (const double value : {0.0, 3.0, -2.0, 1e-300, 1e300}) {
    const SymmetricEigen eigen = symmetricEigen(std::span(&value, 1), 1);
    CHECK(eigen.values == std::vector<double>{value});
    CHECK(std::abs(eigen.vectors[0]) == 1);
  }
}

CASE("random matrices") {
  Random random(1);
  for (const size_t size : kSizes) {
    for (int round = 0; round < (size > 20 ? 1 : 10); round++) {
      const Dense matrix = randomSymmetric(size, random);
      const SymmetricEigen eigen = checkedEigen(matrix);
      double trace = 0;
      double sum = 0;
      for (size_t i = 0; i < size; i++) {
        trace += matrix.at(i, i);
        sum += eigen.values[i];
      }
      const double n = static_cast<double>(size);
      CHECK_NEAR(sum, trace, 16 * n * n * kU * 4 * std::sqrt(n));
    }
  }
}

CASE("known eigenvalues: the second difference") {
  for (const size_t size : kSizes) {
    Dense matrix(size);
    std::vector<double> expected;
    for (size_t i = 0; i < size; i++) {
      matrix.at(i, i) = 2;
      if (i > 0) matrix.at(i, i - 1) = matrix.at(i - 1, i) = -1;
      expected.push_back(2 - 2 * std::cos(static_cast<double>(i + 1) * std::numbers::pi /
                                          static_cast<double>(size + 1)));
    }
    checkValues(matrix, expected, 4);
  }
}

CASE("repeated eigenvalues, and almost") {
  Random random(2);
  for (const size_t size : {2U, 5U, 17U, 64U}) {
    for (const double gap : {0.0, 1e-15, 1e-8}) {
      std::vector<double> eigenvalues(size, 1.0);
      for (size_t i = size / 2; i < size; i++) eigenvalues[i] = 3 + gap * static_cast<double>(i);
      Dense matrix = withEigenvalues(eigenvalues, random);
      for (size_t i = 0; i < size; i++) {  // reflections leave it symmetric but for rounding
        for (size_t j = 0; j < i; j++) matrix.at(i, j) = matrix.at(j, i);
      }
      checkValues(matrix, eigenvalues, 2 * 3);
    }
  }
}

CASE("diagonal, identity, zero") {
  for (const size_t size : kSizes) {
    std::vector<double> diagonal;
    for (size_t i = 0; i < size; i++) diagonal.push_back(static_cast<double>(i % 3) - 1.5);
    // Nothing to do, so nothing to round.
    const SymmetricEigen eigen = checkedEigen(diagonalMatrix(diagonal));
    CHECK(sorted(eigen.values) == sorted(diagonal));
    checkValues(diagonalMatrix(std::vector<double>(size, 1.0)), std::vector<double>(size, 1.0), 1);
    CHECK(checkedEigen(Dense(size)).values == std::vector<double>(size, 0.0));
  }
}

CASE("rank one, and low rank") {
  Random random(3);
  for (const size_t size : {2U, 3U, 17U, 64U, 128U}) {
    for (const size_t rank : {1U, 2U, 5U}) {
      if (rank > size) continue;
      const Context context("size ", size, " rank ", rank);
      Dense matrix(size);
      double trace = 0;
      for (size_t r = 0; r < rank; r++) {
        const std::vector<double> v = normals(size, random);
        for (size_t i = 0; i < size; i++) {
          for (size_t j = 0; j < size; j++) matrix.at(i, j) += v[i] * v[j];
        }
        trace += dot(v, v);
      }
      const std::vector<double> values = sorted(checkedEigen(matrix).values);
      // All but `rank` are zero, to rounding of the largest, and none is far below.
      for (size_t i = 0; i + rank < size; i++) {
        CHECK_NEAR(values[i], 0, 16 * static_cast<double>(size) * kU * trace);
      }
      if (rank == 1) {
        CHECK_NEAR(values.back(), trace, 16 * static_cast<double>(size) * kU * trace);
      }
      CHECK(values[size - rank] > 1e-3 * trace / static_cast<double>(size));
    }
  }
}

// Second moments of units that are never active have rows of zeros, anywhere.
CASE("zero rows and columns") {
  Random random(4);
  for (const size_t size : {3U, 9U, 33U}) {
    for (size_t stride = 2; stride <= 4; stride++) {
      Dense matrix = randomSymmetric(size, random);
      for (size_t i = 0; i < size; i += stride) {
        for (size_t j = 0; j < size; j++) matrix.at(i, j) = matrix.at(j, i) = 0;
      }
      const std::vector<double> values = checkedEigen(matrix).values;
      size_t zeros = 0;
      for (const double value : values) zeros += std::abs(value) < 1e-12 ? 1 : 0;
      CHECK(zeros >= (size + stride - 1) / stride);
    }
  }
}

CASE("every scale that a number can have") {
  Random random(5);
  for (const size_t size : {2U, 3U, 17U, 64U}) {
    const Dense unit = randomSymmetric(size, random);
    const std::vector<double> expected = sorted(checkedEigen(unit).values);
    for (const double scale : {1e-300, 1e-200, 1e-150, 1e-20, 1e20, 1e150, 1e200, 1e300}) {
      const Context context("size ", size, " scale ", scale);
      Dense matrix(size);
      for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < size; j++) matrix.at(i, j) = scale * unit.at(i, j);
      }
      const std::vector<double> values = sorted(checkedEigen(matrix).values);
      const double n = static_cast<double>(size);
      for (size_t i = 0; i < size; i++) {
        CHECK_NEAR(values[i] / scale, expected[i], 32 * n * kU * 4 * std::sqrt(n));
      }
    }
  }
}

CASE("graded matrices: scales side by side") {
  Random random(6);
  for (const size_t size : {3U, 8U, 17U, 40U}) {
    for (const double ratio : {0.1, 1e-3, 1e-8, 1e-20}) {
      for (const bool isReversed : {false, true}) {
        const Context context("size ", size, " ratio ", ratio);
        Dense matrix(size);
        for (size_t i = 0; i < size; i++) {
          for (size_t j = 0; j <= i; j++) {
            const size_t a = isReversed ? size - 1 - i : i;
            const size_t b = isReversed ? size - 1 - j : j;
            const double scale = std::pow(ratio, static_cast<double>(a + b) / 2);
            matrix.at(i, j) = matrix.at(j, i) = scale * random.normal();
          }
        }
        checkedEigen(matrix);
      }
    }
  }
}

CASE("equal diagonals, zero diagonals") {
  for (const size_t size : {2U, 3U, 10U, 33U}) {
    Dense ones(size);
    Dense hollow(size);
    for (size_t i = 0; i < size; i++) {
      for (size_t j = 0; j < size; j++) {
        ones.at(i, j) = 1;
        hollow.at(i, j) = i == j ? 0 : 1;
      }
    }
    const double n = static_cast<double>(size);
    std::vector<double> expected(size, 0.0);
    expected[0] = n;
    checkValues(ones, expected, n);
    expected.assign(size, -1.0);
    expected[0] = n - 1;
    checkValues(hollow, expected, n);
  }
}

CASE("the same bits again") {
  Random random(7);
  const std::vector<double> matrix = flat(randomSymmetric(33, random));
  const SymmetricEigen a = symmetricEigen(matrix, 33);
  const SymmetricEigen b = symmetricEigen(matrix, 33);
  CHECK(a.values == b.values && a.vectors == b.vectors);
}

CASE("NaN and infinity are refused") {
  Random random(8);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity(), -HUGE_VAL}) {
    for (const size_t at : {0U, 5U, 24U}) {
      std::vector<double> matrix = flat(randomSymmetric(5, random));
      matrix[at] = bad;
      CHECK_THROWS(ErrorCode::notFinite, "finite", symmetricEigen(matrix, 5));
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
