#include "core/kronecker_sampling.h"

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

KroneckerFactors emptyKroneckerFactors(const MlpLayout& network) {
  KroneckerFactors factors;
  for (const LayerLayout& layer : network.layers()) {
    const size_t inputSize = layer.inputs + 1;
    factors.layers.push_back({std::vector<double>(inputSize * inputSize),
                              std::vector<double>(layer.outputs * layer.outputs)});
  }
  return factors;
}

}  // namespace trustregion
