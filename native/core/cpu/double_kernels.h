#pragma once

#include <cstddef>

#include "core/mlp_layout.h"

namespace trustregion::cpu {

// Rows whose distributions are computed side by side, one in each lane of a vector. Of such a group
// number j of row i lies at [j x kGroupRows + i], aligned to a cache line; rows that a group lacks
// may hold anything.
constexpr size_t kGroupRows = 32;

// c[i][j] = init[j] + sum_t a[i][t] b[t][j]   for i < rows, j < columns, t < inner, in float64. b
// is packed in blocks of DoubleKernels::blockColumns columns, [inner x block] each, the last one as
// wide as the padded columns leave it. Columns beyond, up to a whole cache line, may be written
// too; rows of c are multiples of one.
struct DoubleProduct {
  size_t rows;
  size_t columns;
  size_t inner;
  const double* a;
  size_t aRow;
  const double* b;
  const double* init;
  double* c;
  size_t cRow;
};

// The inner loops that are float64, compiled once for each instruction set from double_kernels.inl.
// Counts are multiples of a cache line, 8 numbers.
struct DoubleKernels {
  size_t blockColumns;  // of a block of packed weights
  void (*multiply)(const DoubleProduct& product);
  // In place z -> phi(z)
  void (*activate)(Activation activation, size_t count, double* z);
  // In place x -> e^x
  void (*exponential)(size_t count, double* x);

  // Of each row of a group, for a Gaussian of `size` dimensions: out = sum_j z_j^2 / 2 with z_j =
  // (a_j - b_j) inverseStd_j. That is its negative log-probability and its KL divergence but for
  // terms that no row changes.
  void (*halfSquaredDistance)(size_t size, const double* a, const double* b,
                              const double* inverseStd, double* out);
  // For logits of `factors` independent factors of counts[f] outcomes each: probabilities of all
  // outcomes and their logarithms.
  void (*normalizeLogits)(size_t factors, const size_t* counts, const double* logits,
                          double* probability, double* logProbability);
  // For logits of `size` bits: outcomes 2 j (the bit is 0) and 2 j + 1 (it is 1).
  void (*normalizeBits)(size_t size, const double* logits, double* probability,
                        double* logProbability);
  // out = -sum p log p
  void (*entropyOfOutcomes)(size_t outcomes, const double* probability,
                            const double* logProbability, double* out);
  // out = sum p (log p - log q), each term with q - p added, which sums to zero: so no term is
  // negative, and nothing cancels where p and q nearly agree.
  void (*klOfOutcomes)(size_t outcomes, const double* p, const double* logP, const double* q,
                       const double* logQ, double* out);
};

}  // namespace trustregion::cpu
