// What minibatch descent needs beside products and activations: the pass behind a single output,
// Adam, and moving rows about. Included by kernels.inl, to whose rules it keeps.

using LaneNumbers = std::make_index_sequence<kLanes>;

template <size_t kDistance, size_t... i>
inline Vec swapLanes(Vec x, std::index_sequence<i...>) {
  return __builtin_shufflevector(x, x, (i ^ kDistance)...);
}

// The sum of all lanes, in every lane: halves, quarters, ... are added in turn.
template <size_t kDistance = kLanes / 2>
inline Vec sumOfLanes(Vec x) {
  x += swapLanes<kDistance>(x, LaneNumbers{});
  if constexpr (kDistance > 1) return sumOfLanes<kDistance / 2>(x);
  return x;
}

// kVectors vectors of columns of the outer products error h and error w, all rows.
template <Derivative kDerivative, size_t kVectors>
inline void spreadErrors(const ErrorPass& pass, size_t column) {
  Vec weight[kVectors];
  Vec sum[kVectors];
#pragma GCC unroll 16
  for (size_t v = 0; v < kVectors; v++) {
    weight[v] = load(pass.weight + column + v * kLanes);
    sum[v] = load(pass.weightSum + column + v * kLanes);
  }
  for (size_t row = 0; row < pass.rows; row++) {
    const Vec error = broadcast(pass.error[row]);
#pragma GCC unroll 16
    for (size_t v = 0; v < kVectors; v++) {
      const size_t at = row * pass.width + column + v * kLanes;
      sum[v] = multiplyAdd(error, load(pass.h + at), sum[v]);
      if constexpr (kDerivative != Derivative::none) {
        store(pass.u + at, error * weight[v] * slope<kDerivative>(load(pass.stored + at)));
      }
    }
  }
#pragma GCC unroll 16
  for (size_t v = 0; v < kVectors; v++) store(pass.weightSum + column + v * kLanes, sum[v]);
}

template <Derivative kDerivative>
void backThroughErrorOf(const ErrorPass& pass) {
  float biasSum = *pass.biasSum;
  for (size_t row = 0; row < pass.rows; row++) {
    Vec products = {};
    for (size_t j = 0; j < pass.width; j += kLanes) {
      products = multiplyAdd(load(pass.h + row * pass.width + j), load(pass.weight + j), products);
    }
    pass.error[row] = (sumOfLanes(products)[0] + pass.bias) - pass.target[row];
    biasSum += pass.error[row];
  }
  *pass.biasSum = biasSum;
  size_t column = 0;
  for (; column + kMaxVectors * kLanes <= pass.width; column += kMaxVectors * kLanes) {
    spreadErrors<kDerivative, kMaxVectors>(pass, column);
  }
  for (; column < pass.width; column += kLanes) spreadErrors<kDerivative, 1>(pass, column);
}

void backThroughError(const ErrorPass& pass) {
  switch (pass.derivative) {
    case Derivative::none:
      return backThroughErrorOf<Derivative::none>(pass);
    case Derivative::tanh:
      return backThroughErrorOf<Derivative::tanh>(pass);
    case Derivative::relu:
      return backThroughErrorOf<Derivative::relu>(pass);
    case Derivative::stored:
      return backThroughErrorOf<Derivative::stored>(pass);
  }
}

// One block of columns of a gradient, `width` floats a row.
struct BlockSum {
  size_t rows;
  const float* x;
  size_t xRow;
  const float* u;
  size_t uRow;
  float* sum;
  size_t width;
};

struct SumRows {
  template <size_t kRows, size_t kVectors>
  static void run(const BlockSum& block, size_t row) {
    Vec sums[kRows][kVectors] = {};
    accumulateBlock<kRows, kVectors>(block.rows, block.x + row, 1, block.xRow, block.u, block.uRow,
                                     sums);
    const size_t width = block.width;
    float* to = block.sum + row * width;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) store(to + i * width + v * kLanes, sums[i][v]);
    }
  }
};

void sumGradient(const GradientProduct& p) {
  const size_t padded = paddedWidth(p.outputs);
  for (size_t column = 0; column < padded; column += kBlockColumns) {
    const size_t left = padded - column;
    const size_t width = left < kBlockColumns ? left : kBlockColumns;
    const BlockSum block{p.rows, p.x, p.xRow, p.u + column, p.uRow, p.sum + column * p.inputs,
                         width};
    runBlock<SumRows>(block, p.inputs, width);
  }
}

void stepAdam(const AdamPass& pass) {
  for (size_t i = 0; i < pass.count; i += kLanes) {
    Vec g = load(pass.gradient + i);
    for (size_t n = 1; n < pass.gradients; n++) g += load(pass.gradient + n * pass.stride + i);
    g *= pass.scale;
    const Vec mean = pass.beta1 * load(pass.mean + i) + pass.oneMinusBeta1 * g;
    const Vec square = pass.beta2 * load(pass.square + i) + pass.oneMinusBeta2 * (g * g);
    store(pass.mean + i, mean);
    store(pass.square + i, square);
    const Vec root = pass.rootFactor * squareRoot(square) + pass.epsilon;
    store(pass.parameter + i, load(pass.parameter + i) - pass.meanFactor * mean / root);
  }
}

void gatherRows(size_t count, const uint32_t* chosen, size_t width, const float* from, float* to) {
  for (size_t i = 0; i < count; i++) {
    const float* row = from + chosen[i] * width;
    for (size_t j = 0; j < width; j += kLanes) store(to + i * width + j, load(row + j));
  }
}

// Swaps the two squares of kDistance x kDistance that lie off the diagonal of two rows of squares.
template <size_t kDistance, size_t... i>
inline void swapSquares(Vec& a, Vec& b, std::index_sequence<i...>) {
  const Vec first =
      __builtin_shufflevector(a, b, (i & kDistance ? kLanes + (i ^ kDistance) : i)...);
  b = __builtin_shufflevector(a, b, (i & kDistance ? kLanes + i : i ^ kDistance)...);
  a = first;
}

template <size_t kDistance = kLanes / 2>
inline void transposeSquare(Vec (&rows)[kLanes]) {
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; i++) {
    if ((i & kDistance) == 0) swapSquares<kDistance>(rows[i], rows[i + kDistance], LaneNumbers{});
  }
  if constexpr (kDistance > 1) transposeSquare<kDistance / 2>(rows);
}

void transposeRows(size_t rows, size_t columns, const float* from, size_t fromRow, float* to,
                   size_t toRow) {
  for (size_t column = 0; column < columns; column += kLanes) {
    Vec square[kLanes];
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; i++) {
      square[i] = i < rows ? load(from + i * fromRow + column) : Vec{};
    }
    transposeSquare(square);
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; i++) {
      if (column + i < columns) store(to + (column + i) * toRow, square[i]);
    }
  }
}
