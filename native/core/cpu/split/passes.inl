// The passes of a tile of rows on the unit, block by block of 32 x 32 sums; included by split.inl.

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

// Asks for what the next tile of rows has where this one has lines `row` and `row` + 16 of h.
TRUSTREGION_ALWAYS_INLINE void askForNext(const ColumnPair& h, size_t row, size_t next) {
  for (size_t half = 0; half < 2; half++) {
    const float* const at = h.data[half] + row * h.row + next;
    __builtin_prefetch(at, 0, 2);
    __builtin_prefetch(at + kTileSide * h.row, 0, 2);
  }
}

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
      for (size_t row = line; row < kTileSteps; row += kTileSide) {
        if (firstRow_ + row >= t_.rows) break;
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

// to += from, or to = from, for at most kLanes sums.
template <SumMode kMode>
TRUSTREGION_ALWAYS_INLINE void addLineAs(double* to, const float* from, size_t width) {
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

TRUSTREGION_ALWAYS_INLINE void addLine(SumMode mode, double* to, const float* from, size_t width) {
  if (mode == SumMode::add) {
    addLineAs<SumMode::add>(to, from, width);
  } else {
    addLineAs<SumMode::overwrite>(to, from, width);
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
    for (auto& chain : columnSums_) chain[0] = chain[1] = Vec{};
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t slice) {
    if (slice >= kTileSide) return endTile(slice - kTileSide);
    if constexpr (kDerivative == Derivative::none) {
      splitRows(slice, ReadBlock<false>{pair_, firstRow_, u_.rows});
    } else if (isWhole_) {
      if (u_.derivative.next > 0) askForNext(pair_, firstRow_ + slice, u_.derivative.next);
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
      addLine(u_.mode, u_.biasSum + column, from, smaller(kLanes, u_.columns - column));
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
        addLine(g_.mode, to, from, width);
      }
    }
  }

 private:
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
