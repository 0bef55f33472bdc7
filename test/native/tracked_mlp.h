#pragma once

#include <algorithm>
#include <functional>
#include <span>

#include "core/mlp_layout.h"
#include "tracked.h"

// A naive multilayer perceptron on Tracked numbers: a second oracle beside the reference backend,
// which knows its own tolerance.
namespace trustregion::test {

// Errors of the activations in units of u = 2^-24, from the bounds in ulp that activations.inl
// states (one ulp is at most 2 u): tanh 2.5 ulp; the sigmoid of SiLU an exponential within 1.5 ulp,
// an addition and a division.
constexpr double kTanhRoundoffs = 5;
constexpr double kSigmoidRoundoffs = 5;

struct TrackedActivation {
  Tracked value;
  Tracked derivative;
};

inline TrackedActivation activate(Activation activation, Tracked z) {
  const Tracked one{1, 0};
  switch (activation) {
    case Activation::tanh: {
      const double h = std::tanh(z.value);
      const Tracked value{
          h, square(1 - h * h) * z.variance + square(kTanhRoundoffs * kFloatRoundoff * h)};
      return {value, one + Tracked{-1, 0} * squared(value)};
    }
    case Activation::relu:
      if (z.value > 0) return {z, one};
      return {{0, z.value < 0 ? 0 : z.variance}, {0, 0}};
    case Activation::silu:
      break;
  }
  const double s = 1 / (1 + std::exp(-z.value));
  const Tracked sigmoid{
      s, square(s * (1 - s)) * z.variance + square(kSigmoidRoundoffs * kFloatRoundoff * s)};
  const Tracked derivative =
      sigmoid * (one + z * (one + Tracked{-sigmoid.value, sigmoid.variance}));
  return {z * sigmoid, derivative};
}

// Activations of one row, named as in the core: input[l] is what layer l reads.
struct TrackedRow {
  std::vector<TrackedVector> input;
  std::vector<TrackedVector> derivative;
  TrackedVector head;
  // Least distance of a preactivation from zero in its tolerances: below 1 a ReLU of float32 may
  // take the other side of its kink, where no tolerance helps.
  double kinkDistance = HUGE_VAL;
};

inline TrackedRow trackedForward(const MlpLayout& layout, const TrackedVector& parameters,
                                 const TrackedVector& observation) {
  TrackedRow row;
  row.input.push_back(observation);
  for (size_t l = 0; l < layout.layers().size(); l++) {
    const LayerLayout& layer = layout.layers()[l];
    TrackedVector z(parameters.begin() + layer.biasOffset,
                    parameters.begin() + layer.biasOffset + layer.outputs);
    for (size_t j = 0; j < layer.outputs; j++) {
      for (size_t k = 0; k < layer.inputs; k++) {
        z[j] += row.input[l][k] * parameters[layer.weightOffset + j * layer.inputs + k];
      }
    }
    if (l + 1 == layout.layers().size()) {
      row.head = z;
      break;
    }
    row.derivative.emplace_back();
    row.input.emplace_back();
    for (const Tracked& preactivation : z) {
      const auto [value, derivative] = activate(layout.activation(), preactivation);
      row.input.back().push_back(value);
      row.derivative.back().push_back(derivative);
      row.kinkDistance =
          std::min(row.kinkDistance, std::abs(preactivation.value) / preactivation.tolerance());
    }
  }
  return row;
}

// phi' of unit j of hidden layer l as a product has it: made from the rounded activation where
// those are rounded.
inline Tracked slopeOf(const MlpLayout& layout, const TrackedRow& row, size_t l, size_t j) {
  const Tracked slope = row.derivative[l][j];
  if (SplitProducts::current() != Products::rounded) return slope;
  switch (layout.activation()) {
    case Activation::tanh:
      return Tracked{1, 0} + Tracked{-1, 0} * squared(operandOf(row.input[l + 1][j]));
    case Activation::relu:
      return slope;
    case Activation::silu:
      break;
  }
  return operandOf(slope);
}

// J v
inline TrackedVector trackedTangent(const MlpLayout& layout, const TrackedVector& parameters,
                                    const TrackedVector& direction, const TrackedRow& row) {
  TrackedVector inputTangent;
  for (size_t l = 0; l < layout.layers().size(); l++) {
    const LayerLayout& layer = layout.layers()[l];
    TrackedVector dz(direction.begin() + layer.biasOffset,
                     direction.begin() + layer.biasOffset + layer.outputs);
    for (size_t j = 0; j < layer.outputs; j++) {
      const size_t weights = layer.weightOffset + j * layer.inputs;
      for (size_t k = 0; k < layer.inputs; k++) {
        dz[j] += operandOf(row.input[l][k]) * direction[weights + k];
      }
      if (l == 0) continue;
      for (size_t k = 0; k < layer.inputs; k++) {
        dz[j] += inputTangent[k] * operandOf(parameters[weights + k]);
      }
    }
    if (l + 1 < layout.layers().size()) {
      for (size_t j = 0; j < layer.outputs; j++) dz[j] = dz[j] * slopeOf(layout, row, l, j);
    }
    inputTangent = dz;
  }
  return inputTangent;
}

// Calls add(parameter, term) with the two factors of each element of J'u, in place of a sum.
using AddFactors = std::function<void(size_t parameter, Tracked u, Tracked x)>;

inline void trackedBackward(const MlpLayout& layout, const TrackedVector& parameters,
                            const TrackedRow& row, const TrackedVector& headCotangent,
                            const AddFactors& add) {
  TrackedVector u = headCotangent;
  for (size_t l = layout.layers().size(); l-- > 0;) {
    const LayerLayout& layer = layout.layers()[l];
    TrackedVector next(layer.inputs);
    for (size_t j = 0; j < layer.outputs; j++) {
      add(layer.biasOffset + j, u[j], {1, 0});
      for (size_t k = 0; k < layer.inputs; k++) {
        const size_t weight = layer.weightOffset + j * layer.inputs + k;
        add(weight, u[j], operandOf(row.input[l][k]));
        next[k] += u[j] * operandOf(parameters[weight]);
      }
    }
    if (l == 0) return;
    for (size_t k = 0; k < layer.inputs; k++) next[k] = next[k] * slopeOf(layout, row, l - 1, k);
    u = next;
  }
}

// A sum over rows as the cpu backend forms it: float32 within a tile, across tiles double or, if
// so said, float32 as well.
class TrackedTileSum {
 public:
  TrackedTileSum(size_t size, size_t tileRows, bool roundsTotal = false)
      : tileRows_(tileRows), roundsTotal_(roundsTotal), tile_(size), total_(size) {}

  Tracked& operator[](size_t index) { return tile_[index]; }

  void endRow() {
    if (++rows_ % tileRows_ == 0) flush();
  }

  TrackedVector mean() {
    flush();
    TrackedVector result = total_;
    const double count = static_cast<double>(rows_);
    for (Tracked& number : result) number = {number.value / count, number.variance / square(count)};
    return result;
  }

 private:
  void flush() {
    for (size_t i = 0; i < tile_.size(); i++) {
      total_[i].value += tile_[i].value;
      total_[i].variance += tile_[i].variance;
      if (roundsTotal_) total_[i] = rounded(total_[i].value, total_[i].variance);
      tile_[i] = {};
    }
  }

  size_t tileRows_;
  bool roundsTotal_;
  size_t rows_ = 0;
  TrackedVector tile_;
  TrackedVector total_;
};

}  // namespace trustregion::test
