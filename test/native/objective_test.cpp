// The objective of the first-order methods: one row against formulas and differences, a batch on
// every backend against an oracle that knows its own tolerance.

#include "core/objective.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "guarded.h"
#include "tracked_problem.h"

namespace trustregion::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// --- one row -----------------------------------------------------------------------------------

struct Row {
  std::vector<double> oldHead;
  std::vector<double> oldLogStd;
  std::vector<double> newHead;
  std::vector<double> newLogStd;
  std::vector<double> action;
  double advantage = 1;
};

struct Answer {
  ObjectiveValue value;
  std::vector<double> gradient;  // [head | logStd]
};

double oldLogProbability(const Distribution& distribution, const Row& row) {
  return distribution.logProbability(row.oldHead.data(), row.oldLogStd.data(), row.action.data());
}

double newLogProbability(const Distribution& distribution, const Row& row) {
  return distribution.logProbability(row.newHead.data(), row.newLogStd.data(), row.action.data());
}

// `oldLogP` stands apart, so that a test can choose the ratio to the last digit.
Answer answer(const Distribution& distribution, const Objective& objective, const Row& row,
              double oldLogP) {
  Guarded<double> head(distribution.headSize());
  Guarded<double> logStd(distribution.logStdSize());
  Guarded<double> scratch(distribution.headSize() + distribution.logStdSize());
  const ObjectiveRow view{row.oldHead.data(),   row.oldLogStd.data(), row.newHead.data(),
                          row.newLogStd.data(), row.action.data(),    oldLogP,
                          row.advantage};
  Answer result{
      objectiveOfRow(distribution, objective, view, head.data(), logStd.data(), scratch.data()),
      {}};
  CHECK(head.intact() && head.complete());
  CHECK(logStd.intact() && logStd.complete());
  CHECK(scratch.intact());
  result.gradient.assign(head.data(), head.data() + head.size());
  result.gradient.insert(result.gradient.end(), logStd.data(), logStd.data() + logStd.size());
  return result;
}

Answer answer(const Distribution& distribution, const Objective& objective, const Row& row) {
  return answer(distribution, objective, row, oldLogProbability(distribution, row));
}

const std::vector<Distribution>& distributions() {
  static const std::vector<Distribution> all = {
      Distribution::gaussian(1), Distribution::gaussian(3), Distribution::categorical({4}),
      Distribution::categorical({3, 2}), Distribution::bernoulli(2)};
  return all;
}

Row randomRow(const Distribution& distribution, Random& random) {
  Row row;
  row.oldHead = normals(distribution.headSize(), random);
  row.oldLogStd = normals(distribution.logStdSize(), random, 0.3);
  row.newHead = row.oldHead;
  row.newLogStd = row.oldLogStd;
  for (double& value : row.newHead) value += 0.4 * random.normal();
  for (double& value : row.newLogStd) value += 0.1 * random.normal();
  row.action.resize(distribution.actionSize());
  distribution.sample(row.oldHead.data(), row.oldLogStd.data(), random, row.action.data());
  row.advantage = random.normal();
  return row;
}

void forEachRow(const std::function<void(const Distribution&, const Row&)>& use) {
  Random random(17);
  for (const Distribution& distribution : distributions()) {
    for (int round = 0; round < 12; round++) {
      const Context context(describe(distribution), " round ", round);
      use(distribution, randomRow(distribution, random));
    }
  }
}

const std::vector<Objective> kObjectives = {{kInfinity, 0, 0}, {0.2, 0, 0},         {1.5, 0, 0},
                                            {kInfinity, 3, 0}, {kInfinity, 0, 0.5}, {0.1, 2, 0.25},
                                            {kInfinity, 0, -1}};

CASE("the parts are what the distribution says, and the value is their sum") {
  forEachRow([](const Distribution& distribution, const Row& row) {
    const double ratio =
        std::exp(newLogProbability(distribution, row) - oldLogProbability(distribution, row));
    for (const Objective& objective : kObjectives) {
      const Context context("clip ", objective.clipRange, " penalty ", objective.klPenalty);
      const ObjectiveValue value = answer(distribution, objective, row).value;
      // Equation 7 by cases: past the bound that A pulls towards, the bound counts.
      const double bound = row.advantage > 0 ? 1 + objective.clipRange : 1 - objective.clipRange;
      const bool isPast = row.advantage > 0 ? ratio > bound : ratio < bound;
      CHECK(value.surrogate == (isPast ? bound : ratio) * row.advantage);
      CHECK(value.clipFraction == (isPast ? 1 : 0));
      CHECK(value.meanKl == distribution.kl(row.oldHead.data(), row.oldLogStd.data(),
                                            row.newHead.data(), row.newLogStd.data()));
      CHECK(value.entropy == distribution.entropy(row.newHead.data(), row.newLogStd.data()));
      const double sum = value.surrogate - objective.klPenalty * value.meanKl +
                         objective.entropyBonus * value.entropy;
      CHECK_NEAR(value.value, sum, 4 * kDoubleRoundoff * (std::abs(sum) + 10));
    }
  });
}

CASE("the gradient is the derivative of the value") {
  int clipped = 0;
  forEachRow([&](const Distribution& distribution, const Row& row) {
    const double ratio =
        std::exp(newLogProbability(distribution, row) - oldLogProbability(distribution, row));
    for (const Objective& objective : kObjectives) {
      const Context context("clip ", objective.clipRange, " penalty ", objective.klPenalty,
                            " bonus ", objective.entropyBonus);
      // Differences do not step over a kink.
      if (std::abs(std::abs(ratio - 1) - objective.clipRange) < 1e-3) continue;
      const Answer here = answer(distribution, objective, row);
      clipped += here.value.clipFraction == 1 ? 1 : 0;
      for (size_t i = 0; i < here.gradient.size(); i++) {
        const Context element("element ", i);
        const auto slope = [&](double h) {
          const auto at = [&](double moved) {
            Row other = row;
            (i < other.newHead.size() ? other.newHead[i]
                                      : other.newLogStd[i - other.newHead.size()]) += moved;
            return answer(distribution, objective, other).value.value;
          };
          return (at(h) - at(-h)) / (2 * h);
        };
        constexpr double kStep = 1e-5;
        const double difference = slope(kStep);
        // The error of h^2 shows in the difference to 2 h, three times as large; values are sums
        // of fewer than 64 terms of size up to 10.
        const double rounding = 64 * 10 * kDoubleRoundoff / kStep;
        CHECK_NEAR(here.gradient[i], difference,
                   std::abs(slope(2 * kStep) - difference) + rounding);
      }
    }
  });
  CHECK(clipped >= 20);  // both branches were there
}

// The four quarters of clipping, with the ratio chosen to the last digit.
CASE("clipping takes the gradient away where A pulls the ratio out, and only there") {
  const Distribution distribution = Distribution::bernoulli(1);
  for (const double advantage : {2.0, -2.0}) {
    for (const double ratio : {0.25, 0.75, 1.0, 1.25, 4.0}) {
      const Context context("advantage ", advantage, " ratio ", ratio);
      const Row row{{0.3}, {}, {0.7}, {}, {1}, advantage};
      const double logP = newLogProbability(distribution, row);
      const Answer clipped = answer(distribution, {0.5, 0, 0}, row, logP - std::log(ratio));
      const Answer plain = answer(distribution, {}, row, logP - std::log(ratio));
      const bool isPast = advantage > 0 ? ratio > 1.5 : ratio < 0.5;
      const double bound = advantage > 0 ? 1.5 : 0.5;
      CHECK(clipped.value.clipFraction == (isPast ? 1 : 0));
      CHECK(plain.value.clipFraction == 0);
      // Two logarithms and an exponential of numbers of size one.
      CHECK_NEAR(clipped.value.surrogate, (isPast ? bound : ratio) * advantage,
                 16 * kDoubleRoundoff * ratio * std::abs(advantage));
      CHECK(plain.gradient[0] * advantage > 0);
      CHECK(clipped.gradient[0] == (isPast ? 0 : plain.gradient[0]));
      CHECK(isPast || clipped.value.surrogate == plain.value.surrogate);
    }
  }
}

CASE("at the kink itself the gradient is still the plain one, one number on it is gone") {
  forEachRow([](const Distribution& distribution, Row row) {
    for (const double advantage : {1.5, -1.5}) {
      row.advantage = advantage;
      const double logP = newLogProbability(distribution, row);
      const double oldLogP = logP - (advantage > 0 ? 0.3 : -0.3);
      const double ratio = std::exp(logP - oldLogP);
      // The subtractions are exact, so that 1 +- clipRange is the ratio.
      const double clipRange = std::abs(ratio - 1);
      const Answer plain = answer(distribution, {}, row, oldLogP);
      const Answer at = answer(distribution, {clipRange, 0, 0}, row, oldLogP);
      CHECK(at.value.clipFraction == 0 && at.value.surrogate == plain.value.surrogate);
      CHECK(sameBits(at.gradient, plain.gradient));
      const Answer past = answer(distribution, {clipRange - 1e-15, 0, 0}, row, oldLogP);
      CHECK(past.value.clipFraction == 1);
      CHECK(std::all_of(past.gradient.begin(), past.gradient.end(),
                        [](double value) { return value == 0; }));
      CHECK(past.value.surrogate < plain.value.surrogate);  // the lower of the two
    }
  });
}

CASE("at the old parameters: ratio 1, whatever the clip range") {
  forEachRow([](const Distribution& distribution, Row row) {
    row.newHead = row.oldHead;
    row.newLogStd = row.oldLogStd;
    const Answer plain = answer(distribution, {}, row);
    CHECK(plain.value.surrogate == row.advantage && plain.value.meanKl == 0);
    for (const double clipRange : {0.0, 0.2, 1e300}) {
      const Answer clipped = answer(distribution, {clipRange, 0, 0}, row);
      CHECK(clipped.value.surrogate == row.advantage && clipped.value.clipFraction == 0);
      CHECK(sameBits(clipped.gradient, plain.gradient));
    }
    // The penalty has no gradient there.
    const Answer penalised = answer(distribution, {kInfinity, 7, 0}, row);
    CHECK(penalised.value.value == row.advantage);
    for (size_t i = 0; i < plain.gradient.size(); i++) {
      CHECK(penalised.gradient[i] == plain.gradient[i]);
    }
  });
}

CASE("ratios that leave the range of numbers: the clip still holds, no NaN") {
  const Distribution distribution = Distribution::gaussian(1);
  for (const double advantage : {1.0, -1.0}) {
    for (const double oldLogP : {-1000.0, 1000.0}) {  // ratio infinite, and 0
      const Context context("advantage ", advantage, " old log p ", oldLogP);
      const Row row{{0}, {0}, {0.1}, {0}, {0.5}, advantage};
      const Answer clipped = answer(distribution, {0.2, 0, 0}, row, oldLogP);
      CHECK(!std::isnan(clipped.value.value));
      const bool isPast = (oldLogP < 0) == (advantage > 0);
      CHECK(clipped.value.clipFraction == (isPast ? 1 : 0));
      if (isPast) {
        CHECK(clipped.value.surrogate == (advantage > 0 ? 1.2 : -0.8));
        CHECK(clipped.gradient[0] == 0 && clipped.gradient[1] == 0);
      } else {
        CHECK(clipped.value.surrogate == (oldLogP < 0 ? -kInfinity : 0));
      }
    }
  }
}

// --- a batch -----------------------------------------------------------------------------------

std::vector<uint32_t> everyRow(size_t rows) {
  std::vector<uint32_t> list(rows);
  std::iota(list.begin(), list.end(), 0U);
  return list;
}

Answer batchAnswer(Problem& held, const std::vector<double>& parameters, const Objective& objective,
                   const std::vector<uint32_t>& rows) {
  Guarded<double> gradient(held.parameterCount());
  Answer result{held.objectiveGradient(parameters, objective, rows, gradient.span()), {}};
  CHECK(gradient.intact() && gradient.complete());
  result.gradient.assign(gradient.data(), gradient.data() + gradient.size());
  return result;
}

bool sameValue(const ObjectiveValue& a, const ObjectiveValue& b) {
  return a.value == b.value && a.surrogate == b.surrogate && a.meanKl == b.meanKl &&
         a.entropy == b.entropy && a.clipFraction == b.clipFraction;
}

// What a float32 backend should answer, and how far it may be off.
struct TrackedObjective {
  TrackedVector gradient;
  Tracked surrogate;
  Tracked meanKl;
  Tracked entropy;
  double clipFraction = 0;
};

class ObjectiveOracle {
 public:
  explicit ObjectiveOracle(const PolicyProblem& problem) : problem_(problem) {
    const MlpLayout& layout = problem.model.network;
    for (size_t row = 0; row < problem.rows; row++) {
      const TrackedVector observation = problem.scaledObservation(row);
      old_.push_back(trackedForward(layout, exactNumbers(problem.parameters), observation));
      new_.push_back(trackedForward(layout, exactNumbers(problem.candidate), observation));
    }
  }

  // Rows that float32 sees on the same side of every kink: of ReLU, and of clipping.
  std::vector<uint32_t> clearRows(double clipRange) const {
    std::vector<uint32_t> clear;
    for (uint32_t row = 0; row < problem_.rows; row++) {
      const Tracked ratio = propagate(bothHeads(row), [&](const std::vector<double>& heads) {
        return std::vector<double>{std::exp(logRatio(row, heads))};
      })[0];
      const double distance = std::abs(std::abs(ratio.value - 1) - clipRange);
      if (new_[row].kinkDistance >= 2 && distance > 2 * ratio.tolerance()) clear.push_back(row);
    }
    return clear;
  }

  TrackedObjective answer(const Objective& objective, const std::vector<uint32_t>& rows) const {
    const Distribution& distribution = problem_.model.distribution;
    const MlpLayout& layout = problem_.model.network;
    const TrackedVector parameters = exactNumbers(problem_.candidate);
    const size_t headSize = distribution.headSize();
    const size_t gradientSize = headSize + distribution.logStdSize();
    const double count = static_cast<double>(rows.size());
    constexpr size_t kTileRows = 64;  // as the cpu backends
    TrackedTileSum sum(problem_.parameters.size(), kTileRows);
    TrackedObjective result;
    for (const uint32_t row : rows) {
      const auto formula = [&](const std::vector<double>& heads) {
        const Row values{{heads.begin(), heads.begin() + static_cast<long>(headSize)},
                         logStdOf(problem_.parameters),
                         {heads.begin() + static_cast<long>(headSize), heads.end()},
                         logStdOf(problem_.candidate),
                         actionOf(row),
                         problem_.advantages[row]};
        const Answer here = test::answer(distribution, objective, values);
        std::vector<double> all = here.gradient;
        all.insert(all.end(), {here.value.surrogate, here.value.meanKl, here.value.entropy,
                               here.value.clipFraction});
        return all;
      };
      const TrackedVector numbers = propagate(bothHeads(row), formula);
      TrackedVector cotangent;
      for (size_t j = 0; j < headSize; j++) {
        cotangent.push_back(rounded(numbers[j].value, numbers[j].variance));
      }
      trackedBackward(layout, parameters, new_[row], cotangent,
                      [&](size_t i, Tracked u, Tracked x) { sum[i] += u * x; });
      for (size_t j = headSize; j < gradientSize; j++) {
        sum[problem_.model.logStdOffset() + j - headSize] += numbers[j];
      }
      sum.endRow();
      const auto addTo = [&](Tracked& mean, const Tracked& number) {
        mean.value += number.value / count;
        mean.variance += number.variance / square(count);
      };
      addTo(result.surrogate, numbers[gradientSize]);
      addTo(result.meanKl, numbers[gradientSize + 1]);
      addTo(result.entropy, numbers[gradientSize + 2]);
      result.clipFraction += numbers[gradientSize + 3].value / count;
    }
    result.gradient = sum.mean();
    return result;
  }

 private:
  TrackedVector bothHeads(size_t row) const {
    TrackedVector heads = old_[row].head;
    heads.insert(heads.end(), new_[row].head.begin(), new_[row].head.end());
    return heads;
  }
  std::vector<double> logStdOf(const std::vector<double>& parameters) const {
    return {parameters.begin() + static_cast<long>(problem_.model.logStdOffset()),
            parameters.end()};
  }
  std::vector<double> actionOf(size_t row) const {
    const size_t size = problem_.model.distribution.actionSize();
    const auto first = problem_.actions.begin() + static_cast<long>(row * size);
    return {first, first + static_cast<long>(size)};
  }
  double logRatio(size_t row, const std::vector<double>& heads) const {
    const Distribution& distribution = problem_.model.distribution;
    const std::vector<double> action = actionOf(row);
    return distribution.logProbability(heads.data() + distribution.headSize(),
                                       logStdOf(problem_.candidate).data(), action.data()) -
           distribution.logProbability(heads.data(), logStdOf(problem_.parameters).data(),
                                       action.data());
  }

  const PolicyProblem& problem_;
  std::vector<TrackedRow> old_;
  std::vector<TrackedRow> new_;
};

// The same operations in float64 make errors 2^-28 times as large, here and in the oracle; sums of
// float64 over the rows on top, all of whose roundings may have one sign.
Tracked forBackend(const Backend& backend, Tracked number, double rows) {
  if (backend.precision() == "float64") {
    number.variance *= square(2 * kDoubleRoundoff / kFloatRoundoff);
  }
  number.variance += square(rows * kDoubleRoundoff * (1 + std::abs(number.value)));
  return number;
}

void checkAnswer(const Backend& backend, const Answer& actual, const TrackedObjective& expected,
                 size_t rows) {
  const double count = static_cast<double>(rows);
  for (size_t i = 0; i < expected.gradient.size(); i++) {
    const Context context("element ", i);
    checkTracked(actual.gradient[i], forBackend(backend, expected.gradient[i], count));
  }
  checkTracked(actual.value.surrogate, forBackend(backend, expected.surrogate, count));
  checkTracked(actual.value.meanKl, forBackend(backend, expected.meanKl, count));
  checkTracked(actual.value.entropy, forBackend(backend, expected.entropy, count));
  CHECK_NEAR(actual.value.clipFraction, expected.clipFraction, count * kDoubleRoundoff);
}

std::vector<TestPolicy> policies() {
  return {{Distribution::gaussian(2), Activation::tanh, {130, 3, {17, 5}}},
          {Distribution::gaussian(1), Activation::silu, {65, 2, {4}}},
          {Distribution::categorical({3, 2}), Activation::relu, {200, 4, {9}}},
          {Distribution::categorical({5}), Activation::silu, {64, 3, {6, 6}}},
          {Distribution::bernoulli(3), Activation::tanh, {33, 17, {}}}};
}

const bool kOracleAdded = addForEachBackend(
    "subsets, repetitions and any order against the oracle", [](const Backend& backend) {
      uint64_t seed = 40;
      for (const TestPolicy& policy : policies()) {
        seed++;
        const PolicyProblem problem = randomProblem(policy.distribution, policy.activation,
                                                    policy.shape, seed, seed % 2 == 0);
        const ObjectiveOracle oracle(problem);
        const auto held = problem.on(backend, 2);
        for (const Objective& objective : {Objective{kInfinity, 0, 0}, Objective{0.05, 1.5, 0.3}}) {
          const Context context(describe(policy.distribution, policy.activation, policy.shape),
                                " clip ", objective.clipRange);
          const std::vector<uint32_t> clear = oracle.clearRows(objective.clipRange);
          CHECK(clear.size() * 4 >= problem.rows * 3);
          Random random(seed);
          std::vector<uint32_t> shuffled = clear;
          random.shuffle(std::span(shuffled));
          std::vector<uint32_t> repeated;  // longer than the batch
          for (size_t i = 0; i < problem.rows + 70; i++) {
            repeated.push_back(clear[random.below(clear.size())]);
          }
          const std::vector<std::vector<uint32_t>> lists = {
              clear, shuffled, {clear.front()}, {clear.back(), clear.back()}, repeated};
          for (const std::vector<uint32_t>& rows : lists) {
            const Context list("list of ", rows.size());
            checkAnswer(backend, batchAnswer(*held, problem.candidate, objective, rows),
                        oracle.answer(objective, rows), rows.size());
          }
        }
      }
    });

const bool kEmptyAdded =
    addForEachBackend("no list is every row in order, bit for bit", [](const Backend& backend) {
      for (const TestPolicy& policy : policies()) {
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, 3);
        const auto held = problem.on(backend, 2);
        const Objective objective{0.1, 1, 0.1};
        const Answer all = batchAnswer(*held, problem.candidate, objective, {});
        const Answer listed =
            batchAnswer(*held, problem.candidate, objective, everyRow(problem.rows));
        CHECK(sameBits(all.gradient, listed.gradient));
        CHECK(sameValue(all.value, listed.value));
      }
    });

const bool kThetaAdded = addForEachBackend(
    "at theta without clip and penalty it is the surrogate", [](const Backend& backend) {
      for (const TestPolicy& policy : policies()) {
        const Context context(describe(policy.distribution, policy.activation, policy.shape));
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, 4);
        const auto held = problem.on(backend, 2);
        std::vector<double> gradient(problem.parameters.size());
        held->surrogateGradient(gradient);
        const Answer here = batchAnswer(*held, problem.parameters, {}, {});
        CHECK(sameBits(here.gradient, gradient));
        const Evaluation evaluation = held->evaluate(problem.parameters);
        CHECK(here.value.surrogate == evaluation.surrogate);
        CHECK(here.value.value == evaluation.surrogate);
        CHECK(here.value.meanKl == 0 && here.value.clipFraction == 0);
        // Nor does a penalty or a clip range make a difference there.
        const Answer other = batchAnswer(*held, problem.parameters, {0.2, 5, 0}, {});
        for (size_t i = 0; i < gradient.size(); i++) CHECK(other.gradient[i] == gradient[i]);
      }
    });

const bool kEvaluateAdded =
    addForEachBackend("its parts are those of evaluate", [](const Backend& backend) {
      for (const TestPolicy& policy : policies()) {
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, 5);
        const auto held = problem.on(backend, 2);
        const Objective objective{kInfinity, 2.5, 0.75};
        const ObjectiveValue value = batchAnswer(*held, problem.candidate, objective, {}).value;
        const Evaluation evaluation = held->evaluate(problem.candidate);
        // The same numbers of each row, in two orders of summation at most.
        const double tolerance = 2 * static_cast<double>(problem.rows) * kDoubleRoundoff * 10;
        CHECK_NEAR(value.surrogate, evaluation.surrogate, tolerance);
        CHECK_NEAR(value.meanKl, evaluation.meanKl, tolerance);
        CHECK_NEAR(value.entropy, evaluation.entropy, tolerance);
        CHECK_NEAR(value.value,
                   evaluation.surrogate - 2.5 * evaluation.meanKl + 0.75 * evaluation.entropy,
                   4 * tolerance);
      }
    });

// A batch's mean is the mean of its parts, each in its own weight.
const bool kMinibatchesAdded =
    addForEachBackend("minibatches add up to the whole", [](const Backend& backend) {
      for (const TestPolicy& policy : policies()) {
        const Context context(describe(policy.distribution, policy.activation, policy.shape));
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, 6);
        const ObjectiveOracle oracle(problem);
        const auto held = problem.on(backend, 2);
        const Objective objective{0.1, 1, 0.1};
        std::vector<uint32_t> order = oracle.clearRows(objective.clipRange);
        Random random(8);
        random.shuffle(std::span(order));
        Answer sum{{}, std::vector<double>(problem.parameters.size())};
        for (size_t first = 0; first < order.size(); first += 24) {
          const size_t last = std::min(order.size(), first + 24);
          Answer part = batchAnswer(
              *held, problem.candidate, objective,
              {order.begin() + static_cast<long>(first), order.begin() + static_cast<long>(last)});
          const double weight =
              static_cast<double>(last - first) / static_cast<double>(order.size());
          part.value.divideBy(1 / weight);
          sum.value.add(part.value);
          for (size_t i = 0; i < sum.gradient.size(); i++) {
            sum.gradient[i] += weight * part.gradient[i];
          }
        }
        checkAnswer(backend, sum, oracle.answer(objective, order), 2 * order.size());
      }
    });

const bool kThreadsAdded =
    addForEachBackend("1, 2, 3, 8 and 64 threads give the same bits", [](const Backend& backend) {
      for (const Activation activation : {Activation::tanh, Activation::silu}) {
        const PolicyProblem problem =
            randomProblem(Distribution::gaussian(2), activation, {700, 3, {5}}, 9);
        const Objective objective{0.1, 1, 0.1};
        Random random(10);
        std::vector<uint32_t> repeated;
        for (int i = 0; i < 1500; i++) {
          repeated.push_back(static_cast<uint32_t>(random.below(problem.rows)));
        }
        for (const std::vector<uint32_t>& rows :
             {std::vector<uint32_t>{}, repeated, std::vector<uint32_t>{699, 3, 5}}) {
          const auto with = [&](unsigned threads) {
            const auto held = problem.on(backend, threads);
            return batchAnswer(*held, problem.candidate, objective, rows);
          };
          const Answer one = with(1);
          for (const unsigned threads : {2U, 3U, 8U, 64U}) {
            const Context context("rows ", rows.size(), " threads ", threads);
            const Answer other = with(threads);
            CHECK(sameBits(other.gradient, one.gradient));
            CHECK(sameValue(other.value, one.value));
          }
        }
      }
    });

const bool kTraceAdded =
    addForEachBackend("leaves no trace in other answers", [](const Backend& backend) {
      for (const TestPolicy& policy : policies()) {
        const PolicyProblem problem =
            randomProblem(policy.distribution, policy.activation, policy.shape, 11);
        const auto held = problem.on(backend, 2);
        const auto others = [&] {
          std::vector<double> answers(2 * problem.parameters.size());
          const std::span<double> all(answers);
          held->surrogateGradient(all.subspan(0, problem.parameters.size()));
          held->fisherProduct(problem.direction, all.subspan(problem.parameters.size()));
          const Evaluation evaluation = held->evaluate(problem.candidate);
          answers.insert(answers.end(), {evaluation.surrogate, evaluation.meanKl});
          return answers;
        };
        const std::vector<double> before = others();
        const Answer first = batchAnswer(*held, problem.candidate, {0.1, 1, 0.1}, {});
        CHECK(sameBits(others(), before));
        batchAnswer(*held, problem.candidate, {0.2, 0, 0}, {5, 0, 7});
        CHECK(sameBits(others(), before));
        CHECK(sameBits(batchAnswer(*held, problem.candidate, {0.1, 1, 0.1}, {}).gradient,
                       first.gradient));
      }
    });

const bool kRefusedAdded =
    addForEachBackend("refused without actions or advantages", [](const Backend& backend) {
      const PolicyProblem problem =
          randomProblem(Distribution::gaussian(1), Activation::tanh, {5, 2, {3}}, 12);
      for (const bool hasActions : {false, true}) {
        RolloutView view = problem.view();
        (hasActions ? view.advantages : view.actions) = {};
        const auto held = backend.makeProblem(problem.model, problem.parameters, {}, view, 1);
        std::vector<double> gradient(problem.parameters.size());
        CHECK_THROWS(ErrorCode::invalidArgument, "needs a batch with actions and advantages",
                     held->objectiveGradient(problem.candidate, {}, {}, gradient));
      }
    });

// The whole chain, network and distribution, by differences of the value.
CASE("the batch's gradient is the derivative of its value") {
  double clipped = 0;
  for (const TestPolicy& policy : policies()) {
    if (policy.activation == Activation::relu) continue;  // kinks
    const Context context(describe(policy.distribution, policy.activation, policy.shape));
    const PolicyProblem problem =
        randomProblem(policy.distribution, policy.activation, policy.shape, 13);
    const ObjectiveOracle oracle(problem);
    const auto held = problem.on(referenceBackend());
    const Objective objective{0.05, 1.5, 0.3};
    // Steps of 1e-5 move log-ratios by some 1e-4 at most.
    std::vector<uint32_t> rows;
    for (const uint32_t row : oracle.clearRows(objective.clipRange)) {
      if (rows.size() < 20) rows.push_back(row);
    }
    const Answer here = batchAnswer(*held, problem.candidate, objective, rows);
    clipped += here.value.clipFraction;
    Random random(14);
    for (int round = 0; round < 12; round++) {
      const size_t i = random.below(here.gradient.size());
      const Context element("element ", i);
      bool crossed = false;
      const auto slope = [&](double h) {
        const auto at = [&](double moved) {
          std::vector<double> parameters = problem.candidate;
          parameters[i] += moved;
          const Answer there = batchAnswer(*held, parameters, objective, rows);
          crossed = crossed || there.value.clipFraction != here.value.clipFraction;
          return there.value.value;
        };
        return (at(h) - at(-h)) / (2 * h);
      };
      constexpr double kStep = 1e-5;
      const double difference = slope(kStep);
      const double tolerance =
          std::abs(slope(2 * kStep) - difference) + 64 * 10 * kDoubleRoundoff / kStep;
      if (crossed) continue;  // a row passed its kink
      CHECK_NEAR(here.gradient[i], difference, tolerance);
    }
  }
  CHECK(clipped > 0 && clipped < 4);  // of four policies: some rows of some, not all of all
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
