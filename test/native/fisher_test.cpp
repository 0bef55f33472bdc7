// What must hold between gradient, Fisher products and divergence of any backend, with no
// reference to compare to.

#include <algorithm>
#include <numeric>

#include "core/vector_operations.h"
#include "tracked_problem.h"

namespace trustregion::test {
namespace {

// Every distribution and activation; small enough for dense matrices.
std::vector<TestPolicy> policies() {
  return {{Distribution::gaussian(2), Activation::tanh, {9, 3, {4}}},
          {Distribution::gaussian(1), Activation::silu, {70, 2, {3, 3}}},
          {Distribution::gaussian(3), Activation::relu, {33, 2, {5}}},
          {Distribution::categorical({4}), Activation::silu, {17, 3, {4}}},
          {Distribution::categorical({3, 2}), Activation::tanh, {65, 2, {3, 2}}},
          {Distribution::categorical({2, 3}), Activation::relu, {33, 3, {5}}},
          {Distribution::bernoulli(3), Activation::tanh, {16, 3, {}}},
          {Distribution::bernoulli(2), Activation::relu, {31, 2, {6}}}};
}

PolicyProblem problemOf(const TestPolicy& policy, uint64_t seed = 5) {
  return randomProblem(policy.distribution, policy.activation, policy.shape, seed);
}

std::string nameOf(const TestPolicy& policy) {
  return describe(policy.distribution, policy.activation, policy.shape);
}

template <class Run>
bool addForEachPolicy(const std::string& name, const Run& run) {
  for (const TestPolicy& policy : policies()) {
    addCase(name + ": " + nameOf(policy), [=] { run(policy); });
  }
  return true;
}

template <class Run>
bool addForEachPolicyAndBackend(const std::string& name, const Run& run) {
  for (const TestPolicy& policy : policies()) {
    for (const Backend* backend : allBackends()) {
      addCase(name + ": " + nameOf(policy) + " on " + backend->name(), [=] {
        if (!backend->isSupported()) skipCase("not supported by this machine");
        run(policy, *backend);
      });
    }
  }
  return true;
}

std::vector<double> productOf(Problem& problem, const std::vector<double>& vector) {
  std::vector<double> product(vector.size());
  problem.fisherProduct(vector, product);
  return product;
}

std::vector<double> along(const std::vector<double>& from, double step,
                          const std::vector<double>& direction) {
  std::vector<double> moved = from;
  axpby(step, direction, 1, moved);
  return moved;
}

// Of <u, w> for a vector w of which the oracle knows the errors, in the backend's precision.
double dotVariance(const Backend& backend, const std::vector<double>& u, const TrackedVector& w) {
  double variance = 0;
  for (size_t i = 0; i < u.size(); i++) {
    variance += square(u[i]) * w[i].variance + square(kDoubleRoundoff * u[i] * w[i].value);
  }
  return backend.precision() == "float64" ? variance * square(2 * kDoubleRoundoff / kFloatRoundoff)
                                          : variance;
}

const bool kSymmetryAdded = addForEachPolicyAndBackend(
    "u'Fv = v'Fu and v'Fv >= 0", [](const TestPolicy& policy, const Backend& backend) {
      const PolicyProblem problem = problemOf(policy);
      const TrackedProblem tracked(problem);
      const SplitProducts split(productsOf(backend));
      const auto held = problem.on(backend);
      Random random(31);
      const auto direction = [&] {
        std::vector<double> values = normals(problem.parameters.size(), random);
        for (double& value : values) value = roundToFloat(value);
        return values;
      };
      for (int round = 0; round < 4; round++) {
        const std::vector<double> u = direction();
        const std::vector<double> v = direction();
        const std::vector<double> fisherU = productOf(*held, u);
        const std::vector<double> fisherV = productOf(*held, v);
        checkTracked(dot(u, fisherV),
                     {dot(v, fisherU), dotVariance(backend, u, tracked.fisherProduct(v)) +
                                           dotVariance(backend, v, tracked.fisherProduct(u))});
        CHECK(dot(v, fisherV) > 0);
      }
    });

// Softmax does not see a shift of all logits of a factor: F has that null direction.
const bool kNullAdded = addForEachPolicyAndBackend(
    "a shift of logits is a null direction", [](const TestPolicy& policy, const Backend& backend) {
      const PolicyProblem problem = problemOf(policy);
      const TrackedProblem tracked(problem);
      const SplitProducts split(productsOf(backend));
      const LayerLayout& head = problem.model.network.layers().back();
      std::vector<double> shift(problem.parameters.size());
      const auto& counts = policy.distribution.counts();
      const size_t width = counts.empty() ? policy.distribution.headSize() : counts[0];
      std::fill_n(shift.begin() + static_cast<long>(head.biasOffset), width, 1.0);
      const auto held = problem.on(backend);
      const std::vector<double> product = productOf(*held, shift);
      const TrackedVector expected = tracked.fisherProduct(shift);
      if (counts.empty()) {
        CHECK(dot(shift, product) > 0.01);  // the other distributions do see it
        return;
      }
      for (size_t i = 0; i < product.size(); i++) CHECK(std::abs(expected[i].value) < 1e-15);
      CHECK_NEAR(dot(shift, product), 0,
                 kSigmas * std::sqrt(dotVariance(backend, shift, expected)) + 1e-15);
    });

const bool kSameAdded = addForEachPolicyAndBackend(
    "at theta itself KL is 0 and ratio 1", [](const TestPolicy& policy, const Backend& backend) {
      PolicyProblem problem = problemOf(policy);
      const Evaluation evaluation = problem.on(backend)->evaluate(problem.parameters);
      CHECK(evaluation.finite);
      CHECK(evaluation.meanKl == 0);
      CHECK(evaluation.maxKl == 0);
      double mean = 0;
      for (const double advantage : problem.advantages) {
        mean += advantage / static_cast<double>(problem.rows);
      }
      CHECK_NEAR(evaluation.surrogate, mean, static_cast<double>(problem.rows) * kDoubleRoundoff);
      // With every advantage 1 the surrogate is the mean ratio: sums of ones are exact.
      std::fill(problem.advantages.begin(), problem.advantages.end(), 1.0);
      CHECK(problem.on(backend)->evaluate(problem.parameters).surrogate == 1);
    });

// u'Fv is the second derivative of the mean KL at theta, by differences that keep only even
// powers of the step: (KL(h w) + KL(-h w)) / h^2 = w'F w + O(h^2).
const bool kHessianAdded =
    addForEachPolicy("F is the Hessian of the mean KL", [](const TestPolicy& policy) {
      const PolicyProblem problem = problemOf(policy);
      const auto held = problem.on(referenceBackend());
      const size_t size = problem.parameters.size();
      // ReLU: short enough to pass no kink.
      const double step = policy.activation == Activation::relu ? 1e-6 : 1e-4;
      const auto curvature = [&](const std::vector<double>& w, double h) {
        return (held->evaluate(along(problem.parameters, h, w)).meanKl +
                held->evaluate(along(problem.parameters, -h, w)).meanKl) /
               square(h);
      };
      std::vector<double> unit(size);
      for (size_t j = 0; j < size; j++) {
        unit.assign(size, 0.0);
        unit[j] = 1;
        const std::vector<double> column = productOf(*held, unit);
        for (size_t i = 0; i <= j; i++) {
          const Context context("element ", i, ", ", j);
          std::vector<double> sum = unit;
          std::vector<double> difference = unit;
          sum[i] += 1;
          difference[i] -= 1;
          const auto mixed = [&](double h) {
            return (curvature(sum, h) - curvature(difference, h)) / 4;
          };
          const double element = mixed(step);
          // Richardson for the step; and a KL of size h^2 c comes with a relative error of some
          // roundings over h, from log-ratios of size h that are differences of numbers up to 8.
          const double rounding = 2 * 8 * 8 * kDoubleRoundoff / step *
                                  (curvature(sum, step) + curvature(difference, step) + 1e-6);
          CHECK_NEAR(column[i], element, std::abs(mixed(2 * step) - element) + rounding);
        }
      }
    });

const bool kGradientAdded = addForEachPolicy(
    "the gradient is the derivative of the surrogate", [](const TestPolicy& policy) {
      const PolicyProblem problem = problemOf(policy);
      const auto held = problem.on(referenceBackend());
      std::vector<double> gradient(problem.parameters.size());
      held->surrogateGradient(gradient);
      const double step = policy.activation == Activation::relu ? 1e-7 : 1e-5;
      for (size_t i = 0; i < gradient.size(); i++) {
        const Context context("element ", i);
        const auto slope = [&](double h) {
          std::vector<double> moved = problem.parameters;
          moved[i] += h;
          const double ahead = held->evaluate(moved).surrogate;
          moved[i] = problem.parameters[i] - h;
          return (ahead - held->evaluate(moved).surrogate) / (2 * h);
        };
        const double difference = slope(step);
        // Ratios near one of log-probabilities of size up to 10, times advantages of size one.
        const double rounding = 8 * 10 * kDoubleRoundoff / step;
        CHECK_NEAR(gradient[i], difference, std::abs(slope(2 * step) - difference) + rounding);
      }
    });

// KL(theta, theta + t d) - t^2 d'F d / 2 = O(t^3): on doubled steps the remainder grows eightfold.
const bool kSlopeAdded =
    addForEachPolicy("the quadratic model of the KL errs by t^3", [](const TestPolicy& policy) {
      const PolicyProblem problem = problemOf(policy);
      const auto held = problem.on(referenceBackend());
      const std::vector<double>& d = problem.direction;
      const double curvature = dot(d, productOf(*held, d));
      const auto remainder = [&](double t) {
        return held->evaluate(along(problem.parameters, t, d)).meanKl - 0.5 * t * t * curvature;
      };
      // ReLU passes kinks on the way, which leave t^3 but change its factor.
      const double allowed = policy.activation == Activation::relu ? 0.5 : 0.1;
      constexpr double kStep = 1e-3;
      const double slope = std::log2(std::abs(remainder(2 * kStep) / remainder(kStep)));
      CHECK_NEAR(slope, 3, allowed);
    });

const bool kDuplicateAdded = addForEachPolicyAndBackend(
    "duplicated and reordered rows", [](const TestPolicy& policy, const Backend& backend) {
      const PolicyProblem once = problemOf(policy);
      const TrackedProblem tracked(once);
      PolicyProblem twice = once;
      twice.rows *= 2;
      const auto append = [](auto& values, size_t size) {  // rows in reverse order
        const auto original = values;
        for (size_t row = original.size() / size; row-- > 0;) {
          const auto first = original.begin() + static_cast<long>(row * size);
          values.insert(values.end(), first, first + static_cast<long>(size));
        }
      };
      append(twice.observations, once.model.observationSize());
      append(twice.actions, once.model.distribution.actionSize());
      append(twice.advantages, 1);
      const double scale =
          backend.precision() == "float64" ? square(2 * kDoubleRoundoff / kFloatRoundoff) : 1;
      const auto check = [&](double a, double b, const Tracked& expected) {
        // Both have errors; the sum over twice the rows in other tiles, up to twice as large.
        checkTracked(a, {b, scale * 4 * expected.variance + square(4 * kDoubleRoundoff * b)});
      };
      const auto heldOnce = once.on(backend);
      const auto heldTwice = twice.on(backend);
      const std::vector<double> a = productOf(*heldOnce, once.direction);
      const std::vector<double> b = productOf(*heldTwice, once.direction);
      const TrackedVector product = [&] {
        const SplitProducts split(productsOf(backend));
        return tracked.fisherProduct(once.direction);
      }();
      for (size_t i = 0; i < a.size(); i++) check(a[i], b[i], product[i]);
      std::vector<double> gradientOnce(a.size());
      std::vector<double> gradientTwice(a.size());
      heldOnce->surrogateGradient(gradientOnce);
      heldTwice->surrogateGradient(gradientTwice);
      const TrackedVector gradient = tracked.surrogateGradient();
      for (size_t i = 0; i < a.size(); i++) check(gradientOnce[i], gradientTwice[i], gradient[i]);
    });

// Gaussian, linear in x~ = (x, 1): F of the mean's weights is E[x~ x~'] / sigma^2 for each action,
// and the block of logStd is exactly 2 I.
CASE("closed form: the linear Gaussian") {
  const PolicyProblem problem =
      randomProblem(Distribution::gaussian(2), Activation::tanh, {40, 3, {}}, 8);
  const auto held = problem.on(referenceBackend());
  for (size_t j = 0; j < problem.parameters.size(); j++) {
    std::vector<double> unit(problem.parameters.size());
    unit[j] = 1;
    const std::vector<double> column = productOf(*held, unit);
    for (size_t i = 0; i < column.size(); i++) {
      const Context context("element ", i, ", ", j);
      // Parameters: W [2 x 3], b [2], logStd [2].
      const auto action = [](size_t k) { return k < 6 ? k / 3 : (k - 6) % 2; };
      const auto feature = [&](size_t k, size_t row) {
        return k < 6 ? static_cast<double>(problem.observations[row * 3 + k % 3]) : 1.0;
      };
      double expected = 0;
      if (i >= 8 || j >= 8) {
        expected = i == j ? 2 : 0;
      } else if (action(i) == action(j)) {
        for (size_t row = 0; row < 40; row++) {
          expected += feature(i, row) * feature(j, row) / 40;
        }
        expected *= std::exp(-2 * problem.parameters[8 + action(i)]);
      }
      CHECK_NEAR(column[i], expected, 64 * kDoubleRoundoff * 10);
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
