// Running statistics of observations: against two passes over everything, however it was split.

#include "core/normalizer.h"

#include <algorithm>

#include "core/random.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kU = kDoubleRoundoff;

struct Moments {
  double mean = 0;
  double squaredDeviations = 0;
};

// Two passes in long double.
Moments exactMoments(const std::vector<double>& data, size_t size, size_t feature) {
  long double mean = 0;
  const size_t rows = data.size() / size;
  for (size_t row = 0; row < rows; row++) mean += data[row * size + feature];
  mean /= static_cast<long double>(rows);
  long double sum = 0;
  for (size_t row = 0; row < rows; row++) {
    const long double deviation = data[row * size + feature] - mean;
    sum += deviation * deviation;
  }
  return {static_cast<double>(mean), static_cast<double>(sum)};
}

void update(RunningNormalizer& normalizer, const std::vector<double>& data, size_t firstRow,
            size_t rows) {
  const size_t size = normalizer.size();
  normalizer.update({data.data() + firstRow * size, rows * size}, rows);
}

CASE("any split into batches gives the moments of two passes over all") {
  constexpr size_t kSize = 3;
  constexpr size_t kRows = 500;
  Random random(1);
  for (const double offset : {0.0, 100.0, 1e6, -1e9}) {
    std::vector<double> data = normals(kRows * kSize, random);
    for (size_t i = 0; i < data.size(); i++) {
      data[i] = data[i] * (i % kSize == 1 ? 1e-3 : 1) + offset;
    }
    for (const size_t batch : {1, 2, 7, 64, 499, 500}) {
      const Context context("offset ", offset, " batches of ", batch);
      RunningNormalizer normalizer(kSize, 10);
      for (size_t row = 0; row < kRows; row += batch) {
        update(normalizer, data, row, std::min(batch, kRows - row));
      }
      CHECK(normalizer.count() == kRows);
      for (size_t feature = 0; feature < kSize; feature++) {
        const Moments exact = exactMoments(data, kSize, feature);
        // Sums of 500 numbers of size |offset| + 3; the error of the mean goes into the squared
        // deviations by itself squared and by its product with their sum's own rounding.
        const double meanError = kRows * kU * (std::abs(offset) + 3);
        CHECK_NEAR(normalizer.mean()[feature], exact.mean, meanError);
        const double deviation = std::sqrt(exact.squaredDeviations / kRows);
        CHECK_NEAR(normalizer.squaredDeviations()[feature], exact.squaredDeviations,
                   kRows * (kRows * kU * deviation * deviation + meanError * meanError +
                            2 * meanError * deviation));
      }
    }
  }
}

CASE("merging a batch is the formula of Chan, Golub and LeVeque") {
  RunningNormalizer normalizer(1, 10);
  update(normalizer, {1, 3}, 0, 2);   // mean 2, sum of squares 2
  update(normalizer, {8, 10}, 0, 2);  // mean 9, sum of squares 2
  CHECK(normalizer.count() == 4);
  CHECK(normalizer.mean()[0] == 5.5);
  CHECK(normalizer.squaredDeviations()[0] == 2 + 2 + 49.0 * 2 * 2 / 4);
}

CASE("the identity before two rows") {
  RunningNormalizer normalizer(2, 10);
  CHECK(normalizer.scaling().isIdentity());
  update(normalizer, {}, 0, 0);
  CHECK(normalizer.count() == 0);
  update(normalizer, {4, 5}, 0, 1);
  CHECK(normalizer.scaling().isIdentity());
  update(normalizer, {6, 5}, 0, 1);
  CHECK(!normalizer.scaling().isIdentity());
}

std::vector<double> scaled(const ObservationScaling& scaling, const std::vector<double>& data,
                           size_t size) {
  Guarded<double> out(data.size());
  scaling.apply<double>({data.data(), data.size()}, data.size() / size, size, out.data(), size);
  CHECK(out.intact() && out.complete());
  return {out.data(), out.data() + out.size()};
}

CASE("scaled data has mean 0 and deviation 1") {
  Random random(2);
  std::vector<double> data = normals(2 * 400, random);
  for (size_t i = 0; i < data.size(); i += 2) data[i] = 50 + 4 * data[i];
  RunningNormalizer normalizer(2, 10);
  update(normalizer, data, 0, 400);
  const std::vector<double> result = scaled(normalizer.scaling(), data, 2);
  for (size_t feature = 0; feature < 2; feature++) {
    const Moments moments = exactMoments(result, 2, feature);
    // Rounding of numbers of size 50 + 12 relative to a deviation of 4.
    CHECK_NEAR(moments.mean, 0, 400 * 16 * kU);
    CHECK_NEAR(moments.squaredDeviations / 400, 1, 400 * 16 * kU);
  }
}

CASE("a constant feature is centred, not scaled") {
  for (const double constant : {0.0, 0.1, 1e6 + 0.1, -1e12 / 3}) {
    const Context context("constant ", constant);
    RunningNormalizer normalizer(1, 10);
    for (int i = 0; i < 1000; i++) update(normalizer, {constant, constant, constant}, 0, 3);
    const ObservationScaling scaling = normalizer.scaling();
    CHECK(scaling.inverseStd[0] == 1);
    // The mean of 3000 equal numbers.
    CHECK_NEAR(scaled(scaling, {constant}, 1)[0], 0, 3000 * kU * std::abs(constant));
    // A new value is seen at its own scale.
    CHECK_NEAR(scaled(scaling, {constant + 2}, 1)[0], 2, 3000 * kU * (std::abs(constant) + 2));
  }
}

CASE("a feature of tiny but real variance is scaled") {
  RunningNormalizer normalizer(1, 10);
  update(normalizer, {1e-3, -1e-3, 1e-3, -1e-3}, 0, 4);
  CHECK_RELATIVE(normalizer.scaling().inverseStd[0], 1e3, 8 * kU);
}

CASE("clips at both ends, and only there") {
  const ObservationScaling scaling{{1, 1}, {2, 2}, 3};
  CHECK(scaled(scaling, {1, 2, 2.5, -0.5, 100, -100, 1e300, -1e300}, 2) ==
        (std::vector<double>{0, 2, 3, -3, 3, -3, 3, -3}));
}

CASE("the identity neither scales nor clips") {
  CHECK(scaled({}, {1e6, -1e6, 0.5}, 3) == (std::vector<double>{1e6, -1e6, 0.5}));
}

CASE("strides: padding between rows is not touched") {
  const std::vector<float> data = {1, 2, 3, 4, 5, 6};
  const ObservationScaling scaling{{1, 1}, {1, 1}, 10};
  Guarded<float> out(3 * 5, -7);
  scaling.apply({data.data(), data.size()}, 3, 2, out.data(), 5);
  CHECK(out.intact());
  for (size_t row = 0; row < 3; row++) {
    for (size_t i = 0; i < 5; i++) {
      const float expected = i < 2 ? data[row * 2 + i] - 1 : -7;
      CHECK(out[row * 5 + i] == expected);
    }
  }
}

CASE("float32, float64 and int32 observations are scaled alike") {
  const std::vector<double> doubles = {1, -2, 3, 4};
  const std::vector<float> floats = {1, -2, 3, 4};
  const std::vector<int32_t> integers = {1, -2, 3, 4};
  const ObservationScaling scaling{{0.25, 0.5}, {1.7, 0.3}, 10};
  std::vector<double> a(4);
  std::vector<double> b(4);
  std::vector<double> c(4);
  scaling.apply({doubles.data(), 4}, 2, 2, a.data(), 2);
  scaling.apply({floats.data(), 4}, 2, 2, b.data(), 2);
  scaling.apply({integers.data(), 4}, 2, 2, c.data(), 2);
  CHECK(sameBits(a, b) && sameBits(a, c));
  RunningNormalizer fromDoubles(2, 10);
  RunningNormalizer fromIntegers(2, 10);
  fromDoubles.update({doubles.data(), 4}, 2);
  fromIntegers.update({integers.data(), 4}, 2);
  CHECK(sameBits(fromDoubles.mean(), fromIntegers.mean()));
}

CASE("restore continues where it was saved, bit for bit") {
  Random random(3);
  const std::vector<double> data = normals(2 * 60, random);
  RunningNormalizer whole(2, 5);
  update(whole, data, 0, 40);
  RunningNormalizer resumed(2, 5);
  resumed.restore(whole.count(), whole.mean().data(), whole.squaredDeviations().data());
  update(whole, data, 40, 20);
  update(resumed, data, 40, 20);
  CHECK(resumed.count() == whole.count());
  CHECK(sameBits(resumed.mean(), whole.mean()));
  CHECK(sameBits(resumed.squaredDeviations(), whole.squaredDeviations()));
  CHECK(sameBits(resumed.scaling().inverseStd, whole.scaling().inverseStd));
  CHECK(resumed.scaling().clip == 5);
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
