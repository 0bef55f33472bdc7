#include "core/kronecker_sampling.h"

#include <algorithm>
#include <cmath>

namespace trustregion {
namespace {

// The finaliser of splitmix64 (Steele, Lea and Flood 2014): mixes all bits of a counter.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

void kroneckerSigns(const KroneckerSampling& sampling, size_t row, int probe,
                    std::span<double> signs) {
  const uint64_t key = mix(mix(mix(sampling.seed) ^ row) ^ static_cast<uint64_t>(probe));
  uint64_t bits = 0;
  for (size_t i = 0; i < signs.size(); i++) {
    if (i % 64 == 0) bits = mix(key ^ (i / 64));
    signs[i] = (bits >> (i % 64)) % 2 == 0 ? 1 : -1;
  }
}

InputWeight::InputWeight(std::span<const double> inputFactor) {
  const auto size = static_cast<size_t>(std::lround(std::sqrt(inputFactor.size())));
  const size_t inputs = size - 1;
  double meanVariance = 0;
  for (size_t k = 0; k < inputs; k++) {
    mean.push_back(inputFactor[k * size + inputs]);
    // A difference of rounded numbers: perhaps a little below 0.
    scale.push_back(std::max(0.0, inputFactor[k * size + k] - mean[k] * mean[k]));
    meanVariance += scale[k] / static_cast<double>(inputs);
  }
  // An input that hardly varies would otherwise decide alone.
  constexpr double kLeastVariance = 0.01;
  for (double& value : scale) {
    value = meanVariance > 0 ? 1 / std::sqrt(value + kLeastVariance * meanVariance) : 0;
  }
}

double InputWeight::operator()(std::span<const double> x) const {
  double sum = 1;
  for (size_t k = 0; k < x.size(); k++) {
    const double deviation = (x[k] - mean[k]) * scale[k];
    sum += deviation * deviation;
  }
  return sum;
}

KroneckerFactors emptyKroneckerFactors(const MlpLayout& network) {
  KroneckerFactors factors;
  for (const LayerLayout& layer : network.layers()) {
    const size_t inputSize = layer.inputs + 1;
    factors.layers.push_back(
        {AlignedDoubles(inputSize * inputSize), AlignedDoubles(layer.outputs * layer.outputs)});
  }
  return factors;
}

}  // namespace trustregion
