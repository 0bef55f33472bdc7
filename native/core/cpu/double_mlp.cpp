#include "core/cpu/double_mlp.h"

#include <algorithm>
#include <utility>

#include "core/cpu/packing.h"

namespace trustregion::cpu {

DoubleMlp::DoubleMlp(const MlpLayout& layout, const Kernels& kernels,
                     std::span<const double> parameters)
    : layout_(layout), kernels_(kernels.inDouble) {
  for (const LayerLayout& layer : layout_.layers()) {
    Layer packed{{}, AlignedDoubles(paddedWidth(layer.outputs))};
    packColumns(parameters.data() + layer.weightOffset, layer.inputs, layer.outputs,
                kernels_->blockColumns, packed.transposed);
    std::copy_n(parameters.data() + layer.biasOffset, layer.outputs, packed.bias.begin());
    layers_.push_back(std::move(packed));
  }
}

DoubleMlp::Scratch DoubleMlp::makeScratch() const {
  size_t widest = paddedWidth(layout_.inputs());
  for (const LayerLayout& layer : layout_.layers()) {
    widest = std::max(widest, paddedWidth(layer.outputs));
  }
  return {AlignedDoubles(kDoubleTileRows * widest), AlignedDoubles(kDoubleTileRows * widest)};
}

const double* DoubleMlp::forward(size_t rows, const float* observations, size_t stride,
                                 Scratch& scratch) const {
  double* input = scratch.first.data();
  double* output = scratch.second.data();
  size_t inputWidth = paddedWidth(layout_.inputs());
  for (size_t row = 0; row < rows; row++) {
    std::copy_n(observations + row * stride, layout_.inputs(), input + row * inputWidth);
  }
  for (size_t l = 0; l < layers_.size(); l++) {
    const LayerLayout& layer = layout_.layers()[l];
    const size_t width = paddedWidth(layer.outputs);
    kernels_->multiply({rows, layer.outputs, layer.inputs, input, inputWidth,
                        layers_[l].transposed.data(), layers_[l].bias.data(), output, width});
    if (l + 1 < layers_.size()) kernels_->activate(layout_.activation(), rows * width, output);
    std::swap(input, output);
    inputWidth = width;
  }
  return input;
}

}  // namespace trustregion::cpu
