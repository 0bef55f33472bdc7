// Products of pairs of bfloat16 (core/cpu/split): the unit's arithmetic imitated step by step, so
// that all of it runs on every machine, against double precision; and the unit itself, bit for bit.

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__linux__)
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#endif

#include "core/cpu/split/split_mlp.h"
#include "core/cpu/target_region.h"  // TRUSTREGION_ALWAYS_INLINE
#include "core/error.h"
#include "targets.h"
#include "tracked_problem.h"

namespace trustregion::cpu {
namespace imitated {
namespace {

typedef float Lanes __attribute__((vector_size(64), may_alias));

Lanes multiplyAdd(Lanes a, Lanes b, Lanes c) {
  Lanes result;
  for (size_t i = 0; i < 16; i++) result[i] = std::fma(a[i], b[i], c[i]);
  return result;
}

typedef double DoubleLanes __attribute__((vector_size(64), may_alias));
DoubleLanes widened(const float* from) {
  DoubleLanes result;
  for (size_t i = 0; i < 8; i++) result[i] = static_cast<double>(from[i]);
  return result;
}

typedef uint32_t WordLanes __attribute__((vector_size(64), may_alias));
WordLanes joinUpperHalves(WordLanes a, WordLanes b) { return (a >> 16) | (b & 0xffff0000); }
WordLanes joinLowerHalves(WordLanes a, WordLanes b) { return (a & 0xffff) | (b << 16); }

bool request() { return true; }
void acquire() {}
void release() {}

// TDPBF16PS as its description has it (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 2): even and odd steps have sums of their own, which are added to the tile in the
// end. A product of two bfloat16 is exact in float32, so that adding it is a fused multiply-add.
class TileUnit {
 public:
  template <size_t kRowBlocks, size_t kColumnBlocks, class Sums, class Meanwhile>
  void sum(const Sums& sums, Meanwhile&& meanwhile) {
    std::memset(tiles_, 0, sizeof(tiles_));
    addFactors<kRowBlocks, kColumnBlocks>(sums.first, meanwhile);
    addFactors<kRowBlocks, kColumnBlocks>(sums.second, meanwhile);
  }

  template <size_t kRowBlocks, size_t kColumnBlocks>
  void store(float* c) {
    for (size_t i = 0; i < kRowBlocks * kTileSide; i++) {
      for (size_t j = 0; j < kColumnBlocks * kTileSide; j++) {
        c[i * kSumColumns + j] = tiles_[i / kTileSide][j / kTileSide][i % kTileSide][j % kTileSide];
      }
    }
  }

 private:
  using Tile = float[kTileSide][kTileSide];

  template <size_t kRowBlocks, size_t kColumnBlocks, class Factors, class Meanwhile>
  void addFactors(const Factors& f, Meanwhile& meanwhile) {
    f.begin();
    for (size_t step = 0; step < f.steps; step++) {
      size_t group = 0;
      // left(tile) and right(tile): which half of it.
      const auto addGroup = [&](const auto& left, const auto& right) {
        for (size_t i = 0; i < kRowBlocks; i++) {
          for (size_t j = 0; j < kColumnBlocks; j++) {
            add(left(f.leftAt(i, step)), right(f.rightAt(j, step)), tiles_[i][j]);
          }
        }
        f.prepare(step, group++);
        meanwhile();
      };
      const auto high = [](const auto& tile) -> const TileLines& { return tile.high; };
      const auto low = [](const auto& tile) -> const TileLines& { return tile.low; };
      if constexpr (Factors::kHasLeftLow) addGroup(low, high);
      addGroup(high, high);
      if constexpr (Factors::kHasRightLow) addGroup(high, low);
    }
  }

  static float lower(uint32_t word) { return std::bit_cast<float>(word << 16); }
  static float upper(uint32_t word) { return std::bit_cast<float>(word & 0xffff0000U); }

  static void add(const TileLines& left, const TileLines& right, Tile& to) {
    for (size_t i = 0; i < kTileSide; i++) {
      for (size_t j = 0; j < kTileSide; j++) {
        float even = 0;
        float odd = 0;
        for (size_t k = 0; k < kTileSide; k++) {
          even += lower(left[i][k]) * lower(right[k][j]);
          odd += upper(left[i][k]) * upper(right[k][j]);
        }
        to[i][j] += even + odd;
      }
    }
  }

  Tile tiles_[2][2];
};

#include "core/cpu/split/split.inl"

}  // namespace
}  // namespace imitated
}  // namespace trustregion::cpu

namespace trustregion::test {
namespace {

using cpu::ConstMatrix;
using cpu::Matrix;
using cpu::SplitKernels;
using cpu::SplitMlp;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

#if defined(__linux__) && (defined(__x86_64__) || defined(_M_X64))
// The first case: a process that has the unit keeps it, and so do its children.
CASE("a thread whose stack for signals is too small: refused with a sentence") {
  if (!cpu::hasAmx()) skipCase("not supported by this machine");
  const pid_t child = fork();
  if (child == 0) {
    static char memory[8192];  // a tile's state alone is as large
    stack_t stack{};
    stack.ss_sp = memory;
    stack.ss_size = sizeof(memory);
    if (sigaltstack(&stack, nullptr) != 0) _exit(2);
    try {
      findBackend("cpu-amx");
    } catch (const Error& error) {
      _exit(error.code() == ErrorCode::unknownBackend &&
                    std::strstr(error.what(), "sigaltstack") != nullptr
                ? 0
                : 3);
    }
    _exit(4);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

// The passes of one tile for a network: activations of `rows` rows with NaN in all padding.
struct TilePasses {
  TilePasses(const PolicyProblem& policyProblem, const cpu::Kernels& kernels)
      : problem(policyProblem),
        mlp(problem.model.network, kernels),
        inputs(problem.rows * mlp.inputWidth(), kNan),
        head(problem.rows * mlp.outputWidth(), kNan) {
    const auto& layers = problem.model.network.layers();
    tile.input.push_back(cpu::rowMajor(inputs.data(), mlp.inputWidth()));
    for (size_t row = 0; row < problem.rows; row++) {
      const TrackedVector observation = problem.scaledObservation(row);
      std::transform(observation.begin(), observation.end(),
                     inputs.begin() + static_cast<long>(row * mlp.inputWidth()),
                     [](const Tracked& number) { return static_cast<float>(number.value); });
    }
    for (size_t l = 0; l + 1 < layers.size(); l++) {
      for (auto* of : {&tile.input, &tile.derivative}) {
        buffers.emplace_back(problem.rows * cpu::hiddenWidth(layers[l].outputs), kNan);
        of->push_back(cpu::inPanels(buffers.back().data(), problem.rows, layers[l].outputs));
      }
    }
    mlp.pack(problem.parameters, cpu::PackFor::forwardAndBackward, packed);
    mlp.forward(packed, problem.rows, tile, head.data());
    // What lies behind the last column of a layer may be anything.
    for (size_t l = 0; l + 1 < layers.size(); l++) {
      for (const Matrix& matrix : {tile.input[l + 1], tile.derivative[l]}) {
        for (size_t j = layers[l].outputs; j < cpu::hiddenWidth(layers[l].outputs); j++) {
          for (size_t i = 0; i < problem.rows; i++) {
            matrix.data[j / cpu::kPanelColumns * matrix.panel + i * matrix.row +
                        j % cpu::kPanelColumns] = kNan;
          }
        }
      }
    }
  }

  // sum of J'(J v) over the rows.
  std::vector<double> product(const SplitKernels& kernels) {
    const SplitMlp split(problem.model.network, kernels);
    std::vector<cpu::SplitLayer> weights;
    std::vector<cpu::SplitDirection> direction;
    split.pack(problem.parameters, weights, 3);
    split.packDirection(problem.direction, direction, 3);
    cpu::SplitScratch scratch = split.makeScratch(problem.rows);
    std::vector<cpu::RoundedTiles> tiles;
    cpu::SplitActivations activations;
    const auto cutTo = [&](std::vector<cpu::RoundedTile*>& to, const Matrix& from, size_t columns) {
      tiles.emplace_back(cpu::leftTiles(kernels, problem.rows, columns));
      split.cut(problem.rows, columns, from, tiles.back().data());
      to.push_back(tiles.back().data());
    };
    const auto& layers = problem.model.network.layers();
    for (size_t l = 0; l < layers.size(); l++)
      cutTo(activations.input, tile.input[l], layers[l].inputs);
    for (size_t l = 0; l + 1 < layers.size(); l++) {
      cutTo(activations.derivative, tile.derivative[l], layers[l].outputs);
    }
    std::fill(head.begin(), head.end(), kNan);
    split.tangent(weights, direction, problem.rows, activations, scratch, head.data());
    const size_t size = problem.model.network.parameterCount();
    std::vector<double> sums(size, std::numeric_limits<double>::quiet_NaN());
    for (size_t j = problem.model.network.outputs(); j < mlp.outputWidth(); j++) {
      for (size_t i = 0; i < problem.rows; i++) head[i * mlp.outputWidth() + j] = kNan;
    }
    split.backward(weights, problem.rows, activations, head.data(), scratch, sums.data(),
                   cpu::SumMode::overwrite);
    split.backward(weights, problem.rows, activations, head.data(), scratch, sums.data(),
                   cpu::SumMode::add);
    // In two parts, cut where no layer or block ends.
    std::vector<double> ordered(size);
    const size_t cut = size / 3;
    split.restoreOrder({sums.data(), cut}, 0, ordered);
    split.restoreOrder({sums.data() + cut, size - cut}, cut, ordered);
    return ordered;
  }

  const PolicyProblem& problem;
  cpu::CpuMlp mlp;
  AlignedFloats inputs;
  AlignedFloats head;
  std::vector<AlignedFloats> buffers;
  cpu::TileActivations tile;
  std::vector<cpu::PackedLayer> packed;
};

// Twice the sum of J'(J v) over the rows, with the errors that products of bfloat16 make.
TrackedVector expectedProduct(const PolicyProblem& problem, Products products) {
  const MlpLayout& layout = problem.model.network;
  const TrackedVector parameters = exactNumbers(problem.parameters);
  const TrackedVector direction = exactNumbers(problem.direction);
  TrackedVector sum(layout.parameterCount());
  for (size_t row = 0; row < problem.rows; row++) {
    const TrackedRow forward = trackedForward(layout, parameters, problem.scaledObservation(row));
    const SplitProducts split(products);
    const TrackedVector tangent = trackedTangent(layout, parameters, direction, forward);
    trackedBackward(layout, parameters, forward, tangent,
                    [&](size_t i, Tracked u, Tracked x) { sum[i] += u * x; });
  }
  for (Tracked& number : sum) number = {2 * number.value, 4 * number.variance};
  return sum;
}

struct Network {
  Activation activation;
  size_t rows;
  size_t observations;
  std::vector<size_t> hidden;
  size_t actions;
};

std::vector<Network> networks() {
  std::vector<Network> all;
  for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
    for (const size_t rows : {1, 16, 31, 32, 33, 96}) {
      all.push_back({activation, rows, 17, {64, 64}, 6});
      all.push_back({activation, rows, 3, {5}, 1});
    }
    all.push_back({activation, 70, 32, {16, 33, 1, 100}, 17});
    all.push_back({activation, 40, 65, {}, 33});
    all.push_back({activation, 64, 130, {129, 31}, 2});
  }
  return all;
}

bool addNetworks() {
  uint64_t seed = 900;
  for (const Network& network : networks()) {
    const Distribution distribution = Distribution::gaussian(network.actions);
    const Shape shape{network.rows, network.observations, network.hidden};
    for (const Products products : {Products::pairs, Products::rounded}) {
      const bool isRounded = products == Products::rounded;
      const std::string name =
          (isRounded ? "rounded, " : "pairs, ") + describe(distribution, network.activation, shape);
      const SplitKernels& imitation =
          isRounded ? cpu::imitated::kRoundedKernels : cpu::imitated::kSplitKernels;
      addCase("J'J v, imitated: " + name, [=, &imitation] {
        const PolicyProblem problem = randomProblem(distribution, network.activation, shape, seed);
        TilePasses passes(problem, cpu::baselineKernels());
        const std::vector<double> product = passes.product(imitation);
        const TrackedVector expected = expectedProduct(problem, products);
        for (size_t i = 0; i < product.size(); i++) {
          const Context context("element ", i);
          checkTracked(product[i], expected[i]);
        }
      });
#if defined(__x86_64__) || defined(_M_X64)
      addCase("the unit has the same bits: " + name, [=, &imitation] {
        if (!cpu::hasAmx()) skipCase("not supported by this machine");
        const SplitKernels& unit =
            *(isRounded ? cpu::amxRoundedKernels() : cpu::amxKernels()).split;
        cpu::requireUnit(unit);
        const PolicyProblem problem = randomProblem(distribution, network.activation, shape, seed);
        TilePasses passes(problem, cpu::baselineKernels());
        CHECK(passes.product(unit) == passes.product(imitation));
      });
#endif
    }
    seed++;
  }
  return true;
}

const bool kNetworksAdded = addNetworks();

CASE("x is high + low to within 2^-16 of itself") {
  Random random(5);
  double largest = 0;
  for (int round = 0; round < 200000; round++) {
    const auto exponent = static_cast<int>(random.below(200)) - 100;
    const auto x = static_cast<float>(std::ldexp(1 + random.uniform(), exponent)) *
                   (random.below(2) == 0 ? -1.0f : 1.0f);
    const auto words = cpu::imitated::split(cpu::imitated::Vec{} + x);
    const auto upperHalf = [](uint32_t word) {
      return static_cast<double>(std::bit_cast<float>(word & cpu::imitated::kUpperHalf));
    };
    const double error =
        std::abs((upperHalf(words.high[0]) + upperHalf(words.low[0]) - static_cast<double>(x)) / x);
    largest = std::max(largest, error);
  }
  CHECK(largest <= 0x1p-16);
  CHECK(largest > 0x1p-17);  // and no better than we say
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
