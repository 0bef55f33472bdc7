#include "core/normalizer.h"

#include <algorithm>
#include <cmath>

namespace trustregion {

template <class Real>
void ObservationScaling::apply(NumberSpan observations, size_t rows, size_t size, Real* out,
                               size_t stride) const {
  observations.visit([&](const auto* from) {
    for (size_t row = 0; row < rows; row++, from += size, out += stride) {
      if (isIdentity()) {
        std::transform(from, from + size, out, [](auto value) { return static_cast<Real>(value); });
        continue;
      }
      for (size_t i = 0; i < size; i++) {
        const double value = (static_cast<double>(from[i]) - mean[i]) * inverseStd[i];
        out[i] = static_cast<Real>(std::clamp(value, -clip, clip));
      }
    }
  });
}

template void ObservationScaling::apply<float>(NumberSpan, size_t, size_t, float*, size_t) const;
template void ObservationScaling::apply<double>(NumberSpan, size_t, size_t, double*, size_t) const;

RunningNormalizer::RunningNormalizer(size_t size, double clip)
    : clip_(clip), mean_(size, 0.0), squaredDeviations_(size, 0.0) {}

void RunningNormalizer::update(NumberSpan observations, size_t rows) {
  if (rows == 0) return;
  const size_t size = mean_.size();
  std::vector<double> batchMean(size, 0.0);
  std::vector<double> batchDeviations(size, 0.0);
  observations.visit([&](const auto* first) {
    const auto* const end = first + rows * size;
    for (const auto* row = first; row != end; row += size) {
      for (size_t i = 0; i < size; i++) batchMean[i] += static_cast<double>(row[i]);
    }
    for (double& value : batchMean) value /= static_cast<double>(rows);
    for (const auto* row = first; row != end; row += size) {
      for (size_t i = 0; i < size; i++) {
        const double deviation = static_cast<double>(row[i]) - batchMean[i];
        batchDeviations[i] += deviation * deviation;
      }
    }
  });
  const double added = static_cast<double>(rows);
  const double total = count_ + added;
  for (size_t i = 0; i < size; i++) {
    const double difference = batchMean[i] - mean_[i];
    mean_[i] += difference * (added / total);
    squaredDeviations_[i] +=
        batchDeviations[i] + difference * difference * (count_ * added / total);
  }
  count_ = total;
}

void RunningNormalizer::restore(double count, const double* mean, const double* squaredDeviations) {
  count_ = count;
  std::copy(mean, mean + mean_.size(), mean_.begin());
  std::copy(squaredDeviations, squaredDeviations + mean_.size(), squaredDeviations_.begin());
}

ObservationScaling RunningNormalizer::scaling() const {
  if (count_ < 2) return {};
  ObservationScaling scaling{mean_, std::vector<double>(mean_.size()), clip_};
  for (size_t i = 0; i < mean_.size(); i++) {
    const double deviation = std::sqrt(squaredDeviations_[i] / count_);
    const bool varies = deviation > 1e-8 * std::max(1.0, std::abs(mean_[i]));
    scaling.inverseStd[i] = varies ? 1 / deviation : 1;
  }
  return scaling;
}

}  // namespace trustregion
