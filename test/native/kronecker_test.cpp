// Kronecker factors of the Fisher matrix on every backend.

#include <algorithm>
#include <limits>
#include <span>

#include "core/distribution.h"
#include "core/kronecker_sampling.h"
#include "core/symmetric_eigen.h"
#include "core/vector_operations.h"
#include "dense.h"
#include "guarded.h"
#include "tracked_problem.h"

namespace trustregion::test {
namespace {

// --- signs -------------------------------------------------------------------------------------

CASE("signs: one or minus one, balanced, and without correlation") {
  // n signs of a fair coin sum to at most 5 sqrt(n), but for once in a million tables.
  constexpr size_t kRows = 4096;
  constexpr size_t kSize = 70;  // more than one word of bits
  constexpr double kLimit = 5 * 64;
  for (const uint64_t seed : {0ULL, 1ULL, 12345678901234ULL}) {
    KroneckerSampling sampling;
    sampling.seed = seed;
    std::vector<double> sums(kSize);
    std::vector<double> neighbours(kSize);  // products of one column and the next
    std::vector<double> probes(kSize);      // products of probe 0 and probe 1
    std::vector<double> rows(kSize);        // products of a row and the row before it
    std::vector<double> words(6);           // products of a bit and the one a word before it
    std::vector<double> previous(kSize);
    for (size_t row = 0; row < kRows; row++) {
      Guarded<double> signs(kSize);
      std::vector<double> other(kSize);
      kroneckerSigns(sampling, row, 0, signs.span());
      kroneckerSigns(sampling, row, 1, other);
      CHECK(signs.intact());
      for (size_t i = 0; i < kSize; i++) {
        CHECK(std::abs(signs[i]) == 1);
        sums[i] += signs[i];
        neighbours[i] += signs[i] * signs[(i + 1) % kSize];
        probes[i] += signs[i] * other[i];
        rows[i] += signs[i] * previous[i];
        words[i % 6] += i >= 64 ? signs[i] * signs[i - 64] : 0;
        previous[i] = signs[i];
      }
    }
    for (size_t i = 0; i < kSize; i++) {
      const Context context("seed ", seed, " column ", i);
      CHECK_NEAR(sums[i], 0, kLimit);
      CHECK_NEAR(neighbours[i], 0, kLimit);
      CHECK_NEAR(probes[i], 0, kLimit);
      CHECK_NEAR(rows[i], 0, kLimit);
      CHECK_NEAR(words[i % 6], 0, kLimit);
    }
  }
}

CASE("signs depend on seed, row and probe alone") {
  const auto signs = [](uint64_t seed, size_t row, int probe, size_t size = 64) {
    KroneckerSampling sampling;
    sampling.seed = seed;
    sampling.stride = seed + 1;  // has no say
    std::vector<double> values(size);
    kroneckerSigns(sampling, row, probe, values);
    return values;
  };
  CHECK(signs(1, 2, 3) == signs(1, 2, 3));
  CHECK(signs(1, 2, 3) != signs(2, 2, 3));
  CHECK(signs(1, 2, 3) != signs(1, 3, 3));
  CHECK(signs(1, 2, 3) != signs(1, 2, 4));
  // A shorter head sees the beginning of a longer one's.
  const std::vector<double> longer = signs(1, 2, 3, 130);
  CHECK(std::equal(longer.begin(), longer.begin() + 64, signs(1, 2, 3).begin()));
}

// --- factors -----------------------------------------------------------------------------------

struct TrackedFactors {
  struct Layer {
    TrackedVector input;
    TrackedVector output;
  };
  std::vector<Layer> layers;
};

// 1 + sum_k (x_k - mean_k)^2 / (variance_k + 0.01 mean variance), mean and variance those of A.
Tracked expectedWeight(const TrackedVector& x, std::span<const double> inputFactor) {
  const size_t inputs = x.size();
  std::vector<double> means;
  std::vector<double> variances;
  double meanVariance = 0;
  for (size_t k = 0; k < inputs; k++) {
    means.push_back(inputFactor[(k + 1) * (inputs + 1) - 1]);
    variances.push_back(std::max(0.0, inputFactor[k * (inputs + 2)] - square(means[k])));
    meanVariance += variances[k] / static_cast<double>(inputs);
  }
  Tracked sum{1, 0};
  for (size_t k = 0; k < inputs && meanVariance > 0; k++) {
    const double variance = variances[k] + 0.01 * meanVariance;
    sum += squared(x[k] + Tracked{-means[k], square(kFloatRoundoff * means[k])}) *
           rounded(1 / variance, square(kFloatRoundoff / variance));
  }
  return sum;
}

// By the definition, on numbers that know their errors: sums over the rows that a stride leaves.
// The weights of the output signals are those that the input factors `actual` ask for.
TrackedFactors expectedFactors(const PolicyProblem& problem, const KroneckerSampling& sampling,
                               const KroneckerFactors& actual) {
  const Distribution& distribution = problem.model.distribution;
  const MlpLayout& network = problem.model.network;
  const TrackedVector parameters = exactNumbers(problem.parameters);
  TrackedFactors factors;
  for (const LayerLayout& layer : network.layers()) {
    factors.layers.push_back({TrackedVector((layer.inputs + 1) * (layer.inputs + 1)),
                              TrackedVector(layer.outputs * layer.outputs)});
  }
  const auto addOuter = [](const TrackedVector& a, const Tracked& weight, TrackedVector& sum) {
    for (size_t i = 0; i < a.size(); i++) {
      for (size_t j = 0; j < a.size(); j++) {
        sum[i * a.size() + j] += weight * (i == j ? squared(a[i]) : a[i] * a[j]);
      }
    }
  };
  std::vector<double> signs(distribution.headSize());
  double rows = 0;
  TrackedVector weightSums(network.layers().size());
  for (size_t row = 0; row < problem.rows; row += sampling.stride) {
    rows++;
    const TrackedRow forward = trackedForward(network, parameters, problem.scaledObservation(row));
    for (int probe = 0; probe < sampling.probes; probe++) {
      kroneckerSigns(sampling, row, probe, signs);
      TrackedVector u = propagate(forward.head, [&](const std::vector<double>& head) {
        // B e as the sum of columns.
        std::vector<double> sum(head.size());
        std::vector<double> column(head.size());
        for (size_t c = 0; c < head.size(); c++) {
          distribution.metricFactorColumn(head.data(),
                                          problem.parameters.data() + problem.model.logStdOffset(),
                                          c, column.data());
          axpby(signs[c], column, 1, sum);
        }
        return sum;
      });
      for (Tracked& number : u) number = rounded(number.value, number.variance);
      for (size_t l = network.layers().size(); l-- > 0;) {
        const LayerLayout& layer = network.layers()[l];
        TrackedVector x = forward.input[l];
        const Tracked weight = expectedWeight(x, actual.layers[l].input);
        addOuter(u, weight, factors.layers[l].output);
        weightSums[l] += weight;
        x.push_back({1, 0});
        if (probe == 0) addOuter(x, {1, 0}, factors.layers[l].input);
        if (l == 0) break;
        TrackedVector next(layer.inputs);
        for (size_t j = 0; j < layer.outputs; j++) {
          for (size_t k = 0; k < layer.inputs; k++) {
            next[k] += u[j] * parameters[layer.weightOffset + j * layer.inputs + k];
          }
        }
        for (size_t k = 0; k < layer.inputs; k++) next[k] = next[k] * forward.derivative[l - 1][k];
        u = next;
      }
    }
  }
  const auto divide = [](TrackedVector& sum, double count) {
    for (Tracked& number : sum) number = {number.value / count, number.variance / square(count)};
  };
  for (size_t l = 0; l < factors.layers.size(); l++) {
    divide(factors.layers[l].input, rows);
    // To first order in the errors of both sums.
    const Tracked sum = weightSums[l];
    for (Tracked& number : factors.layers[l].output) {
      number = {
          number.value / sum.value,
          (number.variance + sum.variance * square(number.value / sum.value)) / square(sum.value)};
    }
  }
  return factors;
}

void checkMatrix(const Backend& backend, std::span<const double> actual,
                 const TrackedVector& expected, double rows) {
  CHECK(actual.size() == expected.size());
  for (size_t i = 0; i < expected.size(); i++) {
    const Context context("element ", i);
    Tracked number = expected[i];
    if (backend.precision() == "float64") {
      number.variance *= square(2 * kDoubleRoundoff / kFloatRoundoff);
    }
    number.variance += square(rows * kDoubleRoundoff * (std::abs(number.value) + 1));
    checkTracked(actual[i], number);
  }
}

const bool kFactorsAdded =
    addForEachBackend("factors against their definition", [](const Backend& backend) {
      uint64_t seed = 1;
      for (const TestPolicy& policy : kroneckerPolicies()) {
        seed++;
        const PolicyProblem problem = randomProblem(policy.distribution, policy.activation,
                                                    policy.shape, seed, seed % 2 == 0);
        const auto held = problem.on(backend, 2);
        for (const size_t stride : {1U, 2U, 3U, 100U}) {
          for (const int probes : {1, 3}) {
            const Context context(describe(policy.distribution, policy.activation, policy.shape),
                                  " stride ", stride, " probes ", probes);
            const KroneckerSampling sampling{probes, stride, seed};
            const KroneckerFactors actual = held->kroneckerFactors(sampling);
            const TrackedFactors expected = expectedFactors(problem, sampling, actual);
            CHECK(actual.layers.size() == expected.layers.size());
            for (size_t l = 0; l < expected.layers.size(); l++) {
              const Context layer("layer ", l);
              const double rows = static_cast<double>(problem.rows) * probes;
              checkMatrix(backend, actual.layers[l].input, expected.layers[l].input, rows);
              checkMatrix(backend, actual.layers[l].output, expected.layers[l].output, rows);
              CHECK(actual.layers[l].input.back() == 1);
            }
          }
        }
      }
    });

const bool kSymmetricAdded = addForEachBackend(
    "factors are symmetric and have no negative eigenvalue", [](const Backend& backend) {
      for (const TestPolicy& policy : kroneckerPolicies()) {
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, 7);
        const auto held = problem.on(backend, 2);
        for (const auto& layer : held->kroneckerFactors({}).layers) {
          for (const AlignedDoubles& matrix : {layer.input, layer.output}) {
            const auto size =
                static_cast<size_t>(std::lround(std::sqrt(static_cast<double>(matrix.size()))));
            double trace = 0;
            for (size_t i = 0; i < size; i++) {
              trace += matrix[i * size + i];
              for (size_t j = 0; j < i; j++) {
                CHECK(matrix[i * size + j] == matrix[j * size + i]);
              }
            }
            // Rounded in float32 for each of the 96 rows of a tile: its sums are off by some
            // u times the trace.
            for (const double value : symmetricEigen(matrix, size).values) {
              CHECK(value >= -96 * kFloatRoundoff * trace);
            }
          }
        }
      }
    });

const bool kThreadsAdded =
    addForEachBackend("1, 2, 3, 8 and 64 threads give the same bits", [](const Backend& backend) {
      const PolicyProblem problem =
          randomProblem(Distribution::categorical({3}), Activation::silu, {1500, 3, {5}}, 8);
      for (const size_t stride : {1U, 3U}) {
        const auto with = [&](unsigned threads) {
          const auto held = problem.on(backend, threads);
          const KroneckerFactors factors = held->kroneckerFactors({2, stride, 5});
          std::vector<double> all;
          for (const auto& layer : factors.layers) {
            all.insert(all.end(), layer.input.begin(), layer.input.end());
            all.insert(all.end(), layer.output.begin(), layer.output.end());
          }
          return all;
        };
        const std::vector<double> one = with(1);
        for (const unsigned threads : {2U, 3U, 8U, 64U}) CHECK(sameBits(with(threads), one));
      }
    });

// E[u u'] = J' M J of each row, weighted: many seeds come near the exact mean, within five standard
// errors of their own.
CASE("the factors' expectation is exact") {
  for (const TestPolicy& policy : kroneckerPolicies()) {
    const Context context(describe(policy.distribution, policy.activation, policy.shape));
    const PolicyProblem problem =
        randomProblem(policy.distribution, policy.activation, {20, 3, {4}}, 9);
    const auto held = problem.on(referenceBackend());
    const size_t headSize = policy.distribution.headSize();
    // Each layer's exact G, by one column of B at a time.
    std::vector<std::vector<double>> exact(2);
    exact[0].resize(16);
    exact[1].resize(headSize * headSize);
    const TrackedVector parameters = exactNumbers(problem.parameters);
    const KroneckerFactors inputs = held->kroneckerFactors({});  // A has nothing of chance
    std::vector<double> weightSums(2);
    for (size_t row = 0; row < problem.rows; row++) {
      const TrackedRow forward =
          trackedForward(problem.model.network, parameters, problem.scaledObservation(row));
      const std::vector<double> head = valuesOf(forward.head);
      std::vector<double> weights;
      for (size_t l = 0; l < 2; l++) {
        weights.push_back(expectedWeight(forward.input[l], inputs.layers[l].input).value);
        weightSums[l] += weights[l];
      }
      for (size_t c = 0; c < headSize; c++) {
        std::vector<double> u(headSize);
        policy.distribution.metricFactorColumn(
            head.data(), problem.parameters.data() + problem.model.logStdOffset(), c, u.data());
        const LayerLayout& last = problem.model.network.layers()[1];
        std::vector<double> below(4);
        for (size_t k = 0; k < 4; k++) {
          for (size_t j = 0; j < headSize; j++) {
            below[k] += u[j] * problem.parameters[last.weightOffset + j * 4 + k];
          }
          below[k] *= forward.derivative[0][k].value;
        }
        for (size_t l = 0; l < 2; l++) {
          const std::vector<double>& vector = l == 0 ? below : u;
          const size_t size = vector.size();
          for (size_t i = 0; i < size * size; i++) {
            exact[l][i] += weights[l] * vector[i / size] * vector[i % size];
          }
        }
      }
    }
    for (size_t l = 0; l < 2; l++) {
      for (double& value : exact[l]) value /= weightSums[l];
    }
    constexpr int kSeeds = 2000;
    for (size_t l = 0; l < 2; l++) {
      std::vector<double> sum(exact[l].size());
      std::vector<double> squares(exact[l].size());
      for (uint64_t seed = 0; seed < kSeeds; seed++) {
        const auto factors = held->kroneckerFactors({1, 1, seed});
        for (size_t i = 0; i < sum.size(); i++) {
          sum[i] += factors.layers[l].output[i];
          squares[i] += square(factors.layers[l].output[i]);
        }
      }
      for (size_t i = 0; i < sum.size(); i++) {
        const Context element("layer ", l, " element ", i);
        const double mean = sum[i] / kSeeds;
        const double variance = std::max(0.0, squares[i] / kSeeds - square(mean));
        CHECK_NEAR(mean, exact[l][i], 5 * std::sqrt(variance / kSeeds) + 1e-12);
      }
    }
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
