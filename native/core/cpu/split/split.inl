// The bodies of SplitKernels, over vectors of 16 floats whatever the machine has. Included, behind
// every header, inside a target region and a namespace of its own (see kernels.inl), by a file that
// defines
//   multiplyAdd(a, b, c) = a b + c, rounded once
//   acquire() and release()
//   TileUnit, of which
//     sum<kRowBlocks, kColumnBlocks>(sums, meanwhile)  begins a block of sums, calling meanwhile()
//                                                      kGroups times for each step
//     store<kRowBlocks, kColumnBlocks>(c)              writes them, once they are made

typedef float Vec __attribute__((vector_size(64), may_alias));
typedef float HalfVec __attribute__((vector_size(32), may_alias));
typedef uint32_t Words __attribute__((vector_size(64), may_alias));
typedef int IntVec __attribute__((vector_size(64), may_alias));
typedef double DoubleVec __attribute__((vector_size(64), may_alias));

constexpr size_t kLanes = 16;
static_assert(kLanes == kTileSide && kTileSteps == 2 * kLanes, "a vector is a line of a tile");

// A block of sums: kRowBlocks blocks of rows and kColumnBlocks of columns, at most two of each,
// over the steps of both pairs of factors. Blocks of a factor are `steps` tiles apart. The sums are
// written kSumColumns apart.
constexpr size_t kSumColumns = 2 * kTileSide;
struct TileSums {
  SplitFactors first;
  SplitFactors second;
};

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

// x = high + rest: high(x), rounded to nearest, in the upper half of its words; the upper half of
// the rest is low(x), rounded towards zero.
struct Split {
  Words high;
  Words rest;
};

inline Split split(Vec x) {
  const Words high = (asWords(x) + 0x8000) & kUpperHalf;
  return {high, asWords(x - asFloats(high))};
}

// Lines of a tile from the elements of steps s and s + 16.
inline void storeLines(SplitTile& tile, size_t line, const Split& first, const Split& second) {
  storeLine(tile.high[line], (first.high >> 16) | second.high);
  storeLine(tile.low[line], (first.rest >> 16) | (second.rest & kUpperHalf));
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

inline void transposeTile(uint32_t (&tile)[kTileSide][kTileSide]) {
  Words lines[kLanes];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) lines[i] = loadLine(tile[i]);
  transpose(lines);
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) storeLine(tile[i], lines[i]);
}

inline void exchangeLinesAndWords(SplitTile& tile) {
  transposeTile(tile.high);
  transposeTile(tile.low);
}

// Where tile (block, step) of a matrix of `steps` is; nothing where there is no matrix.
inline SplitTile* tileOf(SplitTile* tiles, size_t steps, size_t block, size_t step) {
  return tiles == nullptr ? nullptr : tiles + block * steps + step;
}

// 32 rows and columns of a matrix, split: `left` the two left tiles (none if the first one is
// null), `right` the right ones, each unless null.
struct SplitBlock {
  SplitTile* left[2] = {};
  SplitTile* right[2] = {};
};

// Lines i of all tiles, from rows i and i + 16: their two halves.
TRUSTREGION_ALWAYS_INLINE void splitLines(const SplitBlock& to, size_t i, const Vec (&upper)[2],
                                          const Vec (&lower)[2]) {
  const Split above[2] = {split(upper[0]), split(upper[1])};
  const Split below[2] = {split(lower[0]), split(lower[1])};
  if (to.left[0] != nullptr) {
    storeLines(*to.left[0], i, above[0], above[1]);
    storeLines(*to.left[1], i, below[0], below[1]);
  }
  if (to.right[0] != nullptr) storeLines(*to.right[0], i, above[0], below[0]);
  if (to.right[1] != nullptr) storeLines(*to.right[1], i, above[1], below[1]);
}

template <class Read>
TRUSTREGION_ALWAYS_INLINE void splitBlock(const SplitBlock& tiles, Read&& read) {
  const SplitBlock to = tiles;  // a copy: a store through a vector may change anything
  for (size_t i = 0; i < kTileSide; i++) {
    const size_t j = i + kTileSide;
    splitLines(to, i, {read(i, 0), read(i, 1)}, {read(j, 0), read(j, 1)});
  }
}

void splitWeight(const double* weight, size_t outputs, size_t inputs, size_t chunk,
                 SplitTile* forward, SplitTile* backward) {
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
    const size_t outputSteps = tileSteps(outputs);
    SplitTile beyond;  // the padding
    SplitTile* const first = tileOf(forward, steps, block, step);
    SplitTile* const second = hasSecond ? tileOf(forward, steps, block + 1, step) : &beyond;
    const bool hasSecondInput = 2 * step + 1 < tileBlocks(inputs);
    const SplitBlock to{
        {first, second},
        {tileOf(backward, outputSteps, 2 * step, chunk),
         hasSecondInput ? tileOf(backward, outputSteps, 2 * step + 1, chunk) : nullptr}};
    splitBlock(to, [&](size_t row, size_t half) { return load(from[row] + half * kLanes); });
    // A right tile of W' is a left one of W, lines and words exchanged.
    exchangeLinesAndWords(*first);
    if (hasSecond) exchangeLinesAndWords(*second);
  }
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

// Vectors of a block of 32 rows and columns. kIsWhole: all of it is of the matrix; what is not
// reads as zeros, without being touched.
template <bool kIsWhole>
struct ReadBlock {
  const ColumnPair& columns;
  size_t firstRow;
  size_t rows;

  TRUSTREGION_ALWAYS_INLINE Vec operator()(size_t i, size_t half) const {
    const size_t row = firstRow + i;
    if constexpr (kIsWhole) return load(columns.data[half] + row * columns.row);
    if (row >= rows || columns.data[half] == nullptr) return Vec{};
    const Vec value = load(columns.data[half] + row * columns.row);
    return asFloats(asWords(value) & columns.mask[half]);
  }
};

// The two left tiles of 32 rows and columns, and the two right ones.
inline void leftTiles(SplitTile* tiles, size_t steps, size_t rowStep, size_t step,
                      SplitTile* (&to)[2]) {
  to[0] = tileOf(tiles, steps, 2 * rowStep, step);
  to[1] = tileOf(tiles, steps, 2 * rowStep + 1, step);
}

inline void rightTiles(SplitTile* tiles, size_t columns, size_t rowSteps, size_t rowStep,
                       size_t step, SplitTile* (&to)[2]) {
  const bool hasSecond = 2 * step + 1 < tileBlocks(columns);
  to[0] = tileOf(tiles, rowSteps, 2 * step, rowStep);
  to[1] = hasSecond ? tileOf(tiles, rowSteps, 2 * step + 1, rowStep) : nullptr;
}

void splitInput(const SplitInput& input) {
  const size_t steps = tileSteps(input.columns);
  const size_t rowSteps = tileSteps(input.rows);
  for (size_t step = 0; step < steps; step++) {
    const ColumnPair columns = columnPair(input.x, input.columns, step * kTileSteps);
    for (size_t rowStep = 0; rowStep < rowSteps; rowStep++) {
      const size_t firstRow = rowStep * kTileSteps;
      SplitBlock to;
      leftTiles(input.left, steps, rowStep, step, to.left);
      rightTiles(input.right, input.columns, rowSteps, rowStep, step, to.right);
      if (columns.isWhole && firstRow + kTileSteps <= input.rows) {
        splitBlock(to, ReadBlock<true>{columns, firstRow, input.rows});
      } else {
        splitBlock(to, ReadBlock<false>{columns, firstRow, input.rows});
      }
    }
  }
}

template <Derivative kDerivative>
inline Vec slope(Vec h) {
  if constexpr (kDerivative == Derivative::tanh) return multiplyAdd(-h, h, Vec{} + 1.0f);
  if constexpr (kDerivative == Derivative::relu) {
    return asFloats(reinterpret_cast<Words>(h > 0.0f) & asWords(Vec{} + 1.0f));
  }
  return h;
}

// What the sums of a block of 32 rows become: (sum + bias) phi'.
template <Derivative kDerivative, bool kIsWhole>
struct EndBlock {
  const float* sums;
  const ColumnPair& h;
  size_t firstRow;
  size_t rows;
  const Vec* bias = nullptr;  // of each half; none

  TRUSTREGION_ALWAYS_INLINE Vec operator()(size_t i, size_t half) const {
    const size_t row = firstRow + i;
    if constexpr (!kIsWhole) {
      if (row >= rows || h.data[half] == nullptr) return Vec{};
    }
    Vec sum = load(sums + i * kSumColumns + half * kLanes);
    if (bias != nullptr) sum += bias[half];
    const Vec value = sum * slope<kDerivative>(load(h.data[half] + row * h.row));
    return kIsWhole ? value : asFloats(asWords(value) & h.mask[half]);
  }
};

// The sums of a block, and of how many blocks of rows and columns they are.
struct BlockSums {
  TileSums sums;
  bool hasSecondRow;
  bool hasSecondColumn;
};

// Makes the sums of all blocks, sumsOf(block), and finishes each while the unit works on the next:
// finish.begin(block, sums), then Finish::kSlices slices. Slices and the unit's instructions are
// interleaved, since those wait in a queue that is too short for vectors to run ahead (layers of
// 256: a quarter less time than one after the other). Stores leave a processor in the order of the
// program, so a block is finished before the sums of the next one are stored.
template <class SumsOf, class Finish>
void overlap(size_t blocks, SumsOf&& sumsOf, Finish& finish) {
  TileUnit unit;
  alignas(64) float sums[kTileSteps * kSumColumns];
  for (size_t block = 0; block < blocks; block++) {
    const BlockSums next = sumsOf(block);
    const size_t groups = (next.sums.first.steps + next.sums.second.steps) * TileUnit::kGroups;
    const size_t slices = block == 0 ? 0 : Finish::kSlices;
    size_t group = 0;
    size_t done = 0;
    const auto meanwhile = [&] {
      for (const size_t until = ++group * slices / groups; done < until; done++) finish.run(done);
    };
    if (next.hasSecondRow) {
      if (next.hasSecondColumn) {
        unit.sum<2, 2>(next.sums, meanwhile);
        unit.store<2, 2>(sums);
      } else {
        unit.sum<2, 1>(next.sums, meanwhile);
        unit.store<2, 1>(sums);
      }
    } else if (next.hasSecondColumn) {
      unit.sum<1, 2>(next.sums, meanwhile);
      unit.store<1, 2>(sums);
    } else {
      unit.sum<1, 1>(next.sums, meanwhile);
      unit.store<1, 1>(sums);
    }
    finish.begin(block, sums);
  }
  for (size_t slice = 0; slice < Finish::kSlices; slice++) finish.run(slice);
}

inline SplitFactors factorsAt(const SplitFactors& f, size_t rowStep, size_t step) {
  if (f.steps == 0) return {};
  return {f.steps, f.left + 2 * rowStep * f.steps, f.right + 2 * step * f.steps};
}

// Ends the blocks of a tangent: step by step, in each all rows.
template <Derivative kDerivative>
class TangentEnd {
 public:
  static constexpr size_t kSlices = kTileSide;

  explicit TangentEnd(const SplitTangent& t) : t_(t) {}

  void begin(size_t block, const float* sums) {
    const size_t rowSteps = tileSteps(t_.rows);
    const size_t step = block / rowSteps;
    const size_t first = step * kTileSteps;
    sums_ = sums;
    firstRow_ = block % rowSteps * kTileSteps;
    hasSecond_ = first + kLanes < t_.columns;
    bias_[0] = load(t_.bias + first);
    bias_[1] = hasSecond_ ? load(t_.bias + first + kLanes) : Vec{};
    if constexpr (kDerivative == Derivative::none) {
      head_ = t_.head.data + firstRow_ * t_.head.row + first / kPanelColumns * t_.head.panel +
              first % kPanelColumns;
    } else {
      h_ = columnPair(t_.derivative.h, t_.columns, first);
      isWhole_ = h_.isWhole && firstRow_ + kTileSteps <= t_.rows;
      leftTiles(t_.left, tileSteps(t_.columns), block % rowSteps, step, to_.left);
    }
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t line) {
    if constexpr (kDerivative == Derivative::none) {
      for (const size_t row : {line, line + kTileSide}) {
        if (firstRow_ + row >= t_.rows) continue;
        const float* const sums = sums_ + row * kSumColumns;
        float* const to = head_ + row * t_.head.row;
        store(to, load(sums) + bias_[0]);
        if (hasSecond_) store(to + kLanes, load(sums + kLanes) + bias_[1]);
      }
    } else if (isWhole_) {
      splitRows(line, EndBlock<kDerivative, true>{sums_, h_, firstRow_, t_.rows, bias_});
    } else {
      splitRows(line, EndBlock<kDerivative, false>{sums_, h_, firstRow_, t_.rows, bias_});
    }
  }

 private:
  template <class Read>
  TRUSTREGION_ALWAYS_INLINE void splitRows(size_t line, Read&& read) {
    const size_t other = line + kTileSide;
    splitLines(to_, line, {read(line, 0), read(line, 1)}, {read(other, 0), read(other, 1)});
  }

  const SplitTangent& t_;
  const float* sums_ = nullptr;
  size_t firstRow_ = 0;
  Vec bias_[2] = {};
  ColumnPair h_;
  SplitBlock to_;
  float* head_ = nullptr;
  bool hasSecond_ = false;
  bool isWhole_ = false;
};

template <Derivative kDerivative>
void tangentAs(const SplitTangent& t) {
  const size_t rowSteps = tileSteps(t.rows);
  const auto sumsOf = [&](size_t block) -> BlockSums {
    const size_t step = block / rowSteps;
    const size_t rowStep = block % rowSteps;
    return {{factorsAt(t.first, rowStep, step), factorsAt(t.second, rowStep, step)},
            true,
            2 * step + 1 < tileBlocks(t.columns)};
  };
  TangentEnd<kDerivative> end(t);
  overlap(tileSteps(t.columns) * rowSteps, sumsOf, end);
}

void tangent(const SplitTangent& t) {
  switch (t.derivative.kind) {
    case Derivative::none:
      return tangentAs<Derivative::none>(t);
    case Derivative::tanh:
      return tangentAs<Derivative::tanh>(t);
    case Derivative::relu:
      return tangentAs<Derivative::relu>(t);
    case Derivative::stored:
      return tangentAs<Derivative::stored>(t);
  }
}

// Ends the blocks of a cotangent: left tiles, tiles of the transpose, sums of columns.
template <Derivative kDerivative>
class CotangentEnd {
 public:
  static constexpr size_t kSlices = kTileSide + 4;

  explicit CotangentEnd(const SplitCotangent& u) : u_(u), rowSteps_(tileSteps(u.rows)) {}

  void begin(size_t block, const float* sums) {
    step_ = block / rowSteps_;
    rowStep_ = block % rowSteps_;
    sums_ = sums;
    firstRow_ = rowStep_ * kTileSteps;
    leftTiles(u_.left, tileSteps(u_.columns), rowStep_, step_, to_.left);
    rightTiles(u_.transposed, u_.columns, rowSteps_, rowStep_, step_, to_.right);
    constexpr bool kIsHead = kDerivative == Derivative::none;
    pair_ = columnPair(kIsHead ? u_.head : u_.derivative.h, u_.columns, step_ * kTileSteps);
    isWhole_ = pair_.isWhole && firstRow_ + kTileSteps <= u_.rows;
    if (rowStep_ > 0) return;
    for (auto& sums : columnSums_) sums[0] = sums[1] = Vec{};
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t slice) {
    if (slice >= kTileSide) return endTile(slice - kTileSide);
    if constexpr (kDerivative == Derivative::none) {
      splitRows(slice, ReadBlock<false>{pair_, firstRow_, u_.rows});
    } else if (isWhole_) {
      splitRows(slice, EndBlock<kDerivative, true>{sums_, pair_, firstRow_, u_.rows});
    } else {
      splitRows(slice, EndBlock<kDerivative, false>{sums_, pair_, firstRow_, u_.rows});
    }
  }

 private:
  template <class Read>
  TRUSTREGION_ALWAYS_INLINE void splitRows(size_t line, Read&& read) {
    const size_t other = line + kTileSide;
    const Vec upper[2] = {read(line, 0), read(line, 1)};
    const Vec lower[2] = {read(other, 0), read(other, 1)};
    splitLines(to_, line, upper, lower);
    for (size_t half = 0; half < 2; half++) {
      columnSums_[line % kChains][half] += upper[half] + lower[half];
    }
  }

  // A left tile of u' is a right one of u, lines and words exchanged.
  TRUSTREGION_ALWAYS_INLINE void endTile(size_t slice) {
    if (slice == 3 && rowStep_ + 1 == rowSteps_) addColumnSums();
    SplitTile* const tile = to_.right[slice / 2];
    if (tile != nullptr) transposeTile(slice % 2 == 0 ? tile->high : tile->low);
  }

  void addColumnSums() {
    for (size_t half = 0; half < 2; half++) {
      const size_t column = step_ * kTileSteps + half * kLanes;
      if (column >= u_.columns) break;
      alignas(64) float from[kLanes];
      store(from, (columnSums_[0][half] + columnSums_[2][half]) +
                      (columnSums_[1][half] + columnSums_[3][half]));
      double* const to = u_.biasSum + column;
      for (size_t i = 0; i < smaller(kLanes, u_.columns - column); i++) {
        const auto value = static_cast<double>(from[i]);
        to[i] = u_.mode == SumMode::add ? to[i] + value : value;
      }
    }
  }

  static constexpr size_t kChains = 4;  // of additions, which wait for one another
  Vec columnSums_[kChains][2];
  const SplitCotangent& u_;
  size_t rowSteps_;
  size_t step_ = 0;
  size_t rowStep_ = 0;
  size_t firstRow_ = 0;
  const float* sums_ = nullptr;
  ColumnPair pair_;
  bool isWhole_ = false;
  SplitBlock to_;
};

template <Derivative kDerivative>
void cotangentAs(const SplitCotangent& u) {
  const size_t rowSteps = tileSteps(u.rows);
  const size_t blocks = tileSteps(u.columns) * rowSteps;
  CotangentEnd<kDerivative> end(u);
  if constexpr (kDerivative == Derivative::none) {
    for (size_t block = 0; block < blocks; block++) {
      end.begin(block, nullptr);
      for (size_t slice = 0; slice < end.kSlices; slice++) end.run(slice);
    }
  } else {
    const auto sumsOf = [&](size_t block) -> BlockSums {
      const size_t step = block / rowSteps;
      return {{factorsAt(u.first, block % rowSteps, step), {}},
              true,
              2 * step + 1 < tileBlocks(u.columns)};
    };
    overlap(blocks, sumsOf, end);
  }
}

void cotangent(const SplitCotangent& u) {
  switch (u.derivative.kind) {
    case Derivative::none:
      return cotangentAs<Derivative::none>(u);
    case Derivative::tanh:
      return cotangentAs<Derivative::tanh>(u);
    case Derivative::relu:
      return cotangentAs<Derivative::relu>(u);
    case Derivative::stored:
      return cotangentAs<Derivative::stored>(u);
  }
}

// Adds the blocks of a weight gradient to the sums: pairs of outputs, in each all inputs.
class GradientEnd {
 public:
  static constexpr size_t kSlices = kTileSide;

  explicit GradientEnd(const SplitGradient& g) : g_(g), inputPairs_(tileSteps(g.inputs)) {}

  void begin(size_t block, const float* sums) {
    firstOutput_ = block / inputPairs_ * kTileSteps;
    firstInput_ = block % inputPairs_ * kTileSteps;
    sums_ = sums;
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t line) {
    for (size_t output = 0; output < kTileSteps; output += kTileSide) {
      if (firstOutput_ + output + line >= g_.outputs) break;
      const size_t height = smaller(kTileSide, g_.outputs - firstOutput_ - output);
      for (size_t input = 0; input < kTileSteps; input += kTileSide) {
        if (firstInput_ + input >= g_.inputs) break;
        const size_t width = smaller(kTileSide, g_.inputs - firstInput_ - input);
        double* const to = g_.sum + (firstOutput_ + output) * g_.inputs +
                           (firstInput_ + input) * height + line * width;
        const float* const from = sums_ + (output + line) * kSumColumns + input;
        if (g_.mode == SumMode::add) {
          addLine<SumMode::add>(to, from, width);
        } else {
          addLine<SumMode::overwrite>(to, from, width);
        }
      }
    }
  }

 private:
  template <SumMode kMode>
  static TRUSTREGION_ALWAYS_INLINE void addLine(double* to, const float* from, size_t width) {
    typedef double Unaligned __attribute__((vector_size(64), aligned(8), may_alias));
    if (width == kLanes) {
#pragma GCC unroll 2
      for (size_t half = 0; half < 2; half++) {
        const HalfVec values = *reinterpret_cast<const HalfVec*>(from + half * kLanes / 2);
        const DoubleVec value = __builtin_convertvector(values, DoubleVec);
        Unaligned* const at = reinterpret_cast<Unaligned*>(to + half * kLanes / 2);
        *at = kMode == SumMode::add ? *at + value : value;
      }
      return;
    }
    for (size_t j = 0; j < width; j++) {
      const auto value = static_cast<double>(from[j]);
      to[j] = kMode == SumMode::add ? to[j] + value : value;
    }
  }

  const SplitGradient& g_;
  size_t inputPairs_;
  size_t firstOutput_ = 0;
  size_t firstInput_ = 0;
  const float* sums_ = nullptr;
};

void addGradient(const SplitGradient& g) {
  const size_t inputPairs = tileSteps(g.inputs);
  const auto sumsOf = [&](size_t block) -> BlockSums {
    const size_t output = block / inputPairs * 2;
    const size_t input = block % inputPairs * 2;
    return {{{g.steps, g.left + output * g.steps, g.right + input * g.steps}, {}},
            output + 1 < tileBlocks(g.outputs),
            input + 1 < tileBlocks(g.inputs)};
  };
  GradientEnd end(g);
  overlap(tileSteps(g.outputs) * inputPairs, sumsOf, end);
}

const SplitKernels kSplitKernels = {[] { return true; }, acquire, release,   splitWeight,
                                    splitInput,          tangent, cotangent, addGradient};
