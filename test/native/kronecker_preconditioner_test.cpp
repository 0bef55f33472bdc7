// The preconditioner made of Kronecker factors: in float64 against the dense inverse, in each
// backend's own arithmetic against that.

#include <cmath>
#include <limits>

#include "core/distribution.h"
#include "core/kronecker_preconditioner.h"
#include "core/kronecker_sampling.h"
#include "core/vector_operations.h"
#include "dense.h"
#include "guarded.h"
#include "tracked_problem.h"

namespace trustregion::test {
namespace {

// A (x) G for each layer in the order of the parameters, 2 I for logStd, and damping.
Dense approximation(const PolicyModel& model, const KroneckerFactors& factors, double damping) {
  Dense matrix(model.parameterCount());
  for (size_t l = 0; l < factors.layers.size(); l++) {
    const LayerLayout& layer = model.network.layers()[l];
    const size_t columns = layer.inputs + 1;
    const auto index = [&](size_t j, size_t k) {
      return k < layer.inputs ? layer.weightOffset + j * layer.inputs + k : layer.biasOffset + j;
    };
    for (size_t a = 0; a < layer.outputs; a++) {
      for (size_t b = 0; b < layer.outputs; b++) {
        for (size_t s = 0; s < columns; s++) {
          for (size_t t = 0; t < columns; t++) {
            matrix.at(index(a, s), index(b, t)) = factors.layers[l].output[a * layer.outputs + b] *
                                                  factors.layers[l].input[s * columns + t];
          }
        }
      }
    }
  }
  for (size_t i = model.logStdOffset(); i < model.parameterCount(); i++) matrix.at(i, i) = 2;
  for (size_t i = 0; i < model.parameterCount(); i++) matrix.at(i, i) += damping;
  return matrix;
}

std::vector<double> applied(const KroneckerPreconditioner& preconditioner, double damping,
                            const std::vector<double>& r) {
  Guarded<double> z(r.size());
  preconditioner.apply(damping, r, z.span());
  CHECK(z.intact() && z.complete());
  return {z.data(), z.data() + z.size()};
}

double largestEigenvalue(const Dense& matrix) {  // at most the trace
  double trace = 0;
  for (size_t i = 0; i < matrix.size(); i++) trace += matrix.at(i, i);
  return trace;
}

CASE("applied, it is the inverse of A (x) G + damping I") {
  uint64_t seed = 20;
  for (const TestPolicy& policy : kroneckerPolicies()) {
    const PolicyProblem problem =
        randomProblem(policy.distribution, policy.activation, policy.shape, seed++);
    const auto held = problem.on(referenceBackend());
    const KroneckerFactors factors = held->kroneckerFactors({});
    const auto preconditioner = KroneckerPreconditioner::make(problem.model, factors);
    for (const double damping : {1e-4, 0.1, 10.0}) {
      const Context context(describe(policy.distribution, policy.activation, policy.shape),
                            " damping ", damping);
      const Dense matrix = approximation(problem.model, factors, damping);
      const std::vector<double> z = applied(*preconditioner, damping, problem.direction);
      // Eigenvectors that are orthogonal to 16 n u, n below 20, four times, and eigenvalues as
      // good.
      std::vector<double> back = matrix.times(z);
      axpby(-1, problem.direction, 1, back);
      CHECK_NEAR(norm(back), 0,
                 8 * 16 * 20 * kDoubleRoundoff *
                     (largestEigenvalue(matrix) * norm(z) + norm(problem.direction)));
      // Symmetric and positive definite, as CG wants it.
      const std::vector<double> w = applied(*preconditioner, damping, problem.candidate);
      const double left = dot(z, problem.candidate);
      CHECK_NEAR(left, dot(w, problem.direction),
                 8 * 16 * 20 * kDoubleRoundoff / damping * norm(problem.direction) *
                     norm(problem.candidate));
      CHECK(dot(z, problem.direction) > 0 && dot(w, problem.candidate) > 0);
    }
  }
}

// What the damping divides has been rounded in three products of matrices without a large element:
// each a sum of at most n numbers, n below 20, so sqrt(n) roundings of the residual's norm.
const bool kSingleAdded =
    addForEachBackend("in the backend's own arithmetic it is the same", [](const Backend& backend) {
      uint64_t seed = 40;
      for (const TestPolicy& policy : kroneckerPolicies()) {
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, seed++);
        const auto held = problem.on(backend);
        const KroneckerFactors factors = held->kroneckerFactors({});
        const bool isSingle = backend.precision() == "float32";
        CHECK((held->multiplySingle() != nullptr) == isSingle);
        const auto exact = KroneckerPreconditioner::make(problem.model, factors);
        const auto own =
            KroneckerPreconditioner::make(problem.model, factors, 2, held->multiplySingle());
        for (const double damping : {1e-3, 0.1, 10.0}) {
          const std::vector<double> expected = applied(*exact, damping, problem.direction);
          std::vector<double> difference = applied(*own, damping, problem.direction);
          CHECK(isSingle || sameBits(difference, expected));
          CHECK(dot(difference, problem.direction) > 0);
          axpby(-1, expected, 1, difference);
          CHECK_NEAR(norm(difference), 0,
                     3 * std::sqrt(20) * kFloatRoundoff * norm(problem.direction) / damping);
        }
      }
    });

// One output and no hidden layer: F is A / sigma^2, the product of the factors exactly, for any
// signs, so that the preconditioner is the inverse itself.
const bool kExactAdded = addForEachBackend(
    "for a linear Gaussian with one action it is the inverse of F + damping I",
    [](const Backend& backend) {
      const PolicyProblem problem =
          randomProblem(Distribution::gaussian(1), Activation::tanh, {100, 4, {}}, 30);
      const auto held = problem.on(backend);
      const auto preconditioner =
          KroneckerPreconditioner::make(problem.model, held->kroneckerFactors({1, 1, 77}));
      for (const double damping : {1e-3, 0.1, 1.0}) {
        const std::vector<double> z = applied(*preconditioner, damping, problem.direction);
        std::vector<double> back(z.size());
        held->fisherProduct(z, back);
        axpby(damping, z, 1, back);
        axpby(-1, problem.direction, 1, back);
        std::vector<double> diagonal(z.size());
        held->fisherDiagonal(diagonal);
        double trace = 0;
        for (const double value : diagonal) trace += value;
        // Products and factors of numbers that were rounded to float32 some six times, or to pairs
        // of bfloat16, or to one.
        const Products products = productsOf(backend);
        const double inPairs = products == Products::pairs ? 0x1p-17 : 0x1p-9;
        const double inFloat = products == Products::single ? 8 * kFloatRoundoff : inPairs;
        const double error =
            backend.precision() == "float32" ? inFloat : 8 * 16 * 6 * kDoubleRoundoff;
        CHECK_NEAR(norm(back), 0, error * (trace * norm(z) + norm(problem.direction)));
      }
    });

CASE("several outputs of a linear Gaussian: the signs' mean is the inverse") {
  const PolicyProblem problem =
      randomProblem(Distribution::gaussian(3), Activation::tanh, {300, 3, {}}, 31);
  const auto held = problem.on(referenceBackend());
  // G is diag(1 / sigma^2) but for signs that cancel in 300 rows times 100 probes: each
  // off-diagonal element is a mean of 3e4 of them, 1 / (sigma_i sigma_j) / 173 of standard
  // deviation.
  const KroneckerFactors factors = held->kroneckerFactors({100, 1, 5});
  for (size_t i = 0; i < 3; i++) {
    for (size_t j = 0; j < 3; j++) {
      const double* logStd = problem.parameters.data() + problem.model.logStdOffset();
      const double scale = std::exp(-logStd[i] - logStd[j]);
      CHECK_NEAR(factors.layers[0].output[i * 3 + j], i == j ? scale : 0,
                 i == j ? 1e-10 * scale : 5 * scale / std::sqrt(3e4));
    }
  }
}

CASE("without damping: directions that no row excites do no harm") {
  PolicyProblem problem =
      randomProblem(Distribution::categorical({3}), Activation::relu, {40, 3, {4}}, 32);
  for (size_t i = 0; i < problem.observations.size(); i += 3) problem.observations[i] = 0;
  // A unit that is never active.
  const LayerLayout& first = problem.model.network.layers().front();
  problem.parameters[first.biasOffset] = -100;
  const auto held = problem.on(referenceBackend());
  const auto preconditioner =
      KroneckerPreconditioner::make(problem.model, held->kroneckerFactors({}));
  const std::vector<double> z = applied(*preconditioner, 0, problem.direction);
  CHECK(allFinite(z) && dot(z, problem.direction) > 0);
  // No factor at all.
  KroneckerFactors zero = emptyKroneckerFactors(problem.model.network);
  const std::vector<double> plain =
      applied(*KroneckerPreconditioner::make(problem.model, zero), 0, problem.direction);
  CHECK(sameBits(plain, problem.direction));
  const std::vector<double> halved =
      applied(*KroneckerPreconditioner::make(problem.model, zero), 2, problem.direction);
  for (size_t i = 0; i < halved.size(); i++) CHECK(halved[i] == problem.direction[i] / 2);
}

CASE("factors that are not finite are refused") {
  const PolicyProblem problem =
      randomProblem(Distribution::gaussian(2), Activation::tanh, {5, 2, {3}}, 33);
  KroneckerFactors factors = problem.on(referenceBackend())->kroneckerFactors({});
  factors.layers[1].output[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(ErrorCode::notFinite, "finite",
               KroneckerPreconditioner::make(problem.model, factors));
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
