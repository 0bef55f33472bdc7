// Sums of gradients over the rows of a tile; see GradientSum. Included by kernels.inl, whose blocks
// it uses.

// A block of columns of a gradient, for one of u's panels.
struct BlockGradient {
  size_t rows;
  const float* u;
  size_t uRow;
  const float* x;
  size_t xRow;
  double* sum;
  size_t sumRow;
  size_t columns;
};

// to += from, or to = from.
template <SumMode kMode>
inline void addTo(double* to, const float* from, size_t count) {
  for (size_t j = 0; j < count; j++) {
    const auto value = static_cast<double>(from[j]);
    to[j] = kMode == SumMode::add ? to[j] + value : value;
  }
}

// The block's sums, which wide layers leave to the third cache level, are asked for before they are
// needed: 1,024 units on a machine whose third level is slow, 0.56 of the peak without, 0.60 with.
template <size_t kRows, size_t kVectors>
TRUSTREGION_ALWAYS_INLINE void askForSums(const BlockGradient& g, size_t row) {
  constexpr size_t kDoublesOfLine = 8;
  const double* sums = g.sum + row * g.sumRow;
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; i++, sums += g.sumRow) {
#pragma GCC unroll 16
    for (size_t at = 0; at < kVectors * kLanes; at += kDoublesOfLine) {
      __builtin_prefetch(sums + at, 1);
    }
  }
}

template <SumMode kMode>
struct GradientRows {
  template <size_t kRows, size_t kVectors>
  static void run(const BlockGradient& g, size_t row) {
    Vec sums[kRows][kVectors] = {};
    askForSums<kRows, kVectors>(g, row);
    accumulateBlock<kRows, kVectors>(g.rows, g.u + row, 1, g.uRow, g.x, g.xRow, sums);
    constexpr size_t kWidth = kVectors * kLanes;
    const size_t width = g.columns;
    const size_t sumRow = g.sumRow;
    double* to = g.sum + row * sumRow;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++, to += sumRow) {
      alignas(sizeof(Vec)) float from[kWidth];
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) store(from + v * kLanes, sums[i][v]);
      if (width == kWidth) {  // a constant number of times: vectors
        addTo<kMode>(to, from, kWidth);
      } else {
        addTo<kMode>(to, from, width);
      }
    }
  }
};

void addGradient(const GradientSum& g) {
  for (size_t panel = 0; panel * kPanelColumns < g.inputs; panel++) {
    const size_t firstColumn = panel * kPanelColumns;
    const size_t left = g.inputs - firstColumn;
    const size_t width = left < kPanelColumns ? left : kPanelColumns;
    for (size_t firstOutput = 0; firstOutput < g.outputs; firstOutput += kPanelColumns) {
      const size_t outputsLeft = g.outputs - firstOutput;
      const size_t outputs = outputsLeft < kPanelColumns ? outputsLeft : kPanelColumns;
      for (size_t column = 0; column < width; column += kBlockColumns) {
        const size_t columnsLeft = width - column;
        const size_t columns = columnsLeft < kBlockColumns ? columnsLeft : kBlockColumns;
        const BlockGradient block{
            g.rows,  g.u.data + firstOutput / kPanelColumns * g.u.panel,
            g.u.row, g.x.data + panel * g.x.panel + column,
            g.x.row, g.sum + firstColumn * g.outputs + firstOutput * width + column,
            width,   columns};
        if (g.mode == SumMode::add) {
          runBlock<GradientRows<SumMode::add>>(block, outputs, columns);
        } else {
          runBlock<GradientRows<SumMode::overwrite>>(block, outputs, columns);
        }
      }
    }
  }
}

void addColumnSums(size_t rows, size_t outputs, ConstMatrix u, double* sum, SumMode mode) {
  const float one = 1;  // column sums are a gradient with respect to a constant input
  addGradient({1, outputs, rows, {&one, 0}, u, sum, mode});
}
