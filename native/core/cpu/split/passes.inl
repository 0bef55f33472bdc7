// Tangents and cotangents of a tile of rows on the unit, block by block of 32 x 32 sums; included
// by split.inl.

template <Derivative kDerivative>
inline Vec slope(Vec h) {
  if constexpr (kDerivative == Derivative::tanh) return multiplyAdd(-h, h, Vec{} + 1.0f);
  if constexpr (kDerivative == Derivative::relu) {
    return asFloats(reinterpret_cast<Words>(h > 0.0f) & asWords(Vec{} + 1.0f));
  }
  return h;
}

// What the sums of a block of 32 rows become: sum phi' of each half. kHasSecond: there are sums of
// the second block of columns, too; without, it is zero.
template <class Operator, Derivative kDerivative, bool kHasSecond>
struct EndBlock {
  const float* sums;
  const Operator* h[2];  // of rows 0 to 15, 16 to 31

  TRUSTREGION_ALWAYS_INLINE Vec sum(size_t block, size_t line, size_t half) const {
    return load(sums + (block * kTileSide + line) * kSumColumns + half * kLanes);
  }
  TRUSTREGION_ALWAYS_INLINE void operator()(size_t block, size_t line, Vec (&values)[2]) const {
    end(block, line, sum(block, line, 0), kHasSecond ? sum(block, line, 1) : Vec{}, values);
  }
  TRUSTREGION_ALWAYS_INLINE void end(size_t block, size_t line, Vec first, Vec second,
                                     Vec (&values)[2]) const {
    loadLines(*h[block], line, values);
    values[0] = first * slope<kDerivative>(values[0]);
    values[1] = kHasSecond ? second * slope<kDerivative>(values[1]) : Vec{};
  }
};

// Two factors, whose blocks are `steps` tiles apart. Products of a step come in groups: low high,
// high high, high low, those without a low half left out.
template <class Left, class Right>
struct Factors {
  static constexpr bool kHasLeftLow = kHasLow<Left>;
  static constexpr bool kHasRightLow = kHasLow<Right>;
  static constexpr size_t kGroups = 1 + (kHasLeftLow ? 1 : 0) + (kHasRightLow ? 1 : 0);

  size_t steps = 0;
  const Left* left = nullptr;
  const Right* right = nullptr;

  // Called before the first step, and in each group of a step.
  void begin() const {}
  void prepare(size_t, size_t) const {}
  const Left& leftAt(size_t block, size_t step) const { return left[block * steps + step]; }
  const Right& rightAt(size_t block, size_t step) const { return right[block * steps + step]; }
};

// Those of a block of 32 rows and columns.
template <class Operator>
Factors<Operator, SplitTile> factorsAt(const OperatorFactors& f, size_t rowStep, size_t step) {
  return {f.steps, tilesAs<Operator>(f.left) + 2 * rowStep * f.steps, f.right + 2 * step * f.steps};
}
template <class Operator>
Factors<SplitTile, Operator> factorsAt(const VectorFactors& f, size_t rowStep, size_t step) {
  return {f.steps, f.left + 2 * rowStep * f.steps, tilesAs<Operator>(f.right) + 2 * step * f.steps};
}

// A block of sums as the unit makes it, over the steps of both pairs of factors: at most two blocks
// of rows and two of columns.
template <class First, class Second>
struct BlockSums {
  First first;
  Second second;
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
    const auto next = sumsOf(block);
    const size_t groups =
        next.first.steps * next.first.kGroups + next.second.steps * next.second.kGroups;
    const size_t slices = block == 0 ? 0 : Finish::kSlices;
    const size_t atOnce = (slices + groups - 1) / groups;
    size_t done = 0;
    const auto meanwhile = [&] {
      const size_t until = smaller(done + atOnce, slices);
      finish.run(done, until);
      done = until;
    };
    if (next.hasSecondRow) {
      if (next.hasSecondColumn) {
        unit.sum<2, 2>(next, meanwhile);
        unit.store<2, 2>(sums);
      } else {
        unit.sum<2, 1>(next, meanwhile);
        unit.store<2, 1>(sums);
      }
    } else if (next.hasSecondColumn) {
      unit.sum<1, 2>(next, meanwhile);
      unit.store<1, 2>(sums);
    } else {
      unit.sum<1, 1>(next, meanwhile);
      unit.store<1, 1>(sums);
    }
    finish.begin(block, sums);
  }
  finish.run(0, Finish::kSlices);
}

// Ends the blocks of a tangent: step by step, in each all rows.
template <class Operator, Derivative kDerivative>
class TangentEnd {
 public:
  static constexpr size_t kSlices = kTileSide;

  explicit TangentEnd(const SplitTangent& t) : t_(t) {}

  void begin(size_t block, const float* sums) {
    const size_t rowSteps = tileSteps(t_.rows);
    const size_t step = block / rowSteps;
    const size_t rowStep = block % rowSteps;
    const size_t first = step * kTileSteps;
    sums_ = sums;
    hasSecond_ = first + kLanes < t_.columns;
    bias_[0] = load(t_.bias + first);
    bias_[1] = hasSecond_ ? load(t_.bias + first + kLanes) : Vec{};
    if constexpr (kDerivative == Derivative::none) {
      firstRow_ = rowStep * kTileSteps;
      head_ = t_.head.data + firstRow_ * t_.head.row + first / kPanelColumns * t_.head.panel +
              first % kPanelColumns;
    } else {
      const size_t steps = tileSteps(t_.columns);
      leftTiles(tilesAs<Operator>(t_.derivative.h), steps, rowStep, step, h_);
      leftTiles(t_.left, steps, rowStep, step, to_);
    }
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t from, size_t until) {
    if constexpr (kDerivative == Derivative::none) {
      storeHead(from, until);
    } else if (hasSecond_) {
      splitRows<true>(from, until);
    } else {
      splitRows<false>(from, until);
    }
  }

 private:
  void storeHead(size_t from, size_t until) {
    for (size_t line = from; line < until; line++) {
      for (size_t row = line; row < kTileSteps; row += kTileSide) {
        if (firstRow_ + row >= t_.rows) break;
        const float* const sums = sums_ + row * kSumColumns;
        float* const to = head_ + row * t_.head.row;
        store(to, load(sums) + bias_[0]);
        if (hasSecond_) store(to + kLanes, load(sums + kLanes) + bias_[1]);
      }
    }
  }

  // Copies of all that it reads: a store through a vector may change anything else.
  template <bool kHasSecond>
  TRUSTREGION_ALWAYS_INLINE void splitRows(size_t from, size_t until) {
    const EndBlock<Operator, kDerivative, kHasSecond> end{sums_, {h_[0], h_[1]}};
    const Vec bias[2] = {bias_[0], bias_[1]};
    const SplitBlock<SplitTile> to{{to_[0], to_[1]}, {}};
    for (size_t line = from; line < until; line++) {
      splitLines(to, line, [&](size_t block, size_t i, Vec(&values)[2]) {
        end.end(block, i, end.sum(block, i, 0) + bias[0], end.sum(block, i, 1) + bias[1], values);
      });
    }
  }

  const SplitTangent& t_;
  const float* sums_ = nullptr;
  Vec bias_[2] = {};
  const Operator* h_[2] = {};
  SplitTile* to_[2] = {};
  size_t firstRow_ = 0;
  float* head_ = nullptr;
  bool hasSecond_ = false;
};

template <class Operator, Derivative kDerivative>
void tangentAs(const SplitTangent& t) {
  const size_t rowSteps = tileSteps(t.rows);
  const auto sumsOf = [&](size_t block) {
    const size_t step = block / rowSteps;
    const size_t rowStep = block % rowSteps;
    return BlockSums<Factors<Operator, SplitTile>, Factors<SplitTile, Operator>>{
        factorsAt<Operator>(t.first, rowStep, step), factorsAt<Operator>(t.second, rowStep, step),
        true, 2 * step + 1 < tileBlocks(t.columns)};
  };
  TangentEnd<Operator, kDerivative> end(t);
  overlap(tileSteps(t.columns) * rowSteps, sumsOf, end);
}

template <class Operator>
void tangent(const SplitTangent& t) {
  switch (t.derivative.kind) {
    case Derivative::none:
      return tangentAs<Operator, Derivative::none>(t);
    case Derivative::tanh:
      return tangentAs<Operator, Derivative::tanh>(t);
    case Derivative::relu:
      return tangentAs<Operator, Derivative::relu>(t);
    case Derivative::stored:
      return tangentAs<Operator, Derivative::stored>(t);
  }
}

// to += from, or to = from, for at most kLanes sums.
template <SumMode kMode>
TRUSTREGION_ALWAYS_INLINE void addLineAs(double* to, const float* from, size_t width) {
  typedef double Unaligned __attribute__((vector_size(64), aligned(8), may_alias));
  if (width == kLanes) {
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
      const DoubleVec value = widened(from + half * kLanes / 2);
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
template <class Operator, Derivative kDerivative>
class CotangentEnd {
 public:
  static constexpr size_t kSlices = kTileSide + 4;

  explicit CotangentEnd(const SplitCotangent& u) : u_(u), rowSteps_(tileSteps(u.rows)) {}

  void begin(size_t block, const float* sums) {
    step_ = block / rowSteps_;
    rowStep_ = block % rowSteps_;
    sums_ = sums;
    const size_t steps = tileSteps(u_.columns);
    leftTiles(u_.left, steps, rowStep_, step_, to_.left);
    rightTiles(u_.transposed, u_.columns, rowSteps_, rowStep_, step_, to_.right);
    if constexpr (kDerivative != Derivative::none) {
      leftTiles(tilesAs<Operator>(u_.derivative.h), steps, rowStep_, step_, h_);
    }
    if (rowStep_ == 0) columnSums_[0] = columnSums_[1] = Vec{};
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t from, size_t until) {
    const size_t lines = smaller(until, kTileSide);
    if constexpr (kDerivative == Derivative::none) {
      const ColumnPair columns = columnPair(u_.head, u_.columns, step_ * kTileSteps);
      splitRows(from, lines, ReadBlock<false>{columns, rowStep_ * kTileSteps, u_.rows});
    } else if (to_.right[1] != nullptr) {
      splitRows(from, lines, EndBlock<Operator, kDerivative, true>{sums_, {h_[0], h_[1]}});
    } else {
      splitRows(from, lines, EndBlock<Operator, kDerivative, false>{sums_, {h_[0], h_[1]}});
    }
    for (size_t slice = from > kTileSide ? from : kTileSide; slice < until; slice++) {
      endTile(slice - kTileSide);
    }
  }

 private:
  // Copies, as in TangentEnd. Asks for what the next tile of rows has in its place of phi; behind
  // the last one that is harmless, because a prefetch cannot fault.
  template <class Read>
  TRUSTREGION_ALWAYS_INLINE void splitRows(size_t from, size_t until, const Read read) {
    const SplitBlock<SplitTile> to = to_;
    const Operator* const next[2] = {h_[0] + u_.derivative.next, h_[1] + u_.derivative.next};
    Vec sums[2] = {columnSums_[0], columnSums_[1]};
    for (size_t line = from; line < until; line++) {
      if constexpr (kDerivative != Derivative::none) {
        for (const Operator* const h : next) {
          __builtin_prefetch(h->high[line], 0, 2);
          if constexpr (kHasLow<Operator>) __builtin_prefetch(h->low[line], 0, 2);
        }
      }
      splitLines(to, line, [&](size_t block, size_t i, Vec(&values)[2]) {
        read(block, i, values);
        sums[0] += values[0];
        sums[1] += values[1];
      });
    }
    columnSums_[0] = sums[0];
    columnSums_[1] = sums[1];
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
      store(from, columnSums_[half]);
      addLine(u_.mode, u_.biasSum + column, from, smaller(kLanes, u_.columns - column));
    }
  }

  Vec columnSums_[2];
  const SplitCotangent& u_;
  size_t rowSteps_;
  size_t step_ = 0;
  size_t rowStep_ = 0;
  const float* sums_ = nullptr;
  const Operator* h_[2] = {};
  SplitBlock<SplitTile> to_;
};

template <class Operator, Derivative kDerivative>
void cotangentAs(const SplitCotangent& u) {
  const size_t rowSteps = tileSteps(u.rows);
  const size_t blocks = tileSteps(u.columns) * rowSteps;
  CotangentEnd<Operator, kDerivative> end(u);
  if constexpr (kDerivative == Derivative::none) {
    for (size_t block = 0; block < blocks; block++) {
      end.begin(block, nullptr);
      end.run(0, end.kSlices);
    }
  } else {
    const auto sumsOf = [&](size_t block) {
      const size_t step = block / rowSteps;
      using Product = Factors<SplitTile, Operator>;
      return BlockSums<Product, Product>{factorsAt<Operator>(u.first, block % rowSteps, step),
                                         {},
                                         true,
                                         2 * step + 1 < tileBlocks(u.columns)};
    };
    overlap(blocks, sumsOf, end);
  }
}

template <class Operator>
void cotangent(const SplitCotangent& u) {
  switch (u.derivative.kind) {
    case Derivative::none:
      return cotangentAs<Operator, Derivative::none>(u);
    case Derivative::tanh:
      return cotangentAs<Operator, Derivative::tanh>(u);
    case Derivative::relu:
      return cotangentAs<Operator, Derivative::relu>(u);
    case Derivative::stored:
      return cotangentAs<Operator, Derivative::stored>(u);
  }
}
