#include "core/cpu/cpu_descent.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/thread_pool.h"

namespace trustregion::cpu {
CpuDescent::CpuDescent(const MlpLayout& layout, const Kernels& kernels, const AlignedFloats& inputs,
                       std::span<const float> targets, size_t largest, unsigned threads)
    : layout_(layout),
      kernels_(&kernels),
      inputs_(&inputs),
      targets_(targets),
      derivative_(derivativeOf(layout.activation())) {
  size_t widest = 0;
  for (const LayerLayout& layer : layout.layers()) {
    const size_t inputWidth = paddedWidth(layer.inputs);
    const size_t outputWidth = paddedWidth(layer.outputs);
    const bool isHead = layers_.size() + 1 == layout.layers().size();
    const size_t weight = size_;
    const size_t bias = weight + (isHead ? inputWidth : layer.inputs * outputWidth);
    size_ = bias + outputWidth;
    layers_.push_back({layer.inputs, layer.outputs, inputWidth, outputWidth, weight, bias});
    widest = std::max(widest, outputWidth);
  }
  parameters_.resize(size_);
  mean_.resize(size_);
  square_.resize(size_);
  const size_t tiles = (largest + kDescentTileRows - 1) / kDescentTileRows;
  gradients_.resize(tiles * size_);
  threads_ = static_cast<unsigned>(std::min<size_t>(threads, tiles));
  workspaces_.resize(threads_);
  for (Workspace& workspace : workspaces_) {
    for (size_t l = 0; l < layers_.size(); l++) {
      const Layer& layer = layers_[l];
      const bool goesBack = l > 0 && l + 1 < layers_.size();
      workspace.weight.emplace_back(goesBack ? layer.outputs * layer.inputWidth : 0);
      workspace.input.emplace_back(kDescentTileRows * layer.inputWidth);
      if (derivative_ == Derivative::stored) {
        workspace.derivative.emplace_back(kDescentTileRows * layer.outputWidth);
      }
    }
    workspace.u.resize(kDescentTileRows * widest);
    workspace.nextU.resize(kDescentTileRows * widest);
    workspace.target.resize(kDescentTileRows);
    workspace.error.resize(kDescentTileRows);
  }
}

// The block of columns of a transposed weight that output j is in.
CpuDescent::Block CpuDescent::blockOf(const Layer& layer, size_t j) const {
  const size_t first = j / kernels_->blockColumns * kernels_->blockColumns;
  return {first, std::min(kernels_->blockColumns, layer.outputWidth - first)};
}

// Calls visit(index in the flat vector, index in the packed one).
template <class Visit>
void CpuDescent::forEachParameter(const Visit& visit) const {
  for (size_t l = 0; l < layers_.size(); l++) {
    const Layer& layer = layers_[l];
    const auto& [inputs, outputs, weightOffset, biasOffset] = layout_.layers()[l];
    const bool isHead = l + 1 == layers_.size();
    for (size_t j = 0; j < outputs; j++) {
      const Block block = isHead ? Block{0, 1} : blockOf(layer, j);
      for (size_t k = 0; k < inputs; k++) {
        visit(weightOffset + j * inputs + k,
              layer.weight + block.first * inputs + k * block.width + j - block.first);
      }
      visit(biasOffset + j, layer.bias + j);
    }
  }
}

void CpuDescent::load(std::span<const double> parameters, Adam& adam) {
  const std::span<const double> mean = adam.mean();
  const std::span<const double> square = adam.square();
  forEachParameter([&](size_t flat, size_t packed) {
    parameters_[packed] = static_cast<float>(parameters[flat]);
    mean_[packed] = static_cast<float>(mean[flat]);
    square_[packed] = static_cast<float>(square[flat]);
  });
  version_++;
}

void CpuDescent::store(std::span<double> parameters, Adam& adam) const {
  const std::span<double> mean = adam.mean();
  const std::span<double> square = adam.square();
  forEachParameter([&](size_t flat, size_t packed) {
    parameters[flat] = parameters_[packed];
    mean[flat] = mean_[packed];
    square[flat] = square_[packed];
  });
}

void CpuDescent::transposeWeights(Workspace& workspace) const {
  if (workspace.version == version_) return;
  const size_t lanes = kernels_->lanes;
  for (size_t l = 1; l + 1 < layers_.size(); l++) {
    const Layer& layer = layers_[l];
    for (size_t k = 0; k < layer.inputs; k += lanes) {
      // The block of columns on the other side.
      const size_t first = k / kernels_->blockColumns * kernels_->blockColumns;
      const size_t width = std::min(kernels_->blockColumns, layer.inputWidth - first);
      for (size_t j = 0; j < layer.outputs;) {
        const Block from = blockOf(layer, j);
        kernels_->transposeRows(
            std::min(lanes, layer.inputs - k), std::min(from.width, layer.outputs - j),
            parameters_.data() + layer.weight + j * layer.inputs + k * from.width, from.width,
            workspace.weight[l].data() + first * layer.outputs + j * width + k - first, width);
        j += from.width;
      }
    }
  }
  workspace.version = version_;
}

const float* CpuDescent::derivativeSource(size_t l, const Workspace& workspace) const {
  return derivative_ == Derivative::stored ? workspace.derivative[l].data()
                                           : workspace.input[l + 1].data();
}

void CpuDescent::runTile(std::span<const uint32_t> rows, Workspace& workspace,
                         float* gradient) const {
  const size_t count = rows.size();
  const size_t last = layers_.size() - 1;
  transposeWeights(workspace);
  kernels_->gatherRows(count, rows.data(), layers_[0].inputWidth, inputs_->data(),
                       workspace.input[0].data());
  for (size_t i = 0; i < count; i++) workspace.target[i] = targets_[rows[i]];

  for (size_t l = 0; l < last; l++) {
    const Layer& layer = layers_[l];
    const float* parameters = parameters_.data();
    float* z = workspace.input[l + 1].data();
    // z = X W' + b
    kernels_->multiply({count,
                        layer.outputs,
                        {layer.inputs, rowMajor(workspace.input[l].data(), layer.inputWidth),
                         parameters + layer.weight},
                        {},
                        parameters + layer.bias,
                        rowMajor(z, layer.outputWidth)});
    kernels_->activate(
        layout_.activation(), count * layer.outputWidth, z,
        derivative_ == Derivative::stored ? workspace.derivative[l].data() : nullptr);
  }

  const Layer& head = layers_[last];
  float* u = workspace.u.data();
  float* nextU = workspace.nextU.data();
  std::fill_n(gradient + head.weight, head.inputWidth + head.outputWidth, 0.0f);
  kernels_->backThroughError(
      {count, head.inputWidth, workspace.input[last].data(), parameters_.data() + head.weight,
       parameters_[head.bias], workspace.target.data(), last == 0 ? Derivative::none : derivative_,
       last == 0 ? nullptr : derivativeSource(last - 1, workspace), workspace.error.data(), u,
       gradient + head.weight, gradient + head.bias});

  for (size_t l = last; l-- > 0;) {
    const Layer& layer = layers_[l];
    // d / d W' = X'U, d / d b = 1'U
    const float one = 1;
    kernels_->sumGradient({layer.inputs, layer.outputs, count, workspace.input[l].data(),
                           layer.inputWidth, u, layer.outputWidth, gradient + layer.weight});
    kernels_->sumGradient(
        {1, layer.outputs, count, &one, 0, u, layer.outputWidth, gradient + layer.bias});
    if (l == 0) return;
    // d / d X = U W, through the activation
    const float* source = derivativeSource(l - 1, workspace);
    kernels_->multiply(
        {count,
         layer.inputs,
         {layer.outputs, rowMajor<const float>(u, layer.outputWidth), workspace.weight[l].data()},
         {},
         nullptr,
         rowMajor(nextU, layer.inputWidth),
         derivative_,
         rowMajor(source, layer.inputWidth),
         source});
    std::swap(u, nextU);
  }
}

void CpuDescent::step(std::span<const uint32_t> rows, const Adam::Factors& factors) {
  const size_t tiles = (rows.size() + kDescentTileRows - 1) / kDescentTileRows;
  parallelFor(tiles, threads_, [&](size_t tile, unsigned worker) {
    const size_t first = tile * kDescentTileRows;
    runTile(rows.subspan(first, std::min(kDescentTileRows, rows.size() - first)),
            workspaces_[worker], gradients_.data() + tile * size_);
  });
  stepAdam(tiles, 1 / static_cast<float>(rows.size()), factors);
  version_++;
}

void CpuDescent::stepAdam(size_t tiles, float scale, const Adam::Factors& factors) {
  // One part for each thread, so that a part's moments stay in one cache.
  const size_t part = paddedWidth((size_ + threads_ - 1) / threads_);
  parallelFor((size_ + part - 1) / part, threads_, [&](size_t index, unsigned) {
    const size_t first = index * part;
    kernels_->stepAdam({std::min(part, size_ - first), gradients_.data() + first, tiles, size_,
                        scale, static_cast<float>(Adam::kBeta1), static_cast<float>(Adam::kBeta2),
                        static_cast<float>(1 - Adam::kBeta1), static_cast<float>(1 - Adam::kBeta2),
                        static_cast<float>(Adam::kEpsilon), static_cast<float>(factors.mean),
                        static_cast<float>(std::sqrt(factors.square)), mean_.data() + first,
                        square_.data() + first, parameters_.data() + first});
  });
}

}  // namespace trustregion::cpu
