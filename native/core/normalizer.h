#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/number_span.h"

namespace trustregion {

// x -> clamp((x - mean) inverseStd, -clip, clip) for each feature: the frozen form that a policy
// snapshot carries. Empty vectors are the identity.
struct ObservationScaling {
  std::vector<double> mean;
  std::vector<double> inverseStd;
  double clip = 0;

  bool isIdentity() const { return mean.empty(); }

  // Writes `rows` scaled rows of `size` features to out, out's rows `stride` apart.
  template <class Real>
  void apply(NumberSpan observations, size_t rows, size_t size, Real* out, size_t stride) const;
};

// Running mean and variance of each feature, merged batch by batch (Chan, Golub and LeVeque 1983),
// in double precision. The result does not depend on how the rows are split into batches beyond
// rounding, and is the same for every thread count.
class RunningNormalizer {
 public:
  RunningNormalizer(size_t size, double clip);

  size_t size() const { return mean_.size(); }
  double clip() const { return clip_; }
  double count() const { return count_; }
  const std::vector<double>& mean() const { return mean_; }
  // Sum of squared deviations from the mean, [size].
  const std::vector<double>& squaredDeviations() const { return squaredDeviations_; }

  // Merges `rows` observations [rows x size]; all must be finite.
  void update(NumberSpan observations, size_t rows);
  void restore(double count, const double* mean, const double* squaredDeviations);

  // Before the first two rows this is the identity. A feature that never varied (standard
  // deviation below 1e-8 of max(1, |mean|)) is centred but not scaled.
  ObservationScaling scaling() const;

 private:
  double clip_;
  double count_ = 0;
  std::vector<double> mean_;
  std::vector<double> squaredDeviations_;
};

}  // namespace trustregion
