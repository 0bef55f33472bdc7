// The matrix kernels of every instruction set against sums on Tracked numbers in the same order,
// in every odd shape, between guard bands.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "core/cpu/aligned_floats.h"
#include "core/random.h"
#include "guarded.h"
#include "targets.h"
#include "tracked.h"

namespace trustregion::test {
namespace {

using cpu::AlignedFloats;
using cpu::Kernels;
using cpu::paddedWidth;

// Rows around the register blocks of 16, 12, 8 and 6 rows and what is left of them.
const std::vector<size_t> kRows = {1, 2, 3, 5, 6, 7, 11, 12, 13, 15, 16, 17, 23, 31, 33, 95, 96};
const std::vector<size_t> kWidths = {1, 3, 8, 17, 31, 33, 64, 65, 200};
const std::vector<size_t> kInner = {1, 2, 17, 64};

void fill(Guarded<float>& values, Random& random) {
  for (float& value : values.span()) value = static_cast<float>(random.normal());
}

Tracked exact(float value) { return {static_cast<double>(value), 0}; }

double shareOfTolerance(float actual, const Tracked& expected) {
  const double error = std::abs(static_cast<double>(actual) - expected.value);
  return error == error ? error / expected.tolerance() : HUGE_VAL;
}

enum class Start { zero, bias, matrix, accumulate };

constexpr cpu::Derivative kDerivatives[] = {cpu::Derivative::none, cpu::Derivative::tanh,
                                            cpu::Derivative::relu, cpu::Derivative::stored};

struct ProductCase {
  size_t rows;
  size_t columns;
  size_t inner;
  size_t secondInner;  // 0: one pair of factors
  bool aTransposed;
  Start start;
  cpu::Derivative derivative;
};

std::string describe(const ProductCase& test) {
  std::ostringstream text;
  text << "rows " << test.rows << " columns " << test.columns << " inner " << test.inner << " + "
       << test.secondInner << " transposed " << test.aTransposed << " start "
       << static_cast<int>(test.start) << " derivative " << static_cast<int>(test.derivative);
  return text.str();
}

// Result strides with room between rows, which must stay untouched.
constexpr size_t kGap = 16;

// Numbers of one pair of factors. The padding of b is NaN: it must not reach a result.
struct FactorNumbers {
  FactorNumbers(const ProductCase& test, size_t innerSize, Random& random)
      : inner(innerSize),
        aRow(test.aTransposed ? 1 : inner + 3),
        aInner(test.aTransposed ? test.rows + 5 : 1),
        bRow(paddedWidth(test.columns)),
        a(inner == 0 ? 0 : (test.rows - 1) * aRow + (inner - 1) * aInner + 1),
        b(inner * bRow) {
    fill(a, random);
    for (size_t t = 0; t < inner; t++) {
      for (size_t j = 0; j < test.columns; j++) {
        b[t * bRow + j] = static_cast<float>(random.normal());
      }
    }
  }

  cpu::Factors factors() const { return {inner, a.data(), aRow, aInner, b.data(), bRow}; }
  // Adds steps `first`, `first` + `stride`, ... of the sum for row i and column j.
  void addTo(Tracked& sum, size_t i, size_t j, size_t first = 0, size_t stride = 1) const {
    for (size_t t = first; t < inner; t += stride) {
      sum += exact(a[i * aRow + t * aInner]) * exact(b[t * bRow + j]);
    }
  }
  // b as multiplyPairs reads it: steps 2t and 2t + 1 of column j in lanes 2j and 2j + 1.
  AlignedFloats pairs(size_t columns, size_t lanes) const {
    AlignedFloats packed((inner + 1) / 2 * lanes, std::numeric_limits<float>::quiet_NaN());
    for (size_t t = 0; t < packed.size() / lanes * 2; t++) {
      for (size_t j = 0; j < columns; j++) {
        packed[t / 2 * lanes + 2 * j + t % 2] = t < inner ? b[t * bRow + j] : 0;
      }
    }
    return packed;
  }

  size_t inner;
  size_t aRow;
  size_t aInner;
  size_t bRow;
  Guarded<float> a;
  Guarded<float> b;
};

Tracked slope(cpu::Derivative derivative, float h) {
  if (derivative == cpu::Derivative::tanh) {
    return Tracked{1, 0} + Tracked{-1, 0} * squared(exact(h));
  }
  if (derivative == cpu::Derivative::relu) return {h > 0 ? 1.0 : 0.0, 0};
  return exact(h);
}

void checkProduct(const Kernels& kernels, const ProductCase& test, bool inPairs, Random& random) {
  const Context context(describe(test));
  const FactorNumbers first(test, test.inner, random);
  const FactorNumbers second(test, test.secondInner, random);
  const size_t width = paddedWidth(test.columns);
  const size_t cRow = width + kGap;
  Guarded<float> init(test.start == Start::matrix ? test.rows * width : width);
  Guarded<float> c(test.rows * cRow);
  Guarded<float> h(test.rows * cRow);
  fill(init, random);
  if (test.start == Start::accumulate) fill(c, random);
  for (size_t i = 0; i < test.rows; i++) {
    for (size_t j = 0; j < test.columns; j++) {
      h[i * cRow + j] = static_cast<float>(random.normal());
    }
  }
  h[0] = 0;  // where ReLU has its kink
  const std::vector<float> before(c.data(), c.data() + c.size());

  cpu::Product product{test.rows, test.columns, first.factors(), second.factors(), nullptr, 0,
                       c.data(),  cRow,         test.derivative, h.data()};
  if (test.start == Start::bias) product.init = init.data();
  if (test.start == Start::matrix) {
    product.init = init.data();
    product.initRow = width;
  }
  if (test.start == Start::accumulate) {
    product.init = c.data();
    product.initRow = cRow;
  }
  const auto startAt = [&](size_t i, size_t j) {
    if (test.start == Start::zero) return 0.0F;
    return test.start == Start::accumulate ? before[i * cRow + j] : init[i * product.initRow + j];
  };
  if (inPairs) {
    const AlignedFloats firstPairs = first.pairs(test.columns, kernels.lanes);
    const AlignedFloats secondPairs = second.pairs(test.columns, kernels.lanes);
    product.first.b = firstPairs.data();
    product.second.b = secondPairs.data();
    kernels.multiplyPairs(product);
  } else {
    kernels.multiply(product);
  }

  CHECK(c.intact());
  bool restUntouched = true;
  double worst = 0;
  const size_t lanes = inPairs ? 1 : kernels.lanes;
  const size_t written = (test.columns + lanes - 1) / lanes * lanes;
  for (size_t i = 0; i < test.rows; i++) {
    for (size_t j = 0; j < test.columns; j++) {
      Tracked sum = exact(startAt(i, j));
      if (inPairs) {
        Tracked even;
        Tracked odd;
        for (const FactorNumbers* numbers : {&first, &second}) {
          numbers->addTo(even, i, j, 0, 2);
          numbers->addTo(odd, i, j, 1, 2);
        }
        sum += even + odd;
      } else {
        first.addTo(sum, i, j);
        second.addTo(sum, i, j);
      }
      if (test.derivative != cpu::Derivative::none) {
        sum = sum * slope(test.derivative, h[i * cRow + j]);
      }
      worst = std::max(worst, shareOfTolerance(c[i * cRow + j], sum));
    }
    for (size_t j = written; j < cRow; j++) {
      restUntouched = restUntouched && std::bit_cast<uint32_t>(c[i * cRow + j]) ==
                                           std::bit_cast<uint32_t>(before[i * cRow + j]);
    }
  }
  CHECK(worst <= 1);
  CHECK(restUntouched);
}

const bool kMultiplyAdded = addCaseForEachTarget("multiply", [](const Kernels& kernels) {
  Random random(1);
  int turn = 0;
  for (const size_t rows : kRows) {
    for (const size_t width : kWidths) {
      for (const size_t inner : kInner) {
        const auto start = static_cast<Start>(turn % 4);
        const size_t secondInner = turn % 5 < 2 ? 0 : kInner[turn % kInner.size()];
        checkProduct(
            kernels,
            {rows, width, inner, secondInner, turn % 3 == 0, start, kDerivatives[turn / 4 % 4]},
            false, random);
        turn++;
      }
    }
  }
});

const bool kMultiplyPairsAdded = addCaseForEachTarget("multiplyPairs", [](const Kernels& kernels) {
  Random random(5);
  int turn = 0;
  for (const size_t rows : kRows) {
    for (size_t columns = 1; columns <= kernels.lanes / 2; columns++) {
      for (const size_t inner : {1, 2, 3, 17, 64, 65}) {
        for (const size_t secondInner : {0, 1, 64}) {
          const auto start = static_cast<Start>(turn++ % 4);
          checkProduct(kernels,
                       {rows, columns, inner, secondInner, false, start, cpu::Derivative::none},
                       true, random);
        }
      }
    }
  }
});

// NaN and infinity of an operand reach the results that they belong to, and no others.
const bool kNotFiniteAdded =
    addCaseForEachTarget("what is not finite stays in its row", [](const Kernels& kernels) {
      constexpr size_t kAllRows = 97;
      constexpr size_t kColumns = 5;
      constexpr size_t kInnerSize = 3;
      Random random(6);
      for (const cpu::Derivative derivative : kDerivatives) {
        const ProductCase test{kAllRows, kColumns, kInnerSize, 0, false, Start::zero, derivative};
        const Context context(describe(test));
        FactorNumbers numbers(test, kInnerSize, random);
        const size_t width = paddedWidth(kColumns);
        Guarded<float> h(kAllRows * width, 0.5F);
        Guarded<float> c(kAllRows * width);
        numbers.a[40 * numbers.aRow] = std::numeric_limits<float>::quiet_NaN();
        cpu::Product product{kAllRows, kColumns, numbers.factors(), {},      nullptr, 0,
                             c.data(), width,    derivative,        h.data()};
        kernels.multiply(product);
        bool asExpected = c.intact();
        for (size_t i = 0; i < kAllRows; i++) {
          for (size_t j = 0; j < kColumns; j++) {
            const float value = c[i * width + j];
            asExpected = asExpected && (value != value) == (i == 40);
          }
        }
        CHECK(asExpected);
      }
    });

// "Every element is one chain of multiply-adds over t in order, however the block is shaped."
const bool kBlocksAdded =
    addCaseForEachTarget("block edges change no bit", [](const Kernels& kernels) {
      constexpr size_t kColumns = 208;
      const ProductCase test{41, kColumns, 65, 17, false, Start::bias, cpu::Derivative::tanh};
      Random random(2);
      const FactorNumbers first(test, test.inner, random);
      const FactorNumbers second(test, test.secondInner, random);
      Guarded<float> bias(kColumns);
      Guarded<float> h(test.rows * kColumns);
      Guarded<float> whole(test.rows * kColumns);
      Guarded<float> part(kColumns);
      fill(bias, random);
      fill(h, random);
      cpu::Product product{test.rows, kColumns,     first.factors(), second.factors(), bias.data(),
                           0,         whole.data(), kColumns,        test.derivative,  h.data()};
      kernels.multiply(product);
      for (size_t i = 0; i < test.rows; i++) {
        for (size_t column = 0; column < kColumns; column += cpu::kRowAlignment) {
          const Context context("row ", i, " column ", column);
          cpu::Product single = product;
          single.rows = 1;
          single.columns = cpu::kRowAlignment;
          for (cpu::Factors* factors : {&single.first, &single.second}) {
            factors->a += i * factors->aRow;
            factors->b += column;
          }
          single.init += column;
          single.h += i * kColumns + column;
          single.c = part.data();
          kernels.multiply(single);
          CHECK(std::equal(part.data(), part.data() + cpu::kRowAlignment,
                           whole.data() + i * kColumns + column));
        }
      }
    });

// sum[i][j] += sum_t u[t][i] x[t][j], on top of numbers that are there already.
void checkGradientSum(const Kernels& kernels, size_t outputs, size_t inputs, size_t rows,
                      Random& random) {
  const Context context("outputs ", outputs, " inputs ", inputs, " rows ", rows);
  const size_t uRow = paddedWidth(outputs);
  const size_t xRow = paddedWidth(inputs);
  Guarded<float> u(rows * uRow);
  Guarded<float> x(rows * xRow);
  Guarded<double> sum(outputs * inputs);
  Guarded<double> columns(outputs);
  // The padding stays NaN: it must not reach the sums.
  for (size_t t = 0; t < rows; t++) {
    for (size_t i = 0; i < outputs; i++) u[t * uRow + i] = static_cast<float>(random.normal());
    for (size_t j = 0; j < inputs; j++) x[t * xRow + j] = static_cast<float>(random.normal());
  }
  for (double& value : sum.span()) value = random.normal();
  for (double& value : columns.span()) value = random.normal();
  const std::vector<double> sumBefore(sum.data(), sum.data() + sum.size());
  const std::vector<double> columnsBefore(columns.data(), columns.data() + columns.size());

  kernels.addGradient({outputs, inputs, rows, u.data(), uRow, x.data(), xRow, sum.data()});
  kernels.addColumnSums(rows, outputs, u.data(), uRow, columns.data());

  CHECK(sum.intact());
  CHECK(columns.intact());
  const auto at = [&](size_t t, size_t i) {
    return Tracked{static_cast<double>(u[t * uRow + i]), 0};
  };
  const auto share = [](double actual, double before, const Tracked& added) {
    // The last addition is in double precision.
    const double tolerance =
        added.tolerance() + 2 * kDoubleRoundoff * (std::abs(before) + std::abs(added.value));
    const double error = std::abs(actual - (before + added.value));
    return error == error ? error / tolerance : HUGE_VAL;
  };
  double worst = 0;
  for (size_t i = 0; i < outputs; i++) {
    Tracked column;
    for (size_t t = 0; t < rows; t++) column += at(t, i);
    worst = std::max(worst, share(columns[i], columnsBefore[i], column));
    for (size_t j = 0; j < inputs; j++) {
      Tracked added;
      for (size_t t = 0; t < rows; t++) {
        added += at(t, i) * Tracked{static_cast<double>(x[t * xRow + j]), 0};
      }
      const size_t index = i * inputs + j;
      worst = std::max(worst, share(sum[index], sumBefore[index], added));
    }
  }
  CHECK(worst <= 1);
}

const bool kGradientAdded =
    addCaseForEachTarget("addGradient and addColumnSums", [](const Kernels& kernels) {
      Random random(3);
      for (const size_t outputs : {1, 3, 6, 7, 8, 12, 17, 33, 64, 65}) {
        for (const size_t inputs : kWidths) {
          for (const size_t rows : {1, 15, 16, 17, 96}) {
            checkGradientSum(kernels, outputs, inputs, rows, random);
          }
        }
      }
    });

const bool kElementsAdded = addCaseForEachTarget("multiplyElements", [](const Kernels& kernels) {
  Random random(4);
  for (const size_t count : {16, 32, 48, 112, 4096}) {
    const Context context("count ", count);
    Guarded<float> a(count);
    Guarded<float> b(count);
    Guarded<float> out(count);
    fill(a, random);
    fill(b, random);
    a[3] = 0;
    kernels.multiplyElements(count, a.data(), b.data(), out.data());
    CHECK(out.intact());
    for (size_t i = 0; i < count; i++) CHECK(out[i] == a[i] * b[i]);

    // out may be one of the factors.
    std::copy_n(b.data(), count, out.data());
    kernels.multiplyElements(count, a.data(), out.data(), out.data());
    for (size_t i = 0; i < count; i++) CHECK(out[i] == a[i] * b[i]);
  }
});

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
