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

}  // namespace

CpuMlp::CpuMlp(const MlpLayout& layout, const Kernels& kernels)
    : layout_(layout), kernels_(&kernels), widestLayer_(paddedWidth(layout.inputs())) {
  for (const LayerLayout& layer : layout_.layers()) {
    widestLayer_ = std::max(widestLayer_, paddedWidth(layer.outputs));
  }
  zeros_.assign(widestLayer_, 0.0F);
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
    const size_t outputWidth = paddedWidth(layer.outputs);
    const size_t inputWidth = paddedWidth(layer.inputs);
    // The padding is written by resize, once, and stays zero.
    to.transposed.resize(layer.inputs * outputWidth);
    transpose(weight, layer.outputs, layer.inputs, to.transposed.data(), outputWidth);
    to.bias.resize(outputWidth);
    std::transform(bias, bias + layer.outputs, to.bias.begin(),
                   [](double value) { return static_cast<float>(value); });
    if (purpose == PackFor::forward || l == 0) continue;  // nobody asks for d / d observation
    to.weight.resize(layer.outputs * inputWidth);
    for (size_t j = 0; j < layer.outputs; j++) {
      for (size_t k = 0; k < layer.inputs; k++) {
        to.weight[j * inputWidth + k] = static_cast<float>(weight[j * layer.inputs + k]);
      }
    }
  }
}

void CpuMlp::forward(const std::vector<PackedLayer>& packed, size_t rows,
                     const TileActivations& tile, float* head) const {
  const auto& layers = layout_.layers();
  for (size_t l = 0; l < layers.size(); l++) {
    const size_t inputWidth = paddedWidth(layers[l].inputs);
    const size_t outputWidth = paddedWidth(layers[l].outputs);
    const bool isHead = l + 1 == layers.size();
    float* output = isHead ? head : tile.input[l + 1];
    // z = X W' + b
    kernels_->multiply({rows, outputWidth, layers[l].inputs, tile.input[l], inputWidth, 1,
                        packed[l].transposed.data(), outputWidth, packed[l].bias.data(), 0, output,
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
    const size_t inputWidth = paddedWidth(layers[l].inputs);
    const size_t outputWidth = paddedWidth(layers[l].outputs);
    const bool isHead = l + 1 == layers.size();
    float* output = isHead ? headTangent : other;
    // dz = X dW' + db, and + dX W' behind the first layer
    kernels_->multiply({rows, outputWidth, layers[l].inputs, tile.input[l], inputWidth, 1,
                        direction[l].transposed.data(), outputWidth, direction[l].bias.data(), 0,
                        output, outputWidth});
    if (l > 0) {
      kernels_->multiply({rows, outputWidth, layers[l].inputs, inputTangent, inputWidth, 1,
                          packed[l].transposed.data(), outputWidth, output, outputWidth, output,
                          outputWidth});
    }
    if (!isHead) {
      // dh = phi'(z) dz
      kernels_->multiplyByDerivative(layout_.activation(), rows * outputWidth, tile.input[l + 1],
                                     storesDerivative() ? tile.derivative[l] : nullptr, output);
      std::swap(inputTangent, other);
    }
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
    kernels_->multiply({rows, inputWidth, layers[l].outputs, u, outputWidth, 1,
                        packed[l].weight.data(), inputWidth, zeros_.data(), 0, next, inputWidth});
    kernels_->multiplyByDerivative(layout_.activation(), rows * inputWidth, tile.input[l],
                                   storesDerivative() ? tile.derivative[l - 1] : nullptr, next);
    u = next;
    std::swap(next, other);
  }
}

void CpuMlp::backward(const std::vector<PackedLayer>& packed, size_t rows,
                      const TileActivations& tile, const float* headCotangent, TileScratch& scratch,
                      double* sum) const {
  backwardPass(packed, rows, tile, headCotangent, scratch, [&](size_t l, const float* u) {
    const LayerLayout& layer = layout_.layers()[l];
    const size_t inputWidth = paddedWidth(layer.inputs);
    const size_t outputWidth = paddedWidth(layer.outputs);
    kernels_->addGradient({layer.outputs, layer.inputs, rows, u, outputWidth, tile.input[l],
                           inputWidth, sum + layer.weightOffset});
    kernels_->addColumnSums(rows, layer.outputs, u, outputWidth, sum + layer.biasOffset);
  });
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
    kernels_->addGradient({layer.outputs, layer.inputs, rows, squaredU.data(), outputWidth,
                           squaredX.data(), inputWidth, sum + layer.weightOffset});
    kernels_->addColumnSums(rows, layer.outputs, squaredU.data(), outputWidth,
                            sum + layer.biasOffset);
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
