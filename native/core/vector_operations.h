#pragma once

#include <cstddef>
#include <span>

#include "core/function_ref.h"

namespace trustregion {

// Sums of fixed order over host vectors: eight interleaved partial sums, so that the loop
// vectorises, then combined pairwise; long vectors in parts of kVectorPart numbers, which are added
// up in order. The same bits for every thread count.
constexpr size_t kVectorPart = 8192;

double dot(std::span<const double> a, std::span<const double> b, unsigned threads = 1);
double norm(std::span<const double> a, unsigned threads = 1);

// y = a x + b y
void axpby(double a, std::span<const double> x, double b, std::span<double> y,
           unsigned threads = 1);

// Calls visit(part, first, count) for each part of a vector of `size` numbers.
void forEachVectorPart(size_t size, unsigned threads,
                       FunctionRef<void(size_t part, size_t first, size_t count)> visit);

// sums[i] = the sum over all parts, in their order, of what visit(first, count, part) wrote to
// part[i]: several sums in one pass over the vectors, and with whatever else has to be done to each
// part while it is in the cache.
void sumVectorParts(size_t size, unsigned threads, std::span<double> sums,
                    FunctionRef<void(size_t first, size_t count, std::span<double> part)> visit);

bool allFinite(std::span<const double> a);

}  // namespace trustregion
