// The distributions of groups of rows against `Distribution`, row by row, on every instruction set.

#include "core/cpu/row_group.h"

#include <algorithm>
#include <limits>

#include "problems.h"
#include "targets.h"

namespace trustregion::test {
namespace {

using cpu::GroupDistribution;
using cpu::GroupGradient;
using cpu::GroupHeads;
using cpu::Kernels;
using cpu::kGroupRows;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<Distribution> distributions() {
  return {Distribution::gaussian(1),         Distribution::gaussian(6),
          Distribution::categorical({4}),    Distribution::categorical({3, 1, 17}),
          Distribution::categorical({2, 2}), Distribution::bernoulli(1),
          Distribution::bernoulli(5)};
}

// Rows of a batch under old and new parameters, dense.
struct Rows {
  Rows(const Distribution& distribution, size_t count, double scale, Random& random)
      : old(normals(count * distribution.headSize(), random, scale)),
        next(old),
        oldLogStd(normals(distribution.logStdSize(), random, 0.5)),
        nextLogStd(oldLogStd),
        actions(count * distribution.actionSize()),
        factor(normals(kGroupRows, random)) {
    for (double& value : next) value += 0.1 * scale * random.normal();
    for (double& value : nextLogStd) value += 0.1 * random.normal();
    for (size_t row = 0; row < count; row++) {
      distribution.sample(old.data() + row * distribution.headSize(), oldLogStd.data(), random,
                          actions.data() + row * distribution.actionSize());
    }
  }

  std::vector<double> old;
  std::vector<double> next;
  std::vector<double> oldLogStd;
  std::vector<double> nextLogStd;
  std::vector<double> actions;
  std::vector<double> factor;
};

// Everything that a group answers for its rows, in order.
struct Answers {
  std::vector<double> logProbability;
  std::vector<double> entropy;
  std::vector<double> kl;
  std::vector<double> head;    // score, less 2 KL gradients, plus 3 entropy gradients
  std::vector<double> logStd;  // likewise
  std::vector<float> weights;
};

Answers answersOf(const Distribution& distribution, const Kernels& kernels, const Rows& rows,
                  size_t first, size_t count) {
  const size_t size = distribution.headSize();
  const GroupDistribution old(distribution, kernels, rows.oldLogStd.data(), rows.oldLogStd.data());
  const GroupDistribution next(distribution, kernels, rows.nextLogStd.data(),
                               rows.oldLogStd.data());
  GroupHeads oldHeads = old.makeHeads();
  GroupHeads nextHeads = next.makeHeads();
  auto actions = next.makeActions();
  GroupGradient gradient = next.makeGradient();
  // What a group lacks may be anything.
  for (auto* values : {&oldHeads.head, &oldHeads.probability, &oldHeads.logProbability,
                       &nextHeads.head, &nextHeads.probability, &nextHeads.logProbability, &actions,
                       &gradient.head, &gradient.logStd}) {
    std::fill(values->begin(), values->end(), kNaN);
  }
  old.read(count, rows.old.data() + first * size, size, oldHeads);
  next.read(count, rows.next.data() + first * size, size, nextHeads);
  const double* action = rows.actions.data() + first * distribution.actionSize();
  next.readActions(count, action, actions);
  // One by one, as for rows from anywhere: the same.
  auto single = next.makeActions();
  for (size_t row = 0; row < count; row++) {
    next.readAction(row, action + row * distribution.actionSize(), single);
    for (size_t j = 0; j < distribution.actionSize(); j++) {
      CHECK(single[j * kGroupRows + row] == actions[j * kGroupRows + row]);
    }
  }
  alignas(64) double numbers[kGroupRows];
  Answers answers;
  const auto take = [&](std::vector<double>& to) { to.assign(numbers, numbers + count); };
  next.logProbability(count, nextHeads, actions, numbers);
  take(answers.logProbability);
  next.entropy(nextHeads, numbers);
  take(answers.entropy);
  next.kl(oldHeads, nextHeads, numbers);
  take(answers.kl);
  alignas(64) double factor[kGroupRows];
  std::copy_n(rows.factor.begin(), kGroupRows, factor);
  next.score(count, nextHeads, actions, factor, gradient);
  next.addKlGradient(oldHeads, nextHeads, -2, gradient);
  next.addEntropyGradient(nextHeads, 3, gradient);
  answers.weights.assign(count * (size + 2), -1);
  next.metricWeights(count, nextHeads, answers.weights.data(), size + 2);
  for (size_t row = 0; row < count; row++) {
    for (size_t j = 0; j < size; j++) answers.head.push_back(gradient.head[j * kGroupRows + row]);
    for (size_t j = 0; j < distribution.logStdSize(); j++) {
      answers.logStd.push_back(gradient.logStd[j * kGroupRows + row]);
    }
  }
  return answers;
}

const bool kRowsAdded = addCaseForEachTarget("as Distribution says", [](const Kernels& kernels) {
  Random random(3);
  for (const Distribution& distribution : distributions()) {
    const size_t size = distribution.headSize();
    const size_t logStdSize = distribution.logStdSize();
    for (const double scale : {1e-6, 1.0, 20.0}) {
      for (const size_t count : {size_t{1}, size_t{7}, kGroupRows - 1, kGroupRows}) {
        const Rows rows(distribution, count, scale, random);
        const Answers answers = answersOf(distribution, kernels, rows, 0, count);
        for (size_t row = 0; row < count; row++) {
          const Context context(describe(distribution), " scale ", scale, " row ", row, " of ",
                                count);
          const double* old = rows.old.data() + row * size;
          const double* next = rows.next.data() + row * size;
          const double* action = rows.actions.data() + row * distribution.actionSize();
          const double* logStd = rows.nextLogStd.data();
          // Some operations for each head output, on numbers of the size of logits.
          const double tolerance =
              16 * static_cast<double>(size) * kDoubleRoundoff * (1 + 5 * scale);
          const double logProbability = distribution.logProbability(next, logStd, action);
          CHECK_NEAR(answers.logProbability[row], logProbability,
                     tolerance * (1 + std::abs(logProbability)));
          CHECK_NEAR(answers.entropy[row], distribution.entropy(next, logStd), tolerance);
          const double kl = distribution.kl(old, rows.oldLogStd.data(), next, logStd);
          // Log-probabilities that are off by e move a KL by sqrt(KL) e, as in rounding_error.h.
          CHECK_NEAR(answers.kl[row], kl, tolerance * (kl + std::sqrt(kl)));
          CHECK(answers.kl[row] >= 0 || distribution.logStdSize() > 0);

          std::vector<double> gradient(2 * (size + logStdSize));
          std::vector<double> head(size);
          std::vector<double> logStdGradient(logStdSize);
          std::vector<double> scaleOfHead(size);
          std::vector<double> scaleOfLogStd(logStdSize);
          const auto add = [&](double weight) {
            for (size_t j = 0; j < size; j++) {
              head[j] += weight * gradient[j];
              scaleOfHead[j] += std::abs(weight * gradient[j]);
            }
            for (size_t j = 0; j < logStdSize; j++) {
              logStdGradient[j] += weight * gradient[size + j];
              scaleOfLogStd[j] += std::abs(weight) * (2 + std::abs(gradient[size + j]));
            }
          };
          distribution.score(next, logStd, action, gradient.data(), gradient.data() + size);
          add(rows.factor[row]);
          distribution.klGradient(old, rows.oldLogStd.data(), next, logStd, gradient.data(),
                                  gradient.data() + size);
          add(-2);
          distribution.entropyGradient(next, logStd, gradient.data(), gradient.data() + size);
          add(3);
          for (size_t j = 0; j < size; j++) {
            CHECK_NEAR(answers.head[row * size + j], head[j], tolerance * (1 + scaleOfHead[j]));
          }
          for (size_t j = 0; j < logStdSize; j++) {
            CHECK_NEAR(answers.logStd[row * logStdSize + j], logStdGradient[j],
                       tolerance * scaleOfLogStd[j]);
          }

          if (distribution.kind() == DistributionKind::gaussian && row > 0) continue;
          std::vector<double> weights(size);
          distribution.metricWeights(next, logStd, weights.data());
          for (size_t j = 0; j < size; j++) {
            CHECK_NEAR(answers.weights[row * (size + 2) + j], weights[j],
                       (2 * kFloatRoundoff + tolerance) * weights[j] + 1e-37);
          }
          CHECK(answers.weights[row * (size + 2) + size] == -1);
        }
      }
    }
  }
});

const bool kPlaceAdded =
    addCaseForEachTarget("a row's numbers do not depend on its place", [](const Kernels& kernels) {
      Random random(4);
      for (const Distribution& distribution : distributions()) {
        const Context context(describe(distribution));
        Rows rows(distribution, kGroupRows, 1, random);
        std::fill(rows.factor.begin(), rows.factor.end(), 0.7);
        const Answers whole = answersOf(distribution, kernels, rows, 0, kGroupRows);
        for (size_t row = 0; row < kGroupRows; row++) {
          const Answers alone = answersOf(distribution, kernels, rows, row, 1);
          CHECK(alone.logProbability[0] == whole.logProbability[row]);
          CHECK(alone.entropy[0] == whole.entropy[row]);
          CHECK(alone.kl[0] == whole.kl[row]);
          CHECK(std::equal(alone.head.begin(), alone.head.end(),
                           whole.head.begin() + static_cast<long>(row * distribution.headSize())));
        }
      }
    });

const bool kSameAdded = addCaseForEachTarget(
    "equal heads: no divergence and no gradient of one", [](const Kernels& kernels) {
      Random random(5);
      for (const Distribution& distribution : distributions()) {
        const Context context(describe(distribution));
        Rows rows(distribution, kGroupRows, 2, random);
        rows.next = rows.old;
        rows.nextLogStd = rows.oldLogStd;
        const GroupDistribution same(distribution, kernels, rows.oldLogStd.data(),
                                     rows.oldLogStd.data());
        GroupHeads heads = same.makeHeads();
        same.read(kGroupRows, rows.old.data(), distribution.headSize(), heads);
        GroupGradient gradient = same.makeGradient();
        alignas(64) double kl[kGroupRows];
        same.kl(heads, heads, kl);
        same.addKlGradient(heads, heads, 1, gradient);
        CHECK(std::all_of(kl, kl + kGroupRows, [](double value) { return value == 0; }));
        for (const double value : gradient.head) CHECK(value == 0);
        for (const double value : gradient.logStd) CHECK(value == 0);
      }
    });

// A NaN in a head makes every number of its row one that is not finite, and of no other row.
const bool kNaNAdded = addCaseForEachTarget("a NaN in a head", [](const Kernels& kernels) {
  Random random(6);
  for (const Distribution& distribution : distributions()) {
    for (size_t j = 0; j < distribution.headSize(); j++) {
      const Context context(describe(distribution), " output ", j);
      Rows rows(distribution, kGroupRows, 1, random);
      if (distribution.kind() == DistributionKind::categorical) {
        std::fill(rows.actions.begin(), rows.actions.end(), 0.0);
      }
      rows.next[3 * distribution.headSize() + j] = kNaN;
      const Answers answers = answersOf(distribution, kernels, rows, 0, kGroupRows);
      for (size_t row = 0; row < kGroupRows; row++) {
        CHECK(std::isnan(answers.kl[row]) == (row == 3));
        CHECK(std::isnan(answers.logProbability[row]) == (row == 3));
      }
    }
  }
});

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
