#pragma once

#include <cstddef>

#include "core/cpu/cpu_mlp.h"
#include "core/policy_model.h"

namespace trustregion::cpu {

// Floats that a tile of `rows` rows takes of a hidden layer's activations or derivatives, where
// they are held: as they are, or cut for products of bfloat16, which takes their place.
size_t heldFloats(const CpuMlp& mlp, size_t rows, size_t width);

// Of `rows` rows in tiles of `tileRows` and what is left of them in a last one: the sum of
// ofTile(rows of a tile).
template <class OfTile>
size_t sumOverTiles(size_t rows, size_t tileRows, OfTile&& ofTile) {
  return rows / tileRows * ofTile(tileRows) + ofTile(rows % tileRows);
}

// Tiles that the observations of `rows` rows take, cut for products of bfloat16; 0 without those.
size_t heldInputTiles(const CpuMlp& mlp, size_t rows);

// Bytes of all that is held of a tile of `rows` rows.
size_t heldBytes(const CpuMlp& mlp, size_t rows);

// Bytes that a batch with actions and advantages takes, of which the hidden activations of
// `heldRows` rows are held, all of them or those of whole tiles: the formula of docs/memory.md.
// problem_memory_test holds it against what is really allocated.
size_t problemBytes(const PolicyModel& model, const CpuMlp& mlp, size_t rows, size_t heldRows,
                    unsigned threads);

}  // namespace trustregion::cpu
