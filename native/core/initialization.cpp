#include "core/initialization.h"

#include <algorithm>
#include <numbers>
#include <vector>

#include "core/vector_operations.h"

namespace trustregion {
namespace {

// Orthonormalises `count` rows of `length` >= count numbers by modified Gram-Schmidt, twice for
// each row, which is as orthogonal as rounding allows (Giraud et al. 2005).
void orthonormalizeRows(std::vector<double>& rows, size_t count, size_t length, Random& random) {
  const auto row = [&](size_t i) { return std::span<double>(rows.data() + i * length, length); };
  for (size_t i = 0; i < count; i++) {
    for (;;) {
      for (int pass = 0; pass < 2; pass++) {
        for (size_t j = 0; j < i; j++) axpby(-dot(row(i), row(j)), row(j), 1, row(i));
      }
      const double length2 = norm(row(i));
      if (length2 > 1e-8) {
        for (double& value : row(i)) value /= length2;
        break;
      }
      for (double& value : row(i)) value = random.normal();  // linearly dependent: draw again
    }
  }
}

}  // namespace

void initializeOrthogonal(const MlpLayout& layout, double outputGain, Random& random,
                          std::span<double> parameters) {
  std::fill(parameters.begin(), parameters.begin() + layout.parameterCount(), 0.0);
  for (const LayerLayout& layer : layout.layers()) {
    const bool isLast = &layer == &layout.layers().back();
    const double gain = isLast ? outputGain : std::numbers::sqrt2;
    const size_t count = std::min(layer.inputs, layer.outputs);
    const size_t length = std::max(layer.inputs, layer.outputs);
    std::vector<double> rows(count * length);
    for (double& value : rows) value = random.normal();
    orthonormalizeRows(rows, count, length, random);
    for (size_t output = 0; output < layer.outputs; output++) {
      for (size_t input = 0; input < layer.inputs; input++) {
        const size_t index =
            layer.outputs > layer.inputs ? input * length + output : output * length + input;
        parameters[layer.weightOffset + output * layer.inputs + input] = gain * rows[index];
      }
    }
  }
}

}  // namespace trustregion
