#include "core/cpu/split/split_mlp.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/thread_pool.h"

namespace trustregion::cpu {
namespace {

size_t rightTiles(size_t rows, size_t columns) { return tileBlocks(columns) * tileSteps(rows); }

// The sizes of a scratch's members, for makeScratch and scratchBytes alike.
struct ScratchSizes {
  size_t hidden = 0;  // of first and of second
  size_t transposed = 0;
  size_t paired = 0;
};

ScratchSizes scratchSizes(const MlpLayout& layout, size_t rows, size_t operatorUnits) {
  ScratchSizes sizes;
  sizes.paired = 2 * tileSteps(rows) * operatorUnits;
  for (const LayerLayout& layer : layout.layers()) {
    sizes.hidden = std::max(sizes.hidden, rowBlocks(rows) * tileSteps(layer.outputs));
    sizes.transposed = std::max(sizes.transposed, rightTiles(rows, layer.outputs));
  }
  return sizes;
}

// Has the unit while it lives.
class Lease {
 public:
  explicit Lease(const SplitKernels& kernels) : kernels_(kernels) { kernels_.acquire(); }
  ~Lease() { kernels_.release(); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

 private:
  const SplitKernels& kernels_;
};

}  // namespace

void requireUnit(const SplitKernels& kernels) {
  if (kernels.request()) return;
  throw Error(
      ErrorCode::unknownBackend,
      "the system does not lend this process the unit that backends 'cpu-amx' and "
      "'cpu-amx-bf16' need: some thread's stack for signals (sigaltstack) may be too small for it");
}

SplitScratch SplitMlp::makeScratch(size_t tileRows) const {
  const ScratchSizes sizes = scratchSizes(layout_, tileRows, kernels_->operatorUnits);
  return {SplitTiles(sizes.hidden), SplitTiles(sizes.hidden), SplitTiles(sizes.transposed),
          RoundedTiles(sizes.paired)};
}

size_t SplitMlp::scratchBytes(size_t tileRows) const {
  const ScratchSizes sizes = scratchSizes(layout_, tileRows, kernels_->operatorUnits);
  return (2 * sizes.hidden + sizes.transposed) * sizeof(SplitTile) +
         sizes.paired * sizeof(RoundedTile);
}

size_t SplitMlp::packedBytes() const {
  size_t tiles = 0;
  for (size_t l = 0; l < layout_.layers().size(); l++) {
    const LayerLayout& layer = layout_.layers()[l];
    tiles += rightTiles(layer.inputs, layer.outputs);
    if (l > 0) tiles += rightTiles(layer.outputs, layer.inputs);
  }
  return tiles * kernels_->operatorUnits * sizeof(RoundedTile);
}

size_t SplitMlp::directionBytes() const {
  size_t bytes = 0;
  for (const LayerLayout& layer : layout_.layers()) {
    bytes += rightTiles(layer.inputs, layer.outputs) * sizeof(SplitTile) +
             paddedWidth(layer.outputs) * sizeof(float);
  }
  return bytes;
}

// 32 outputs a task: the tiles of no two tasks overlap.
template <class Task>
void SplitMlp::forEachChunk(const LayerLayout& layer, unsigned threads, Task&& task) {
  constexpr size_t kWorthwhile = 1 << 15;  // numbers, for a second thread
  const bool isLarge = layer.inputs * layer.outputs >= kWorthwhile;
  parallelFor(tileSteps(layer.outputs), isLarge ? threads : 1,
              [&](size_t chunk, unsigned) { task(chunk); });
}

void SplitMlp::pack(std::span<const double> parameters, std::vector<SplitLayer>& packed,
                    unsigned threads) const {
  const auto& layers = layout_.layers();
  packed.resize(layers.size());
  for (size_t l = 0; l < layers.size(); l++) {
    const LayerLayout& layer = layers[l];
    SplitLayer& to = packed[l];
    const size_t units = kernels_->operatorUnits;
    to.forward.resize(rightTiles(layer.inputs, layer.outputs) * units);
    // Nobody asks for d / d observation.
    to.backward.resize(l > 0 ? rightTiles(layer.outputs, layer.inputs) * units : 0);
    forEachChunk(layer, threads, [&](size_t chunk) {
      kernels_->splitWeight(parameters.data() + layer.weightOffset, layer.outputs, layer.inputs,
                            chunk, to.forward.data(), l > 0 ? to.backward.data() : nullptr);
    });
  }
}

void SplitMlp::resizeDirection(std::vector<SplitDirection>& packed) const {
  const auto& layers = layout_.layers();
  packed.resize(layers.size());
  for (size_t l = 0; l < layers.size(); l++) {
    packed[l].forward.resize(rightTiles(layers[l].inputs, layers[l].outputs));
    packed[l].bias.resize(paddedWidth(layers[l].outputs));
  }
}

void SplitMlp::packDirection(std::span<const double> direction, std::vector<SplitDirection>& packed,
                             unsigned threads) const {
  resizeDirection(packed);
  for (size_t l = 0; l < layout_.layers().size(); l++) {
    const LayerLayout& layer = layout_.layers()[l];
    SplitDirection& to = packed[l];
    const double* bias = direction.data() + layer.biasOffset;
    std::transform(bias, bias + layer.outputs, to.bias.begin(),
                   [](double value) { return static_cast<float>(value); });
    forEachChunk(layer, threads, [&](size_t chunk) {
      kernels_->splitDirection(direction.data() + layer.weightOffset, layer.outputs, layer.inputs,
                               chunk, to.forward.data());
    });
  }
}

SplitDerivative SplitMlp::derivative(size_t l, const SplitActivations& tile) const {
  const Derivative kind = derivativeOf(layout_.activation());
  return {kind, kind == Derivative::stored ? tile.derivative[l] : tile.input[l + 1]};
}

void SplitMlp::tangent(const std::vector<SplitLayer>& packed,
                       const std::vector<SplitDirection>& direction, size_t rows,
                       const SplitActivations& tile, SplitScratch& scratch,
                       float* headTangent) const {
  const Lease lease(*kernels_);
  const auto& layers = layout_.layers();
  SplitTile* next = scratch.first.data();
  SplitTile* inputTangent = scratch.second.data();
  for (size_t l = 0; l < layers.size(); l++) {
    const bool isHead = l + 1 == layers.size();
    const size_t outputs = layers[l].outputs;
    const size_t steps = tileSteps(layers[l].inputs);
    // dz = X dW' + db, and + dX W' behind the first layer; dh = phi'(z) dz
    SplitTangent product{rows,
                         outputs,
                         {steps, tile.input[l], direction[l].forward.data()},
                         {},
                         direction[l].bias.data(),
                         {},
                         nullptr,
                         {}};
    if (l > 0) product.second = {steps, inputTangent, packed[l].forward.data()};
    if (isHead) {
      product.head = rowMajor(headTangent, paddedWidth(outputs));
    } else {
      product.derivative = derivative(l, tile);
      product.left = next;
    }
    kernels_->tangent(product);
    std::swap(next, inputTangent);
  }
}

void SplitMlp::backward(const std::vector<SplitLayer>& packed, size_t rows,
                        const SplitActivations& tile, const float* headCotangent,
                        SplitScratch& scratch, double* sum, SumMode mode) const {
  const Lease lease(*kernels_);
  const auto& layers = layout_.layers();
  SplitTile* next = scratch.first.data();
  SplitTile* above = scratch.second.data();
  for (size_t l = layers.size(); l-- > 0;) {
    const size_t inputs = layers[l].inputs;
    const size_t outputs = layers[l].outputs;
    SplitCotangent u{rows,
                     outputs,
                     {},
                     {},
                     {},
                     l == 0 ? nullptr : next,
                     scratch.transposed.data(),
                     sum + layers[l].biasOffset,
                     mode};
    if (l + 1 == layers.size()) {
      u.head = rowMajor(headCotangent, paddedWidth(outputs));
    } else {
      // d / d x = U W, then through the activation
      u.first = {tileSteps(layers[l + 1].outputs), above, packed[l + 1].backward.data()};
      u.derivative = derivative(l, tile);
      u.derivative.next = rowBlocks(rows) * tileSteps(outputs);
    }
    kernels_->cotangent(u);
    kernels_->addGradient({outputs, inputs, tileSteps(rows), scratch.transposed.data(),
                           tile.input[l], scratch.paired.data(), sum + layers[l].weightOffset,
                           mode});
    std::swap(next, above);
  }
}

void SplitMlp::restoreOrder(std::span<const double> part, size_t first,
                            std::span<double> ordered) const {
  forEachPart(layout_, part, first, ordered,
              [&](size_t l, const double* from, size_t start, size_t count, double* to) {
                const LayerLayout& layer = layout_.layers()[l];
                const size_t blockSize = kTileSide * layer.inputs;
                for (size_t at = start; at < start + count;) {
                  const size_t block = at / blockSize;
                  const size_t height = std::min(kTileSide, layer.outputs - block * kTileSide);
                  const size_t inBlock = at - block * blockSize;
                  const size_t number =
                      std::min(height * layer.inputs - inBlock, start + count - at);
                  copyFromPanels(from, inBlock, number, height, layer.inputs,
                                 to + block * blockSize, layer.inputs, 1, kTileSide);
                  from += number;
                  at += number;
                }
              });
}

}  // namespace trustregion::cpu
