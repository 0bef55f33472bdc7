#include "core/cholesky.h"

#include <cmath>
#include <limits>

#include "core/vector_operations.h"

namespace trustregion {

bool choleskySolve(std::span<double> a, std::span<const double> b, std::span<double> x) {
  const size_t size = b.size();
  const auto row = [&](size_t i) { return a.data() + i * size; };
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j < i; j++) {
      row(i)[j] = (row(i)[j] - dot({row(i), j}, {row(j), j})) / row(j)[j];
    }
    // Below the rounding of the subtraction, of `size` terms that add up to the diagonal element, a
    // pivot is noise of either sign.
    const double diagonal = row(i)[i];
    const double pivot = diagonal - dot({row(i), i}, {row(i), i});
    const double noise =
        static_cast<double>(size) * std::numeric_limits<double>::epsilon() * diagonal;
    if (!(pivot > 0 && pivot > noise) || !std::isfinite(pivot)) return false;
    row(i)[i] = std::sqrt(pivot);
  }
  // L y = b, then L'x = y.
  for (size_t i = 0; i < size; i++) x[i] = (b[i] - dot({row(i), i}, {x.data(), i})) / row(i)[i];
  for (size_t i = size; i-- > 0;) {
    x[i] /= row(i)[i];
    axpby(-x[i], {row(i), i}, 1, {x.data(), i});
  }
  return true;
}

}  // namespace trustregion
