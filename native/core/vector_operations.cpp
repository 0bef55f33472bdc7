#include "core/vector_operations.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "core/dense_kernels.h"
#include "core/thread_pool.h"

namespace trustregion {
namespace {

double dotOfPart(std::span<const double> a, std::span<const double> b) {
  const double* const row = a.data();
  double sum = 0;
  denseKernels().dots(a.size(), 1, &row, b.data(), &sum);
  return sum;
}

}  // namespace

void forEachVectorPart(size_t size, unsigned threads,
                       FunctionRef<void(size_t part, size_t first, size_t count)> visit) {
  parallelFor((size + kVectorPart - 1) / kVectorPart, threads, [&](size_t part, unsigned) {
    const size_t first = part * kVectorPart;
    visit(part, first, std::min(kVectorPart, size - first));
  });
}

void sumVectorParts(size_t size, unsigned threads, std::span<double> sums,
                    FunctionRef<void(size_t first, size_t count, std::span<double> part)> visit) {
  const size_t parts = (size + kVectorPart - 1) / kVectorPart;
  std::vector<double> ofParts(parts * sums.size());
  forEachVectorPart(size, threads, [&](size_t part, size_t first, size_t count) {
    visit(first, count, {ofParts.data() + part * sums.size(), sums.size()});
  });
  std::fill(sums.begin(), sums.end(), 0.0);
  for (size_t part = 0; part < parts; part++) {
    for (size_t i = 0; i < sums.size(); i++) sums[i] += ofParts[part * sums.size() + i];
  }
}

double dot(std::span<const double> a, std::span<const double> b, unsigned threads) {
  if (a.size() <= kVectorPart) return dotOfPart(a, b);
  double sum = 0;
  sumVectorParts(a.size(), threads, {&sum, 1},
                 [&](size_t first, size_t count, std::span<double> part) {
                   part[0] = dotOfPart(a.subspan(first, count), b.subspan(first, count));
                 });
  return sum;
}

double norm(std::span<const double> a, unsigned threads) { return std::sqrt(dot(a, a, threads)); }

void axpby(double a, std::span<const double> x, double b, std::span<double> y, unsigned threads) {
  forEachVectorPart(x.size(), threads, [&](size_t, size_t first, size_t count) {
    denseKernels().axpby(count, a, x.data() + first, b, y.data() + first);
  });
}

bool allFinite(std::span<const double> a) {
  for (const double value : a) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

}  // namespace trustregion
