#pragma once

#include "core/aligned_memory.h"
#include "core/cpu/kernels.h"
#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Weights in the two orders that the kernels read, in blocks of columns, padded with zeros.
struct PackedLayer {
  AlignedFloats transposed;  // [inputs x padded outputs], for forward and tangent; see HeadForm
  AlignedFloats bias;        // [padded outputs]
  AlignedFloats weight;      // [outputs x padded inputs], for backward; empty where not needed
};

// How a head's outputs are packed, so that few lanes are wasted: as Kernels::multiplyNarrow wants
// them where there are few; the last one so where it would have a vector for itself.
enum class HeadForm { blocks, narrow, columnApart };

HeadForm headForm(size_t outputs, size_t lanes);

// W' for W [outputs x inputs]: steps are inputs.
void packTransposed(const double* weight, const LayerLayout& layer, HeadForm form,
                    const Kernels& kernels, PackedLayer& packed);

// The first `outputs` rows of W, transposed, in blocks of `blockColumns` columns.
void packColumns(const double* weight, size_t inputs, size_t outputs, size_t blockColumns,
                 AlignedFloats& packed);
void packColumns(const double* weight, size_t inputs, size_t outputs, size_t blockColumns,
                 AlignedDoubles& packed);

// W itself: steps are outputs.
void packWeight(const double* weight, const LayerLayout& layer, const Kernels& kernels,
                PackedLayer& packed);

}  // namespace trustregion::cpu
