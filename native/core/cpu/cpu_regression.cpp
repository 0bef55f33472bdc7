#include "core/cpu/cpu_regression.h"

#include <algorithm>

#include "core/cpu/cpu_descent.h"

namespace trustregion::cpu {

CpuRegression::CpuRegression(const MlpLayout& layout, const Kernels& kernels, NumberSpan inputs,
                             std::span<const double> targets, const ObservationScaling& scaling,
                             unsigned threads)
    : mlp_(layout, kernels),
      threads_(threads),
      inputs_(targets.size() * mlp_.inputWidth()),
      targets_(targets.begin(), targets.end()),
      scratch_(mlp_.makeScratch(kTileRows)),
      sum_(layout.parameterCount()),
      head_(kTileRows * mlp_.outputWidth()),
      headCotangent_(kTileRows * mlp_.outputWidth()) {
  scaling.apply(inputs, targets.size(), layout.inputs(), inputs_.data(), mlp_.inputWidth());
  for (const LayerLayout& layer : layout.layers()) {
    const bool isFirst = tile_.input.empty();
    activations_.emplace_back(kTileRows *
                              (isFirst ? mlp_.inputWidth() : hiddenWidth(layer.inputs)));
    float* const data = activations_.back().data();
    tile_.input.push_back(isFirst ? rowMajor(data, mlp_.inputWidth())
                                  : inPanels(data, kTileRows, layer.inputs));
    if (mlp_.storesDerivative()) {
      derivatives_.emplace_back(kTileRows * hiddenWidth(layer.outputs));
      tile_.derivative.push_back(inPanels(derivatives_.back().data(), kTileRows, layer.outputs));
    }
  }
}

double CpuRegression::lossGradient(std::span<const double> parameters,
                                   std::span<const uint32_t> rows, std::span<double> gradient) {
  mlp_.pack(parameters, PackFor::forwardAndBackward, packed_);
  std::fill(sum_.begin(), sum_.end(), 0.0);
  const size_t inputWidth = mlp_.inputWidth();
  const size_t outputWidth = mlp_.outputWidth();
  double loss = 0;
  for (size_t first = 0; first < rows.size(); first += kTileRows) {
    const size_t count = std::min(kTileRows, rows.size() - first);
    for (size_t i = 0; i < count; i++) {
      std::copy_n(inputs_.data() + rows[first + i] * inputWidth, inputWidth,
                  tile_.input[0].data + i * inputWidth);
    }
    mlp_.forward(packed_, count, tile_, head_.data());
    for (size_t i = 0; i < count; i++) {
      // d/dV of (V - target)^2 / 2
      const double error = static_cast<double>(head_[i * outputWidth]) - targets_[rows[first + i]];
      headCotangent_[i * outputWidth] = static_cast<float>(error);
      loss += 0.5 * error * error;
    }
    mlp_.backward(packed_, count, tile_, headCotangent_.data(), scratch_, sum_.data());
  }
  mlp_.restoreOrder(sum_, 0, gradient);
  const double count = static_cast<double>(rows.size());
  for (double& value : gradient) value /= count;
  return loss / count;
}

void CpuRegression::descend(FunctionRef<std::span<const uint32_t>()> next, size_t largest,
                            double learningRate, Adam& adam, std::span<double> parameters) {
  // What float32 alone may sum up without loss.
  if (largest > kLargestDescentMinibatch) {
    RegressionProblem::descend(next, largest, learningRate, adam, parameters);
    return;
  }
  std::vector<float> targets(targets_.begin(), targets_.end());
  CpuDescent descent(mlp_.layout(), mlp_.kernels(), inputs_, targets, largest, threads_);
  descent.load(parameters, adam);
  for (std::span<const uint32_t> rows = next(); !rows.empty(); rows = next()) {
    descent.step(rows, adam.countStep(learningRate));
  }
  descent.store(parameters, adam);
}

}  // namespace trustregion::cpu
