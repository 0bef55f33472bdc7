// The kernels of minibatch descent of every instruction set, in every odd shape, between guard
// bands.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/random.h"
#include "guarded.h"
#include "targets.h"
#include "tracked.h"

namespace trustregion::test {
namespace {

using cpu::Derivative;
using cpu::Kernels;
using cpu::paddedWidth;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
const std::vector<size_t> kWidths = {1, 3, 8, 15, 16, 17, 33, 64, 65, 130};

Tracked exact(float value) { return {static_cast<double>(value), 0}; }

// Random numbers in the first `width` of each row, `padding` behind them.
void fillRows(Guarded<float>& values, size_t width, float padding, Random& random) {
  const size_t stride = paddedWidth(width);
  for (size_t i = 0; i < values.size(); i++) {
    values[i] = i % stride < width ? static_cast<float>(random.normal()) : padding;
  }
}

Tracked slope(Derivative derivative, float h) {
  if (derivative == Derivative::tanh) return Tracked{1, 0} + Tracked{-1, 0} * squared(exact(h));
  if (derivative == Derivative::relu) return {h > 0 ? 1.0 : 0.0, 0};
  return exact(h);
}

void checkErrorPass(const Kernels& kernels, size_t rows, size_t width, Derivative derivative) {
  const Context context("rows ", rows, " width ", width, " derivative ",
                        static_cast<int>(derivative));
  Random random(rows * 1000 + width);
  const size_t stride = paddedWidth(width);
  Guarded<float> h(rows * stride);
  Guarded<float> stored(rows * stride);
  Guarded<float> weight(stride);
  Guarded<float> target(rows);
  Guarded<float> error(rows);
  Guarded<float> u(rows * stride);
  Guarded<float> weightSum(stride, 0);
  Guarded<float> biasSum(1, 0);
  fillRows(h, width, 0, random);
  fillRows(stored, width, 1, random);
  fillRows(weight, width, 0, random);
  for (float& value : target.span()) value = static_cast<float>(random.normal());
  const float bias = 0.25F;
  const bool isStored = derivative == Derivative::stored;
  const Guarded<float>& source = isStored ? stored : h;
  kernels.backThroughError({rows, stride, h.data(), weight.data(), bias, target.data(), derivative,
                            source.data(), error.data(), u.data(), weightSum.data(),
                            biasSum.data()});
  CHECK(error.intact() && u.intact() && weightSum.intact() && biasSum.intact());
  Tracked sumOfErrors;
  std::vector<Tracked> sums(stride);
  for (size_t row = 0; row < rows; row++) {
    // A chain has at least the rounding of the sum by lanes.
    Tracked output;
    for (size_t j = 0; j < width; j++) output += exact(h[row * stride + j]) * exact(weight[j]);
    output += exact(bias);
    checkTracked(error[row], output + Tracked{-1.0 * target[row], 0});
    // From here on with the error that came.
    const Tracked came = exact(error[row]);
    sumOfErrors += came;
    for (size_t j = 0; j < stride; j++) {
      const size_t at = row * stride + j;
      sums[j] += came * exact(h[at]);
      if (derivative == Derivative::none) {
        CHECK(u[at] != u[at]);  // left alone
      } else {
        checkTracked(u[at], came * exact(weight[j]) * slope(derivative, source[at]));
      }
    }
  }
  checkTracked(biasSum[0], sumOfErrors);
  for (size_t j = 0; j < stride; j++) checkTracked(weightSum[j], sums[j]);
  for (size_t j = width; j < stride; j++) CHECK(weightSum[j] == 0);
}

const bool kErrorAdded = addCaseForEachTarget("back through the error", [](const Kernels& kernels) {
  for (const Derivative derivative :
       {Derivative::none, Derivative::tanh, Derivative::relu, Derivative::stored}) {
    for (const size_t width : kWidths) {
      for (const size_t rows : {1, 2, 17, 64}) checkErrorPass(kernels, rows, width, derivative);
    }
  }
});

void checkGradient(const Kernels& kernels, size_t rows, size_t inputs, size_t outputs) {
  const Context context("rows ", rows, " inputs ", inputs, " outputs ", outputs);
  Random random(rows + 100 * inputs + 10000 * outputs);
  const size_t xRow = inputs + 3;
  const size_t uRow = paddedWidth(outputs);
  Guarded<float> x(rows * xRow);  // NaN between rows
  for (size_t i = 0; i < x.size(); i++) {
    if (i % xRow < inputs) x[i] = static_cast<float>(random.normal());
  }
  Guarded<float> u(rows * uRow);
  fillRows(u, outputs, 0, random);
  Guarded<float> sum(inputs * uRow);
  kernels.sumGradient({inputs, outputs, rows, x.data(), xRow, u.data(), uRow, sum.data()});
  CHECK(sum.intact() && sum.complete());
  for (size_t j = 0; j < uRow; j++) {
    const size_t first = j / kernels.blockColumns * kernels.blockColumns;
    const size_t width = std::min(kernels.blockColumns, uRow - first);
    for (size_t k = 0; k < inputs; k++) {
      Tracked expected;
      for (size_t t = 0; t < rows; t++) expected += exact(x[t * xRow + k]) * exact(u[t * uRow + j]);
      checkTracked(sum[first * inputs + k * width + j - first], expected);
    }
  }
}

const bool kGradientAdded = addCaseForEachTarget("gradient sums", [](const Kernels& kernels) {
  for (const size_t rows : {1, 2, 17, 64}) {
    for (const size_t inputs : {1, 5, 6, 7, 13, 17, 64, 70}) {
      for (const size_t outputs : kWidths) checkGradient(kernels, rows, inputs, outputs);
    }
  }
});

const bool kAdamAdded = addCaseForEachTarget("a step of Adam", [](const Kernels& kernels) {
  for (const size_t count : {16, 48, 1024}) {
    for (const size_t gradients : {1, 2, 3, 16}) {
      const Context context("parameters ", count, " gradients ", gradients);
      Random random(count + gradients);
      const size_t stride = count + 16;  // NaN in between
      Guarded<float> gradient(gradients * stride);
      Guarded<float> mean(count);
      Guarded<float> square(count);
      Guarded<float> parameter(count);
      for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < gradients; n++) {
          gradient[n * stride + i] = static_cast<float>(random.normal());
        }
        mean[i] = static_cast<float>(random.normal());
        square[i] = static_cast<float>(random.uniform());
        parameter[i] = static_cast<float>(random.normal());
      }
      // A parameter that never had a gradient stays.
      for (size_t n = 0; n < gradients; n++) gradient[n * stride] = 0;
      mean[0] = square[0] = 0;
      const std::vector<float> before(parameter.data(), parameter.data() + count);
      const cpu::AdamPass pass{count,  gradient.data(), gradients, stride, 0.125F, 0.9F,    0.999F,
                               0.1F,   0.001F,          1e-8F,     0.02F,  1.5F,   nullptr, nullptr,
                               nullptr};
      std::vector<Tracked> means(count);
      std::vector<Tracked> squares(count);
      for (size_t i = 0; i < count; i++) {
        Tracked g;
        for (size_t n = 0; n < gradients; n++) g += exact(gradient[n * stride + i]);
        g = g * exact(pass.scale);
        means[i] = exact(pass.beta1) * exact(mean[i]) + exact(pass.oneMinusBeta1) * g;
        squares[i] = exact(pass.beta2) * exact(square[i]) + exact(pass.oneMinusBeta2) * squared(g);
      }
      cpu::AdamPass whole = pass;
      whole.mean = mean.data();
      whole.square = square.data();
      whole.parameter = parameter.data();
      kernels.stepAdam(whole);
      CHECK(mean.intact() && square.intact() && parameter.intact());
      CHECK(parameter[0] == before[0]);
      for (size_t i = 0; i < count; i++) {
        checkTracked(mean[i], means[i]);
        checkTracked(square[i], squares[i]);
        const double root = pass.rootFactor * std::sqrt(static_cast<double>(square[i]));
        const double step = pass.meanFactor * static_cast<double>(mean[i]) / (root + pass.epsilon);
        // A root, two products, a sum and a quotient; then the difference.
        Tracked moved = rounded(before[i] - step, 5 * test::square(kFloatRoundoff * step));
        checkTracked(parameter[i], moved);
      }
    }
  }
});

const bool kGatherAdded = addCaseForEachTarget("rows are gathered", [](const Kernels& kernels) {
  constexpr size_t kRows = 9;
  for (const size_t width : {16, 32, 144}) {
    Guarded<float> from(kRows * width);
    std::iota(from.data(), from.data() + from.size(), 0.0F);
    const std::vector<uint32_t> chosen = {8, 0, 3, 3, 7};
    Guarded<float> to(chosen.size() * width);
    kernels.gatherRows(chosen.size(), chosen.data(), width, from.data(), to.data());
    CHECK(to.intact());
    for (size_t i = 0; i < to.size(); i++) {
      CHECK(to[i] == from[chosen[i / width] * width + i % width]);
    }
  }
});

const bool kTransposeAdded =
    addCaseForEachTarget("rows are transposed", [](const Kernels& kernels) {
      for (size_t rows = 1; rows <= kernels.lanes; rows++) {
        for (const size_t columns : kWidths) {
          const Context context("rows ", rows, " columns ", columns);
          const size_t stride = paddedWidth(columns);
          Guarded<float> from(rows * stride);
          for (size_t i = 0; i < from.size(); i++) {
            from[i] = i % stride < columns ? static_cast<float>(i + 1) : kNaN;
          }
          const size_t toStride = kernels.lanes + 16;
          Guarded<float> to(columns * toStride);
          kernels.transposeRows(rows, columns, from.data(), stride, to.data(), toStride);
          CHECK(to.intact());
          for (size_t column = 0; column < columns; column++) {
            for (size_t row = 0; row < toStride; row++) {
              const float value = to[column * toStride + row];
              if (row >= kernels.lanes) {
                CHECK(value != value);  // not written
              } else {
                CHECK(value == (row < rows ? from[row * stride + column] : 0.0F));
              }
            }
          }
        }
      }
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
