// The float64 kernels of every instruction set: functions against long double over dense sweeps,
// products against sums in every odd shape, between guard bands.

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "core/random.h"
#include "exact_distribution.h"
#include "guarded.h"
#include "targets.h"
#include "tracked.h"

namespace trustregion::test {
namespace {

using cpu::Kernels;
using cpu::kGroupRows;
using cpu::paddedWidth;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Bounds that double_functions.inl states.
constexpr double kExponentialUlps = 1.5;
constexpr double kTanhUlps = 4;
constexpr double kLogarithmUlps = 3;
constexpr double kBeyondLinearUlps = 12;
// x e / (1 + e) or x / (1 + e): an exponential, an addition, a division and a product, each of them
// up to twice as many ulp just below a power of two.
constexpr double kSiluUlps = 2 * (kExponentialUlps + 3 * 0.5);

double ulp(Exact exact) {
  const int exponent = exact == 0 ? -1022 : std::max(std::ilogb(exact), -1022);
  return std::ldexp(1.0, exponent - 52);
}

// Numbers of every binade from 2^-60 up to `limit`, of both signs, and `specials`.
std::vector<double> sweep(double limit, std::vector<double> specials) {
  Random random(5);
  for (int i = 0; i < 200000; i++) {
    const double magnitude =
        std::ldexp(1 + random.uniform(), static_cast<int>(random.below(71)) - 60);
    if (magnitude <= limit) specials.push_back(random.below(2) == 0 ? magnitude : -magnitude);
    specials.push_back(limit * (2 * random.uniform() - 1));
  }
  return specials;
}

using InPlace = std::function<void(size_t count, double* values)>;

struct Worst {
  double error = 0;
  double at = 0;
};

// The largest error of a kernel in ulp over those inputs for which `isMeant`.
Worst worstOf(const char* what, const InPlace& kernel, Exact (*exact)(Exact),
              const std::vector<double>& inputs, bool (*isMeant)(double)) {
  Guarded<double> values(paddedWidth(inputs.size()), 0);
  std::copy(inputs.begin(), inputs.end(), values.data());
  kernel(values.size(), values.data());
  CHECK(values.intact());
  Worst worst;
  for (size_t i = 0; i < inputs.size(); i++) {
    if (!isMeant(inputs[i])) continue;
    const Exact expected = exact(static_cast<Exact>(inputs[i]));
    const double error =
        static_cast<double>(std::abs(static_cast<Exact>(values[i]) - expected)) / ulp(expected);
    if (!(error <= worst.error)) worst = {error, inputs[i]};
  }
  std::printf("      %s: at most %.3f ulp, at %.17g\n", what, worst.error, worst.at);
  return worst;
}

bool always(double) { return true; }

InPlace activation(const Kernels& kernels, Activation activation) {
  return [&kernels, activation](size_t count, double* values) {
    kernels.inDouble->activate(activation, count, values);
  };
}

// e^x may be 0 below: about e^-708.
constexpr double kLeastExponential = 0x1p-1021;

// One value of a kernel.
double at(const InPlace& kernel, double x) {
  Guarded<double> values(8, x);
  kernel(8, values.data());
  for (size_t i = 1; i < 8; i++) CHECK(values[i] == values[0] || values[0] != values[0]);
  return values[0];
}

const bool kExponentialAdded = addCaseForEachTarget("e^x", [](const Kernels& kernels) {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  const InPlace exponential = [&](size_t count, double* x) {
    kernels.inDouble->exponential(count, x);
  };
  const std::vector<double> inputs = sweep(709.78, {0.0, -0.0, 1, -1, 709.78, -708, 0.34657359});
  const Worst worst = worstOf(
      "e^x", exponential, [](Exact x) { return std::exp(x); }, inputs,
      [](double x) { return x >= -708; });
  CHECK(worst.error <= kExponentialUlps);
  CHECK(at(exponential, 0) == 1);
  CHECK(at(exponential, -0.0) == 1);
  for (const double x : {-708.5, -745.0, -1e6, -1e300, -kInfinity}) {
    CHECK(at(exponential, x) == 0);
  }
  for (const double x : {709.79, 1e6, 1e300, kInfinity}) CHECK(at(exponential, x) == kInfinity);
  CHECK(std::isnan(at(exponential, kNaN)));
  CHECK(std::isnan(at(exponential, -kNaN)));
});

const bool kTanhAdded = addCaseForEachTarget("tanh", [](const Kernels& kernels) {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  const InPlace tanh = activation(kernels, Activation::tanh);
  const std::vector<double> inputs =
      sweep(25, {1e300, -1e300, 0x1p-1022, 0.17328679, 19.99, 20.01});
  const Worst worst = worstOf(
      "tanh", tanh, [](Exact x) { return std::tanh(x); }, inputs, always);
  CHECK(worst.error <= kTanhUlps);
  for (const double x : {1e-300, 0.1, 0.5, 3.0, 19.0, 21.0, kInfinity}) {
    CHECK(at(tanh, -x) == -at(tanh, x));
    CHECK(std::abs(at(tanh, x)) <= 1);
  }
  CHECK(at(tanh, kInfinity) == 1);
  CHECK(std::isnan(at(tanh, kNaN)));
});

const bool kOthersAdded = addCaseForEachTarget("SiLU and ReLU", [](const Kernels& kernels) {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  const InPlace silu = activation(kernels, Activation::silu);
  const Worst worst = worstOf(
      "SiLU", silu, [](Exact x) { return x / (1 + std::exp(-x)); }, sweep(700, {0, 1e300}), always);
  CHECK(worst.error <= kSiluUlps);
  CHECK(at(silu, -1e4) == 0);
  CHECK(at(silu, kInfinity) == kInfinity);
  CHECK(std::isnan(at(silu, kNaN)));
  const InPlace relu = activation(kernels, Activation::relu);
  for (const double x : {0.0, 1.5, 1e300, kInfinity}) {
    CHECK(at(relu, x) == x);
    CHECK(at(relu, -x) == 0);
  }
  CHECK(std::isnan(at(relu, kNaN)));
});

// A NaN in one lane must not spread to its neighbours.
const bool kLanesAdded = addCaseForEachTarget("lanes are independent", [](const Kernels& kernels) {
  for (const Activation kind : {Activation::tanh, Activation::relu, Activation::silu}) {
    Guarded<double> values(32, 0.75);
    for (size_t i = 0; i < 32; i += 3) values[i] = kNaN;
    kernels.inDouble->activate(kind, 32, values.data());
    for (size_t i = 0; i < 32; i++) {
      CHECK(i % 3 == 0 ? std::isnan(values[i]) : values[i] == values[1]);
    }
  }
});

const bool kProductAdded = addCaseForEachTarget("products", [](const Kernels& kernels) {
  Random random(6);
  for (const size_t rows : {1U, 2U, 5U, 6U, 7U, 13U, 31U, 64U}) {
    for (const size_t columns : {1U, 3U, 8U, 9U, 17U, 33U, 64U, 65U}) {
      for (const size_t inner : {1U, 2U, 17U, 64U}) {
        const Context context("rows ", rows, " columns ", columns, " inner ", inner);
        const size_t aRow = inner + 3;
        const size_t padded = paddedWidth(columns);
        const size_t cRow = padded + 8;  // room between rows, which must stay untouched
        Guarded<double> a(rows * aRow);
        Guarded<double> b(inner * padded);
        Guarded<double> init(padded);
        Guarded<double> c((rows - 1) * cRow + padded);
        // Step t of column j, in blocks of columns.
        const auto packed = [&](size_t t, size_t j) {
          const size_t block = kernels.inDouble->blockColumns;
          const size_t first = j / block * block;
          return first * inner + t * std::min(block, padded - first) + j - first;
        };
        // Padding stays NaN: it must not reach a result.
        for (size_t i = 0; i < rows; i++) {
          for (size_t t = 0; t < inner; t++) a[i * aRow + t] = random.normal();
        }
        for (size_t j = 0; j < columns; j++) {
          init[j] = random.normal();
          for (size_t t = 0; t < inner; t++) b[packed(t, j)] = random.normal();
        }
        kernels.inDouble->multiply(
            {rows, columns, inner, a.data(), aRow, b.data(), init.data(), c.data(), cRow});
        CHECK(c.intact());
        bool untouched = true;
        for (size_t i = 0; i < rows; i++) {
          for (size_t j = 0; j < columns; j++) {
            Exact sum = static_cast<Exact>(init[j]);
            Exact size = std::abs(sum);
            for (size_t t = 0; t < inner; t++) {
              const Exact term =
                  static_cast<Exact>(a[i * aRow + t]) * static_cast<Exact>(b[packed(t, j)]);
              sum += term;
              size += std::abs(term);
            }
            // Each term is rounded at most twice, by itself and in each sum behind it.
            CHECK_NEAR(
                c[i * cRow + j], static_cast<double>(sum),
                static_cast<double>(inner + 2) * kDoubleRoundoff * static_cast<double>(size));
          }
          for (size_t j = padded; j < cRow && i + 1 < rows; j++) {
            untouched = untouched && std::isnan(c[i * cRow + j]);
          }
        }
        CHECK(untouched);
      }
    }
  }
});

struct Group {
  explicit Group(size_t numbers) : values(numbers * kGroupRows) {}
  double& of(size_t number, size_t row) { return values[number * kGroupRows + row]; }
  double* data() { return values.data(); }
  Guarded<double> values;
};

// The logarithms of a bit's probabilities are -log(1 + e^-|l|), and that less |l|.
const bool kBitsAdded = addCaseForEachTarget("bits", [](const Kernels& kernels) {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  double worst = 0;
  const std::vector<double> logits = sweep(700, {0, -0.0, 0.8813735870195431, 30, 37, 40, 700});
  for (size_t start = 0; start + 2 * kGroupRows <= logits.size(); start += 2 * kGroupRows) {
    Group group(2);
    std::copy_n(logits.data() + start, 2 * kGroupRows, group.data());
    Group probability(4);
    Group logProbability(4);
    kernels.inDouble->normalizeBits(2, group.data(), probability.data(), logProbability.data());
    for (size_t i = 0; i < 2 * kGroupRows; i++) {
      const size_t bit = i / kGroupRows;
      const size_t row = i % kGroupRows;
      for (const size_t outcome : {0U, 1U}) {
        const Exact logit = static_cast<Exact>(logits[start + i]) * (outcome == 1 ? 1 : -1);
        const Exact logP = (logit < 0 ? logit : 0) - std::log1p(std::exp(-std::abs(logit)));
        const double actual = logProbability.of(2 * bit + outcome, row);
        worst = std::max(
            worst, static_cast<double>(std::abs(static_cast<Exact>(actual) - logP)) / ulp(logP));
        const Exact p = std::exp(logP);
        // An exponential, a sum, a division and a product.
        CHECK_NEAR(probability.of(2 * bit + outcome, row), static_cast<double>(p), 6 * ulp(p));
      }
    }
    CHECK(probability.values.intact() && logProbability.values.intact());
  }
  std::printf("      log p of a bit: at most %.3f ulp\n", worst);
  // The exponential's error comes through log1p at most whole; then one more sum.
  CHECK(worst <= kLogarithmUlps + kExponentialUlps + 0.5);
});

const bool kLogitsAdded = addCaseForEachTarget("logits", [](const Kernels& kernels) {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  Random random(7);
  const std::vector<size_t> counts = {1, 2, 5, 33};
  Group logits(41);
  Group probability(41);
  Group logProbability(41);
  for (const double scale : {1e-8, 1.0, 30.0, 600.0}) {
    for (double& logit : logits.values.span()) logit = scale * random.normal();
    kernels.inDouble->normalizeLogits(counts.size(), counts.data(), logits.data(),
                                      probability.data(), logProbability.data());
    CHECK(probability.values.intact() && logProbability.values.intact());
    for (size_t row = 0; row < kGroupRows; row++) {
      size_t first = 0;
      for (const size_t count : counts) {
        std::vector<double> factor;
        for (size_t k = 0; k < count; k++) factor.push_back(logits.of(first + k, row));
        const ExactPart exact = exactLogSoftmax(factor.data(), count);
        for (size_t k = 0; k < count; k++) {
          // The logit less the largest, the sum of `count` exponentials, its logarithm.
          const double logP = static_cast<double>(exact[k]);
          const double tolerance = (static_cast<double>(count) + 8) * kDoubleRoundoff;
          CHECK_NEAR(logProbability.of(first + k, row), logP, tolerance * (1 + std::abs(logP)));
          const double p = static_cast<double>(std::exp(exact[k]));
          CHECK_NEAR(probability.of(first + k, row), p,
                     tolerance * (1 + std::abs(logP)) * p + kLeastExponential);
        }
        first += count;
      }
    }
  }
});

// With log q given as log p - d, one term is p (e^-d - 1 + d).
const bool kKlAdded = addCaseForEachTarget("a term of a KL divergence", [](const Kernels& kernels) {
  if (!kLongDoubleIsWider) skipCase("long double is no wider than double");
  double worst = 0;
  const std::vector<double> differences = sweep(1, {0, 0.34657359, -0.34657359, 0.999, -0.999});
  for (size_t start = 0; start + kGroupRows <= differences.size(); start += kGroupRows) {
    Group p(1);
    Group logQ(1);
    Group zero(1);
    Group out(1);
    for (size_t row = 0; row < kGroupRows; row++) {
      p.of(0, row) = 1;
      zero.of(0, row) = 0;
      logQ.of(0, row) = -differences[start + row];
    }
    // q is read where |d| >= 1 only
    kernels.inDouble->klOfOutcomes(1, p.data(), zero.data(), p.data(), logQ.data(), out.data());
    CHECK(out.values.intact());
    for (size_t row = 0; row < kGroupRows; row++) {
      const Exact d = static_cast<Exact>(differences[start + row]);
      // Its series sum_n (-d)^n / n! where long double would cancel too.
      Exact exact = std::expm1(-d) + d;
      if (std::abs(d) < 0.01L) {
        Exact term = d * d / 2;
        exact = 0;
        for (int n = 3; n <= 12; n++) {
          exact += term;
          term *= -d / n;
        }
      }
      worst = std::max(
          worst,
          static_cast<double>(std::abs(static_cast<Exact>(out.of(0, row)) - exact)) / ulp(exact));
      CHECK(out.of(0, row) >= 0);
    }
  }
  std::printf("      e^x - 1 - x: at most %.3f ulp\n", worst);
  CHECK(worst <= kBeyondLinearUlps);
});

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
