// Products with few columns, a head's; included by kernels.inl.
//
// Where there are fewer columns than a vector has lanes, lanes run over the steps of the sums
// instead: lane l sums the steps l, l + kLanes, ..., of several rows and all columns at once, and
// what the lanes hold is added up in the end, for as many sums as a vector has lanes together.

// Of two vectors whose lanes are groups of 2 kHalf parts of one sum each: the lower halves of the
// first one's groups, then of the second one's, plus their upper halves.
template <size_t kHalf, size_t... kLane>
inline Vec addHalves(Vec a, Vec b, std::index_sequence<kLane...>) {
  const Vec lower = __builtin_shufflevector(a, b, (kLane / kHalf * 2 * kHalf + kLane % kHalf)...);
  const Vec upper =
      __builtin_shufflevector(a, b, (kLane / kHalf * 2 * kHalf + kHalf + kLane % kHalf)...);
  return lower + upper;
}

// Adds the two halves of each group, of kCount vectors two by two, until a group is one lane: lane
// i % kLanes of sums[i / kLanes] is then the sum of all lanes that the i-th vector had.
template <size_t kHalf, size_t kCount, size_t kSize>
TRUSTREGION_ALWAYS_INLINE void addLanes(Vec (&sums)[kSize]) {
  if constexpr (kHalf > 0) {
    constexpr size_t kFewer = (kCount + 1) / 2;
#pragma GCC unroll 32
    for (size_t i = 0; i < kFewer; i++) {
      const Vec a = sums[2 * i];
      const Vec b = 2 * i + 1 < kCount ? sums[2 * i + 1] : Vec{};
      sums[i] = addHalves<kHalf>(a, b, std::make_index_sequence<kLanes>());
    }
    addLanes<kHalf / 2, kFewer>(sums);
  }
}

// The first `count` lanes; what lies behind a row's last step may be anything.
inline Vec loadSome(const float* from, size_t count) {
  alignas(sizeof(Vec)) float some[kLanes] = {};
  for (size_t lane = 0; lane < count; lane++) some[lane] = from[lane];
  return load(some);
}

// kLanes steps, or the `count` last ones.
template <bool kIsWhole, size_t kRows, size_t kColumns>
TRUSTREGION_ALWAYS_INLINE void accumulateSteps(const float* a, size_t aRow, const float* b,
                                               size_t bColumn, size_t count,
                                               Vec (&sums)[kRows * kColumns]) {
  Vec bVectors[kColumns];
#pragma GCC unroll 16
  for (size_t j = 0; j < kColumns; j++) bVectors[j] = load(b + j * bColumn);
#pragma GCC unroll 32
  for (size_t i = 0; i < kRows; i++) {
    const Vec aVector = kIsWhole ? load(a + i * aRow) : loadSome(a + i * aRow, count);
#pragma GCC unroll 16
    for (size_t j = 0; j < kColumns; j++) {
      Vec& sum = sums[i * kColumns + j];
      sum = multiplyAdd(aVector, bVectors[j], sum);
    }
  }
}

template <size_t kRows, size_t kColumns>
TRUSTREGION_ALWAYS_INLINE void accumulateNarrow(const Factors& f, size_t row,
                                                Vec (&sums)[kRows * kColumns]) {
  const size_t aRow = f.a.row;
  const size_t bColumn = paddedWidth(f.inner);
  const float* a = f.a.data + row * aRow;
  const float* b = f.b;
  for (size_t left = f.inner; left > 0; a += f.a.panel, b += kPanelColumns) {
    const size_t count = left < kPanelColumns ? left : kPanelColumns;
    left -= count;
    size_t t = 0;
    for (; t + kLanes <= count; t += kLanes) {
      accumulateSteps<true, kRows, kColumns>(a + t, aRow, b + t, bColumn, kLanes, sums);
    }
    if (t == count) continue;
    accumulateSteps<false, kRows, kColumns>(a + t, aRow, b + t, bColumn, count - t, sums);
  }
}

template <size_t kRows, size_t kColumns>
void multiplyNarrowRows(const Product& p, size_t row) {
  constexpr size_t kSums = kRows * kColumns;
  Vec sums[kSums] = {};
  accumulateNarrow<kRows, kColumns>(p.first, row, sums);
  accumulateNarrow<kRows, kColumns>(p.second, row, sums);
  addLanes<kLanes / 2, kSums>(sums);
  alignas(sizeof(Vec)) float values[(kSums + kLanes - 1) / kLanes * kLanes];
#pragma GCC unroll 32
  for (size_t i = 0; i < kSums; i += kLanes) store(values + i, sums[i / kLanes]);
  const float* bias = p.bias;
  const size_t cRow = p.c.row;
  float* c = p.c.data + row * cRow;
#pragma GCC unroll 32
  for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
    for (size_t j = 0; j < kColumns; j++) {
      c[i * cRow + j] = (bias == nullptr ? 0.0f : bias[j]) + values[i * kColumns + j];
    }
  }
}

// The number of columns is a constant of the loops: as many rows go together as registers allow.
template <size_t kColumns = 1>
void multiplyNarrow(const Product& p) {
  if constexpr (kColumns < kLanes / 2) {
    if (p.columns > kColumns) return multiplyNarrow<kColumns + 1>(p);
  }
  constexpr size_t kRows = kNarrowSums / kColumns;
  size_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) multiplyNarrowRows<kRows, kColumns>(p, row);
  for (; row < p.rows; row++) multiplyNarrowRows<1, kColumns>(p, row);
}
