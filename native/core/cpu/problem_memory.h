#pragma once

#include <cstddef>

#include "core/cpu/cpu_mlp.h"
#include "core/policy_model.h"

namespace trustregion::cpu {

// Floats of hidden activations (and derivatives, SiLU) that one row takes.
size_t hiddenFloats(const CpuMlp& mlp);

// How many tiles of bfloat16 the layers' inputs of one tile of rows take, where they are held: cut
// once for all products, which pays while near caches hold those of all rows, and as far as the
// memory budget has room. 0: they are cut anew for each product.
size_t heldCutTiles(const CpuMlp& mlp, size_t rows);

// Bytes that a batch with actions and advantages takes, of which the hidden activations of
// `heldRows` rows are held (cut ones too, if those of all rows are): the formula of docs/memory.md.
// problem_memory_test holds it against what is really allocated.
size_t problemBytes(const PolicyModel& model, const CpuMlp& mlp, size_t rows, size_t heldRows,
                    unsigned threads);

}  // namespace trustregion::cpu
