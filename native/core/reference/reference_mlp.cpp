#include "core/reference/reference_mlp.h"

#include <cmath>

namespace trustregion::reference {
namespace {

struct ValueAndDerivative {
  double value;
  double derivative;
};

ValueAndDerivative activate(Activation activation, double z) {
  switch (activation) {
    case Activation::tanh: {
      const double value = std::tanh(z);
      return {value, 1 - value * value};
    }
    case Activation::relu:
      return z <= 0 ? ValueAndDerivative{0, 0} : ValueAndDerivative{z, 1};  // NaN stays NaN
    case Activation::silu:
      break;
  }
  const double sigmoid = 1 / (1 + std::exp(-z));
  return {z * sigmoid, sigmoid * (1 + z * (1 - sigmoid))};
}

}  // namespace

void forward(const MlpLayout& layout, std::span<const double> parameters, const double* observation,
             RowActivations& row) {
  const auto& layers = layout.layers();
  row.input.resize(layers.size());
  row.derivative.resize(layers.size() - 1);
  row.input[0].assign(observation, observation + layout.inputs());
  for (size_t l = 0; l < layers.size(); l++) {
    const LayerLayout& layer = layers[l];
    const bool isHead = l + 1 == layers.size();
    std::vector<double>& output = isHead ? row.output : row.input[l + 1];
    output.resize(layer.outputs);
    if (!isHead) row.derivative[l].resize(layer.outputs);
    for (size_t j = 0; j < layer.outputs; j++) {
      double z = parameters[layer.biasOffset + j];
      for (size_t k = 0; k < layer.inputs; k++) {
        z += parameters[layer.weightOffset + j * layer.inputs + k] * row.input[l][k];
      }
      if (isHead) {
        output[j] = z;
      } else {
        const auto [value, derivative] = activate(layout.activation(), z);
        output[j] = value;
        row.derivative[l][j] = derivative;
      }
    }
  }
}

void tangent(const MlpLayout& layout, std::span<const double> parameters,
             std::span<const double> direction, const RowActivations& row, double* headTangent) {
  std::vector<double> inputTangent(layout.inputs(), 0.0);
  for (size_t l = 0; l < layout.layers().size(); l++) {
    const LayerLayout& layer = layout.layers()[l];
    std::vector<double> outputTangent(layer.outputs);
    for (size_t j = 0; j < layer.outputs; j++) {
      double dz = direction[layer.biasOffset + j];
      for (size_t k = 0; k < layer.inputs; k++) {
        const size_t weight = layer.weightOffset + j * layer.inputs + k;
        dz += direction[weight] * row.input[l][k] + parameters[weight] * inputTangent[k];
      }
      const bool isHead = l + 1 == layout.layers().size();
      outputTangent[j] = isHead ? dz : row.derivative[l][j] * dz;
    }
    inputTangent = outputTangent;
  }
  for (size_t j = 0; j < layout.outputs(); j++) headTangent[j] = inputTangent[j];
}

void visitBackward(
    const MlpLayout& layout, std::span<const double> parameters, const RowActivations& row,
    const double* headCotangent,
    FunctionRef<void(size_t layer, std::span<const double> u, std::span<const double> x)> visit) {
  std::vector<double> u(headCotangent, headCotangent + layout.outputs());
  for (size_t l = layout.layers().size(); l-- > 0;) {
    const LayerLayout& layer = layout.layers()[l];
    visit(l, u, row.input[l]);
    if (l == 0) return;
    std::vector<double> inputCotangent(layer.inputs, 0.0);
    for (size_t j = 0; j < layer.outputs; j++) {
      for (size_t k = 0; k < layer.inputs; k++) {
        inputCotangent[k] += u[j] * parameters[layer.weightOffset + j * layer.inputs + k];
      }
    }
    for (size_t k = 0; k < layer.inputs; k++) inputCotangent[k] *= row.derivative[l - 1][k];
    u = inputCotangent;
  }
}

void backward(const MlpLayout& layout, std::span<const double> parameters,
              const RowActivations& row, const double* headCotangent, std::span<double> sum) {
  visitBackward(layout, parameters, row, headCotangent,
                [&](size_t l, std::span<const double> u, std::span<const double> x) {
                  const LayerLayout& layer = layout.layers()[l];
                  for (size_t j = 0; j < layer.outputs; j++) {
                    sum[layer.biasOffset + j] += u[j];
                    for (size_t k = 0; k < layer.inputs; k++) {
                      sum[layer.weightOffset + j * layer.inputs + k] += u[j] * x[k];
                    }
                  }
                });
}

}  // namespace trustregion::reference
