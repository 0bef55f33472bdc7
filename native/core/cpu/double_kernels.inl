// The bodies of DoubleKernels; included by kernels.inl behind the blocks of its products.

constexpr size_t kDoubleColumns = kMaxVectors * kDoubleLanes;

// At most kDoubleColumns columns of a product.
struct DoubleBlock {
  DoubleProduct product;
  size_t bRow;
};

struct DoubleProductRows {
  template <size_t kRows, size_t kVectors>
  static void run(const DoubleBlock& block, size_t row) {
    const DoubleProduct& p = block.product;
    const size_t bRow = block.bRow;
    DoubleVec sums[kRows][kVectors];
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) sums[i][v] = load(p.init + v * kDoubleLanes);
    }
    const double* a = p.a + row * p.aRow;
    for (size_t t = 0; t < p.inner; t++) {
      DoubleVec bVectors[kVectors];
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) bVectors[v] = load(p.b + t * bRow + v * kDoubleLanes);
#pragma GCC unroll 16
      for (size_t i = 0; i < kRows; i++) {
        const DoubleVec aVector = broadcast(a[i * p.aRow + t]);
#pragma GCC unroll 16
        for (size_t v = 0; v < kVectors; v++) {
          sums[i][v] = multiplyAdd(aVector, bVectors[v], sums[i][v]);
        }
      }
    }
    double* c = p.c + row * p.cRow;
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; i++) {
#pragma GCC unroll 16
      for (size_t v = 0; v < kVectors; v++) store(c + i * p.cRow + v * kDoubleLanes, sums[i][v]);
    }
  }
};

void multiplyInDouble(const DoubleProduct& product) {
  DoubleBlock block{product, 0};
  DoubleProduct& p = block.product;
  size_t padded = paddedWidth(product.columns);
  for (size_t left = product.columns; left > 0; left -= p.columns, padded -= block.bRow) {
    p.columns = left < kDoubleColumns ? left : kDoubleColumns;
    block.bRow = padded < kDoubleColumns ? padded : kDoubleColumns;
    // Counts columns in floats, of which a double has two.
    runBlock<DoubleProductRows>(block, p.rows, 2 * p.columns);
    p.b += product.inner * block.bRow;
    p.init += kDoubleColumns;
    p.c += kDoubleColumns;
  }
}

void activateInDouble(Activation activation, size_t count, double* z) {
  switch (activation) {
    case Activation::tanh:
      for (size_t i = 0; i < count; i += kDoubleLanes) {
        store(z + i, hyperbolicTangent(load(z + i)));
      }
      return;
    case Activation::relu:
      for (size_t i = 0; i < count; i += kDoubleLanes) {
        const DoubleVec x = load(z + i);
        store(z + i, x < 0.0 ? DoubleVec{} : x);  // NaN stays NaN
      }
      return;
    case Activation::silu:
      for (size_t i = 0; i < count; i += kDoubleLanes) {
        const DoubleVec x = load(z + i);
        store(z + i, x * logisticSigmoid(x));
      }
      return;
  }
}

void exponentialInDouble(size_t count, double* x) {
  for (size_t i = 0; i < count; i += kDoubleLanes) store(x + i, exponential(load(x + i)));
}

void halfSquaredDistance(size_t size, const double* a, const double* b, const double* inverseStd,
                         double* out) {
  for (size_t i = 0; i < kGroupRows; i += kDoubleLanes) {
    DoubleVec sum = {};
    for (size_t j = 0; j < size; j++) {
      const size_t at = j * kGroupRows + i;
      const DoubleVec z = (load(a + at) - load(b + at)) * inverseStd[j];
      sum = multiplyAdd(z, z, sum);
    }
    store(out + i, sum * 0.5);
  }
}

// p_k = e^(l_k - m) / sum, log p_k = (l_k - m) - log(sum), with m the largest logit.
void normalizeLogits(size_t factors, const size_t* counts, const double* logits,
                     double* probability, double* logProbability) {
  for (size_t factor = 0; factor < factors; factor++) {
    const size_t size = counts[factor] * kGroupRows;
    for (size_t i = 0; i < kGroupRows; i += kDoubleLanes) {
      DoubleVec largest = load(logits + i);
      for (size_t k = i + kGroupRows; k < size; k += kGroupRows) {
        const DoubleVec logit = load(logits + k);
        largest = logit > largest ? logit : largest;
      }
      DoubleVec sum = {};
      for (size_t k = i; k < size; k += kGroupRows) {
        const DoubleVec shifted = load(logits + k) - largest;
        const DoubleVec e = exponential(shifted);
        store(logProbability + k, shifted);
        store(probability + k, e);
        sum += e;
      }
      const DoubleVec inverse = 1.0 / sum;
      const DoubleVec logSum = logarithm(sum);
      for (size_t k = i; k < size; k += kGroupRows) {
        store(logProbability + k, load(logProbability + k) - logSum);
        store(probability + k, load(probability + k) * inverse);
      }
    }
    logits += size;
    probability += size;
    logProbability += size;
  }
}

// The likelier outcome has 1 / (1 + e) with e = e^-|logit|, the other e / (1 + e).
void normalizeBits(size_t size, const double* logits, double* probability, double* logProbability) {
  for (size_t j = 0; j < size; j++) {
    for (size_t i = 0; i < kGroupRows; i += kDoubleLanes) {
      const DoubleVec logit = load(logits + j * kGroupRows + i);
      const DoubleVec magnitude = absolute(logit);
      const DoubleVec e = exponential(-magnitude);
      const DoubleVec likely = 1.0 / (1.0 + e);
      const DoubleVec unlikely = e * likely;
      const DoubleVec logLikely = -logarithmOfOnePlus(e);
      const DoubleVec logUnlikely = logLikely - magnitude;
      const size_t zero = 2 * j * kGroupRows + i;
      const size_t one = zero + kGroupRows;
      store(probability + zero, logit > 0.0 ? unlikely : likely);
      store(probability + one, logit > 0.0 ? likely : unlikely);
      store(logProbability + zero, logit > 0.0 ? logUnlikely : logLikely);
      store(logProbability + one, logit > 0.0 ? logLikely : logUnlikely);
    }
  }
}

void entropyOfOutcomes(size_t outcomes, const double* probability, const double* logProbability,
                       double* out) {
  for (size_t i = 0; i < kGroupRows; i += kDoubleLanes) {
    DoubleVec sum = {};
    for (size_t k = i; k < outcomes * kGroupRows; k += kGroupRows) {
      sum = multiplyAdd(-load(probability + k), load(logProbability + k), sum);
    }
    store(out + i, sum);
  }
}

// With d = log p - log q a term is p (e^-d - 1 + d), or p d + q - p where e^-d might overflow.
void klOfOutcomes(size_t outcomes, const double* p, const double* logP, const double* q,
                  const double* logQ, double* out) {
  for (size_t i = 0; i < kGroupRows; i += kDoubleLanes) {
    DoubleVec sum = {};
    for (size_t k = i; k < outcomes * kGroupRows; k += kGroupRows) {
      const DoubleVec pVector = load(p + k);
      const DoubleVec d = load(logP + k) - load(logQ + k);
      const DoubleVec near = pVector * exponentialBeyondLinear(-d);
      const DoubleVec far = multiplyAdd(pVector, d, load(q + k) - pVector);
      sum += absolute(d) < 1.0 ? near : far;
    }
    store(out + i, sum);
  }
}

const DoubleKernels kDoubleKernels = {kDoubleColumns,      multiplyInDouble,    activateInDouble,
                                      exponentialInDouble, halfSquaredDistance, normalizeLogits,
                                      normalizeBits,       entropyOfOutcomes,   klOfOutcomes};
