// The bodies of all kernels, written once over vectors of kLanes floats. Included by baseline.cpp,
// avx2.cpp and avx512.cpp inside a target region and a namespace of their own, after every standard
// header; so nothing here includes anything, and no inline function of a header that is compiled
// here can reach other machines.
//
// The including file defines: kLanes, Vec (a GCC vector of kLanes floats), WordVec (uint32
// likewise), DoubleVec and BitsVec (half as many doubles and uint64), multiplyAdd(a, b, c) = a b +
// c for both, widened(from) = half as many floats, from anywhere, as doubles, squareRoot,
// kMaxVectors, kBlockRows[v] (rows of a register block that is v vectors wide), kNarrowSums (of a
// block of a narrow product), kMostSteps (the longest sum that is made in one go) and kStepsAtOnce
// (parts of longer ones).

inline Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }
inline Vec broadcast(float value) { return value - Vec{}; }

inline Vec asFloats(WordVec bits) { return reinterpret_cast<Vec>(bits); }
inline WordVec asBits(Vec value) { return reinterpret_cast<WordVec>(value); }

#include "core/cpu/activations.inl"
#include "core/cpu/double_functions.inl"

// Adds kRows x kVectors products to as many accumulators, one broadcast of a for kVectors
// multiply-adds. Every element is one chain of multiply-adds over t in order, however the block is
// shaped, so the result does not depend on where block edges fall.
//
// The loops over a block's rows and vectors are unrolled by pragma: left to itself GCC unrolls them
// too late to keep the sums in registers, and carries them through memory before and after each
// product (64 x 64: 87 % of the multiply-add peak instead of 97 %).
template <size_t kRows, size_t kVectors>
TRUSTREGION_ALWAYS_INLINE void accumulateBlock(size_t inner, const float* a, size_t aRow,
                                               size_t aInner, const float* b, size_t bRow,
                                               Vec (&sums)[kRows][kVectors]) {
  for (size_t t = 0; t < inner; t++) {
    Vec bVectors[kVectors];
#pragma GCC unroll 16
    for (size_t v = 0; v < kVectors; v++) bVectors[v] = load(b + t * bRow + v * kLanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
      const Vec aVector = broadcast(a[i * aRow + t * aInner]);
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) {
        sums[i][v] = multiplyAdd(aVector, bVectors[v], sums[i][v]);
      }
    }
  }
}

constexpr size_t kBlockColumns = kMaxVectors * kLanes;
static_assert(kPanelColumns % kBlockColumns == 0, "a block lies in one panel");

// What a sum is multiplied by. `h` is phi, or the stored derivative.
template <Derivative kDerivative>
inline Vec slope(Vec h) {
  if constexpr (kDerivative == Derivative::tanh) return multiplyAdd(-h, h, broadcast(1.0f));
  if constexpr (kDerivative == Derivative::relu) return h > 0.0f ? broadcast(1.0f) : Vec{};
  return h;
}

// Steps of a sum: `count` of them from the start of one of a's panels; b those of one block.
struct Steps {
  size_t count;
  const float* a;
  size_t aRow;
  size_t aPanel;
  const float* b;
};

// kIsShort: no more steps than one of a's panels has. A loop around the loop, even of one turn, is
// mispredicted, and costs sums of 17 steps a tenth of their time.
template <bool kIsShort, size_t kRows, size_t kVectors>
TRUSTREGION_ALWAYS_INLINE void accumulate(const Steps& steps, size_t row, size_t bRow,
                                          Vec (&sums)[kRows][kVectors]) {
  const float* a = steps.a + row * steps.aRow;
  const float* b = steps.b;
  if constexpr (kIsShort) {
    accumulateBlock<kRows, kVectors>(steps.count, a, steps.aRow, 1, b, bRow, sums);
    return;
  }
  for (size_t left = steps.count; left > 0;) {
    const size_t count = left < kPanelColumns ? left : kPanelColumns;
    accumulateBlock<kRows, kVectors>(count, a, steps.aRow, 1, b, bRow, sums);
    a += steps.aPanel;
    b += count * bRow;
    left -= count;
  }
}

// At most kBlockColumns columns of a product, or some of its steps: what `init` holds (one row
// repeated if initRow is 0; nothing: zeros), then the steps, then the derivative.
struct BlockProduct {
  Steps first;
  Steps second;
  size_t bRow;
  const float* init;
  size_t initRow;
  float* c;
  size_t cRow;
  const float* h;     // rows as far apart as those of c, here and below
  const float* next;  // what to prefetch
};

template <Derivative kDerivative, bool kIsShort>
struct ProductRows {
  template <size_t kRows, size_t kVectors>
  static void run(const BlockProduct& p, size_t row) {
    Vec sums[kRows][kVectors] = {};
    if (p.init != nullptr) {
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
        for (size_t v = 0; v < kVectors; v++) {
          sums[i][v] = load(p.init + (row + i) * p.initRow + v * kLanes);
        }
      }
    }
    accumulate<kIsShort>(p.first, row, p.bRow, sums);
    accumulate<kIsShort>(p.second, row, p.bRow, sums);
    // A copy: a store through a vector may change anything, so the compiler would read p again.
    const size_t cRow = p.cRow;
    float* c = p.c + row * cRow;
    const float* h = kDerivative == Derivative::none ? nullptr : p.h + row * cRow;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) {
        const size_t at = i * cRow + v * kLanes;
        if constexpr (kDerivative != Derivative::none) {
          // What the next tile needs is asked for one vector at a time among the arithmetic (50,000
          // rows: 0.76 of the peak without, 0.78 to the second cache level, 0.81 to the first). An
          // address behind the last tile is harmless: a prefetch cannot fault. p.next is read again
          // behind each store, on purpose: it keeps the compiler from asking for all vectors at
          // once, which costs 0.02 of the peak.
          __builtin_prefetch(p.next + row * cRow + at);
          sums[i][v] *= slope<kDerivative>(load(h + at));
        }
        store(c + at, sums[i][v]);
      }
    }
  }
};

// Runs over `rows` in blocks of kRows, then what is left of them in one block where blocks are as
// wide as they get (17 rows = 6 + 6 + 5), since blocks of few rows have too few sums to hide the
// latency of a multiply-add.
template <class Rows, size_t kVectors, size_t kRows, class Arguments>
inline void runRows(const Arguments& arguments, size_t row, size_t rows) {
  for (; row + kRows <= rows; row += kRows) {
    Rows::template run<kRows, kVectors>(arguments, row);
  }
  if constexpr (kRows > 1) {
    constexpr size_t kFewer = kVectors == kMaxVectors ? kRows - 1 : kRows / 2;
    if (row < rows) runRows<Rows, kVectors, kFewer>(arguments, row, rows);
  }
}

// The same with as many vectors as `columns`, at most a block, take; the last may hang over.
template <class Rows, size_t kVectors = kMaxVectors, class Arguments>
inline void runBlock(const Arguments& arguments, size_t rows, size_t columns) {
  if constexpr (kVectors > 1) {
    if (columns <= (kVectors - 1) * kLanes) {
      return runBlock<Rows, kVectors - 1>(arguments, rows, columns);
    }
  }
  runRows<Rows, kVectors, kBlockRows[kVectors]>(arguments, 0, rows);
}

// Steps `from` and `count` behind it of the block that starts at `column`.
inline Steps stepsOf(const Factors& f, size_t column, size_t bRow, size_t from, size_t count) {
  return {count, f.a.data + from / kPanelColumns * f.a.panel, f.a.row, f.a.panel,
          f.b + column * f.inner + from * bRow};
}

template <Derivative kDerivative>
void multiplyBlock(const Product& p, size_t column) {
  const size_t columns = p.columns - column < kBlockColumns ? p.columns - column : kBlockColumns;
  const size_t padded = paddedWidth(p.columns) - column;
  const size_t panel = column / kPanelColumns;
  const size_t offset = column % kPanelColumns;
  BlockProduct block;
  block.bRow = padded < kBlockColumns ? padded : kBlockColumns;
  block.init = p.bias == nullptr ? nullptr : p.bias + column;
  block.initRow = 0;
  block.c = p.c.data + panel * p.c.panel + offset;
  block.cRow = p.c.row;
  block.h = p.h.data == nullptr ? nullptr : p.h.data + panel * p.h.panel + offset;
  block.next = p.next + panel * p.h.panel + offset;
  if (p.first.inner + p.second.inner <= kMostSteps) {
    block.first = stepsOf(p.first, column, block.bRow, 0, p.first.inner);
    block.second = stepsOf(p.second, column, block.bRow, 0, p.second.inner);
    if (p.first.inner <= kPanelColumns && p.second.inner <= kPanelColumns) {
      return runBlock<ProductRows<kDerivative, true>>(block, p.rows, columns);
    }
    return runBlock<ProductRows<kDerivative, false>>(block, p.rows, columns);
  }
  // A long sum goes step by step, so that what all rows read of b stays in cache; between two steps
  // the sums wait in c, which changes no bit.
  block.second = {};
  const Factors* const factors[] = {&p.first, &p.second};
  const Factors* const last = factors[p.second.inner > 0 ? 1 : 0];
  for (const Factors* f : factors) {
    for (size_t from = 0; from < f->inner; from += kStepsAtOnce) {
      const size_t left = f->inner - from;
      const size_t count = left < kStepsAtOnce ? left : kStepsAtOnce;
      block.first = stepsOf(*f, column, block.bRow, from, count);
      if (f == last && left == count) {
        runBlock<ProductRows<kDerivative, false>>(block, p.rows, columns);
      } else {
        runBlock<ProductRows<Derivative::none, false>>(block, p.rows, columns);
      }
      block.init = block.c;
      block.initRow = block.cRow;
    }
  }
}

template <Derivative kDerivative>
void multiplyAll(const Product& product) {
  for (size_t column = 0; column < product.columns; column += kBlockColumns) {
    multiplyBlock<kDerivative>(product, column);
  }
}

void multiply(const Product& product) {
  switch (product.derivative) {
    case Derivative::none:
      return multiplyAll<Derivative::none>(product);
    case Derivative::tanh:
      return multiplyAll<Derivative::tanh>(product);
    case Derivative::relu:
      return multiplyAll<Derivative::relu>(product);
    case Derivative::stored:
      return multiplyAll<Derivative::stored>(product);
  }
}

// Dense factors as they lie; see SingleProduct.
struct SingleRows {
  template <size_t kRows, size_t kVectors>
  static void run(const SingleProduct& p, size_t row) {
    Vec sums[kRows][kVectors] = {};
    accumulateBlock<kRows, kVectors>(p.inner, p.a + row * p.aRow, p.aRow, p.aInner, p.b, p.bRow,
                                     sums);
    const size_t cRow = p.cRow;
    float* c = p.c + row * cRow;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++, c += cRow) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) store(c + v * kLanes, sums[i][v]);
    }
  }
};

void multiplySingle(const SingleProduct& product) {
  SingleProduct block = product;
  for (size_t column = 0; column < product.columns; column += kBlockColumns) {
    block.b = product.b + column;
    block.c = product.c + column;
    runBlock<SingleRows>(
        block, product.rows,
        product.columns - column < kBlockColumns ? product.columns - column : kBlockColumns);
  }
}

#include "core/cpu/gradient.inl"
#include "core/cpu/narrow.inl"

void multiplyElements(size_t count, const float* a, const float* b, float* out) {
  for (size_t i = 0; i < count; i += kLanes) store(out + i, load(a + i) * load(b + i));
}

#include "core/cpu/descent.inl"
#include "core/cpu/double_kernels.inl"

const Kernels kKernels = {kLanes,          kBlockColumns,  multiply,         multiplyNarrow<>,
                          addGradient,     addColumnSums,  activate,         multiplyElements,
                          &kDoubleKernels, multiplySingle, backThroughError, sumGradient,
                          stepAdam,        gatherRows,     transposeRows};
