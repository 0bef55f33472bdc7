// The same bits for every number of threads and every memory budget: what is held and what is
// computed again, tile by tile, must make no difference.

#include <string>

#include "core/natural_direction.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

// Everything that an update asks of a problem, end to end.
std::vector<double> answersOf(Problem& held, const PolicyProblem& problem) {
  const size_t size = problem.parameters.size();
  std::vector<double> answers(6 * size);
  const auto part = [&](size_t index) {
    return std::span<double>(answers).subspan(index * size, size);
  };
  held.surrogateGradient(part(0));
  held.fisherProduct(problem.direction, part(1));
  held.empiricalFisherProduct(problem.direction, part(2));
  held.fisherDiagonal(part(3));
  Objective objective;
  const ObjectiveValue value = held.objectiveGradient(problem.candidate, objective, {}, part(4));
  ConjugateGradientOptions options;
  options.iterations = 3;
  std::vector<double> residual(size);
  held.solve(problem.direction, {FisherEstimator::exact, 0.1}, options, part(5), residual, {});
  for (const size_t stride : {1U, 3U}) {
    for (const KroneckerFactors::Layer& layer : held.kroneckerFactors({1, stride, 0}).layers) {
      answers.insert(answers.end(), layer.input.begin(), layer.input.end());
      answers.insert(answers.end(), layer.output.begin(), layer.output.end());
    }
  }
  for (const std::vector<double>& parameters : {problem.candidate, problem.parameters}) {
    const Evaluation evaluation = held.evaluate(parameters);
    const Evaluation exact = held.evaluateInDouble(parameters);
    answers.insert(answers.end(), {evaluation.surrogate, evaluation.meanKl, evaluation.maxKl,
                                   evaluation.entropy, evaluation.effectiveSampleSize,
                                   evaluation.klUncertainty, exact.surrogate, exact.meanKl});
  }
  answers.push_back(value.surrogate);
  return answers;
}

std::vector<double> answersWith(const Backend& backend, const PolicyProblem& problem,
                                const Resources& resources) {
  const auto held = backend.makeProblem(problem.model, problem.parameters, problem.scaling,
                                        problem.view(), resources);
  return answersOf(*held, problem);
}

Distribution randomDistribution(Random& random) {
  switch (random.below(3)) {
    case 0:
      return Distribution::gaussian(1 + random.below(20));
    case 1:
      return Distribution::categorical({2 + random.below(20), 2 + random.below(3)});
    default:
      return Distribution::bernoulli(1 + random.below(9));
  }
}

PolicyProblem draw(Random& random, uint64_t seed) {
  // Mostly narrow, sometimes wider than a panel, at times wide enough for larger tiles.
  const auto width = [&] {
    const size_t kind = random.below(20);
    return 1 + random.below(kind == 0 ? 200 : kind < 4 ? 90 : 20);
  };
  Shape shape{1 + random.below(random.below(10) == 0 ? 2000 : 300), width(), {}};
  for (size_t layers = random.below(4); layers > 0; layers--) shape.hidden.push_back(width());
  const auto activation = static_cast<Activation>(random.below(3));
  return randomProblem(randomDistribution(random), activation, shape, seed);
}

#ifdef NDEBUG
constexpr int kProblems = 1000;
constexpr int kReferenceProblems = 50;
constexpr size_t kBudgetStep = 700'000;
constexpr size_t kBudgetRows = 1000;
#else  // under sanitizers, which take their time
constexpr int kProblems = 10;
constexpr int kReferenceProblems = 5;
constexpr size_t kBudgetStep = 2'800'000;
constexpr size_t kBudgetRows = 250;
#endif

const bool kSoakAdded = addForEachBackend(
    "random problems: threads and memory budgets change no bit", [](const Backend& backend) {
      constexpr unsigned kThreads[] = {2, 3, 8, 64};
      // Nothing held, some tiles, all of them.
      constexpr size_t kBudgets[] = {0, 300'000, 800'000, Resources::kDefaultMemoryBudget};
      const int problems = backend.precision() == "float64" ? kReferenceProblems : kProblems;
      Random random(2026);
      for (int i = 0; i < problems; i++) {
        const PolicyProblem problem = draw(random, static_cast<uint64_t>(i));
        const std::vector<double> expected = answersWith(backend, problem, 1);
        const Resources resources(kThreads[random.below(4)], kBudgets[random.below(4)]);
        const Context context("problem ", i, " rows ", problem.rows, " parameters ",
                              problem.parameters.size(), " threads ", resources.threads, " budget ",
                              resources.memoryBudget);
        CHECK(sameBits(answersWith(backend, problem, resources), expected));
      }
    });

const bool kBudgetsAdded = addForEachBackend(
    "each memory budget from nothing to all, one thread and three", [](const Backend& backend) {
      for (const Activation activation : {Activation::tanh, Activation::silu}) {
        const Distribution distribution = activation == Activation::tanh
                                              ? Distribution::gaussian(17)
                                              : Distribution::categorical({5});
        const PolicyProblem problem =
            randomProblem(distribution, activation, {kBudgetRows, 20, {130, 70}}, 5);
        const std::vector<double> expected = answersWith(backend, problem, 1);
        for (size_t budget = 0; budget < 6'000'000; budget += kBudgetStep) {
          for (const unsigned threads : {1U, 3U}) {
            const Context context("budget ", budget, " threads ", threads);
            CHECK(sameBits(answersWith(backend, problem, {threads, budget}), expected));
          }
        }
      }
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
