// The same bits from every number of threads, again and again, and beside other work.

#include <thread>

#include "core/natural_direction.h"
#include "core/vector_operations.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

// Everything that a problem answers, end to end.
std::vector<double> answersOf(Problem& held, const PolicyProblem& problem) {
  const size_t size = problem.parameters.size();
  std::vector<double> answers(3 * size);
  const std::span<double> all(answers);
  held.surrogateGradient(all.subspan(0, size));
  held.fisherProduct(problem.direction, all.subspan(size, size));
  held.fisherDiagonal(all.subspan(2 * size, size));
  const Evaluation evaluation = held.evaluate(problem.candidate);
  answers.insert(answers.end(),
                 {evaluation.surrogate, evaluation.meanKl, evaluation.maxKl, evaluation.entropy});
  return answers;
}

std::vector<double> answersWith(const Backend& backend, const PolicyProblem& problem,
                                unsigned threads) {
  return answersOf(*problem.on(backend, threads), problem);
}

// One tile, a few, one more than a few, blocks of several, and as many blocks as there are.
const std::vector<size_t> kRows = {1, 96, 97, 200, 389, 1000, 17001};

PolicyProblem problemOf(size_t rows, Activation activation) {
  const Distribution distribution =
      rows % 2 == 0 ? Distribution::categorical({3, 2}) : Distribution::gaussian(2);
  return randomProblem(distribution, activation, {rows, 3, {5}}, rows);
}

const bool kThreadsAdded = addForEachBackend(
    "1, 2, 3, 5, 8 and 64 threads give the same bits", [](const Backend& backend) {
      for (const size_t rows : kRows) {
        for (const Activation activation : {Activation::tanh, Activation::silu}) {
          const PolicyProblem problem = problemOf(rows, activation);
          const std::vector<double> one = answersWith(backend, problem, 1);
          for (const unsigned threads : {2U, 3U, 5U, 8U, 64U}) {
            const Context context("rows ", rows, " threads ", threads);
            CHECK(sameBits(answersWith(backend, problem, threads), one));
          }
        }
      }
    });

// Wide enough for several tasks in every layer, rows gathered from all over the batch.
const bool kDirectionAdded = addForEachBackend(
    "a natural direction with Kronecker factors: 1, 2, 3, 8 and 64 threads give the same bits",
    [](const Backend& backend) {
      for (const bool isGaussian : {true, false}) {
        const PolicyProblem problem = randomProblem(
            isGaussian ? Distribution::gaussian(2) : Distribution::categorical({3, 2}),
            isGaussian ? Activation::tanh : Activation::silu, {1700, 3, {70, 30}}, 5);
        NaturalDirectionOptions options;
        options.preconditioner = Preconditioner::kronecker;
        options.preconditionerFraction = 0.5;
        options.conjugateGradient.iterations = 3;
        const auto directionWith = [&](unsigned threads) {
          const auto held = problem.on(backend, threads);
          std::vector<double> gradient(problem.parameters.size());
          held->surrogateGradient(gradient);
          NaturalDirectionState state;
          return findNaturalDirection(*held, problem.model, gradient, problem.rows, options, state)
              .direction;
        };
        const std::vector<double> one = directionWith(1);
        CHECK(norm(one) > 0);
        for (const unsigned threads : {2U, 3U, 8U, 64U}) {
          const Context context("threads ", threads);
          CHECK(sameBits(directionWith(threads), one));
        }
      }
    });

// Few tiles and many threads: helpers join and find nothing left to do.
const bool kCrowdAdded =
    addForEachBackend("more threads than tiles, many times", [](const Backend& backend) {
      const PolicyProblem problem = problemOf(130, Activation::tanh);
      const std::vector<double> one = answersWith(backend, problem, 1);
      for (int round = 0; round < 200; round++) {
        const Context context("round ", round);
        CHECK(sameBits(answersWith(backend, problem, 8), one));
      }
    });

std::vector<double> factorsOf(Problem& held, size_t stride) {
  KroneckerSampling sampling;
  sampling.stride = stride;
  std::vector<double> all;
  for (const auto& layer : held.kroneckerFactors(sampling).layers) {
    all.insert(all.end(), layer.input.begin(), layer.input.end());
    all.insert(all.end(), layer.output.begin(), layer.output.end());
  }
  return all;
}

// Products may keep activations in another form from the first one on.
const bool kAgainAdded =
    addForEachBackend("asked again, the same bits", [](const Backend& backend) {
      for (const size_t width : {5, 70}) {
        const Context context("width ", width);
        const PolicyProblem problem =
            randomProblem(Distribution::gaussian(2), Activation::silu, {457, 3, {width, 30}}, 257);
        const auto held = problem.on(backend, 2);
        const std::vector<double> factors = factorsOf(*held, 1);
        const std::vector<double> someFactors = factorsOf(*held, 3);
        const std::vector<double> first = answersOf(*held, problem);
        // Other questions in between must leave no trace in the scratch memory.
        std::vector<double> ignored(problem.parameters.size());
        held->fisherProduct(problem.candidate, ignored);
        held->evaluate(problem.parameters);
        CHECK(sameBits(answersOf(*held, problem), first));
        CHECK(sameBits(factorsOf(*held, 1), factors));
        CHECK(sameBits(factorsOf(*held, 3), someFactors));
      }
    });

const bool kConcurrentAdded = addForEachBackend(
    "problems and networks used at once from several threads", [](const Backend& backend) {
      constexpr int kThreads = 3;
      constexpr int kRounds = 6;
      std::vector<PolicyProblem> problems;
      std::vector<std::vector<double>> expected;
      for (int i = 0; i < kThreads; i++) {
        problems.push_back(problemOf(300 + static_cast<size_t>(i), Activation::tanh));
        expected.push_back(answersWith(backend, problems.back(), 1));
      }
      // One network for all: immutable, a workspace for each thread.
      const auto network = backend.makeNetwork(problems[0].model.network, problems[0].parameters);
      const auto forward = [&] {
        const auto workspace = network->makeWorkspace();
        std::vector<double> heads(problems[0].rows * problems[0].model.distribution.headSize());
        network->forward(problems[0].view().observations, problems[0].rows, {}, heads.data(),
                         *workspace);
        return heads;
      };
      const std::vector<double> heads = forward();

      std::vector<int> agreeing(kThreads, 0);
      std::vector<std::thread> threads;
      for (size_t i = 0; i < kThreads; i++) {
        threads.emplace_back([&, i] {
          for (int round = 0; round < kRounds; round++) {
            if (sameBits(answersWith(backend, problems[i], 4), expected[i]) &&
                sameBits(forward(), heads)) {
              agreeing[i]++;
            }
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (const int count : agreeing) CHECK(count == kRounds);
    });

const bool kRegressionAdded =
    addForEachBackend("regression gradients have the same bits", [](const Backend& backend) {
      Random random(3);
      const MlpLayout layout(3, {9}, 1, Activation::silu);
      const PolicyModel model{layout, Distribution::bernoulli(1)};
      const std::vector<double> parameters = randomParameters(model, random);
      const std::vector<double> inputs = normals(200 * 3, random);
      const std::vector<double> targets = normals(200, random);
      std::vector<uint32_t> rows;
      for (int i = 0; i < 130; i++) rows.push_back(static_cast<uint32_t>(random.below(200)));
      const auto gradientWith = [&](unsigned threads) {
        const auto problem = backend.makeRegressionProblem(layout, {inputs.data(), inputs.size()},
                                                           targets, 200, {}, threads);
        Guarded<double> gradient(parameters.size() + 1);
        gradient[parameters.size()] =
            problem->lossGradient(parameters, rows, gradient.span().subspan(0, parameters.size()));
        CHECK(gradient.intact() && gradient.complete());
        return std::vector<double>(gradient.data(), gradient.data() + gradient.size());
      };
      const std::vector<double> one = gradientWith(1);
      for (const unsigned threads : {2U, 5U, 64U}) CHECK(sameBits(gradientWith(threads), one));
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
