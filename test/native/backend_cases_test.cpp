// One table of problems, every backend against the same independent answers.

#include <map>
#include <memory>

#include "guarded.h"
#include "tracked_problem.h"

namespace trustregion::test {
namespace {

// Rows around the edges of vectors and tiles; widths likewise; depths 0 to 4.
const std::vector<Shape> kShapes = {
    {1, 1, {}},         {1, 3, {5}},        {15, 3, {17}},      {16, 8, {16, 8}},
    {17, 17, {65}},     {31, 1, {1}},       {33, 4, {3, 1, 8}}, {63, 65, {17}},
    {64, 8, {64, 64}},  {65, 17, {33, 31}}, {128, 5, {}},       {129, 2, {8, 8, 8, 8}},
    {257, 3, {17, 15}}, {320, 6, {5}},
};

std::vector<Distribution> distributions() {
  return {Distribution::gaussian(1),
          Distribution::gaussian(6),
          Distribution::categorical({2}),
          Distribution::categorical({17}),
          Distribution::categorical({3, 2, 4}),
          Distribution::categorical({1, 5}),
          Distribution::bernoulli(1),
          Distribution::bernoulli(9)};
}

// A problem and its answers, made once for all backends, or for those whose products are split.
struct Answers {
  explicit Answers(PolicyProblem policyProblem, Products products = Products::single)
      : problem(std::move(policyProblem)) {
    const TrackedProblem tracked(
        problem, products == Products::single ? cpu::kTileRows : cpu::kNarrowSplitTileRows);
    heads = tracked.heads();
    gradient = tracked.surrogateGradient();
    {
      const SplitProducts split(products);
      product = tracked.fisherProduct(problem.direction);
    }
    diagonal = tracked.fisherDiagonal();
    evaluation = tracked.evaluate(problem.candidate);
  }

  PolicyProblem problem;
  TrackedVector heads;
  TrackedVector gradient;
  TrackedVector product;
  TrackedVector diagonal;
  TrackedEvaluation evaluation;
};

// The largest error of all cases of a backend in units of the tolerance, for the report.
std::map<std::string, double>& largestErrors() {
  static std::map<std::string, double> errors;
  return errors;
}

class Comparison {
 public:
  Comparison(const Backend& backend, const PolicyProblem& problem)
      : isDouble_(backend.precision() == "float64"),
        rows_(static_cast<double>(problem.rows)),
        headSize_(static_cast<double>(problem.model.distribution.headSize())),
        largest_(largestErrors()[backend.name()]) {}

  void checkVector(const Guarded<double>& actual, const TrackedVector& expected,
                   const char* what) const {
    CHECK(actual.intact());
    CHECK(actual.complete());
    CHECK(actual.size() == expected.size());
    for (size_t i = 0; i < expected.size(); i++) {
      const Context context(what, " element ", i);
      check(actual[i], expected[i]);
    }
  }

  // Distributions are in double precision on every backend, on top of the errors of the heads:
  // some four operations on numbers of size one for each head output, and a sum over rows whose
  // terms may all be equal (the entropy of a Gaussian), so that its roundings are too.
  void checkNumber(double actual, Tracked expected, const char* what) const {
    const Context context(what);
    expected.variance +=
        (4 * headSize_ + square(rows_)) * square(kDoubleRoundoff * (1 + std::abs(expected.value)));
    check(actual, expected);
  }

 private:
  void check(double actual, Tracked expected) const {
    if (isDouble_) {
      // The same operations with roundings 2^-29 times as large, here and in the oracle.
      expected.variance *= square(2 * kDoubleRoundoff / kFloatRoundoff);
    }
    // The sum over rows in double precision: one addition for each (and each
    // column of the diagonal), of sums up to the result.
    expected.variance += rows_ * headSize_ * square(kDoubleRoundoff * expected.value);
    largest_ = std::max(largest_, checkTracked(actual, expected));
  }

  bool isDouble_;
  double rows_;
  double headSize_;
  double& largest_;
};

void checkBackend(const Backend& backend, const Answers& answers) {
  const PolicyProblem& problem = answers.problem;
  const size_t size = problem.parameters.size();
  const Comparison comparison(backend, problem);

  const auto network = backend.makeNetwork(problem.model.network, problem.parameters);
  const auto workspace = network->makeWorkspace();
  Guarded<double> heads(answers.heads.size());
  network->forward(problem.view().observations, problem.rows, problem.scaling, heads.data(),
                   *workspace);
  comparison.checkVector(heads, answers.heads, "forward");

  const auto held = problem.on(backend, 3);
  CHECK(held->parameterCount() == size);
  CHECK(held->rows() == problem.rows);
  Guarded<double> gradient(size);
  held->surrogateGradient(gradient.span());
  comparison.checkVector(gradient, answers.gradient, "gradient");
  Guarded<double> product(size);
  held->fisherProduct(problem.direction, product.span());
  comparison.checkVector(product, answers.product, "Fisher product");
  Guarded<double> diagonal(size);
  held->fisherDiagonal(diagonal.span());
  comparison.checkVector(diagonal, answers.diagonal, "Fisher diagonal");

  const Evaluation evaluation = held->evaluate(problem.candidate);
  CHECK(evaluation.finite);
  const TrackedEvaluation& expected = answers.evaluation;
  comparison.checkNumber(evaluation.surrogate, expected.surrogate, "surrogate");
  comparison.checkNumber(evaluation.meanKl, expected.meanKl, "mean KL");
  comparison.checkNumber(evaluation.maxKl, expected.maxKl, "max KL");
  comparison.checkNumber(evaluation.entropy, expected.entropy, "entropy");
}

bool addTable() {
  uint64_t seed = 1;
  for (const Distribution& distribution : distributions()) {
    for (const Activation activation : {Activation::tanh, Activation::relu, Activation::silu}) {
      for (const Shape& shape : kShapes) {
        seed++;
        const std::string name = describe(distribution, activation, shape);
        const auto answers = std::make_shared<std::unique_ptr<Answers>>();
        for (const Backend* backend : allBackends()) {
          addCase(name + " on " + backend->name(), [=] {
            if (!backend->isSupported()) skipCase("not supported by this machine");
            const auto problem = [&] {
              return randomProblem(distribution, activation, shape, seed, seed % 3 == 0);
            };
            const Products products = productsOf(*backend);
            if (products != Products::single) {
              return checkBackend(*backend, Answers(problem(), products));
            }
            if (!*answers) *answers = std::make_unique<Answers>(problem());
            checkBackend(*backend, **answers);
            if (backend == allBackends().back()) answers->reset();
          });
        }
      }
    }
  }
  return addCase("largest errors", [] {
    for (const auto& [backend, error] : largestErrors()) {
      std::printf("      %s: %.3f of the tolerance\n", backend.c_str(), error);
      CHECK(error <= 1);
    }
  });
}

const bool kTableAdded = addTable();

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
