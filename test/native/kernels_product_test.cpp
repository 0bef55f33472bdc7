// The matrix kernels of every instruction set against sums on Tracked numbers in the same order,
// in every odd shape, between guard bands.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/cpu/aligned_floats.h"
#include "core/random.h"
#include "guarded.h"
#include "targets.h"
#include "tracked.h"

namespace trustregion::test {
namespace {

using cpu::Kernels;
using cpu::paddedWidth;

// Rows around the register blocks of 16, 12, 8 and 6 rows and what is left of them.
const std::vector<size_t> kRows = {1, 2, 3, 5, 6, 7, 11, 12, 13, 15, 16, 17, 23, 31, 33, 63, 64};
const std::vector<size_t> kWidths = {1, 3, 8, 17, 31, 33, 64, 65, 200};
const std::vector<size_t> kInner = {1, 2, 17, 64};

void fill(Guarded<float>& values, Random& random) {
  for (float& value : values.span()) value = static_cast<float>(random.normal());
}

// How a is read and where the sum starts.
enum class Start { zero, bias, matrix, accumulate };

struct ProductCase {
  size_t rows;
  size_t columns;  // padded
  size_t inner;
  bool aTransposed;
  Start start;
};

// Result strides with room between rows, which must stay untouched.
constexpr size_t kGap = 16;

void checkProduct(const Kernels& kernels, const ProductCase& test, Random& random) {
  const Context context("rows ", test.rows, " columns ", test.columns, " inner ", test.inner,
                        " transposed ", test.aTransposed, " start ", static_cast<int>(test.start));
  const size_t aRow = test.aTransposed ? 1 : test.inner + 3;
  const size_t aInner = test.aTransposed ? test.rows + 5 : 1;
  const size_t cRow = test.columns + kGap;
  Guarded<float> a((test.rows - 1) * aRow + (test.inner - 1) * aInner + 1);
  Guarded<float> b(test.inner * test.columns);
  Guarded<float> init(test.start == Start::matrix ? test.rows * test.columns : test.columns);
  Guarded<float> c(test.rows * cRow);
  fill(a, random);
  fill(b, random);
  fill(init, random);
  if (test.start == Start::zero) std::fill_n(init.data(), init.size(), 0.0F);
  if (test.start == Start::accumulate) fill(c, random);
  std::vector<float> before(c.data(), c.data() + c.size());

  cpu::Product product{test.rows, test.columns, test.inner,  a.data(), aRow,     aInner,
                       b.data(),  test.columns, init.data(), 0,        c.data(), cRow};
  if (test.start == Start::matrix) product.initRow = test.columns;
  if (test.start == Start::accumulate) {
    product.init = c.data();
    product.initRow = cRow;
  }
  kernels.multiply(product);

  CHECK(c.intact());
  bool gapsUntouched = true;
  double worst = 0;
  for (size_t i = 0; i < test.rows; i++) {
    for (size_t j = 0; j < test.columns; j++) {
      const float start =
          test.start == Start::accumulate ? before[i * cRow + j] : init[i * product.initRow + j];
      Tracked sum{static_cast<double>(start), 0};
      for (size_t t = 0; t < test.inner; t++) {
        sum += Tracked{static_cast<double>(a[i * aRow + t * aInner]), 0} *
               Tracked{static_cast<double>(b[t * test.columns + j]), 0};
      }
      const double error = std::abs(static_cast<double>(c[i * cRow + j]) - sum.value);
      worst = std::max(worst, error / sum.tolerance());
      if (error != error) worst = HUGE_VAL;
    }
    for (size_t j = test.columns; j < cRow; j++) {
      gapsUntouched = gapsUntouched && std::bit_cast<uint32_t>(c[i * cRow + j]) ==
                                           std::bit_cast<uint32_t>(before[i * cRow + j]);
    }
  }
  CHECK(worst <= 1);
  CHECK(gapsUntouched);
}

const bool kMultiplyAdded = addCaseForEachTarget("multiply", [](const Kernels& kernels) {
  Random random(1);
  int turn = 0;
  for (const size_t rows : kRows) {
    for (const size_t width : kWidths) {
      for (const size_t inner : kInner) {
        const auto start = static_cast<Start>(turn % 4);
        checkProduct(kernels, {rows, paddedWidth(width), inner, turn % 3 == 0, start}, random);
        turn++;
      }
    }
  }
});

// "Every element is one chain of multiply-adds over t in order, however the block is shaped."
const bool kBlocksAdded =
    addCaseForEachTarget("block edges change no bit", [](const Kernels& kernels) {
      constexpr size_t kInnerSize = 65;
      constexpr size_t kColumns = 208;
      constexpr size_t kAllRows = 41;
      Random random(2);
      Guarded<float> a(kAllRows * kInnerSize);
      Guarded<float> b(kInnerSize * kColumns);
      Guarded<float> bias(kColumns);
      Guarded<float> whole(kAllRows * kColumns);
      Guarded<float> part(kColumns);
      fill(a, random);
      fill(b, random);
      fill(bias, random);
      kernels.multiply({kAllRows, kColumns, kInnerSize, a.data(), kInnerSize, 1, b.data(), kColumns,
                        bias.data(), 0, whole.data(), kColumns});
      for (size_t i = 0; i < kAllRows; i++) {
        for (size_t first = 0; first < kColumns; first += cpu::kRowAlignment) {
          const Context context("row ", i, " column ", first);
          kernels.multiply({1, cpu::kRowAlignment, kInnerSize, a.data() + i * kInnerSize,
                            kInnerSize, 1, b.data() + first, kColumns, bias.data() + first, 0,
                            part.data(), kColumns});
          CHECK(std::equal(part.data(), part.data() + cpu::kRowAlignment,
                           whole.data() + i * kColumns + first));
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
  fill(u, random);  // padding as well: it must not reach the sums
  fill(x, random);
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
          for (const size_t rows : {1, 15, 16, 17, 64}) {
            checkGradientSum(kernels, outputs, inputs, rows, random);
          }
        }
      }
    });

const bool kElementsAdded =
    addCaseForEachTarget("multiplyElements, multiplyByDerivative", [](const Kernels& kernels) {
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

        for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
          const Context inner(activationName(activation));
          std::copy_n(b.data(), count, out.data());
          kernels.multiplyByDerivative(activation, count, a.data(), a.data(), out.data());
          CHECK(out.intact());
          for (size_t i = 0; i < count; i++) {
            const Tracked h{static_cast<double>(a[i]), 0};
            Tracked derivative = h;
            if (activation == Activation::relu) derivative = {h.value > 0 ? 1.0 : 0.0, 0};
            if (activation == Activation::tanh) {
              derivative = Tracked{1, 0} + Tracked{-1, 0} * squared(h);
            }
            checkTracked(static_cast<double>(out[i]),
                         Tracked{static_cast<double>(b[i]), 0} * derivative);
          }
        }
      }
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
