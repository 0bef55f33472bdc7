#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace trustregion {

enum class Activation { tanh, relu, silu };

const char* activationName(Activation activation);
// Throws ErrorCode::invalidArgument for an unknown name.
Activation activationFromName(const std::string& name);

// One affine layer z = W x + b inside the flat parameter vector.
struct LayerLayout {
  size_t inputs;
  size_t outputs;
  size_t weightOffset;  // W is [outputs x inputs], row-major
  size_t biasOffset;    // b is [outputs]
};

// A multilayer perceptron as offsets into one flat parameter vector: for each layer in order the
// weight, then the bias. Hidden layers apply the activation; the last layer is affine. No hidden
// layer (a linear model) is allowed.
class MlpLayout {
 public:
  MlpLayout(size_t inputs, std::vector<size_t> hidden, size_t outputs, Activation activation);

  size_t inputs() const { return inputs_; }
  size_t outputs() const { return outputs_; }
  Activation activation() const { return activation_; }
  const std::vector<size_t>& hidden() const { return hidden_; }
  const std::vector<LayerLayout>& layers() const { return layers_; }
  size_t parameterCount() const { return parameterCount_; }

 private:
  size_t inputs_;
  size_t outputs_;
  Activation activation_;
  std::vector<size_t> hidden_;
  std::vector<LayerLayout> layers_;
  size_t parameterCount_ = 0;
};

}  // namespace trustregion
