// The activation kernels of every instruction set against double precision, over a dense sweep of
// all floats: every kStride-th bit pattern, so that each binade has the same number of samples.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "guarded.h"
#include "targets.h"
#include "tracked.h"

namespace trustregion::test {
namespace {

using cpu::Kernels;

constexpr uint32_t kStride = 509;  // 16,480 samples of each binade
constexpr size_t kChunk = 4096;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
// One that arithmetic does not make, but memory that nobody wrote may hold.
constexpr float kOddNaN = std::bit_cast<float>(0x7fc0009cU);
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kLeastDenormal = std::numeric_limits<float>::denorm_min();

// Bounds that activations.inl states.
constexpr double kTanhUlps = 2.5;
constexpr double kExponentialUlps = 1.5;  // on [-87, 88]
// SiLU is x e / (1 + e) or x / (1 + e): one exponential, of whose relative error at most all
// comes through, an addition, a division and a product of half an ulp each. A relative error of
// one ulp of 1 is at most two ulp of the result just below a power of two.
constexpr double kSiluUlps = 2 * (kExponentialUlps + 3 * 0.5);

// Size of the last place of a float near `exact`.
double ulp(double exact) {
  const int exponent = exact == 0 ? -126 : std::max(std::ilogb(exact), -126);
  return std::ldexp(1.0, exponent - 23);
}

// Calls use(count, inputs) for the finite floats of the sweep, special values first.
template <class Use>
void sweep(const Use& use) {
  std::vector<float> inputs = {
      0.0F,      -0.0F,  kLeastDenormal,   -kLeastDenormal, 0x1p-126F, -0x1p-126F, kLargest,
      -kLargest, 0.625F, -0.625F,          87.0F,           -87.0F,    88.0F,      -88.0F,
      9.0F,      44.0F,  0.625F - 0x1p-24F};
  for (uint64_t bits = 0; bits < (uint64_t{1} << 32); bits += kStride) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (std::isfinite(x)) inputs.push_back(x);
    if (inputs.size() == kChunk) {
      use(inputs);
      inputs.clear();
    }
  }
  use(inputs);
}

// activate() in place between guard bands, padded to whole vectors with zeros.
struct Activated {
  Activated(const Kernels& kernels, Activation activation, const std::vector<float>& inputs)
      : values(cpu::paddedWidth(inputs.size()), 0), derivatives(values.size()) {
    std::copy(inputs.begin(), inputs.end(), values.data());
    kernels.activate(activation, values.size(), values.data(), derivatives.data());
    CHECK(values.intact());
    CHECK(derivatives.intact());
  }
  Guarded<float> values;
  Guarded<float> derivatives;
};

struct Worst {
  double error = 0;
  float at = 0;

  void see(double newError, float x) {
    if (newError > error || newError != newError) *this = {newError, x};
  }
  void print(const char* what, const char* unit) const {
    std::printf("      %s: at most %.3f %s, at %.9g\n", what, error, unit, static_cast<double>(at));
  }
};

double exactSigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const bool kTanhAdded = addCaseForEachTarget("tanh accuracy", [](const Kernels& kernels) {
  Worst worst;
  bool inRange = true;
  bool odd = true;
  sweep([&](const std::vector<float>& inputs) {
    const Activated result(kernels, Activation::tanh, inputs);
    std::vector<float> negated(inputs);
    for (float& x : negated) x = -x;
    const Activated mirrored(kernels, Activation::tanh, negated);
    for (size_t i = 0; i < inputs.size(); i++) {
      const double exact = std::tanh(static_cast<double>(inputs[i]));
      const double actual = static_cast<double>(result.values[i]);
      worst.see(std::abs(actual - exact) / ulp(exact), inputs[i]);
      inRange = inRange && std::abs(actual) <= 1;
      odd = odd && result.values[i] == -mirrored.values[i];
    }
  });
  worst.print("tanh", "ulp");
  CHECK(worst.error <= kTanhUlps);
  CHECK(inRange);
  CHECK(odd);
});

const bool kSiluAdded = addCaseForEachTarget("SiLU accuracy", [](const Kernels& kernels) {
  // Far left, x e^x is nothing beside anything it is added to.
  constexpr double kNothing = 0x1p-100;
  Worst value;
  Worst derivative;
  Worst tail;
  sweep([&](const std::vector<float>& inputs) {
    const Activated result(kernels, Activation::silu, inputs);
    for (size_t i = 0; i < inputs.size(); i++) {
      const double x = static_cast<double>(inputs[i]);
      const double s = exactSigmoid(x);
      const double exact = x * s;
      const double exactDerivative = s == 0 ? 0 : s * (1 + x * exactSigmoid(-x));
      const double error = std::abs(static_cast<double>(result.values[i]) - exact);
      const double derivativeError =
          std::abs(static_cast<double>(result.derivatives[i]) - exactDerivative);
      if (x < -87) {
        tail.see(std::max(error, derivativeError), inputs[i]);
        continue;
      }
      value.see(error / ulp(exact), inputs[i]);
      // s (1 + x (1 - s)): s is within 5 roundings (the exponential's 3, a sum, a quotient), so
      // are both factors in units of their largest term, and four more operations join them.
      const double scale = s * (1 + std::abs(x));
      derivative.see(derivativeError / (kFloatRoundoff * scale), inputs[i]);
    }
  });
  value.print("SiLU", "ulp");
  derivative.print("SiLU's derivative", "roundings of its largest term");
  std::printf("      below -87: at most %.3g, at %.9g\n", tail.error, static_cast<double>(tail.at));
  CHECK(value.error <= kSiluUlps);
  CHECK(derivative.error <= 5 + 5 + 4);
  CHECK(tail.error <= kNothing);
});

// Left of -30, 1 + e^x rounds to 1 and SiLU(x) / x is the exponential alone but for one product.
const bool kExponentialAdded =
    addCaseForEachTarget("exponential accuracy through SiLU", [](const Kernels& kernels) {
      Worst worst;
      sweep([&](const std::vector<float>& inputs) {
        const Activated result(kernels, Activation::silu, inputs);
        for (size_t i = 0; i < inputs.size(); i++) {
          const double x = static_cast<double>(inputs[i]);
          if (!(x >= -87 && x <= -30)) continue;
          const double exact = std::exp(x);
          const double actual = static_cast<double>(result.values[i]) / x;
          worst.see(std::abs(actual - exact) / ulp(exact), inputs[i]);
        }
      });
      worst.print("e^x with one product", "ulp");
      // The product's half ulp may count twice when divided out again.
      CHECK(worst.error <= kExponentialUlps + 2 * 0.5);
    });

const bool kReluAdded = addCaseForEachTarget("ReLU is exact", [](const Kernels& kernels) {
  bool exact = true;
  sweep([&](const std::vector<float>& inputs) {
    const Activated result(kernels, Activation::relu, inputs);
    for (size_t i = 0; i < inputs.size(); i++) {
      exact = exact && result.values[i] == std::max(inputs[i], 0.0F);
    }
  });
  CHECK(exact);
});

const bool kNotFiniteAdded = addCaseForEachTarget("infinity and NaN", [](const Kernels& kernels) {
  const std::vector<float> inputs = {kInfinity, -kInfinity, kNaN, -kNaN, kOddNaN};
  const Activated tanh(kernels, Activation::tanh, inputs);
  CHECK(tanh.values[0] == 1);
  CHECK(tanh.values[1] == -1);
  const Activated relu(kernels, Activation::relu, inputs);
  CHECK(relu.values[0] == kInfinity);
  CHECK(relu.values[1] == 0);
  const Activated silu(kernels, Activation::silu, inputs);
  CHECK(silu.values[0] == kInfinity);
  for (const size_t i : {size_t{2}, size_t{3}, size_t{4}}) {
    CHECK(std::isnan(tanh.values[i]));
    CHECK(std::isnan(relu.values[i]));
    CHECK(std::isnan(silu.values[i]));
    CHECK(std::isnan(silu.derivatives[i]));
  }
});

// A NaN in one lane must not spread to its neighbours.
const bool kLanesAdded = addCaseForEachTarget("lanes are independent", [](const Kernels& kernels) {
  for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
    const Context context(activationName(activation));
    std::vector<float> inputs(64, 0.75F);
    const Activated clean(kernels, activation, inputs);
    for (size_t i = 0; i < inputs.size(); i += 3) inputs[i] = kNaN;
    const Activated mixed(kernels, activation, inputs);
    for (size_t i = 0; i < inputs.size(); i++) {
      CHECK(i % 3 == 0 ? std::isnan(mixed.values[i]) : mixed.values[i] == clean.values[i]);
    }
  }
});

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
