// The matrix kernels of every instruction set against sums on Tracked numbers in the same order,
// in every odd shape, between guard bands.

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "core/cpu/cpu_mlp.h"
#include "core/random.h"
#include "guarded.h"
#include "targets.h"
#include "tracked.h"

namespace trustregion::test {
namespace {

using cpu::Kernels;
using cpu::paddedWidth;

// Rows around the register blocks of 16, 12, 8 and 6 rows and what is left of them.
const std::vector<size_t> kRows = {1, 2, 3, 5, 6, 7, 11, 12, 13, 15, 16, 17, 23, 31, 33, 95, 96};
const std::vector<size_t> kWidths = {1, 3, 8, 17, 31, 33, 64, 65, 200};
// Around a vector, a panel, and the longest sums that are made in one go.
const std::vector<size_t> kInner = {1, 2, 17, 64, 65, 130, 700};

void fill(Guarded<float>& values, Random& random) {
  for (float& value : values.span()) value = static_cast<float>(random.normal());
}

Tracked exact(float value) { return {static_cast<double>(value), 0}; }

double shareOfTolerance(float actual, const Tracked& expected) {
  const double error = std::abs(static_cast<double>(actual) - expected.value);
  return error == error ? error / expected.tolerance() : HUGE_VAL;
}

// How a left factor or a result lies in memory.
enum class Layout { rowMajor, inPanels };

constexpr cpu::Derivative kDerivatives[] = {cpu::Derivative::none, cpu::Derivative::tanh,
                                            cpu::Derivative::relu, cpu::Derivative::stored};

// What packs the right factor.
enum class Form { blocks, narrow };

struct ProductCase {
  size_t rows;
  size_t columns;
  size_t inner;
  size_t secondInner;  // 0: one pair of factors
  Layout layout;       // of left factors and the result
  bool hasBias;
  cpu::Derivative derivative;
};

std::string describe(const ProductCase& test) {
  std::ostringstream text;
  text << "rows " << test.rows << " columns " << test.columns << " inner " << test.inner << " + "
       << test.secondInner << (test.layout == Layout::inPanels ? " in panels" : " row-major")
       << " bias " << test.hasBias << " derivative " << static_cast<int>(test.derivative);
  return text.str();
}

// A matrix between guard bands, NaN where nothing is written, with room between its rows.
class GuardedMatrix {
 public:
  GuardedMatrix(size_t rows, size_t columns, Layout layout)
      : layout_(layout),
        width_(layout == Layout::inPanels ? cpu::hiddenWidth(columns) : paddedWidth(columns) + 16),
        rows_(rows),
        numbers_(rows * width_) {}

  cpu::Matrix view() {
    return layout_ == Layout::inPanels ? cpu::inPanels(numbers_.data(), rows_, width_)
                                       : cpu::rowMajor(numbers_.data(), width_);
  }
  float& at(size_t i, size_t j) { return numbers_[index(i, j)]; }
  float at(size_t i, size_t j) const { return numbers_[index(i, j)]; }
  void fill(size_t columns, Random& random) {
    for (size_t i = 0; i < rows_; i++) {
      for (size_t j = 0; j < columns; j++) at(i, j) = static_cast<float>(random.normal());
    }
  }
  size_t width() const { return width_; }
  bool intact() const { return numbers_.intact(); }

 private:
  size_t index(size_t i, size_t j) const {
    if (layout_ == Layout::rowMajor) return i * width_ + j;
    const size_t row = std::min(width_, cpu::kPanelColumns);
    const size_t panel = j / cpu::kPanelColumns;
    return panel * cpu::kPanelColumns * rows_ + i * row + j % cpu::kPanelColumns;
  }

  Layout layout_;
  size_t width_;
  size_t rows_;
  Guarded<float> numbers_;
};

// The first `columns` of b [inner x width] as multiply reads them.
AlignedFloats inBlocks(const std::vector<float>& b, size_t width, size_t columns,
                       const Kernels& kernels) {
  const size_t inner = b.size() / width;
  const size_t padded = paddedWidth(columns);
  AlignedFloats packed(inner * padded, std::numeric_limits<float>::quiet_NaN());
  for (size_t j = 0; j < columns; j++) {
    const size_t first = j / kernels.blockColumns * kernels.blockColumns;
    const size_t blockWidth = std::min(kernels.blockColumns, padded - first);
    for (size_t t = 0; t < inner; t++) {
      packed[first * inner + t * blockWidth + j - first] = b[t * width + j];
    }
  }
  return packed;
}

// Numbers of one pair of factors. Padding is NaN: it must not reach a result.
struct FactorNumbers {
  FactorNumbers(const ProductCase& test, size_t innerSize, Random& random)
      : inner(innerSize), columns(test.columns), a(test.rows, inner, test.layout) {
    a.fill(inner, random);
    b.resize(inner * columns);
    for (float& value : b) value = static_cast<float>(random.normal());
  }

  // Adds steps `first`, `first` + `stride`, ... of the sum for row i and column j.
  void addTo(Tracked& sum, size_t i, size_t j, size_t first = 0, size_t stride = 1) const {
    for (size_t t = first; t < inner; t += stride) {
      sum += exact(a.at(i, t)) * exact(b[t * columns + j]);
    }
  }
  AlignedFloats packed(Form form, const Kernels& kernels) const {
    if (form == Form::blocks) return inBlocks(b, columns, columns, kernels);
    const size_t padded = paddedWidth(inner);
    AlignedFloats rows(columns * padded, 0.0F);
    for (size_t j = 0; j < columns; j++) {
      for (size_t t = 0; t < inner; t++) rows[j * padded + t] = b[t * columns + j];
    }
    return rows;
  }

  size_t inner;
  size_t columns;
  GuardedMatrix a;
  std::vector<float> b;  // [inner x columns]
};

Tracked slope(cpu::Derivative derivative, float h) {
  if (derivative == cpu::Derivative::tanh) {
    return Tracked{1, 0} + Tracked{-1, 0} * squared(exact(h));
  }
  if (derivative == cpu::Derivative::relu) return {h > 0 ? 1.0 : 0.0, 0};
  return exact(h);
}

void checkProduct(const Kernels& kernels, const ProductCase& test, Form form, Random& random) {
  const Context context(describe(test));
  FactorNumbers first(test, test.inner, random);
  FactorNumbers second(test, test.secondInner, random);
  Guarded<float> bias(paddedWidth(test.columns));
  GuardedMatrix c(test.rows, test.columns, test.layout);
  GuardedMatrix h(test.rows, test.columns, test.layout);
  fill(bias, random);
  h.fill(test.columns, random);
  h.at(0, 0) = 0;  // where ReLU has its kink
  const AlignedFloats firstB = first.packed(form, kernels);
  const AlignedFloats secondB = second.packed(form, kernels);
  const cpu::Product product{test.rows,
                             test.columns,
                             {test.inner, first.a.view(), firstB.data()},
                             {test.secondInner, second.a.view(), secondB.data()},
                             test.hasBias ? bias.data() : nullptr,
                             c.view(),
                             test.derivative,
                             h.view(),
                             h.view().data};
  (form == Form::blocks ? kernels.multiply : kernels.multiplyNarrow)(product);

  CHECK(c.intact());
  bool restUntouched = true;
  double worst = 0;
  const size_t lanes = form == Form::blocks ? kernels.lanes : 1;
  const size_t written = (test.columns + lanes - 1) / lanes * lanes;
  // Chains that are added up at the end: one, or lanes of a vector.
  const size_t chains = form == Form::blocks ? 1 : kernels.lanes;
  for (size_t i = 0; i < test.rows; i++) {
    for (size_t j = 0; j < test.columns; j++) {
      Tracked sum = exact(test.hasBias ? bias[j] : 0);
      std::vector<Tracked> parts(chains);
      for (size_t chain = 0; chain < chains; chain++) {
        Tracked& part = chains == 1 ? sum : parts[chain];
        first.addTo(part, i, j, chain, chains);
        second.addTo(part, i, j, chain, chains);
      }
      for (size_t half = chains / 2; half > 0; half /= 2) {
        for (size_t chain = 0; chain < half; chain++) parts[chain] += parts[chain + half];
      }
      if (chains > 1) sum += parts[0];
      if (test.derivative != cpu::Derivative::none) {
        sum = sum * slope(test.derivative, h.at(i, j));
      }
      worst = std::max(worst, shareOfTolerance(c.at(i, j), sum));
    }
    for (size_t j = written; j < c.width(); j++) {
      restUntouched = restUntouched && c.at(i, j) != c.at(i, j);
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
        if (inner > 64 && rows > 33) continue;  // what is long is seen with few rows
        const size_t secondInner = turn % 5 < 2 ? 0 : kInner[turn % kInner.size()];
        checkProduct(
            kernels,
            {rows, width, inner, secondInner, turn % 3 == 0 ? Layout::rowMajor : Layout::inPanels,
             turn % 2 == 0, kDerivatives[turn / 4 % 4]},
            Form::blocks, random);
        turn++;
      }
    }
  }
});

const bool kNarrowAdded = addCaseForEachTarget("multiplyNarrow", [](const Kernels& kernels) {
  Random random(5);
  int turn = 0;
  for (const size_t rows : kRows) {
    for (size_t columns = 1; columns <= kernels.lanes / 2; columns++) {
      for (const size_t inner : {1, 2, 3, 17, 64, 65, 200}) {
        for (const size_t secondInner : {0, 1, 64}) {
          const ProductCase test{rows,
                                 columns,
                                 inner,
                                 secondInner,
                                 turn % 3 == 0 ? Layout::rowMajor : Layout::inPanels,
                                 turn % 2 == 0,
                                 cpu::Derivative::none};
          turn++;
          checkProduct(kernels, test, Form::narrow, random);
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
        const ProductCase test{kAllRows,         kColumns, kInnerSize, 0,
                               Layout::rowMajor, false,    derivative};
        const Context context(describe(test));
        FactorNumbers numbers(test, kInnerSize, random);
        GuardedMatrix h(kAllRows, kColumns, test.layout);
        GuardedMatrix c(kAllRows, kColumns, test.layout);
        h.fill(kColumns, random);
        for (size_t i = 0; i < kAllRows; i++) {
          for (size_t j = 0; j < kColumns; j++) h.at(i, j) = 0.5F;
        }
        numbers.a.at(40, 0) = std::numeric_limits<float>::quiet_NaN();
        const AlignedFloats b = numbers.packed(Form::blocks, kernels);
        kernels.multiply({kAllRows,
                          kColumns,
                          {kInnerSize, numbers.a.view(), b.data()},
                          {},
                          nullptr,
                          c.view(),
                          derivative,
                          h.view(),
                          h.view().data});
        bool asExpected = c.intact();
        for (size_t i = 0; i < kAllRows; i++) {
          for (size_t j = 0; j < kColumns; j++) {
            const float value = c.at(i, j);
            asExpected = asExpected && (value != value) == (i == 40);
          }
        }
        CHECK(asExpected);
      }
    });

// "Every element is one chain of multiply-adds over t in order, however the block is shaped": a row
// by itself has the same bits, and so have its columns in another block.
const bool kBlocksAdded =
    addCaseForEachTarget("block edges change no bit", [](const Kernels& kernels) {
      constexpr size_t kAllRows = 41;
      constexpr size_t kColumns = 208;
      for (const size_t inner : {65, 700}) {
        const ProductCase test{
            kAllRows, kColumns, inner, 17, Layout::inPanels, true, cpu::Derivative::tanh};
        Random random(2);
        FactorNumbers first(test, test.inner, random);
        FactorNumbers second(test, test.secondInner, random);
        Guarded<float> bias(kColumns);
        fill(bias, random);
        GuardedMatrix h(kAllRows, kColumns, test.layout);
        GuardedMatrix whole(kAllRows, kColumns, test.layout);
        h.fill(kColumns, random);
        const AlignedFloats firstB = first.packed(Form::blocks, kernels);
        const AlignedFloats secondB = second.packed(Form::blocks, kernels);
        cpu::Product product{kAllRows,
                             kColumns,
                             {test.inner, first.a.view(), firstB.data()},
                             {test.secondInner, second.a.view(), secondB.data()},
                             bias.data(),
                             whole.view(),
                             test.derivative,
                             h.view(),
                             h.view().data};
        kernels.multiply(product);
        GuardedMatrix part(kAllRows, kColumns, test.layout);
        for (size_t i = 0; i < kAllRows; i++) {
          cpu::Product single = product;
          single.rows = 1;
          single.columns = 1 + i * 5;
          // Blocks are as wide as the padded columns leave them, so b is packed again.
          const AlignedFloats firstBlocks = inBlocks(first.b, kColumns, single.columns, kernels);
          const AlignedFloats secondBlocks = inBlocks(second.b, kColumns, single.columns, kernels);
          single.first = {test.inner, first.a.view().from(i), firstBlocks.data()};
          single.second = {test.secondInner, second.a.view().from(i), secondBlocks.data()};
          single.h = h.view().from(i);
          single.c = part.view().from(i);
          kernels.multiply(single);
          bool same = part.intact();
          for (size_t j = 0; j < single.columns; j++) {
            same = same && part.at(i, j) == whole.at(i, j);
          }
          const Context context("row ", i, " columns ", single.columns, " inner ", inner);
          CHECK(same);
        }
      }
    });

// sum[i][j] += sum_t u[t][i] x[t][j], on top of numbers that are there already, or over them.
void checkGradientSum(const Kernels& kernels, size_t outputs, size_t inputs, size_t rows,
                      Layout layout, cpu::SumMode mode, Random& random) {
  const Context context("outputs ", outputs, " inputs ", inputs, " rows ", rows, " mode ",
                        static_cast<int>(mode));
  // The padding stays NaN: it must not reach the sums.
  GuardedMatrix u(rows, outputs, layout);
  GuardedMatrix x(rows, inputs, layout);
  Guarded<double> sum(outputs * inputs);
  Guarded<double> columns(outputs);
  u.fill(outputs, random);
  x.fill(inputs, random);
  const bool isAdded = mode == cpu::SumMode::add;
  if (isAdded) {  // otherwise they are NaN
    for (double& value : sum.span()) value = random.normal();
    for (double& value : columns.span()) value = random.normal();
  }
  const std::vector<double> sumBefore(sum.data(), sum.data() + sum.size());
  const std::vector<double> columnsBefore(columns.data(), columns.data() + columns.size());

  kernels.addGradient({outputs, inputs, rows, u.view(), x.view(), sum.data(), mode});
  kernels.addColumnSums(rows, outputs, u.view(), columns.data(), mode);

  CHECK(sum.intact());
  CHECK(columns.intact());
  std::vector<double> ordered(sum.size());
  std::vector<double> orderedBefore(sum.size());
  cpu::copyFromPanels(sum.data(), 0, sum.size(), outputs, inputs, ordered.data(), inputs, 1);
  cpu::copyFromPanels(sumBefore.data(), 0, sum.size(), outputs, inputs, orderedBefore.data(),
                      inputs, 1);
  const auto share = [&](double actual, double standing, const Tracked& added) {
    const double before = isAdded ? standing : 0;
    // The last addition is in double precision.
    const double tolerance =
        added.tolerance() + 2 * kDoubleRoundoff * (std::abs(before) + std::abs(added.value));
    const double error = std::abs(actual - (before + added.value));
    return error == error ? error / tolerance : HUGE_VAL;
  };
  double worst = 0;
  for (size_t i = 0; i < outputs; i++) {
    Tracked column;
    for (size_t t = 0; t < rows; t++) column += exact(u.at(t, i));
    worst = std::max(worst, share(columns[i], columnsBefore[i], column));
    for (size_t j = 0; j < inputs; j++) {
      Tracked added;
      for (size_t t = 0; t < rows; t++) added += exact(u.at(t, i)) * exact(x.at(t, j));
      const size_t index = i * inputs + j;
      worst = std::max(worst, share(ordered[index], orderedBefore[index], added));
    }
  }
  CHECK(worst <= 1);
}

const bool kGradientAdded =
    addCaseForEachTarget("addGradient and addColumnSums", [](const Kernels& kernels) {
      Random random(3);
      int turn = 0;
      for (const size_t outputs : {1, 3, 6, 7, 8, 12, 17, 33, 64, 65, 130}) {
        for (const size_t inputs : kWidths) {
          for (const size_t rows : {1, 15, 16, 17, 96, 192}) {
            checkGradientSum(kernels, outputs, inputs, rows,
                             turn % 3 == 0 ? Layout::rowMajor : Layout::inPanels,
                             turn % 2 == 0 ? cpu::SumMode::add : cpu::SumMode::overwrite, random);
            turn++;
          }
        }
      }
    });

// A sum in panels comes out in order whole and in pieces, straight and transposed.
CASE("copyFromPanels") {
  for (const size_t rows : {1, 5, 64, 70}) {
    for (const size_t columns : kWidths) {
      std::vector<double> sum;
      std::vector<double> expected(rows * columns);
      for (size_t first = 0; first < columns; first += cpu::kPanelColumns) {
        for (size_t i = 0; i < rows; i++) {
          for (size_t j = first; j < std::min(columns, first + cpu::kPanelColumns); j++) {
            sum.push_back(static_cast<double>(sum.size() + 1));
            expected[i * columns + j] = sum.back();
          }
        }
      }
      for (const size_t piece : {size_t{1}, size_t{7}, size_t{64}, sum.size()}) {
        const Context context("rows ", rows, " columns ", columns, " piece ", piece);
        std::vector<double> straight(sum.size());
        std::vector<double> transposed(sum.size());
        for (size_t first = 0; first < sum.size(); first += piece) {
          const size_t count = std::min(piece, sum.size() - first);
          const double* part = sum.data() + first;
          cpu::copyFromPanels(part, first, count, rows, columns, straight.data(), columns, 1);
          cpu::copyFromPanels(part, first, count, rows, columns, transposed.data(), 1, rows);
        }
        CHECK(straight == expected);
        bool isTransposed = true;
        for (size_t i = 0; i < rows; i++) {
          for (size_t j = 0; j < columns; j++) {
            isTransposed = isTransposed && transposed[j * rows + i] == expected[i * columns + j];
          }
        }
        CHECK(isTransposed);
      }
    }
  }
}

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
