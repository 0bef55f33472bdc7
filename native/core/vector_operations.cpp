#include "core/vector_operations.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "core/thread_pool.h"

namespace trustregion {

namespace {

double dotOfPart(const double* a, const double* b, size_t size) {
  double sums[8] = {};
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    for (size_t lane = 0; lane < 8; lane++) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < size; i++) sums[i % 8] += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace

void forEachVectorPart(size_t size, unsigned threads,
                       FunctionRef<void(size_t part, size_t first, size_t count)> visit) {
  parallelFor((size + kVectorPart - 1) / kVectorPart, threads, [&](size_t part, unsigned) {
    const size_t first = part * kVectorPart;
    visit(part, first, std::min(kVectorPart, size - first));
  });
}

double dot(std::span<const double> a, std::span<const double> b, unsigned threads) {
  if (a.size() <= kVectorPart) return dotOfPart(a.data(), b.data(), a.size());
  std::vector<double> sums((a.size() + kVectorPart - 1) / kVectorPart);
  forEachVectorPart(a.size(), threads, [&](size_t part, size_t first, size_t count) {
    sums[part] = dotOfPart(a.data() + first, b.data() + first, count);
  });
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

double norm(std::span<const double> a, unsigned threads) { return std::sqrt(dot(a, a, threads)); }

void axpby(double a, std::span<const double> x, double b, std::span<double> y, unsigned threads) {
  forEachVectorPart(x.size(), threads, [&](size_t, size_t first, size_t count) {
    for (size_t i = first; i < first + count; i++) y[i] = a * x[i] + b * y[i];
  });
}

bool allFinite(std::span<const double> a) {
  for (const double value : a) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace trustregion
