// The small parts: views of numbers, sums of fixed order, Adam.

#include <limits>
#include <numeric>

#include "core/adam.h"
#include "core/number_span.h"
#include "core/vector_operations.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

CASE("NumberSpan reads three types") {
  const float floats[] = {0.1F, -2, 3e38F};
  const double doubles[] = {0.1, -2, 1e300};
  const int32_t integers[] = {7, -2, std::numeric_limits<int32_t>::min()};
  const NumberSpan a(floats, 3);
  const NumberSpan b(doubles, 3);
  const NumberSpan c(integers, 3);
  CHECK(a.type() == NumberSpan::Type::float32 && a.size() == 3 && !a.empty());
  CHECK(b.type() == NumberSpan::Type::float64);
  CHECK(c.type() == NumberSpan::Type::int32);
  CHECK(a[0] == static_cast<double>(0.1F) && a[0] != 0.1);  // not made better than it was
  CHECK(b[0] == 0.1 && b[2] == 1e300);
  CHECK(c[2] == -2147483648.0);
  CHECK(NumberSpan().empty());
}

CASE("NumberSpan::copyTo converts once") {
  const double doubles[] = {0.1, -2.5, 1e-50};
  const int32_t integers[] = {16777217, -1, 0};  // 2^24 + 1
  Guarded<float> floats(3);
  Guarded<double> wide(3);
  NumberSpan(doubles, 3).copyTo(floats.data());
  CHECK(floats[0] == 0.1F && floats[1] == -2.5F && floats[2] == 0);
  NumberSpan(integers, 3).copyTo(floats.data());
  CHECK(floats[0] == 16777216.0F);
  NumberSpan(integers, 3).copyTo(wide.data());
  CHECK(wide[0] == 16777217.0);
  const float single[] = {0.1F, 2, 3};
  NumberSpan(single, 3).copyTo(wide.data());
  CHECK(wide[0] == static_cast<double>(0.1F));
  CHECK(floats.intact() && wide.intact());
}

CASE("NumberSpan::subspan") {
  const float floats[] = {1, 2, 3, 4};
  const int32_t integers[] = {1, 2, 3, 4};
  const NumberSpan part = NumberSpan(floats, 4).subspan(1, 2);
  CHECK(part.size() == 2 && part[0] == 2 && part[1] == 3);
  CHECK(part.type() == NumberSpan::Type::float32);
  CHECK(NumberSpan(integers, 4).subspan(3, 1)[0] == 4);
  CHECK(NumberSpan(floats, 4).subspan(4, 0).empty());
  const char* message = "outside of the array";
  CHECK_THROWS(ErrorCode::internal, message, NumberSpan(floats, 4).subspan(3, 2));
  CHECK_THROWS(ErrorCode::internal, message, NumberSpan(floats, 4).subspan(5, 0));
  // 1 + the largest size_t wraps to zero: no excuse.
  const size_t largest = std::numeric_limits<size_t>::max();
  CHECK_THROWS(ErrorCode::internal, message, NumberSpan(floats, 4).subspan(1, largest));
  CHECK_THROWS(ErrorCode::internal, message, NumberSpan(floats, 4).subspan(largest, 1));
}

CASE("NumberSpan::requireFinite names the array and the first bad index") {
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    std::vector<double> doubles(100, 1e308);
    NumberSpan(doubles.data(), 100).requireFinite("rewards");
    doubles[63] = doubles[99] = bad;
    const char* text = bad != bad ? "NaN" : bad > 0 ? "Infinity" : "-Infinity";
    const std::string sentence = std::string("rewards[63] must be a finite number, got ") + text;
    CHECK_THROWS(ErrorCode::notFinite, sentence,
                 NumberSpan(doubles.data(), 100).requireFinite("rewards"));
    std::vector<float> floats(100, 3e38F);
    NumberSpan(floats.data(), 100).requireFinite("rewards");
    floats[99] = static_cast<float>(bad);
    CHECK_THROWS(ErrorCode::notFinite, "rewards[99]",
                 NumberSpan(floats.data(), 100).requireFinite("rewards"));
  }
  const int32_t integer = 5;
  NumberSpan(&integer, 1).requireFinite("actions");
}

// Wherever a vector instruction may end.
template <class Number>
void checkFiniteAtEachPlace() {
  using Limits = std::numeric_limits<Number>;
  const std::vector<Number> fine = {0, -Number{0}, Limits::max(), Limits::lowest(),
                                    Limits::denorm_min()};
  const std::vector<Number> bad = {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                                   -Limits::quiet_NaN()};
  for (size_t size = 1; size <= 40; size++) {
    std::vector<Number> values(size);
    for (size_t i = 0; i < size; i++) values[i] = fine[i % fine.size()];
    NumberSpan(values.data(), size).requireFinite("values");
    for (size_t place = 0; place < size; place++) {
      const Number before = values[place];
      values[place] = bad[place % bad.size()];
      const std::string message = "values[" + std::to_string(place) + "] must";
      CHECK_THROWS(ErrorCode::notFinite, message,
                   NumberSpan(values.data(), size).requireFinite("values"));
      values[place] = before;
    }
  }
}

CASE("NumberSpan::requireFinite: every length and place") {
  checkFiniteAtEachPlace<float>();
  checkFiniteAtEachPlace<double>();
  NumberSpan().requireFinite("values");
}

CASE("NumberSpan::requireSize explains the number") {
  const double doubles[] = {1, 2};
  NumberSpan(doubles, 2).requireSize("values", 2, "rows");
  CHECK_THROWS(ErrorCode::shapeMismatch, "values must have length 3 (rows), got 2",
               NumberSpan(doubles, 2).requireSize("values", 3, "rows"));
}

CASE("dot and norm: every length around the eight partial sums") {
  Random random(1);
  for (size_t size = 0; size <= 40; size++) {
    const Context context("size ", size);
    const std::vector<double> a = normals(size, random);
    const std::vector<double> b = normals(size, random);
    long double exact = 0;
    double magnitude = 0;
    for (size_t i = 0; i < size; i++) {
      exact += static_cast<long double>(a[i]) * b[i];
      magnitude += std::abs(a[i] * b[i]);
    }
    const double tolerance = static_cast<double>(size + 1) * kDoubleRoundoff * magnitude;
    CHECK_NEAR(dot(a, b), static_cast<double>(exact), tolerance);
    CHECK(dot(a, b) == dot(b, a));
    CHECK(norm(a) == std::sqrt(dot(a, a)));
  }
  // Small numbers that one after the other would be lost beside a large one.
  std::vector<double> values(8001, 1e-16);
  values[0] = 1;
  CHECK(dot(values, std::vector<double>(8001, 1)) > 1);
}

CASE("axpby and allFinite") {
  std::vector<double> y = {1, 2, 3};
  axpby(2, std::vector<double>{10, 20, 30}, -1, y);
  CHECK(y == (std::vector<double>{19, 38, 57}));
  CHECK(allFinite(y));
  CHECK(allFinite(std::vector<double>{}));
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    y[2] = bad;
    CHECK(!allFinite(y));
  }
}

CASE("Adam: three steps by hand") {
  // m = 0.9 m + 0.1 g, v = 0.999 v + 0.001 g^2, p -= r mhat / (sqrt(vhat) + 1e-8), in 40 digits.
  Adam adam(2);
  std::vector<double> parameters = {1, -0.5};
  const double gradients[3][2] = {{2, 1e-3}, {-1, 1e-3}, {0.5, -4e-3}};
  const double expected[3][2] = {{0.900000000499999997, -0.59999900000999990},
                                 {0.873366296702431357, -0.69999800001999980},
                                 {0.839323382138942471, -0.66551478162237290}};
  for (int step = 0; step < 3; step++) {
    adam.step(gradients[step], 0.1, parameters);
    for (int i = 0; i < 2; i++) {
      // 1 - 0.999^t loses three digits to cancellation.
      CHECK_NEAR(parameters[i], expected[step][i], 1e3 * 4 * kDoubleRoundoff * 0.1);
    }
  }
}

CASE("Adam: the first step is as long as the learning rate, whatever the gradient's scale") {
  for (const double scale : {1e-4, 1.0, 1e10}) {
    Adam adam(2);
    std::vector<double> parameters = {0, 0};
    adam.step(std::vector<double>{scale, -scale}, 0.01, parameters);
    CHECK_RELATIVE(parameters[0], -0.01, 2e-8 / std::min(scale, 1.0));
    CHECK_RELATIVE(parameters[1], 0.01, 2e-8 / std::min(scale, 1.0));
  }
}

CASE("Adam: no gradient, no step; and it minimises") {
  Adam still(1);
  std::vector<double> parameters = {3};
  still.step(std::vector<double>{0}, 0.1, parameters);
  CHECK(parameters[0] == 3);
  Adam adam(2);
  parameters = {4, -3};
  for (int i = 0; i < 2000; i++) {  // (x - 1)^2 + 100 (y - 2)^2
    const std::vector<double> gradient = {2 * (parameters[0] - 1), 200 * (parameters[1] - 2)};
    adam.step(gradient, 0.02, parameters);
  }
  CHECK_NEAR(parameters[0], 1, 1e-3);
  CHECK_NEAR(parameters[1], 2, 1e-3);
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
