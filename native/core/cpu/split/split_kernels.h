#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/aligned_memory.h"
#include "core/cpu/kernels.h"

namespace trustregion::cpu {

// Products of matrices whose float32 elements are cut into two bfloat16 (8 significant bits each),
//   x = high + low + e,   |e| <= 2^-16 |x|,
// and multiplied as three products of bfloat16 with sums in float32:
//   x y = high(x) high(y) + high(x) low(y) + low(x) high(y) + e',
// where e' is at most 2^-14.5 |x y|, and 2^-17 |x y| in the root of the mean square (over two
// million random pairs). What is left out, low(x) low(y), is as small as e. oneMKL calls this
// float_to_bf16x3. Units that multiply tiles of bfloat16 (AMX) are an order of magnitude faster
// than float32 vectors, so that three products are still a multiple faster than one in float32.

constexpr size_t kTileSide = 16;   // rows of a left tile, columns of a right one
constexpr size_t kTileSteps = 32;  // steps of the sum in one tile

// A tile as the unit reads it: 16 lines of 16 words, each word the bfloat16 of two steps of the
// sum, s in its lower half and s + 16 in its upper one. (Which steps share a word is free, as long
// as both factors agree; steps 16 apart stay in their lanes.)
//   left:   line i, word s      = (x[i][s], x[i][s + 16])
//   right:  line s, word column = (y[s][column], y[s + 16][column])
// A right tile is a left tile of the transposed matrix with lines and words exchanged.
using TileLines = uint32_t[kTileSide][kTileSide];
struct alignas(64) SplitTile {
  TileLines high;
  TileLines low;
};

// The same of numbers that are rounded to one bfloat16.
struct alignas(64) RoundedTile {
  TileLines high;
};

template <class Tile>
constexpr bool kHasLow = std::is_same_v<Tile, SplitTile>;

// Weights and activations, which are what the Fisher matrix is made of, and tangents, cotangents
// and directions, which it is applied to, are cut differently. The latter must be pairs: a product
// whose rounding changes with the vector is no product by one matrix any more, and conjugate
// gradients lose their way. The former may be pairs as well, for products that are nearly
// float32's, or rounded, for those by the (symmetric) Fisher matrix of a network that is within
// 2^-9 of the one asked for. So tiles of weights and activations are one or two RoundedTile each,
// SplitKernels::operatorUnits; two are a SplitTile.
using RoundedTiles = UninitializedVector<RoundedTile>;

// A matrix of tiles, padded with zeros: tile (block, step) is tiles[block * steps + step], where a
// block has kTileSide rows of a left factor or columns of a right one.
using SplitTiles = UninitializedVector<SplitTile>;

constexpr size_t tileBlocks(size_t size) { return (size + kTileSide - 1) / kTileSide; }
constexpr size_t tileSteps(size_t size) { return (size + kTileSteps - 1) / kTileSteps; }
// Rows of a batch come in whole tiles of steps, since weight gradients are sums over them.
constexpr size_t rowBlocks(size_t rows) { return 2 * tileSteps(rows); }

// Blocks of sums that the unit makes at once are at most two blocks of rows by two of columns, and
// are written so many floats a row.
constexpr size_t kSumColumns = 2 * kTileSide;

// Two factors of a product, of which the left or the right one is of weights or activations; their
// blocks are `steps` tiles apart. No steps: no factors.
struct OperatorFactors {
  size_t steps = 0;
  const RoundedTile* left = nullptr;
  const SplitTile* right = nullptr;
};
struct VectorFactors {
  size_t steps = 0;
  const SplitTile* left = nullptr;
  const RoundedTile* right = nullptr;
};

// phi' of the activations where a result stands, [rowBlocks(rows) x tileSteps(columns)] left tiles:
// made from phi, which is what the next layer reads, or the stored derivative.
struct SplitDerivative {
  Derivative kind = Derivative::none;
  const RoundedTile* h = nullptr;
  size_t next = 0;  // tiles from h to the same of the next tile of rows, which is asked for
};

// X [rows x columns] as a left factor, [rowBlocks(rows) x tileSteps(columns)]. Whole vectors of x
// are read; what lies behind the last column may be anything.
struct SplitInput {
  size_t rows;
  size_t columns;
  ConstMatrix x;
  RoundedTile* left;
};

// t = (bias + first + second) phi', as the left factor of the next layer's product, or, without a
// derivative, as float32 rows.
struct SplitTangent {
  size_t rows;
  size_t columns;
  OperatorFactors first;
  VectorFactors second;
  const float* bias;  // padded with zeros to kTileSide
  SplitDerivative derivative;
  SplitTile* left;  // [rowBlocks(rows) x tileSteps(columns)]
  Matrix head;      // without a derivative; whole vectors are written
};

// u = first phi', or what `head` holds, for two uses: as the left factor of the product that takes
// it on to the layer below, and transposed, as that of the weight gradient.
//   biasSum[j] += sum_i u[i][j]
struct SplitCotangent {
  size_t rows;
  size_t columns;
  VectorFactors first;  // none: head
  SplitDerivative derivative;
  ConstMatrix head;
  SplitTile* left;        // [rowBlocks(rows) x tileSteps(columns)]; null where nothing is below
  SplitTile* transposed;  // [tileBlocks(columns) x tileSteps(rows)]
  double* biasSum;
  SumMode mode;
};

// sum += U'X, in float32 over the rows of the tiles and in float64 beyond. Sums lie in blocks of
// kTileSide outputs and, in these, of kTileSide inputs, densely.
struct SplitGradient {
  size_t outputs;
  size_t inputs;
  size_t steps;           // tiles of rows
  const SplitTile* left;  // U'
  const RoundedTile* x;   // X, as a left factor
  RoundedTile* paired;    // room for two tiles a step
  double* sum;
  SumMode mode;
};

// As Kernels: compiled for each unit from split.inl.
struct SplitKernels {
  // Asks the system for the unit, once, for all threads of the process; false: it is not lent. Only
  // asked by who uses it, since a signal's stack must be larger from then on.
  bool (*request)();
  // The unit is a thread's from one to the other; tangent, cotangent and addGradient need it.
  void (*acquire)();
  void (*release)();
  // How many RoundedTile a tile of weights or activations is.
  size_t operatorUnits;
  // W [outputs x inputs], row-major: the outputs from 32 `chunk` on of W' as the right factor of
  // forward passes, [tileBlocks(outputs) x tileSteps(inputs)], and of W as that of backward
  // passes, [tileBlocks(inputs) x tileSteps(outputs)], unless that is null.
  void (*splitWeight)(const double* weight, size_t outputs, size_t inputs, size_t chunk,
                      RoundedTile* forward, RoundedTile* backward);
  // The same of a direction, for forward passes.
  void (*splitDirection)(const double* weight, size_t outputs, size_t inputs, size_t chunk,
                         SplitTile* forward);
  void (*splitInput)(const SplitInput& input);
  void (*tangent)(const SplitTangent& tangent);
  void (*cotangent)(const SplitCotangent& cotangent);
  void (*addGradient)(const SplitGradient& gradient);
};

// What a matrix of weights or activations takes as a left factor.
inline size_t leftTiles(const SplitKernels& kernels, size_t rows, size_t columns) {
  return rowBlocks(rows) * tileSteps(columns) * kernels.operatorUnits;
}

#if defined(__x86_64__) || defined(_M_X64)
// Whether the machine multiplies tiles of bfloat16 and the system knows of it.
bool hasAmx();
#endif

}  // namespace trustregion::cpu
