// The passes of the float32 perceptron, on every instruction set and directly, and of the
// reference: against the oracle on Tracked numbers, and against each other by adjointness,
// <u, J v> = <J'u, v>, which needs no reference.

#include <algorithm>
#include <limits>
#include <memory>
#include <sstream>

#include "core/cpu/cpu_mlp.h"
#include "core/reference/reference_mlp.h"
#include "guarded.h"
#include "problems.h"
#include "targets.h"
#include "tracked_mlp.h"

namespace trustregion::test {
namespace {

using cpu::CpuMlp;
using cpu::Kernels;
using cpu::PackedLayer;
using cpu::PackFor;

struct Network {
  std::vector<size_t> widths;  // inputs, hidden ..., outputs
  std::vector<size_t> rows;
};

// Every width, depth and row count of interest occurs, not every combination.
const std::vector<Network> kNetworks = {
    {{1, 1}, {1, 64}},
    {{17, 8}, {15, 33, 96}},
    {{200, 65}, {3}},
    {{3, 17, 1}, {1, 16, 17, 63}},
    {{1, 65, 200}, {2}},
    {{376, 256, 17}, {7}},
    {{5, 80, 130, 65}, {13}},
    {{8, 64, 3, 17}, {31, 64}},
    {{65, 1, 8, 3}, {33}},
    {{17, 8, 65, 3, 1}, {16, 95}},
    {{3, 8, 17, 1, 8, 3}, {1, 63}},
};

std::string describe(const Network& network) {
  std::ostringstream text;
  for (size_t i = 0; i < network.widths.size(); i++) {
    text << (i == 0 ? "" : "-") << network.widths[i];
  }
  return text.str();
}

MlpLayout layoutOf(const Network& network, Activation activation) {
  return MlpLayout(network.widths.front(), {network.widths.begin() + 1, network.widths.end() - 1},
                   network.widths.back(), activation);
}

// All numbers representable in float32, away from the kinks of ReLU.
struct Inputs {
  Inputs(const MlpLayout& layout, size_t rowCount, uint64_t seed) : layout(layout), rows(rowCount) {
    Random random(seed);
    // The distribution matters to the number of parameters alone: Bernoulli adds none.
    const PolicyModel model{layout, Distribution::bernoulli(layout.outputs())};
    parameters = randomParameters(model, random);
    direction = floats(layout.parameterCount(), random);
    for (size_t row = 0; row < rows; row++) {
      do {
        observations.push_back(floats(layout.inputs(), random));
        activations.push_back(
            trackedForward(layout, exactNumbers(parameters), exactNumbers(observations.back())));
        if (layout.activation() != Activation::relu) break;
        if (activations.back().kinkDistance > 2) break;
        observations.pop_back();
        activations.pop_back();
      } while (true);
      cotangents.push_back(floats(layout.outputs(), random));
    }
  }

  static std::vector<double> floats(size_t size, Random& random) {
    std::vector<double> values = normals(size, random);
    for (double& value : values) value = roundToFloat(value);
    return values;
  }

  MlpLayout layout;
  size_t rows;
  std::vector<double> parameters;
  std::vector<double> direction;
  std::vector<std::vector<double>> observations;
  std::vector<std::vector<double>> cotangents;
  std::vector<TrackedRow> activations;
};

// The buffers of one tile between guard bands. What is not an input is NaN, padding included: none
// of it may reach a result.
class Tile {
 public:
  Tile(const CpuMlp& mlp, const Inputs& inputs)
      : head(inputs.rows * mlp.outputWidth()),
        headTangent(head.size()),
        cotangent(head.size()),
        sum(inputs.layout.parameterCount(), 0),
        squaredSum(sum.size(), 0) {
    const auto add = [&](size_t floats) {
      buffers_.push_back(std::make_unique<Guarded<float>>(inputs.rows * floats));
      return buffers_.back()->data();
    };
    pointers.input.push_back(cpu::rowMajor(add(mlp.inputWidth()), mlp.inputWidth()));
    for (const LayerLayout& layer : inputs.layout.layers()) {
      const size_t width = cpu::hiddenWidth(layer.outputs);
      pointers.input.push_back(cpu::inPanels(add(width), inputs.rows, width));
      if (mlp.storesDerivative()) {
        pointers.derivative.push_back(cpu::inPanels(add(width), inputs.rows, width));
      }
    }
    pointers.input.pop_back();  // that of the head, which has a buffer of its own
    for (size_t row = 0; row < inputs.rows; row++) {
      for (size_t k = 0; k < inputs.layout.inputs(); k++) {
        pointers.input[0].data[row * mlp.inputWidth() + k] =
            static_cast<float>(inputs.observations[row][k]);
      }
      for (size_t j = 0; j < inputs.layout.outputs(); j++) {
        cotangent[row * mlp.outputWidth() + j] = static_cast<float>(inputs.cotangents[row][j]);
      }
    }
  }

  bool intact() const {
    bool all = head.intact() && headTangent.intact() && cotangent.intact() && sum.intact() &&
               squaredSum.intact();
    for (const auto& buffer : buffers_) all = all && buffer->intact();
    return all;
  }

  Guarded<float> head;
  Guarded<float> headTangent;
  Guarded<float> cotangent;
  Guarded<double> sum;
  Guarded<double> squaredSum;
  cpu::TileActivations pointers;

 private:
  std::vector<std::unique_ptr<Guarded<float>>> buffers_;
};

void checkOnTarget(const Kernels& kernels, const Inputs& inputs) {
  const MlpLayout& layout = inputs.layout;
  const CpuMlp mlp(layout, kernels);
  std::vector<PackedLayer> packed;
  std::vector<PackedLayer> direction;
  mlp.pack(inputs.direction, PackFor::forwardAndBackward, packed);  // its memory is reused
  mlp.pack(inputs.parameters, PackFor::forwardAndBackward, packed);
  mlp.pack(inputs.direction, PackFor::forward, direction);
  cpu::TileScratch scratch = mlp.makeScratch(inputs.rows);
  for (UninitializedFloats* buffer : {&scratch.first, &scratch.second}) {
    std::fill(buffer->begin(), buffer->end(), std::numeric_limits<float>::quiet_NaN());
  }
  Tile tile(mlp, inputs);

  mlp.forward(packed, inputs.rows, tile.pointers, tile.head.data());
  mlp.tangent(packed, direction, inputs.rows, tile.pointers, scratch, tile.headTangent.data());
  mlp.backward(packed, inputs.rows, tile.pointers, tile.cotangent.data(), scratch, tile.sum.data());
  mlp.backwardSquared(packed, inputs.rows, tile.pointers, tile.cotangent.data(), scratch,
                      tile.squaredSum.data());
  // In two pieces, the cut somewhere inside.
  std::vector<double> sum(layout.parameterCount());
  std::vector<double> squaredSum(layout.parameterCount());
  const size_t cut = layout.parameterCount() / 3;
  for (const auto& [from, to] : {std::pair{&tile.sum, &sum}, {&tile.squaredSum, &squaredSum}}) {
    mlp.restoreOrder(from->span().subspan(0, cut), 0, *to);
    mlp.restoreOrder(from->span().subspan(cut), cut, *to);
  }
  CHECK(tile.intact());

  const TrackedVector parameters = exactNumbers(inputs.parameters);
  TrackedVector expected(layout.parameterCount());
  TrackedVector expectedSquared(layout.parameterCount());
  // The sides of <u, J v> = <J'u, v> and the variance of their errors.
  Tracked left;
  Tracked right;
  for (size_t row = 0; row < inputs.rows; row++) {
    const TrackedRow& activations = inputs.activations[row];
    const TrackedVector tangent =
        trackedTangent(layout, parameters, exactNumbers(inputs.direction), activations);
    for (size_t j = 0; j < layout.outputs(); j++) {
      const size_t index = row * mlp.outputWidth() + j;
      checkTracked(static_cast<double>(tile.head[index]), activations.head[j]);
      const double actual = static_cast<double>(tile.headTangent[index]);
      checkTracked(actual, tangent[j]);
      left.value += inputs.cotangents[row][j] * actual;
      left.variance += square(inputs.cotangents[row][j]) * tangent[j].variance;
    }
    trackedBackward(layout, parameters, activations, exactNumbers(inputs.cotangents[row]),
                    [&](size_t parameter, Tracked u, Tracked x) {
                      expected[parameter] += u * x;
                      expectedSquared[parameter] += squared(u) * squared(x);
                    });
  }
  for (size_t i = 0; i < expected.size(); i++) {
    checkTracked(sum[i], expected[i]);
    checkTracked(squaredSum[i], expectedSquared[i]);
    right.value += inputs.direction[i] * sum[i];
    right.variance += square(inputs.direction[i]) * expected[i].variance;
  }
  checkTracked(left.value, {right.value, left.variance + right.variance});
}

// Both sides in double precision, by the same operations: the oracle's variances, scaled.
void checkReference(const Inputs& inputs) {
  const MlpLayout& layout = inputs.layout;
  const TrackedVector parameters = exactNumbers(inputs.parameters);
  const double scale = square(2 * kDoubleRoundoff / kFloatRoundoff);
  const auto check = [&](double actual, Tracked expected) {
    checkTracked(actual, {expected.value, scale * expected.variance});
  };
  for (size_t row = 0; row < inputs.rows; row++) {
    const TrackedRow& activations = inputs.activations[row];
    reference::RowActivations actual;
    reference::forward(layout, inputs.parameters, inputs.observations[row].data(), actual);
    CHECK(actual.output.size() == layout.outputs());
    Guarded<double> headTangent(layout.outputs());
    reference::tangent(layout, inputs.parameters, inputs.direction, actual, headTangent.data());
    Guarded<double> sum(layout.parameterCount(), 0);
    reference::backward(layout, inputs.parameters, actual, inputs.cotangents[row].data(),
                        sum.span());
    CHECK(headTangent.intact() && sum.intact());

    const TrackedVector tangent =
        trackedTangent(layout, parameters, exactNumbers(inputs.direction), activations);
    TrackedVector expected(layout.parameterCount());
    trackedBackward(layout, parameters, activations, exactNumbers(inputs.cotangents[row]),
                    [&](size_t parameter, Tracked u, Tracked x) { expected[parameter] += u * x; });
    Tracked left;
    Tracked right;
    for (size_t j = 0; j < layout.outputs(); j++) {
      check(actual.output[j], activations.head[j]);
      check(headTangent[j], tangent[j]);
      left.value += inputs.cotangents[row][j] * headTangent[j];
      left.variance += square(inputs.cotangents[row][j]) * tangent[j].variance;
    }
    for (size_t i = 0; i < expected.size(); i++) {
      check(sum[i], expected[i]);
      right.value += inputs.direction[i] * sum[i];
      right.variance += square(inputs.direction[i]) * expected[i].variance;
    }
    check(left.value, {right.value, left.variance + right.variance});
  }
}

bool addNetworks() {
  for (const Network& network : kNetworks) {
    for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
      const std::string name = describe(network) + " " + activationName(activation);
      addCaseForEachTarget(name, [=](const Kernels& kernels) {
        for (const size_t rows : network.rows) {
          const Context context("rows ", rows);
          checkOnTarget(kernels, Inputs(layoutOf(network, activation), rows, 7 + rows));
        }
      });
      addCase(name + " on reference", [=] {
        for (const size_t rows : network.rows) {
          const Context context("rows ", rows);
          checkReference(Inputs(layoutOf(network, activation), rows, 7 + rows));
        }
      });
    }
  }
  return true;
}

const bool kNetworksAdded = addNetworks();

// J v of the reference is the derivative of its forward pass: a central difference errs by
// h^2 / 6 of the third derivative along v, of size one for numbers of size one, and by 2^-53 / h.
CASE("tangent of the reference is the finite difference of its forward pass") {
  constexpr double kStep = 1e-5;
  for (const Activation activation : {Activation::tanh, Activation::silu}) {
    const Inputs inputs(MlpLayout(4, {6, 5}, 3, activation), 5, 21);
    for (size_t row = 0; row < inputs.rows; row++) {
      reference::RowActivations at;
      const double* observation = inputs.observations[row].data();
      reference::forward(inputs.layout, inputs.parameters, observation, at);
      std::vector<double> tangent(3);
      reference::tangent(inputs.layout, inputs.parameters, inputs.direction, at, tangent.data());
      const auto outputAt = [&](double step) {
        std::vector<double> moved = inputs.parameters;
        for (size_t i = 0; i < moved.size(); i++) moved[i] += step * inputs.direction[i];
        reference::forward(inputs.layout, moved, observation, at);
        return at.output;
      };
      const std::vector<double> ahead = outputAt(kStep);
      const std::vector<double> behind = outputAt(-kStep);
      const std::vector<double> aheadTwice = outputAt(2 * kStep);
      const std::vector<double> behindTwice = outputAt(-2 * kStep);
      for (size_t j = 0; j < 3; j++) {
        const double difference = (ahead[j] - behind[j]) / (2 * kStep);
        // Richardson: the error of the step is a third of what doubling it changes.
        const double doubled = (aheadTwice[j] - behindTwice[j]) / (4 * kStep);
        const double tolerance =
            std::abs(doubled - difference) + 8 * kDoubleRoundoff * (1 + std::abs(ahead[j])) / kStep;
        CHECK_NEAR(tangent[j], difference, tolerance);
      }
    }
  }
}

CASE("layout: offsets, counts and names") {
  const MlpLayout layout(3, {5, 2}, 4, Activation::silu);
  CHECK(layout.parameterCount() == 5 * 3 + 5 + 2 * 5 + 2 + 4 * 2 + 4);
  CHECK(layout.layers().size() == 3);
  CHECK(layout.layers()[1].weightOffset == 20 && layout.layers()[1].biasOffset == 30);
  CHECK(layout.layers()[2].weightOffset == 32 && layout.layers()[2].biasOffset == 40);
  CHECK(MlpLayout(3, {}, 4, Activation::tanh).parameterCount() == 16);
  for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
    CHECK(activationFromName(activationName(activation)) == activation);
  }
  CHECK_THROWS(ErrorCode::invalidArgument, "'gelu'", activationFromName("gelu"));
  CHECK_THROWS(ErrorCode::outOfRange, "at least one unit", MlpLayout(0, {}, 1, Activation::tanh));
  CHECK_THROWS(ErrorCode::outOfRange, "at least one unit",
               MlpLayout(1, {4, 0}, 1, Activation::tanh));
  CHECK_THROWS(ErrorCode::outOfRange, "at least one unit", MlpLayout(1, {}, 0, Activation::tanh));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
