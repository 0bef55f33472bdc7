#pragma once

#include <span>

namespace trustregion {

// Sums of fixed order over host vectors: eight interleaved partial sums, so that the loop
// vectorises, then combined pairwise. The same bits for every thread count.
double dot(std::span<const double> a, std::span<const double> b);
double norm(std::span<const double> a);

// y = a x + b y
void axpby(double a, std::span<const double> x, double b, std::span<double> y);

bool allFinite(std::span<const double> a);

}  // namespace trustregion
