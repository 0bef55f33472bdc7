#include "core/cpu/cpu_mlp.h"

#include <algorithm>
#include <utility>

namespace trustregion::cpu {
namespace {

// to[column][row] = from[row][column], in square blocks that keep both sides in cache.
void transpose(const double* from, size_t rows, size_t columns, float* to, size_t toRow) {
  constexpr size_t kBlock = 16;
  for (size_t rowStart = 0; rowStart < rows; rowStart += kBlock) {
    const size_t rowEnd = std::min(rows, rowStart + kBlock);
    for (size_t column = 0; column < columns; column++) {
      for (size_t row = rowStart; row < rowEnd; row++) {
        to[column * toRow + row] = static_cast<float>(from[row * columns + column]);
      }
    }
  }
}

// Distance of packed rows: off the powers of two, at which rows would fall into the same few sets
// of a cache (376-1024-1024-17: 0.64 to 0.69 of the multiply-add peak).
size_t packedStride(size_t width) {
  const size_t padded = paddedWidth(width);
  return padded % 256 == 0 ? padded + kRowAlignment : padded;
}

// Steps t and t + 1 of output j side by side, in lanes 2j and 2j + 1 of a vector for each pair.
void packPairs(const double* weight, const LayerLayout& layer, size_t lanes, AlignedFloats& to) {
  to.resize((layer.inputs + 1) / 2 * lanes);
  for (size_t j = 0; j < layer.outputs; j++) {
    for (size_t t = 0; t < layer.inputs; t++) {
      to[t / 2 * lanes + 2 * j + t % 2] = static_cast<float>(weight[j * layer.inputs + t]);
    }
  }
}

}  // namespace

CpuMlp::CpuMlp(const MlpLayout& layout, const Kernels& kernels)
    : layout_(layout), kernels_(&kernels), widestLayer_(paddedWidth(layout.inputs())) {
  for (const LayerLayout& layer : layout_.layers()) {
    widestLayer_ = std::max(widestLayer_, paddedWidth(layer.outputs));
  }
  const size_t lanes = kernels.lanes;
  const auto vectors = [&](size_t columns) { return (columns + lanes - 1) / lanes; };
  for (const LayerLayout& layer : layout_.layers()) {
    const bool isHead = isPaired_.size() + 1 == layout_.layers().size();
    isPaired_.push_back(isHead && layer.outputs <= lanes / 2);
    isTransposed_.push_back(layer.inputs * vectors(layer.outputs) <
                            layer.outputs * vectors(layer.inputs));
  }
}

Derivative CpuMlp::derivative() const {
  switch (layout_.activation()) {
    case Activation::tanh:
      return Derivative::tanh;
    case Activation::relu:
      return Derivative::relu;
    case Activation::silu:
      break;
  }
  return Derivative::stored;
}

TileScratch CpuMlp::makeScratch() const {
  return {AlignedFloats(kTileRows * widestLayer_), AlignedFloats(kTileRows * widestLayer_)};
}

void CpuMlp::pack(std::span<const double> parameters, PackFor purpose,
                  std::vector<PackedLayer>& packed) const {
  const auto& layers = layout_.layers();
  packed.resize(layers.size());
  for (size_t l = 0; l < layers.size(); l++) {
    const LayerLayout& layer = layers[l];
    PackedLayer& to = packed[l];
    const double* weight = parameters.data() + layer.weightOffset;
    const double* bias = parameters.data() + layer.biasOffset;
    const size_t outputStride = packedStride(layer.outputs);
    const size_t inputStride = packedStride(layer.inputs);
    // The padding is written by resize, once, and stays zero.
    if (isPaired_[l]) {
      packPairs(weight, layer, kernels_->lanes, to.transposed);
    } else {
      to.transposed.resize(layer.inputs * outputStride);
      transpose(weight, layer.outputs, layer.inputs, to.transposed.data(), outputStride);
    }
    to.bias.resize(paddedWidth(layer.outputs));
    std::transform(bias, bias + layer.outputs, to.bias.begin(),
                   [](double value) { return static_cast<float>(value); });
    if (purpose == PackFor::forward || l == 0) continue;  // nobody asks for d / d observation
    to.weight.resize(layer.outputs * inputStride);
    for (size_t j = 0; j < layer.outputs; j++) {
      for (size_t k = 0; k < layer.inputs; k++) {
        to.weight[j * inputStride + k] = static_cast<float>(weight[j * layer.inputs + k]);
      }
    }
  }
}

Factors CpuMlp::inputFactors(size_t l, const float* x, const PackedLayer& packed) const {
  const LayerLayout& layer = layout_.layers()[l];
  return {layer.inputs,
          x,
          paddedWidth(layer.inputs),
          1,
          packed.transposed.data(),
          packedStride(layer.outputs)};
}

void CpuMlp::addProduct(size_t l, Product product) const {
  (isPaired_[l] ? kernels_->multiplyPairs : kernels_->multiply)(product);
}

void CpuMlp::forward(const std::vector<PackedLayer>& packed, size_t rows,
                     const TileActivations& tile, float* head) const {
  const auto& layers = layout_.layers();
  for (size_t l = 0; l < layers.size(); l++) {
    const size_t outputWidth = paddedWidth(layers[l].outputs);
    const bool isHead = l + 1 == layers.size();
    float* output = isHead ? head : tile.input[l + 1];
    // z = X W' + b
    addProduct(l, {rows,
                   layers[l].outputs,
                   inputFactors(l, tile.input[l], packed[l]),
                   {},
                   packed[l].bias.data(),
                   0,
                   output,
                   outputWidth});
    if (!isHead) {
      kernels_->activate(layout_.activation(), rows * outputWidth, output,
                         storesDerivative() ? tile.derivative[l] : nullptr);
    }
  }
}

void CpuMlp::tangent(const std::vector<PackedLayer>& packed,
                     const std::vector<PackedLayer>& direction, size_t rows,
                     const TileActivations& tile, TileScratch& scratch, float* headTangent) const {
  const auto& layers = layout_.layers();
  float* inputTangent = scratch.first.data();
  float* other = scratch.second.data();
  for (size_t l = 0; l < layers.size(); l++) {
    const size_t outputWidth = paddedWidth(layers[l].outputs);
    const bool isHead = l + 1 == layers.size();
    // dz = X dW' + db, and + dX W' behind the first layer; dh = phi'(z) dz
    Product product{rows,
                    layers[l].outputs,
                    inputFactors(l, tile.input[l], direction[l]),
                    {},
                    direction[l].bias.data(),
                    0,
                    isHead ? headTangent : other,
                    outputWidth};
    if (l > 0) product.second = inputFactors(l, inputTangent, packed[l]);
    if (!isHead) {
      product.derivative = derivative();
      product.h = derivativeSource(l, tile);
    }
    addProduct(l, product);
    std::swap(inputTangent, other);
  }
}

template <class Visit>
void CpuMlp::backwardPass(const std::vector<PackedLayer>& packed, size_t rows,
                          const TileActivations& tile, const float* headCotangent,
                          TileScratch& scratch, Visit&& visit) const {
  const auto& layers = layout_.layers();
  const float* u = headCotangent;
  float* next = scratch.first.data();
  float* other = scratch.second.data();
  for (size_t l = layers.size(); l-- > 0;) {
    const size_t inputWidth = paddedWidth(layers[l].inputs);
    const size_t outputWidth = paddedWidth(layers[l].outputs);
    visit(l, u);
    if (l == 0) return;
    // d / d x = U W, then through the activation
    kernels_->multiply({rows,
                        layers[l].inputs,
                        {layers[l].outputs, u, outputWidth, 1, packed[l].weight.data(),
                         packedStride(layers[l].inputs)},
                        {},
                        nullptr,
                        0,
                        next,
                        inputWidth,
                        derivative(),
                        derivativeSource(l - 1, tile)});
    u = next;
    std::swap(next, other);
  }
}

void CpuMlp::backward(const std::vector<PackedLayer>& packed, size_t rows,
                      const TileActivations& tile, const float* headCotangent, TileScratch& scratch,
                      double* sum) const {
  backwardPass(packed, rows, tile, headCotangent, scratch,
               [&](size_t l, const float* u) { addLayerGradient(l, rows, u, tile.input[l], sum); });
}

void CpuMlp::addLayerGradient(size_t l, size_t rows, const float* u, const float* x,
                              double* sum) const {
  const LayerLayout& layer = layout_.layers()[l];
  const size_t inputWidth = paddedWidth(layer.inputs);
  const size_t outputWidth = paddedWidth(layer.outputs);
  double* weights = sum + layer.weightOffset;
  if (isTransposed_[l]) {
    kernels_->addGradient(
        {layer.inputs, layer.outputs, rows, x, inputWidth, u, outputWidth, weights});
  } else {
    kernels_->addGradient(
        {layer.outputs, layer.inputs, rows, u, outputWidth, x, inputWidth, weights});
  }
  kernels_->addColumnSums(rows, layer.outputs, u, outputWidth, sum + layer.biasOffset);
}

void CpuMlp::restoreOrder(std::span<double> sum, std::span<double> scratch) const {
  for (size_t l = 0; l < layout_.layers().size(); l++) {
    if (!isTransposed_[l]) continue;
    const auto& [inputs, outputs, weightOffset, biasOffset] = layout_.layers()[l];
    std::copy_n(sum.begin() + weightOffset, inputs * outputs, scratch.begin());
    for (size_t j = 0; j < outputs; j++) {
      for (size_t k = 0; k < inputs; k++) {
        sum[weightOffset + j * inputs + k] = scratch[k * outputs + j];
      }
    }
  }
}

void CpuMlp::backwardSquared(const std::vector<PackedLayer>& packed, size_t rows,
                             const TileActivations& tile, const float* headCotangent,
                             TileScratch& scratch, double* sum) const {
  // (J'u)^2 of one row is u_j^2 x_k^2: the same sums over squared factors.
  AlignedFloats squaredU(kTileRows * widestLayer_);
  AlignedFloats squaredX(kTileRows * widestLayer_);
  backwardPass(packed, rows, tile, headCotangent, scratch, [&](size_t l, const float* u) {
    const LayerLayout& layer = layout_.layers()[l];
    const size_t inputWidth = paddedWidth(layer.inputs);
    const size_t outputWidth = paddedWidth(layer.outputs);
    kernels_->multiplyElements(rows * outputWidth, u, u, squaredU.data());
    kernels_->multiplyElements(rows * inputWidth, tile.input[l], tile.input[l], squaredX.data());
    addLayerGradient(l, rows, squaredU.data(), squaredX.data(), sum);
  });
}

void CpuMlp::addOutputFactors(const std::vector<PackedLayer>& packed, size_t rows,
                              const TileActivations& tile, const float* headCotangent,
                              TileScratch& scratch, std::span<const size_t> offsets,
                              double* sum) const {
  backwardPass(packed, rows, tile, headCotangent, scratch, [&](size_t l, const float* u) {
    const size_t size = layout_.layers()[l].outputs;
    const size_t width = paddedWidth(size);
    kernels_->addGradient({size, size, rows, u, width, u, width, sum + offsets[l]});
  });
}

void CpuMlp::addInputFactors(size_t rows, const TileActivations& tile,
                             std::span<const size_t> offsets, double* sum) const {
  for (size_t l = 0; l < layout_.layers().size(); l++) {
    const size_t size = layout_.layers()[l].inputs;
    const size_t width = paddedWidth(size);
    const float* x = tile.input[l];
    kernels_->addGradient({size, size, rows, x, width, x, width, sum + offsets[l]});
    kernels_->addColumnSums(rows, size, x, width, sum + offsets[l] + size * size);
  }
}

}  // namespace trustregion::cpu
