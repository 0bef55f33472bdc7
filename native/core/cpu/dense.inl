// Dense linear algebra in double, written once over vectors of kLanes / 2 numbers; see
// core/dense_kernels.h. Included behind kernels.inl, with the same register blocks.

constexpr size_t kDoubles = kLanes / 2;
typedef double Doubles __attribute__((vector_size(4 * kLanes), may_alias, aligned(8)));

inline Doubles loadDoubles(const double* from) { return *reinterpret_cast<const Doubles*>(from); }
inline Doubles loadDoubles(const float* from) { return widened(from); }
inline void storeDoubles(double* to, Doubles value) { *reinterpret_cast<Doubles*>(to) = value; }

struct DenseBlock {
  template <size_t kRows, size_t kVectors>
  static void run(const DenseProduct& p, size_t row, size_t column) {
    Doubles sums[kRows][kVectors] = {};
    const double* a = p.a + row * p.aRow;
    const double* b = p.b + column;
    for (size_t t = 0; t < p.inner; t++) {
      Doubles bVectors[kVectors];
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++)
        bVectors[v] = loadDoubles(b + t * p.bRow + v * kDoubles);
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; i++) {
        const double factor = a[i * p.aRow + t * p.aInner];
#pragma GCC unroll 16
        for (size_t v = 0; v < kVectors; v++) sums[i][v] += factor * bVectors[v];
      }
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) {
        storeDoubles(p.c + (row + i) * p.cRow + column + v * kDoubles, sums[i][v]);
      }
    }
  }
};

template <size_t kVectors, size_t kRows>
inline void runDenseRows(const DenseProduct& product, size_t row, size_t column) {
  for (; row + kRows <= product.rows; row += kRows) {
    DenseBlock::run<kRows, kVectors>(product, row, column);
  }
  if constexpr (kRows > 1) {
    if (row < product.rows) runDenseRows<kVectors, kRows / 2>(product, row, column);
  }
}

template <size_t kVectors>
inline void runDenseBlocks(const DenseProduct& product, size_t column = 0) {
  for (; column + (kVectors - 1) * kDoubles < product.columns; column += kVectors * kDoubles) {
    runDenseRows<kVectors, kBlockRows[kVectors]>(product, 0, column);
  }
  if constexpr (kVectors > 1) {
    if (column < product.columns) runDenseBlocks<kVectors - 1>(product, column);
  }
}

void multiplyDense(const DenseProduct& product) { runDenseBlocks<kMaxVectors>(product); }

// Eight partial sums of each row in every instruction set; the rows' chains of additions hide each
// other's latency.
template <size_t kRows, class Number>
inline void dotRows(size_t count, const Number* const* a, const double* b, double* out) {
  constexpr size_t kVectors = kDenseAlignment / kDoubles;
  const Number* rows[kRows];
  for (size_t r = 0; r < kRows; r++) rows[r] = a[r];
  Doubles sums[kRows][kVectors] = {};
  size_t i = 0;
  for (; i + kDenseAlignment <= count; i += kDenseAlignment) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; v++) {
      const Doubles factor = loadDoubles(b + i + v * kDoubles);
#pragma GCC unroll 4
      for (size_t r = 0; r < kRows; r++) {
        sums[r][v] += loadDoubles(rows[r] + i + v * kDoubles) * factor;
      }
    }
  }
  for (size_t r = 0; r < kRows; r++) {
    double s[kDenseAlignment];
    for (size_t v = 0; v < kVectors; v++) storeDoubles(s + v * kDoubles, sums[r][v]);
    for (size_t j = i; j < count; j++) {
      s[j % kDenseAlignment] += static_cast<double>(rows[r][j]) * b[j];
    }
    out[r] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
}

template <class Number>
void dotsDense(size_t count, size_t rows, const Number* const* a, const double* b, double* out) {
  constexpr size_t kRows = kDoubles > 2 ? 4 : 2;  // whose sums go into registers
  size_t row = 0;
  for (; row + kRows <= rows; row += kRows) dotRows<kRows>(count, a + row, b, out + row);
  if constexpr (kRows > 2) {
    for (; row + 2 <= rows; row += 2) dotRows<2>(count, a + row, b, out + row);
  }
  if (row < rows) dotRows<1>(count, a + row, b, out + row);
}

inline double dotDense(size_t count, const double* a, const double* b) {
  double sum = 0;
  dotRows<1>(count, &a, b, &sum);
  return sum;
}

template <class Number>
void axpbyDense(size_t count, double a, const Number* x, double b, double* y) {
  size_t i = 0;
  for (; i + kDoubles <= count; i += kDoubles) {
    storeDoubles(y + i, a * loadDoubles(x + i) + b * loadDoubles(y + i));
  }
  for (; i < count; i++) y[i] = a * static_cast<double>(x[i]) + b * y[i];
}

template <size_t kVectors>
inline void sumRowsBlock(size_t rows, const double* factors, const double* a, size_t stride,
                         double* out) {
  Doubles sums[kVectors] = {};
  for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (size_t v = 0; v < kVectors; v++) {
      sums[v] += factors[i] * loadDoubles(a + i * stride + v * kDoubles);
    }
  }
#pragma GCC unroll 8
  for (size_t v = 0; v < kVectors; v++) storeDoubles(out + v * kDoubles, sums[v]);
}

// out[j] = sum_i factors[i] a[i][j], `columns` whole vectors wide.
inline void sumRows(size_t rows, size_t columns, const double* factors, const double* a,
                    size_t stride, double* out) {
  constexpr size_t kWide = 8;
  size_t column = 0;
  for (; column + kWide * kDoubles <= columns; column += kWide * kDoubles) {
    sumRowsBlock<kWide>(rows, factors, a + column, stride, out + column);
  }
  for (; column + 2 * kDoubles <= columns; column += 2 * kDoubles) {
    sumRowsBlock<2>(rows, factors, a + column, stride, out + column);
  }
  for (; column < columns; column += kDoubles) {
    sumRowsBlock<1>(rows, factors, a + column, stride, out + column);
  }
}

inline size_t wholeVectors(size_t count) { return toMultiple(count, kDenseAlignment); }

// The reflection H = I - scale v v' that takes row k to its subdiagonal: v in place of the row's
// first k numbers, padded with zeros. Returns the scale; 0: there is nothing to take.
inline double reflect(size_t k, double* row, double negligible, double* d, double* e) {
  const size_t columns = wholeVectors(k);
  d[k] = row[k];
  for (size_t j = k; j < columns; j++) row[j] = 0;  // so that sums over whole vectors are right
  const double last = row[k - 1];
  e[k - 1] = last;
  if (k == 1) return 0;
  const double length = __builtin_sqrt(dotDense(columns, row, row));
  if (length <= negligible) {
    e[k - 1] = 0;
    return 0;
  }
  e[k - 1] = last > 0 ? -length : length;  // the sign without cancellation
  row[k - 1] = last - e[k - 1];
  return 2 / dotDense(columns, row, row);
}

// row_i -= x_i y, or x_i y + y_i x, for kRows rows and, while they are at hand, sums += next_i
// row_i.
struct RankUpdate {
  size_t columns;  // whole vectors
  const double* x;
  const double* y;
  const double* next;
  double* sums;
};

template <size_t kRows, bool kIsTwofold, bool kSums>
inline void updateRowsBlock(const RankUpdate& update, size_t i, double* row, size_t stride) {
  for (size_t j = 0; j < update.columns; j += kDoubles) {
    const Doubles y = loadDoubles(update.y + j);
    const Doubles x = kIsTwofold ? loadDoubles(update.x + j) : Doubles{};
    Doubles sum = kSums ? loadDoubles(update.sums + j) : Doubles{};
#pragma GCC unroll 4
    for (size_t r = 0; r < kRows; r++) {
      Doubles value = loadDoubles(row + r * stride + j) - update.x[i + r] * y;
      if constexpr (kIsTwofold) value -= update.y[i + r] * x;
      storeDoubles(row + r * stride + j, value);
      if constexpr (kSums) sum += update.next[i + r] * value;
    }
    if constexpr (kSums) storeDoubles(update.sums + j, sum);
  }
}

template <bool kIsTwofold, bool kSums>
inline void updateRows(const RankUpdate& update, size_t rows, double* matrix, size_t stride) {
  if constexpr (kSums) {
    for (size_t j = 0; j < update.columns; j++) update.sums[j] = 0;
  }
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    updateRowsBlock<4, kIsTwofold, kSums>(update, i, matrix + i * stride, stride);
  }
  for (; i < rows; i++) {
    updateRowsBlock<1, kIsTwofold, kSums>(update, i, matrix + i * stride, stride);
  }
}

void tridiagonalize(size_t size, size_t stride, double negligible, double* a, double* q, double* d,
                    double* e, double* scratch) {
  double* w = scratch;
  double* sums = scratch + stride;
  double* scales = scratch + 2 * stride;
  for (size_t i = 0; i < stride; i++) scales[i] = 0;
  // Row k is reduced by its reflection on the first k rows and columns:
  // H A H = A - v w' - w v' with w = p - (scale / 2) (p'v) v, p = scale A v. The pass that does so
  // makes the next reflection's A v, too.
  const auto multiply = [&](size_t k) {
    if (scales[k] != 0) sumRows(k, wholeVectors(k), a + k * stride, a, stride, sums);
  };
  if (size > 1) {
    scales[size - 1] = reflect(size - 1, a + (size - 1) * stride, negligible, d, e);
    multiply(size - 1);
  }
  for (size_t k = size - 1; k > 1; k--) {
    double* const v = a + k * stride;
    double* const next = v - stride;
    if (scales[k] == 0) {
      scales[k - 1] = reflect(k - 1, next, negligible, d, e);
      multiply(k - 1);
      continue;
    }
    const size_t columns = wholeVectors(k);
    for (size_t j = 0; j < k; j++) w[j] = scales[k] * sums[j];
    for (size_t j = k; j < columns; j++) w[j] = 0;
    const double part = 0.5 * scales[k] * dotDense(columns, w, v);
    for (size_t j = 0; j < k; j++) w[j] -= part * v[j];
    const RankUpdate whole{columns, v, w, nullptr, nullptr};
    updateRowsBlock<1, true, false>(whole, k - 1, next, stride);
    scales[k - 1] = reflect(k - 1, next, negligible, d, e);
    const RankUpdate rest{wholeVectors(k - 1), v, w, next, sums};
    if (scales[k - 1] != 0) {
      updateRows<true, true>(rest, k - 1, a, stride);
    } else {
      updateRows<true, false>(rest, k - 1, a, stride);
    }
  }
  d[0] = a[0];
  e[size - 1] = 0;

  // Q = H_(size - 1) ... H_2, from the smallest, so that only a leading block is touched, and its
  // row k is still the identity's where reflection k + 1 comes.
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < stride; j++) q[i * stride + j] = i == j ? 1 : 0;
  }
  bool hasSums = false;
  for (size_t k = 2; k < size; k++) {
    if (scales[k] == 0) {
      hasSums = false;
      continue;
    }
    double* const v = a + k * stride;
    const size_t columns = wholeVectors(k);
    if (!hasSums) sumRows(k, columns, v, q, stride, sums);
    for (size_t j = 0; j < columns; j++) w[j] = scales[k] * sums[j];
    hasSums = k + 1 < size && scales[k + 1] != 0;
    const RankUpdate update{columns, v, w, v + stride, sums};
    if (!hasSums) {
      updateRows<false, false>(update, k, q, stride);
      continue;
    }
    updateRows<false, true>(update, k, q, stride);
    for (size_t j = columns; j < wholeVectors(k + 1); j++) sums[j] = 0;
    sums[k] += v[stride + k];
  }
}

// The row between two rotations stays in registers.
template <size_t kVectors>
inline void rotateColumns(const RotationSweep& sweep, double* rows, size_t stride) {
  Doubles carried[kVectors];
  double* row = rows + sweep.high * stride;
#pragma GCC unroll 9
  for (size_t v = 0; v < kVectors; v++) carried[v] = loadDoubles(row + v * kDoubles);
  for (size_t i = sweep.high; i-- > sweep.low;) {
    const double c = sweep.c[i - sweep.low];
    const double s = sweep.s[i - sweep.low];
    double* upper = rows + i * stride;
    double* lower = upper + stride;
#pragma GCC unroll 9
    for (size_t v = 0; v < kVectors; v++) {
      const Doubles x = loadDoubles(upper + v * kDoubles);
      storeDoubles(lower + v * kDoubles, s * x + c * carried[v]);
      carried[v] = c * x - s * carried[v];
    }
  }
  row = rows + sweep.low * stride;
#pragma GCC unroll 9
  for (size_t v = 0; v < kVectors; v++) storeDoubles(row + v * kDoubles, carried[v]);
}

// Two sweeps in one pass, the second one rotation behind the first. They begin at the same row, and
// the second does not reach further than the first.
template <size_t kVectors>
inline void rotateColumnsTwice(const RotationSweep& first, const RotationSweep& second,
                               double* rows, size_t stride) {
  const size_t high = first.high;
  Doubles carried[kVectors];  // the row that the first sweep's next rotation changes again
  Doubles behind[kVectors];   // the same of the second
  double* row = rows + (high - 1) * stride;
  const double cHigh = first.c[high - 1 - first.low];
  const double sHigh = first.s[high - 1 - first.low];
#pragma GCC unroll 9
  for (size_t v = 0; v < kVectors; v++) {
    const Doubles x = loadDoubles(row + v * kDoubles);
    const Doubles y = loadDoubles(row + stride + v * kDoubles);
    behind[v] = sHigh * x + cHigh * y;
    carried[v] = cHigh * x - sHigh * y;
  }
  const bool endTogether = second.low == first.low;
  const size_t last = endTogether ? first.low : second.low - 1;
  for (size_t i = high - 1; i-- > last;) {
    const double c = first.c[i - first.low];
    const double s = first.s[i - first.low];
    const double c2 = second.c[i + 1 - second.low];
    const double s2 = second.s[i + 1 - second.low];
    row = rows + i * stride;
    double* const to = row + 2 * stride;
#pragma GCC unroll 9
    for (size_t v = 0; v < kVectors; v++) {
      const Doubles x = loadDoubles(row + v * kDoubles);
      const Doubles y = s * x + c * carried[v];
      carried[v] = c * x - s * carried[v];
      storeDoubles(to + v * kDoubles, s2 * y + c2 * behind[v]);
      behind[v] = c2 * y - s2 * behind[v];
    }
  }
  row = rows + last * stride;
  if (endTogether) {
    const double c = second.c[0];
    const double s = second.s[0];
#pragma GCC unroll 9
    for (size_t v = 0; v < kVectors; v++) {
      storeDoubles(row + stride + v * kDoubles, s * carried[v] + c * behind[v]);
      storeDoubles(row + v * kDoubles, c * carried[v] - s * behind[v]);
    }
    return;
  }
#pragma GCC unroll 9
  for (size_t v = 0; v < kVectors; v++) {
    storeDoubles(row + stride + v * kDoubles, behind[v]);
    storeDoubles(row + v * kDoubles, carried[v]);
  }
  rotateColumns<kVectors>({first.low, last, first.c, first.s}, rows, stride);
}

template <size_t kVectors>
inline void rotateStrip(const RotationSweep* sweeps, size_t count, double* rows, size_t stride) {
  for (size_t i = 0; i < count; i++) {
    if (i + 1 < count && sweeps[i].high == sweeps[i + 1].high &&
        sweeps[i].low <= sweeps[i + 1].low) {
      rotateColumnsTwice<kVectors>(sweeps[i], sweeps[i + 1], rows, stride);
      i++;
    } else {
      rotateColumns<kVectors>(sweeps[i], rows, stride);
    }
  }
}

void rotate(const RotationSweep* sweeps, size_t count, size_t columns, double* rows,
            size_t stride) {
  // One vector more for what factors with a bias leave over.
  constexpr size_t kWide = 2 * kMaxVectors;
  size_t column = 0;
  while (column < columns) {
    const size_t vectors = (columns - column + kDoubles - 1) / kDoubles;
    if (vectors == kWide + 1) return rotateStrip<kWide + 1>(sweeps, count, rows + column, stride);
    if (vectors >= kWide) {
      rotateStrip<kWide>(sweeps, count, rows + column, stride);
      column += kWide * kDoubles;
    } else {
      rotateStrip<1>(sweeps, count, rows + column, stride);
      column += kDoubles;
    }
  }
}

const DenseKernels kDenseKernels = {multiplyDense,     tridiagonalize,     rotate,
                                    dotsDense<double>, axpbyDense<double>, dotsDense<float>,
                                    axpbyDense<float>};
