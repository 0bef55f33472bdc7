// The generator against its published numbers, and the distributions that it draws from.

#include "core/random.h"

#include <algorithm>
#include <set>
#include <vector>

#include "check.h"
#include "core/initialization.h"
#include "problems.h"

namespace trustregion::test {
namespace {

CASE("xoshiro256++ from the state 1, 2, 3, 4") {
  // The first numbers of the authors' C code, as other implementations publish them.
  Random random(0);
  random.setState({1, 2, 3, 4});
  for (const uint64_t expected :
       {uint64_t{41943041}, uint64_t{58720359}, uint64_t{3588806011781223},
        uint64_t{3591011842654386}, uint64_t{9228616714210784205U}}) {
    CHECK(random.next() == expected);
  }
}

CASE("known first values of a seed and a stream") {
  // From an implementation in another language: these must never change.
  const auto first = [](uint64_t seed, uint64_t stream) { return Random(seed, stream).next(); };
  CHECK(first(42, 0) == 0x5b5e4a1bffcbb2f3U);
  CHECK(first(0, 1) == 0x704560ced7cc0501U);
  CHECK(first(~uint64_t{0}, 2) == 0xc5d3ba8e431acb36U);
  Random random(42);
  random.next();
  CHECK(random.next() == 0xdad6b47570f6111dU);
  CHECK(random.next() == 0xaa41d8357b710b2fU);
}

CASE("seeds and streams share nothing") {
  std::set<uint64_t> seen;
  int drawn = 0;
  for (uint64_t seed = 0; seed < 20; seed++) {
    for (uint64_t stream = 0; stream < 20; stream++) {
      Random random(seed, stream);
      for (int i = 0; i < 10; i++, drawn++) seen.insert(random.next());
    }
  }
  // 4000 numbers of 64 bits: a repetition has a chance of 4e-13.
  CHECK(seen.size() == static_cast<size_t>(drawn));
}

CASE("streams of one seed are uncorrelated") {
  constexpr int kSamples = 20000;
  Random a(7, 1);
  Random b(7, 2);
  Random c(8, 1);
  double ab = 0;
  double ac = 0;
  for (int i = 0; i < kSamples; i++) {
    const double x = a.normal();
    ab += x * b.normal();
    ac += x * c.normal();
  }
  const double standardError = std::sqrt(static_cast<double>(kSamples));
  CHECK_NEAR(ab, 0, 4 * standardError);
  CHECK_NEAR(ac, 0, 4 * standardError);
}

// Pearson's statistic of equal chances: of mean bins - 1, of deviation sqrt(2 (bins - 1)).
void checkUniform(const std::vector<double>& counts, double samples) {
  const double expected = samples / static_cast<double>(counts.size());
  double chiSquare = 0;
  for (const double count : counts) chiSquare += square(count - expected) / expected;
  const double freedom = static_cast<double>(counts.size()) - 1;
  CHECK_NEAR(chiSquare, freedom, 5 * std::sqrt(2 * freedom));
}

CASE("uniform: in [0, 1), even in coarse and in fine digits") {
  constexpr int kSamples = 200000;
  Random random(1);
  std::vector<double> coarse(100);
  std::vector<double> fine(64);
  std::vector<double> pairs(256);  // one draw after another
  size_t previous = 0;
  bool inRange = true;
  for (int i = 0; i < kSamples; i++) {
    const double x = random.uniform();
    inRange = inRange && x >= 0 && x < 1;
    coarse[static_cast<size_t>(x * 100)]++;
    // The last 6 of the 53 bits.
    fine[static_cast<uint64_t>(x * 0x1p53) % 64]++;
    const auto bin = static_cast<size_t>(x * 16);
    pairs[previous * 16 + bin]++;
    previous = bin;
  }
  CHECK(inRange);
  checkUniform(coarse, kSamples);
  checkUniform(fine, kSamples);
  checkUniform(pairs, kSamples);
}

CASE("below: in range, and unbiased where the bound is no power of two") {
  Random random(2);
  for (const uint64_t bound : {uint64_t{1}, uint64_t{2}, uint64_t{7}, uint64_t{100}}) {
    const Context context("bound ", bound);
    std::vector<double> counts(bound);
    for (int i = 0; i < 50000; i++) {
      const uint64_t value = random.below(bound);
      CHECK(value < bound);
      counts[std::min(value, bound - 1)]++;
    }
    if (bound > 1) checkUniform(counts, 50000);
  }
  // Two thirds of 2^64: without rejection the lower half would come twice as often.
  const uint64_t bound = (uint64_t{1} << 63) + (uint64_t{1} << 61);
  std::vector<double> halves(2);
  for (int i = 0; i < 50000; i++) halves[random.below(bound) < bound / 2 ? 0 : 1]++;
  checkUniform(halves, 50000);
}

CASE("normal: moments and tails") {
  constexpr int kSamples = 400000;
  Random random(3);
  double moment[5] = {};
  int beyondThree = 0;
  double lag = 0;
  double previous = 0;
  for (int i = 0; i < kSamples; i++) {
    const double x = random.normal();
    double power = 1;
    for (double& sum : moment) {
      sum += power / kSamples;
      power *= x;
    }
    if (std::abs(x) > 3) beyondThree++;
    lag += x * previous / kSamples;
    previous = x;
  }
  const double standardError = 1 / std::sqrt(static_cast<double>(kSamples));
  // Var x = 1, Var x^2 = 2, Var x^3 = 15, Var x^4 = 96.
  CHECK_NEAR(moment[1], 0, 4 * standardError);
  CHECK_NEAR(moment[2], 1, 4 * std::sqrt(2.0) * standardError);
  CHECK_NEAR(moment[3], 0, 4 * std::sqrt(15.0) * standardError);
  CHECK_NEAR(moment[4], 3, 4 * std::sqrt(96.0) * standardError);
  CHECK_NEAR(lag, 0, 4 * standardError);
  const double chance = std::erfc(3 / std::sqrt(2.0));
  CHECK_NEAR(beyondThree, chance * kSamples, 4 * std::sqrt(chance * kSamples));
}

CASE("the same seed gives the same numbers, in every method") {
  Random a(9, 4);
  Random b(9, 4);
  for (int i = 0; i < 100; i++) {
    CHECK(a.next() == b.next());
    CHECK(a.uniform() == b.uniform());
    CHECK(a.normal() == b.normal());
    CHECK(a.below(17) == b.below(17));
  }
}

CASE("a saved state continues") {
  Random a(10);
  for (int i = 0; i < 5; i++) a.next();
  Random b(0);
  b.normal();  // leaves a spare number, which setState must drop
  b.setState(a.state());
  for (int i = 0; i < 20; i++) CHECK(a.next() == b.next());
  CHECK(a.normal() == b.normal());
}

// W W' = gain^2 I for wide and square layers, W'W = gain^2 I for tall ones.
CASE("initialisation: orthogonal weights of the right gain, zero biases") {
  for (const std::vector<size_t>& hidden :
       {std::vector<size_t>{}, {5}, {64, 64}, {3, 17}, {1, 40}}) {
    const MlpLayout layout(17, hidden, 6, Activation::tanh);
    constexpr double kOutputGain = 0.01;
    std::vector<double> parameters(layout.parameterCount() + 2, 7.5);
    Random random(11, 1);
    initializeOrthogonal(layout, kOutputGain, random, parameters);
    for (const LayerLayout& layer : layout.layers()) {
      const Context context("layer ", layer.inputs, " to ", layer.outputs);
      const bool isLast = &layer == &layout.layers().back();
      const double gain = isLast ? kOutputGain : std::sqrt(2.0);
      const bool isTall = layer.outputs > layer.inputs;
      const size_t count = std::min(layer.inputs, layer.outputs);
      const size_t length = std::max(layer.inputs, layer.outputs);
      const auto weight = [&](size_t vector, size_t element) {
        const size_t output = isTall ? element : vector;
        const size_t input = isTall ? vector : element;
        return parameters[layer.weightOffset + output * layer.inputs + input];
      };
      for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j <= i; j++) {
          double product = 0;
          for (size_t k = 0; k < length; k++) product += weight(i, k) * weight(j, k);
          // Gram-Schmidt twice: orthogonal to some roundings of sums of `length` numbers.
          CHECK_NEAR(product, i == j ? gain * gain : 0,
                     8 * static_cast<double>(length) * kDoubleRoundoff * gain * gain);
        }
      }
      for (size_t j = 0; j < layer.outputs; j++) CHECK(parameters[layer.biasOffset + j] == 0);
    }
    // What lies behind the network (logStd) is not its business.
    CHECK(parameters[layout.parameterCount()] == 7.5);
    CHECK(parameters[layout.parameterCount() + 1] == 7.5);
  }
}

CASE("initialisation: reproducible, and different for every seed") {
  const MlpLayout layout(4, {8}, 3, Activation::relu);
  const auto initialized = [&](uint64_t seed) {
    std::vector<double> parameters(layout.parameterCount());
    Random random(seed);
    initializeOrthogonal(layout, 1, random, parameters);
    return parameters;
  };
  CHECK(initialized(1) == initialized(1));
  CHECK(initialized(1) != initialized(2));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
