// Weight gradients of a tile of rows on the unit; included by split.inl behind passes.inl.

// Adds the blocks of a weight gradient to the sums: pairs of inputs, in each all outputs.
class GradientEnd {
 public:
  static constexpr size_t kSlices = kTileSide;

  explicit GradientEnd(const SplitGradient& g) : g_(g), outputPairs_(tileSteps(g.outputs)) {}

  void begin(size_t block, const float* sums) {
    firstOutput_ = block % outputPairs_ * kTileSteps;
    firstInput_ = block / outputPairs_ * kTileSteps;
    sums_ = sums;
  }

  TRUSTREGION_ALWAYS_INLINE void run(size_t from, size_t until) {
    for (size_t line = from; line < until; line++) addLines(line);
  }

 private:
  TRUSTREGION_ALWAYS_INLINE void addLines(size_t line) {
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

  const SplitGradient& g_;
  size_t outputPairs_;
  size_t firstOutput_ = 0;
  size_t firstInput_ = 0;
  const float* sums_ = nullptr;
};

// A left tile's words pair columns s and s + 16 of a row, a right one's rows s and s + 16 of a
// column: the lower halves of lines s of both left tiles are a line of the first right one, their
// upper halves one of the second.
inline void pairLines(const TileLines& above, const TileLines& below, size_t from, size_t count,
                      TileLines& first, TileLines& second) {
  for (size_t i = from; i < from + count; i++) {
    const Words upper = loadLine(above[i]);
    const Words lower = loadLine(below[i]);
    storeLine(first[i], joinLowerHalves(upper, lower));
    storeLine(second[i], joinUpperHalves(upper, lower));
  }
}

// U' and 32 columns of X, whose right tiles are made from left ones, those of a step while the unit
// works on the one before. Where there are few outputs they are made again for each pair of these,
// in two places by turns, so that they go through the first cache level only.
template <class Operator>
struct GradientFactors : Factors<SplitTile, Operator> {
  const Operator* x;
  size_t xSteps;  // tiles between two blocks of rows of x
  Operator* paired;
  size_t places;  // the bits of a step that are its place
  bool isPaired;  // all of them are made

  void begin() const {
    for (size_t part = 0; part < this->kGroups; part++) pair(0, part);
  }
  TRUSTREGION_ALWAYS_INLINE void prepare(size_t step, size_t part) const {
    if (step + 1 < this->steps) pair(step + 1, part);
  }
  // The high halves in two parts, the low ones in a third.
  TRUSTREGION_ALWAYS_INLINE void pair(size_t step, size_t part) const {
    if (isPaired) return;
    const Operator& above = x[2 * step * xSteps];
    const Operator& below = x[(2 * step + 1) * xSteps];
    Operator* const to = paired + 2 * (step & places);
    constexpr size_t kHalf = kTileSide / 2;
    if (part < 2) {
      return pairLines(above.high, below.high, part * kHalf, kHalf, to[0].high, to[1].high);
    }
    if constexpr (kHasLow<Operator>) {
      pairLines(above.low, below.low, 0, kTileSide, to[0].low, to[1].low);
    }
  }
  const Operator& rightAt(size_t block, size_t step) const {
    return paired[2 * (step & places) + block];
  }
};

template <class Operator>
void addGradient(const SplitGradient& g) {
  constexpr size_t kFewOutputs = 2 * kTileSteps;
  const size_t inputPairs = tileSteps(g.inputs);
  const size_t outputPairs = tileSteps(g.outputs);
  const bool hasFewOutputs = g.outputs <= kFewOutputs;
  const size_t places = hasFewOutputs ? 1 : ~size_t{0};
  const auto sumsOf = [&](size_t block) {
    const size_t output = block % outputPairs * 2;
    const size_t pair = block / outputPairs;
    return BlockSums<GradientFactors<Operator>, Factors<SplitTile, Operator>>{
        {{g.steps, g.left + output * g.steps},
         tilesAs<Operator>(g.x) + pair,
         inputPairs,
         tilesAs<Operator>(g.paired),
         places,
         !hasFewOutputs && output > 0},
        {},
        output + 1 < tileBlocks(g.outputs),
        2 * pair + 1 < tileBlocks(g.inputs)};
  };
  GradientEnd end(g);
  overlap(outputPairs * inputPairs, sumsOf, end);
}
