// The bodies of SplitKernels, over vectors of 16 floats whatever the machine has. Included, behind
// every header, inside a target region and a namespace of its own (see kernels.inl), by a file that
// defines
//   multiplyAdd(a, b, c) = a b + c, rounded once
//   widened(from) = eight floats as doubles
//   joinUpperHalves(a, b) = (a >> 16) | (b & 0xffff0000) of each word
//   joinLowerHalves(a, b) = (a & 0xffff) | (b << 16)
//   request(), acquire() and release(), see SplitKernels
//   TileUnit, of which
//     sum<kRowBlocks, kColumnBlocks>(sums, meanwhile)  begins a block of sums (BlockSums), calling
//                                                      meanwhile() in each group of each step
//     store<kRowBlocks, kColumnBlocks>(c)              writes them, once they are made

typedef float Vec __attribute__((vector_size(64), may_alias));
typedef uint32_t Words __attribute__((vector_size(64), may_alias));
typedef int IntVec __attribute__((vector_size(64), may_alias));
typedef double DoubleVec __attribute__((vector_size(64), may_alias));

constexpr size_t kLanes = 16;
static_assert(kLanes == kTileSide && kTileSteps == 2 * kLanes, "a vector is a line of a tile");

inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

inline Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }
inline void storeLine(uint32_t* to, Words value) { *reinterpret_cast<Words*>(to) = value; }
inline Words loadLine(const uint32_t* from) { return *reinterpret_cast<const Words*>(from); }
inline Words asWords(Vec value) { return reinterpret_cast<Words>(value); }
inline Vec asFloats(Words bits) { return reinterpret_cast<Vec>(bits); }

// All ones in the first `count` lanes.
inline Words lanesBelow(size_t count) {
  constexpr IntVec kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return reinterpret_cast<Words>(kLane < static_cast<int>(count));
}

constexpr uint32_t kUpperHalf = 0xffff0000;

// x = high(x) + rest: the upper halves of these words are high(x), rounded to nearest, and low(x),
// the rest rounded towards zero.
struct Split {
  Words high;
  Words low;
};

inline Split split(Vec x) {
  const Words high = asWords(x) + 0x8000;
  return {high, asWords(x - asFloats(high & kUpperHalf))};
}

// Lines of a tile from the elements of steps s and s + 16.
inline void storeLines(SplitTile& tile, size_t line, const Split& first, const Split& second) {
  storeLine(tile.high[line], joinUpperHalves(first.high, second.high));
  storeLine(tile.low[line], joinUpperHalves(first.low, second.low));
}

inline void storeLines(RoundedTile& tile, size_t line, const Split& first, const Split& second) {
  storeLine(tile.high[line], joinUpperHalves(first.high, second.high));
}

// What lines of a tile hold, of its steps s and s + 16.
inline void loadLines(const RoundedTile& tile, size_t line, Vec (&values)[2]) {
  const Words high = loadLine(tile.high[line]);
  values[0] = asFloats(high << 16);
  values[1] = asFloats(high & kUpperHalf);
}

inline void loadLines(const SplitTile& tile, size_t line, Vec (&values)[2]) {
  const Words high = loadLine(tile.high[line]);
  const Words low = loadLine(tile.low[line]);
  values[0] = asFloats(high << 16) + asFloats(low << 16);
  values[1] = asFloats(high & kUpperHalf) + asFloats(low & kUpperHalf);
}

// Exchanges lines and words, by halves, quarters, ...
template <size_t kHalf, size_t... kLane>
inline void exchange(Words& a, Words& b, std::index_sequence<kLane...>) {
  const Words lower =
      __builtin_shufflevector(a, b, ((kLane & kHalf) != 0 ? kLanes + kLane - kHalf : kLane)...);
  b = __builtin_shufflevector(a, b, ((kLane & kHalf) != 0 ? kLanes + kLane : kLane + kHalf)...);
  a = lower;
}

template <size_t kHalf = kLanes / 2>
TRUSTREGION_ALWAYS_INLINE void transpose(Words (&lines)[kLanes]) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) {
    if ((i & kHalf) == 0) {
      exchange<kHalf>(lines[i], lines[i + kHalf], std::make_index_sequence<kLanes>());
    }
  }
  if constexpr (kHalf > 1) transpose<kHalf / 2>(lines);
}

inline void transposeTile(TileLines& tile) {
  Words lines[kLanes];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) lines[i] = loadLine(tile[i]);
  transpose(lines);
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) storeLine(tile[i], lines[i]);
}

inline void exchangeLinesAndWords(RoundedTile& tile) { transposeTile(tile.high); }
inline void exchangeLinesAndWords(SplitTile& tile) {
  transposeTile(tile.high);
  transposeTile(tile.low);
}

// Tiles of weights and activations as what they are.
template <class Operator>
inline Operator* tilesAs(RoundedTile* tiles) {
  return reinterpret_cast<Operator*>(tiles);
}
template <class Operator>
inline const Operator* tilesAs(const RoundedTile* tiles) {
  return reinterpret_cast<const Operator*>(tiles);
}

// Where tile (block, step) of a matrix of `steps` is; nothing where there is no matrix.
template <class Tile>
inline Tile* tileOf(Tile* tiles, size_t steps, size_t block, size_t step) {
  return tiles == nullptr ? nullptr : tiles + block * steps + step;
}

// The two left tiles of 32 rows and columns, and the two right ones; none of no matrix.
template <class Tile>
inline void leftTiles(Tile* tiles, size_t steps, size_t rowStep, size_t step, Tile* (&to)[2]) {
  to[0] = tileOf(tiles, steps, 2 * rowStep, step);
  to[1] = tileOf(tiles, steps, 2 * rowStep + 1, step);
}

template <class Tile>
inline void rightTiles(Tile* tiles, size_t columns, size_t rowSteps, size_t rowStep, size_t step,
                       Tile* (&to)[2]) {
  const bool hasSecond = 2 * step + 1 < tileBlocks(columns);
  to[0] = tileOf(tiles, rowSteps, 2 * step, rowStep);
  to[1] = hasSecond ? tileOf(tiles, rowSteps, 2 * step + 1, rowStep) : nullptr;
}

// 32 rows and columns of a matrix, split: `left` the two left tiles (none if the first one is
// null), `right` the right ones, each unless null.
template <class Tile>
struct SplitBlock {
  Tile* left[2] = {};
  Tile* right[2] = {};
};

// Lines i of all tiles, from rows i and i + 16, whose halves read(0, i, values) and read(1, i,
// values) give.
template <class Tile, class Read>
TRUSTREGION_ALWAYS_INLINE void splitLines(const SplitBlock<Tile>& to, size_t i, Read&& read) {
  Vec upper[2];
  Vec lower[2];
  read(0, i, upper);
  read(1, i, lower);
  const Split above[2] = {split(upper[0]), split(upper[1])};
  const Split below[2] = {split(lower[0]), split(lower[1])};
  if (to.left[0] != nullptr) {
    storeLines(*to.left[0], i, above[0], above[1]);
    storeLines(*to.left[1], i, below[0], below[1]);
  }
  if (to.right[0] != nullptr) storeLines(*to.right[0], i, above[0], below[0]);
  if (to.right[1] != nullptr) storeLines(*to.right[1], i, above[1], below[1]);
}

// All lines. A copy: a store through a vector may change anything else.
template <class Tile, class Read>
TRUSTREGION_ALWAYS_INLINE void splitBlock(const SplitBlock<Tile> to, Read&& read) {
  for (size_t i = 0; i < kTileSide; i++) splitLines(to, i, read);
}

template <class Tile>
void splitMatrix(const double* weight, size_t outputs, size_t inputs, size_t chunk, Tile* forward,
                 Tile* backward) {
  const size_t firstOutput = chunk * kTileSteps;
  const size_t rows = smaller(kTileSteps, outputs - firstOutput);
  const size_t steps = tileSteps(inputs);
  const size_t block = 2 * chunk;
  const bool hasSecond = block + 1 < tileBlocks(outputs);
  for (size_t step = 0; step < steps; step++) {
    const size_t firstInput = step * kTileSteps;
    const size_t columns = smaller(kTileSteps, inputs - firstInput);
    alignas(64) float from[kTileSteps][kTileSteps] = {};
    for (size_t i = 0; i < rows; i++) {
      const double* row = weight + (firstOutput + i) * inputs + firstInput;
      for (size_t j = 0; j < columns; j++) from[i][j] = static_cast<float>(row[j]);
    }
    Tile beyond;  // the padding
    Tile* const first = tileOf(forward, steps, block, step);
    Tile* const second = hasSecond ? tileOf(forward, steps, block + 1, step) : &beyond;
    SplitBlock<Tile> to{{first, second}, {}};
    rightTiles(backward, inputs, tileSteps(outputs), chunk, step, to.right);
    splitBlock(to, [&](size_t block, size_t line, Vec(&values)[2]) {
      const float* const row = from[block * kTileSide + line];
      values[0] = load(row);
      values[1] = load(row + kLanes);
    });
    // A right tile of W' is a left one of W, lines and words exchanged.
    exchangeLinesAndWords(*first);
    if (hasSecond) exchangeLinesAndWords(*second);
  }
}

template <class Operator>
void splitWeight(const double* weight, size_t outputs, size_t inputs, size_t chunk,
                 RoundedTile* forward, RoundedTile* backward) {
  splitMatrix(weight, outputs, inputs, chunk, tilesAs<Operator>(forward),
              tilesAs<Operator>(backward));
}

void splitDirection(const double* weight, size_t outputs, size_t inputs, size_t chunk,
                    SplitTile* forward) {
  splitMatrix<SplitTile>(weight, outputs, inputs, chunk, forward, nullptr);
}

// 32 columns of a matrix from `first` on, as far as there are any.
struct ColumnPair {
  const float* data[2] = {};  // null where the matrix has no columns
  size_t row = 0;
  Words mask[2] = {};  // the lanes that are of the matrix
  bool isWhole = false;
};

inline ColumnPair columnPair(ConstMatrix x, size_t columns, size_t first) {
  ColumnPair pair;
  pair.row = x.row;
  pair.isWhole = columns - first >= kTileSteps;
  for (size_t half = 0; half < 2; half++, first += kLanes) {
    if (first >= columns) break;
    pair.data[half] = x.data + first / kPanelColumns * x.panel + first % kPanelColumns;
    pair.mask[half] = lanesBelow(columns - first);
  }
  return pair;
}

// Rows of a block of 32 rows and columns. kIsWhole: all of it is of the matrix; what is not reads
// as zeros, without being touched.
template <bool kIsWhole>
struct ReadBlock {
  ColumnPair columns;
  size_t firstRow;
  size_t rows;

  TRUSTREGION_ALWAYS_INLINE void operator()(size_t block, size_t line, Vec (&values)[2]) const {
    const size_t row = firstRow + block * kTileSide + line;
    for (size_t half = 0; half < 2; half++) {
      if constexpr (kIsWhole) {
        values[half] = load(columns.data[half] + row * columns.row);
      } else if (row >= rows || columns.data[half] == nullptr) {
        values[half] = Vec{};
      } else {
        const Vec value = load(columns.data[half] + row * columns.row);
        values[half] = asFloats(asWords(value) & columns.mask[half]);
      }
    }
  }
};

template <class Operator>
void splitInput(const SplitInput& input) {
  const size_t steps = tileSteps(input.columns);
  const size_t rowSteps = tileSteps(input.rows);
  for (size_t step = 0; step < steps; step++) {
    const ColumnPair columns = columnPair(input.x, input.columns, step * kTileSteps);
    for (size_t rowStep = 0; rowStep < rowSteps; rowStep++) {
      const size_t firstRow = rowStep * kTileSteps;
      SplitBlock<Operator> to;
      leftTiles(tilesAs<Operator>(input.left), steps, rowStep, step, to.left);
      if (columns.isWhole && firstRow + kTileSteps <= input.rows) {
        splitBlock(to, ReadBlock<true>{columns, firstRow, input.rows});
      } else {
        splitBlock(to, ReadBlock<false>{columns, firstRow, input.rows});
      }
    }
  }
}

#include "core/cpu/split/passes.inl"

#include "core/cpu/split/gradient.inl"

template <class Operator>
constexpr SplitKernels kKernelsOf = {request,
                                     acquire,
                                     release,
                                     sizeof(Operator) / sizeof(RoundedTile),
                                     splitWeight<Operator>,
                                     splitDirection,
                                     splitInput<Operator>,
                                     tangent<Operator>,
                                     cotangent<Operator>,
                                     addGradient<Operator>};

const SplitKernels kSplitKernels = kKernelsOf<SplitTile>;
const SplitKernels kRoundedKernels = kKernelsOf<RoundedTile>;
