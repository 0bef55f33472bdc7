#include "core/cpu/packing.h"

#include <algorithm>

namespace trustregion::cpu {
namespace {

// Calls write(first, last, width, block) for the columns [first, last) of each block of a
// [inner x columns] matrix: its rows are `width` apart.
template <class Numbers, class Write>
void forEachPacked(size_t inner, size_t columns, size_t blockColumns, Numbers& packed,
                   Write&& write) {
  const size_t padded = paddedWidth(columns);
  packed.resize(inner * padded);  // the padding is written here, once, and stays zero
  for (size_t first = 0; first < columns; first += blockColumns) {
    const size_t width = std::min(blockColumns, padded - first);
    const size_t last = std::min(columns, first + width);
    auto* block = packed.data() + first * inner;
    write(first, last, width, block);
  }
}

template <class Numbers>
void packColumnsAs(const double* weight, size_t inputs, size_t outputs, size_t blockColumns,
                   Numbers& packed) {
  using Number = typename Numbers::value_type;
  forEachPacked(inputs, outputs, blockColumns, packed,
                [&](size_t first, size_t last, size_t width, Number* block) {
                  // Squares that keep both sides in cache.
                  constexpr size_t kSquare = 16;
                  for (size_t start = first; start < last; start += kSquare) {
                    const size_t end = std::min(last, start + kSquare);
                    for (size_t k = 0; k < inputs; k++) {
                      for (size_t j = start; j < end; j++) {
                        block[k * width + j - first] = static_cast<Number>(weight[j * inputs + k]);
                      }
                    }
                  }
                });
}

// Rows of `inputs` numbers, each padded with zeros.
void appendRows(const double* weight, size_t inputs, size_t outputs, AlignedFloats& packed) {
  const size_t padded = paddedWidth(inputs);
  size_t at = packed.size();
  packed.resize(at + outputs * padded);
  for (size_t j = 0; j < outputs; j++, at += padded) {
    std::transform(weight + j * inputs, weight + (j + 1) * inputs,
                   packed.begin() + static_cast<ptrdiff_t>(at),
                   [](double value) { return static_cast<float>(value); });
  }
}

}  // namespace

void packColumns(const double* weight, size_t inputs, size_t outputs, size_t blockColumns,
                 AlignedFloats& packed) {
  packColumnsAs(weight, inputs, outputs, blockColumns, packed);
}

void packColumns(const double* weight, size_t inputs, size_t outputs, size_t blockColumns,
                 AlignedDoubles& packed) {
  packColumnsAs(weight, inputs, outputs, blockColumns, packed);
}

HeadForm headForm(size_t outputs, size_t lanes) {
  if (outputs % lanes == 1) return HeadForm::columnApart;
  return outputs <= lanes / 2 ? HeadForm::narrow : HeadForm::blocks;
}

void packTransposed(const double* weight, const LayerLayout& layer, HeadForm form,
                    const Kernels& kernels, PackedLayer& packed) {
  switch (form) {
    case HeadForm::blocks:
      packColumns(weight, layer.inputs, layer.outputs, kernels.blockColumns, packed.transposed);
      return;
    case HeadForm::narrow:
      packed.transposed.clear();
      appendRows(weight, layer.inputs, layer.outputs, packed.transposed);
      return;
    case HeadForm::columnApart: {
      const size_t blocks = layer.outputs - 1;
      packColumns(weight, layer.inputs, blocks, kernels.blockColumns, packed.transposed);
      appendRows(weight + blocks * layer.inputs, layer.inputs, 1, packed.transposed);
      return;
    }
  }
}

void packWeight(const double* weight, const LayerLayout& layer, const Kernels& kernels,
                PackedLayer& packed) {
  forEachPacked(layer.outputs, layer.inputs, kernels.blockColumns, packed.weight,
                [&](size_t first, size_t last, size_t width, float* block) {
                  for (size_t j = 0; j < layer.outputs; j++) {
                    for (size_t k = first; k < last; k++) {
                      block[j * width + k - first] =
                          static_cast<float>(weight[j * layer.inputs + k]);
                    }
                  }
                });
}

}  // namespace trustregion::cpu
