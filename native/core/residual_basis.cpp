#include "core/residual_basis.h"

#include "core/vector_operations.h"

namespace trustregion {

void ResidualBasis::add(std::span<const double> r, std::span<const double> z, double rho) {
  residuals_.emplace_back(r.begin(), r.end());
  if (isPreconditioned_) preconditioned_.emplace_back(z.begin(), z.end());
  rhos_.push_back(rho);
}

void ResidualBasis::orthogonalize(std::span<double> r) const {
  const size_t count = residuals_.size();
  const size_t parts = (r.size() + kVectorPart - 1) / kVectorPart;
  std::vector<double> sums(parts * count);
  forEachVectorPart(r.size(), threads_, [&](size_t part, size_t first, size_t size) {
    for (size_t j = 0; j < count; j++) {
      const std::vector<double>& z = isPreconditioned_ ? preconditioned_[j] : residuals_[j];
      sums[part * count + j] = dot({z.data() + first, size}, r.subspan(first, size));
    }
  });
  std::vector<double> factors(count);
  for (size_t j = 0; j < count; j++) {
    double sum = 0;
    for (size_t part = 0; part < parts; part++) sum += sums[part * count + j];
    factors[j] = -sum / rhos_[j];
  }
  forEachVectorPart(r.size(), threads_, [&](size_t, size_t first, size_t size) {
    for (size_t j = 0; j < count; j++) {
      axpby(factors[j], {residuals_[j].data() + first, size}, 1, r.subspan(first, size));
    }
  });
}

}  // namespace trustregion
