// Dense linear algebra in double: against plain loops, and the same bits from every instruction
// set. Products in float32 against loops with the rounding of each.

#include "core/dense_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/aligned_memory.h"
#include "core/random.h"
#include "guarded.h"
#include "problems.h"
#include "targets.h"

namespace trustregion::test {
namespace {

const std::vector<size_t> kSizes = {1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 64, 65, 100};

const DenseKernels* denseKernelsOf(const std::string& backend) {
#if defined(__x86_64__) || defined(_M_X64)
  if (backend == "cpu-avx512") return &cpu::avx512DenseKernels();
  if (backend == "cpu-avx2") return &cpu::avx2DenseKernels();
#endif
  return backend == "cpu-baseline" ? &cpu::baselineDenseKernels() : nullptr;
}

template <class Run>
bool addForEachTarget(const std::string& name, const Run& run) {
  for (const Target& target : allTargets()) {
    addCase(name + " on " + target.name, [=] {
      if (!target.isSupported) skipCase("this machine lacks the instructions");
      const DenseKernels* kernels = denseKernelsOf(target.name);
      CHECK(kernels != nullptr);
      run(*kernels);
    });
  }
  return true;
}

// Rows `stride` apart, the padding NaN.
template <class Matrix>
Matrix padded(const std::vector<double>& dense, size_t rows, size_t columns, size_t stride) {
  using Number = typename Matrix::value_type;
  Matrix matrix(rows * stride, std::numeric_limits<Number>::quiet_NaN());
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < columns; j++) {
      matrix[i * stride + j] = static_cast<Number>(dense[i * columns + j]);
    }
  }
  return matrix;
}

std::vector<double> symmetric(size_t size, Random& random) {
  std::vector<double> matrix(size * size);
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j <= i; j++) matrix[i * size + j] = matrix[j * size + i] = random.normal();
  }
  return matrix;
}

CASE("strides are whole vectors off the powers of two") {
  for (size_t columns = 1; columns < 3000; columns++) {
    const size_t stride = denseStride(columns);
    CHECK(stride >= columns && stride < columns + 2 * kDenseAlignment);
    CHECK(stride % kDenseAlignment == 0 && stride % 128 != 0);
    const size_t single = denseStride<float>(columns);
    CHECK(single >= columns && single < columns + 32 && single % 16 == 0 && single % 256 != 0);
  }
}

// Every element is one chain over t in order, each step rounded by step(a, b, sum): the very bits
// of a loop.
template <class Number, class Multiply, class Step>
void checkProduct(Multiply&& multiply, Step&& step, size_t rows, size_t columns, size_t inner,
                  bool isTransposed, Random& random) {
  using Matrix = std::vector<Number, CacheLineAllocator<Number>>;
  const Context context(rows, " x ", columns, ", inner ", inner,
                        isTransposed ? ", transposed" : "");
  const size_t aStride = denseStride<Number>(isTransposed ? rows : inner);
  const size_t stride = denseStride<Number>(columns);
  const std::vector<double> aDense = normals(rows * inner, random);
  const std::vector<double> bDense = normals(inner * columns, random);
  const auto a = isTransposed ? padded<Matrix>(aDense, inner, rows, aStride)
                              : padded<Matrix>(aDense, rows, inner, aStride);
  const auto b = padded<Matrix>(bDense, inner, columns, stride);
  const size_t aRow = isTransposed ? 1 : aStride;
  const size_t aInner = isTransposed ? aStride : 1;
  Guarded<Number> c(rows * stride);
  multiply({rows, columns, inner, a.data(), aRow, aInner, b.data(), stride, c.data(), stride});
  CHECK(c.intact());
  for (size_t i = 0; i < rows; i++) {
    for (size_t j = 0; j < columns; j++) {
      Number sum = 0;
      for (size_t t = 0; t < inner; t++) {
        sum = step(a[i * aRow + t * aInner], b[t * stride + j], sum);
      }
      CHECK(c[i * stride + j] == sum);
    }
  }
}

template <class Check>
void forEachShape(const Check& check) {
  Random random(1);
  for (const size_t rows : kSizes) {
    for (const size_t columns : kSizes) {
      for (const size_t inner : {1U, 2U, 9U, 64U}) {
        check(rows, columns, inner, (rows + columns) % 2 == 0, random);
      }
    }
  }
}

// Separate multiplications and additions in all of them.
const bool kMultiplyAdded = addForEachTarget("products", [](const DenseKernels& kernels) {
  forEachShape([&](auto&&... shape) {
    checkProduct<double>(
        kernels.multiply, [](double a, double b, double c) { return a * b + c; }, shape...);
  });
});

const bool kMultiplySingleAdded =
    addCaseForEachTarget("products in float32", [](const cpu::Kernels& kernels) {
#if defined(__aarch64__)
      const bool isFused = true;
#else
      const bool isFused = &kernels != &cpu::baselineKernels();
#endif
      forEachShape([&](auto&&... shape) {
        checkProduct<float>(
            kernels.multiplySingle,
            [&](float a, float b, float c) { return isFused ? std::fma(a, b, c) : a * b + c; },
            shape...);
      });
    });

// Eight interleaved sums whatever the instruction set, anywhere in memory: the very bits of loops.
template <class Number, class Dots, class Axpby>
void checkVectors(const Dots& dots, const Axpby& axpby) {
  constexpr size_t kRows = 7;
  Random random(2);
  for (size_t count = 0; count < 70; count++) {
    for (const size_t offset : {0, 1, 3}) {
      const Context context("count ", count, " offset ", offset);
      const size_t length = count + offset;
      std::vector<Number> a;  // rows one after the other
      for (const double value : normals(kRows * length, random)) {
        a.push_back(static_cast<Number>(value));
      }
      const std::vector<double> b = normals(length, random);
      std::vector<const Number*> rows;
      std::vector<double> expected;
      for (size_t row = 0; row < kRows; row++) {
        rows.push_back(a.data() + row * length + offset);
        double sums[8] = {};
        for (size_t i = 0; i < count; i++) {
          sums[i % 8] += static_cast<double>(rows[row][i]) * b[offset + i];
        }
        expected.push_back(((sums[0] + sums[4]) + (sums[2] + sums[6])) +
                           ((sums[1] + sums[5]) + (sums[3] + sums[7])));
      }
      for (size_t used = 0; used <= kRows; used++) {
        Guarded<double> actual(used);
        dots(count, used, rows.data(), b.data() + offset, actual.data());
        CHECK(actual.intact());
        CHECK(std::equal(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(used),
                         actual.data()));
      }

      Guarded<double> y(count);
      std::copy_n(b.data() + offset, count, y.data());
      axpby(count, 0.3, a.data() + offset, -1.7, y.data());
      CHECK(y.intact());
      bool same = true;
      for (size_t i = 0; i < count; i++) {
        same = same && y[i] == 0.3 * static_cast<double>(a[offset + i]) + -1.7 * b[offset + i];
      }
      CHECK(same);
    }
  }
}

const bool kVectorsAdded = addForEachTarget("dots and axpby", [](const DenseKernels& kernels) {
  checkVectors<double>(kernels.dots, kernels.axpby);
  checkVectors<float>(kernels.dotsSingle, kernels.axpbySingle);
});

struct Tridiagonal {
  std::vector<double> q;
  std::vector<double> d;
  std::vector<double> e;
};

Tridiagonal tridiagonal(const DenseKernels& kernels, const std::vector<double>& matrix,
                        size_t size) {
  const size_t stride = denseStride(size);
  auto a = padded<std::vector<double>>(matrix, size, size, stride);
  Guarded<double> q(size * stride);
  Guarded<double> d(size);
  Guarded<double> e(size);
  Guarded<double> scratch(3 * stride);
  kernels.tridiagonalize(size, stride, 0x1p-500, a.data(), q.data(), d.data(), e.data(),
                         scratch.data());
  CHECK(q.intact() && d.intact() && e.intact() && scratch.intact());
  CHECK(d.complete() && e.complete() && e[size - 1] == 0);
  Tridiagonal result;
  for (size_t i = 0; i < size; i++) {
    result.q.insert(result.q.end(), q.data() + i * stride, q.data() + i * stride + size);
  }
  result.d.assign(d.data(), d.data() + size);
  result.e.assign(e.data(), e.data() + size);
  return result;
}

// Q'Q = I and A Q = Q T to the rounding of n reflections, some u each (Wilkinson 1965).
const bool kTridiagonalAdded =
    addForEachTarget("tridiagonal reduction", [](const DenseKernels& kernels) {
      Random random(2);
      for (const size_t size : kSizes) {
        const Context context("size ", size);
        const std::vector<double> a = symmetric(size, random);
        const auto [q, d, e] = tridiagonal(kernels, a, size);
        double largest = 0;
        for (const double value : a) largest = std::max(largest, std::abs(value));
        const double n = static_cast<double>(size);
        const double tolerance = 16 * n * kDoubleRoundoff;
        for (size_t i = 0; i < size; i++) {
          for (size_t j = 0; j < size; j++) {
            double product = 0;
            double left = 0;
            for (size_t k = 0; k < size; k++) {
              product += q[k * size + i] * q[k * size + j];
              left += a[i * size + k] * q[k * size + j];
            }
            double right = q[i * size + j] * d[j];
            if (j > 0) right += q[i * size + j - 1] * e[j - 1];
            if (j + 1 < size) right += q[i * size + j + 1] * e[j];
            CHECK_NEAR(product, i == j ? 1 : 0, tolerance);
            CHECK_NEAR(left, right, tolerance * n * largest);
          }
        }
      }
    });

const bool kSameBitsAdded = addForEachTarget(
    "tridiagonal reduction has the bits of the baseline", [](const DenseKernels& kernels) {
      Random random(3);
      for (const size_t size : kSizes) {
        const Context context("size ", size);
        const std::vector<double> a = symmetric(size, random);
        const Tridiagonal actual = tridiagonal(kernels, a, size);
        const Tridiagonal baseline = tridiagonal(cpu::baselineDenseKernels(), a, size);
        CHECK(sameBits(actual.q, baseline.q));
        CHECK(sameBits(actual.d, baseline.d) && sameBits(actual.e, baseline.e));
      }
    });

const bool kRotateAdded = addForEachTarget("rotations", [](const DenseKernels& kernels) {
  Random random(4);
  for (const size_t size : {2U, 3U, 17U, 65U}) {
    for (const size_t columns : kSizes) {
      const Context context(size, " rows of ", columns);
      const size_t stride = denseStride(columns);
      auto expected =
          padded<std::vector<double>>(normals(size * columns, random), size, columns, stride);
      Guarded<double> rows(size * stride);
      std::copy(expected.begin(), expected.end(), rows.data());
      // Sweeps over all rows, over some, and over none.
      std::vector<double> c;
      std::vector<double> s;
      for (size_t i = 0; i < size; i++) {
        const double angle = random.normal();
        c.push_back(std::cos(angle));
        s.push_back(std::sin(angle));
      }
      const std::vector<RotationSweep> sweeps = {{0, size - 1, c.data(), s.data()},
                                                 {size / 2, size - 1, c.data() + 1, s.data() + 1},
                                                 {0, size / 2, c.data(), s.data()},
                                                 {size / 2, size / 2, nullptr, nullptr}};
      kernels.rotate(sweeps.data(), sweeps.size(), columns, rows.data(), stride);
      CHECK(rows.intact());
      for (const RotationSweep& sweep : sweeps) {
        for (size_t i = sweep.high; i-- > sweep.low;) {
          const double cosine = sweep.c[i - sweep.low];
          const double sine = sweep.s[i - sweep.low];
          for (size_t j = 0; j < columns; j++) {
            double& x = expected[i * stride + j];
            double& y = expected[(i + 1) * stride + j];
            const double old = y;
            y = sine * x + cosine * old;
            x = cosine * x - sine * old;
          }
        }
      }
      for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < columns; j++) {
          CHECK(rows[i * stride + j] == expected[i * stride + j]);
        }
      }
    }
  }
});

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
