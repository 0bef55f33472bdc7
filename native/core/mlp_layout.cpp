#include "core/mlp_layout.h"

#include <utility>

#include "core/error.h"

namespace trustregion {

const char* activationName(Activation activation) {
  switch (activation) {
    case Activation::tanh:
      return "tanh";
    case Activation::relu:
      return "relu";
    case Activation::silu:
      break;
  }
  return "silu";
}

Activation activationFromName(const std::string& name) {
  for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
    if (name == activationName(activation)) return activation;
  }
  throw Error(ErrorCode::invalidArgument,
              "activation must be 'tanh', 'relu' or 'silu', got '" + name + "'");
}

MlpLayout::MlpLayout(size_t inputs, std::vector<size_t> hidden, size_t outputs,
                     Activation activation)
    : inputs_(inputs), outputs_(outputs), activation_(activation), hidden_(std::move(hidden)) {
  size_t width = inputs;
  const auto addLayer = [&](size_t outputsOfLayer) {
    if (width == 0 || outputsOfLayer == 0) {
      throw Error(ErrorCode::outOfRange, "every layer of the network must have at least one unit");
    }
    const size_t weightOffset = parameterCount_;
    const size_t biasOffset = weightOffset + outputsOfLayer * width;
    layers_.push_back({width, outputsOfLayer, weightOffset, biasOffset});
    parameterCount_ = biasOffset + outputsOfLayer;
    width = outputsOfLayer;
  };
  for (const size_t size : hidden_) addLayer(size);
  addLayer(outputs);
}

}  // namespace trustregion
