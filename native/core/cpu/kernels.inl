// The bodies of all kernels, written once over vectors of kLanes floats. Included by baseline.cpp,
// avx2.cpp and avx512.cpp inside a target region and a namespace of their own, after every standard
// header; so nothing here includes anything, and no inline function of a header that is compiled
// here can reach other machines.
//
// The including file defines: kLanes, Vec (a GCC vector of kLanes floats), IntVec (int32 likewise),
// multiplyAdd(a, b, c) = a b + c, broadcastPair(from) = from[0], from[1], from[0], ...,
// kMaxVectors, kBlockRows[v] (rows of a register block that is v vectors wide) and kPairRows.

inline Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }
inline Vec broadcast(float value) { return value - Vec{}; }

inline Vec asFloats(IntVec bits) { return reinterpret_cast<Vec>(bits); }
inline IntVec asBits(Vec value) { return reinterpret_cast<IntVec>(value); }

inline Vec absolute(Vec x) { return asFloats(asBits(x) & 0x7fffffff); }
inline Vec copySign(Vec magnitude, Vec sign) {
  return asFloats((asBits(magnitude) & 0x7fffffff) | (asBits(sign) & static_cast<int>(0x80000000)));
}

// e^x for x in [-87, 88], within 1.5 ulp there; outside it is clamped to the ends. x = n log 2 + r,
// |r| <= log(2) / 2; e^r = 1 + r + r^2 q(r) with q the minimax polynomial (relative error 3.1e-9).
inline Vec exponential(Vec x) {
  x = x < -87.0f ? broadcast(-87.0f) : x;
  x = x > 88.0f ? broadcast(88.0f) : x;
  // Adding 1.5 2^23 rounds to the nearest integer, left in the low bits.
  const Vec shifted = multiplyAdd(x, broadcast(1.44269504f), broadcast(12582912.0f));
  const Vec n = shifted - 12582912.0f;
  Vec r = multiplyAdd(n, broadcast(-0.693359375f), x);  // log 2 in two parts, the first exact
  r = multiplyAdd(n, broadcast(2.12194440e-4f), r);
  Vec q = broadcast(0.001381459878757596f);
  q = multiplyAdd(q, r, broadcast(0.008368716575205326f));
  q = multiplyAdd(q, r, broadcast(0.04166838899254799f));
  q = multiplyAdd(q, r, broadcast(0.1666652113199234f));
  q = multiplyAdd(q, r, broadcast(0.4999999403953552f));
  const Vec power = multiplyAdd(r * r, q, r) + 1.0f;
  return power * asFloats((asBits(shifted) << 23) + 0x3f800000);
}

// tanh within 2.5 ulp: x + x^3 p(x^2) with p minimax (relative error 4.2e-9) below 0.625, and
// 1 - 2 / (e^2|x| + 1) above, which is 1 from 10 on.
inline Vec hyperbolicTangent(Vec x) {
  const Vec square = x * x;
  Vec p = broadcast(-0.005717045161873102f);
  p = multiplyAdd(p, square, broadcast(0.02065058797597885f));
  p = multiplyAdd(p, square, broadcast(-0.05374349653720856f));
  p = multiplyAdd(p, square, broadcast(0.13331490755081177f));
  p = multiplyAdd(p, square, broadcast(-0.3333328366279602f));
  const Vec small = multiplyAdd(x * square, p, x);
  const Vec magnitude = absolute(x);
  const Vec large = 1.0f - 2.0f / (exponential(2.0f * magnitude) + 1.0f);
  const Vec result = magnitude < 0.625f ? small : copySign(large, x);
  return x != x ? x : result;  // NaN stays NaN
}

// 1 / (1 + e^-x), from e^-|x| so that both tails keep their digits.
inline Vec logisticSigmoid(Vec x) {
  const Vec magnitude = absolute(x);
  // Below e^-87 there are only denormal numbers: nothing, instead of what exponential() clamps to.
  const Vec e = magnitude > 87.0f ? Vec{} : exponential(-magnitude);
  const Vec result = (x >= 0.0f ? broadcast(1.0f) : e) / (1.0f + e);
  return x != x ? x : result;
}

// One register block of a product: kRows x kVectors accumulators, one broadcast of a for kVectors
// multiply-adds. Every element is one chain of multiply-adds over t in order, however the block is
// shaped, so the result does not depend on where block edges fall.
//
// The loops over a block's rows and vectors are unrolled by pragma: left to itself GCC unrolls them
// too late to keep the sums in registers, and carries them through memory before and after each
// product (64 x 64: 87 % of the multiply-add peak instead of 97 %).
template <size_t kRows, size_t kVectors>
inline void accumulateBlock(size_t inner, const float* a, size_t aRow, size_t aInner,
                            const float* b, size_t bRow, Vec (&sums)[kRows][kVectors]) {
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

// What a sum is multiplied by. `h` is phi, or the stored derivative.
template <Derivative kDerivative>
inline Vec slope(Vec h) {
  if constexpr (kDerivative == Derivative::tanh) return multiplyAdd(-h, h, broadcast(1.0f));
  if constexpr (kDerivative == Derivative::relu) return h > 0.0f ? broadcast(1.0f) : Vec{};
  return h;
}

template <size_t kRows, size_t kVectors>
inline void accumulate(const Factors& f, size_t row, size_t column, Vec (&sums)[kRows][kVectors]) {
  accumulateBlock<kRows, kVectors>(f.inner, f.a + row * f.aRow, f.aRow, f.aInner, f.b + column,
                                   f.bRow, sums);
}

template <Derivative kDerivative>
struct ProductBlock {
  template <size_t kRows, size_t kVectors>
  static void run(const Product& p, size_t row, size_t column) {
    Vec sums[kRows][kVectors] = {};
    if (p.init != nullptr) {
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
        for (size_t v = 0; v < kVectors; v++) {
          sums[i][v] = load(p.init + (row + i) * p.initRow + column + v * kLanes);
        }
      }
    }
    accumulate(p.first, row, column, sums);
    accumulate(p.second, row, column, sums);
    float* c = p.c + row * p.cRow + column;
    const float* h = kDerivative == Derivative::none ? nullptr : p.h + row * p.cRow + column;
    const size_t cRow = p.cRow;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) {
        const size_t at = i * cRow + v * kLanes;
        if constexpr (kDerivative != Derivative::none) {
          // The next tile's h lies behind this one's; asked for one by one among the arithmetic, to
          // the second cache level (50,000 rows: 0.76 to 0.79 of the peak; to the first level,
          // 2,048 rows lose 0.08). An address behind the last tile is harmless: a prefetch cannot
          // fault.
          __builtin_prefetch(h + p.rows * cRow + at, 0, 2);
          sums[i][v] *= slope<kDerivative>(load(h + at));
        }
        store(c + at, sums[i][v]);
      }
    }
  }
};

// kRows rows of a narrow product: lanes 2j and 2j + 1 sum the even and the odd steps of column j.
template <size_t kRows>
inline void multiplyPairsBlock(const Product& p, size_t row) {
  Vec sums[kRows] = {};
  const Factors* const factors[] = {&p.first, &p.second};
  for (const Factors* f : factors) {
    const float* a = f->a + row * f->aRow;
    size_t t = 0;
    for (; t + 2 <= f->inner; t += 2) {
      const Vec b = load(f->b + t / 2 * kLanes);
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; i++) {
        sums[i] = multiplyAdd(broadcastPair(a + i * f->aRow + t), b, sums[i]);
      }
    }
    if (t == f->inner) continue;
    const Vec b = load(f->b + t / 2 * kLanes);
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
      const float last[2] = {a[i * f->aRow + t], 0};
      sums[i] = multiplyAdd(broadcastPair(last), b, sums[i]);
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; i++) {
    const float* pairs = reinterpret_cast<const float*>(&sums[i]);
    const float* init = p.init == nullptr ? nullptr : p.init + (row + i) * p.initRow;
    float* c = p.c + (row + i) * p.cRow;
    for (size_t j = 0; j < p.columns; j++) {
      c[j] = (init == nullptr ? 0.0f : init[j]) + (pairs[2 * j] + pairs[2 * j + 1]);
    }
  }
}

struct GradientBlock {
  template <size_t kRows, size_t kVectors>
  static void run(const GradientSum& g, size_t row, size_t column) {
    Vec sums[kRows][kVectors] = {};
    accumulateBlock<kRows, kVectors>(g.rows, g.u + row, 1, g.uRow, g.x + column, g.xRow, sums);
    constexpr size_t kWidth = kVectors * kLanes;
    const size_t width = g.inputs - column < kWidth ? g.inputs - column : kWidth;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
      double* to = g.sum + (row + i) * g.inputs + column;
      alignas(sizeof(Vec)) float from[kWidth];
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) store(from + v * kLanes, sums[i][v]);
      if (width == kWidth) {  // a constant number of times: vectors
        for (size_t j = 0; j < kWidth; j++) to[j] += static_cast<double>(from[j]);
      } else {
        for (size_t j = 0; j < width; j++) to[j] += static_cast<double>(from[j]);
      }
    }
  }
};

// Covers `rows` x `columns` with blocks of kBlockRows[v] x v vectors, then with smaller ones: what
// is left of the rows in one block where blocks are as wide as they get (17 rows = 6 + 6 + 5),
// since blocks of few rows have too few sums to hide the latency of a multiply-add.
template <class Block, size_t kVectors, size_t kRows, class Arguments>
inline void runRows(const Arguments& arguments, size_t row, size_t rows, size_t column) {
  for (; row + kRows <= rows; row += kRows) {
    Block::template run<kRows, kVectors>(arguments, row, column);
  }
  if constexpr (kRows > 1) {
    constexpr size_t kFewer = kVectors == kMaxVectors ? kRows - 1 : kRows / 2;
    if (row < rows) runRows<Block, kVectors, kFewer>(arguments, row, rows, column);
  }
}

template <class Block, size_t kVectors, class Arguments>
inline void runBlocks(const Arguments& arguments, size_t rows, size_t columns, size_t column = 0) {
  // A last vector may hang over `columns`: rows are padded to kRowAlignment.
  for (; column + (kVectors - 1) * kLanes < columns; column += kVectors * kLanes) {
    runRows<Block, kVectors, kBlockRows[kVectors]>(arguments, 0, rows, column);
  }
  if constexpr (kVectors > 1) {
    if (column < columns) runBlocks<Block, kVectors - 1>(arguments, rows, columns, column);
  }
}

template <Derivative kDerivative>
void multiplyAll(const Product& product) {
  runBlocks<ProductBlock<kDerivative>, kMaxVectors>(product, product.rows, product.columns);
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

void multiplyPairs(const Product& product) {
  constexpr size_t kRows = kPairRows;
  size_t row = 0;
  for (; row + kRows <= product.rows; row += kRows) multiplyPairsBlock<kRows>(product, row);
  for (; row < product.rows; row++) multiplyPairsBlock<1>(product, row);
}

void addGradient(const GradientSum& gradient) {
  runBlocks<GradientBlock, kMaxVectors>(gradient, gradient.outputs, gradient.inputs);
}

void addColumnSums(size_t rows, size_t outputs, const float* u, size_t uRow, double* sum) {
  const float one = 1;  // column sums are a gradient with respect to a constant input
  addGradient({1, outputs, rows, &one, 0, u, uRow, sum});
}

void activate(Activation activation, size_t count, float* z, float* derivative) {
  switch (activation) {
    case Activation::tanh:
      for (size_t i = 0; i < count; i += kLanes) store(z + i, hyperbolicTangent(load(z + i)));
      return;
    case Activation::relu:
      for (size_t i = 0; i < count; i += kLanes) {
        const Vec x = load(z + i);
        store(z + i, x < 0.0f ? Vec{} : x);  // NaN stays NaN
      }
      return;
    case Activation::silu:
      for (size_t i = 0; i < count; i += kLanes) {
        const Vec x = load(z + i);
        const Vec sigmoid = logisticSigmoid(x);
        store(z + i, x * sigmoid);
        store(derivative + i, sigmoid * multiplyAdd(x, 1.0f - sigmoid, broadcast(1.0f)));
      }
      return;
  }
}

void multiplyElements(size_t count, const float* a, const float* b, float* out) {
  for (size_t i = 0; i < count; i += kLanes) store(out + i, load(a + i) * load(b + i));
}

const Kernels kKernels = {kLanes,        multiply, multiplyPairs,   addGradient,
                          addColumnSums, activate, multiplyElements};
