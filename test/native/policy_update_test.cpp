// Updates through a policy: the rows that the Fisher matrix sees, diagnostics, and the state that
// goes from one update to the next.

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/advantages.h"
#include "core/diagnostics.h"
#include "core/policy.h"
#include "core/vector_operations.h"
#include "guarded.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

NumberSpan spanOf(const std::vector<double>& values) { return {values.data(), values.size()}; }

PolicyConfig config(const std::string& backend = "reference",
                    DistributionKind kind = DistributionKind::gaussian) {
  PolicyConfig values;
  values.observationSize = 3;
  values.hidden = {6};
  values.distribution = kind;
  values.actionCounts = {2};
  if (kind == DistributionKind::categorical) values.actionCounts = {3, 2};
  values.seed = 7;
  values.backend = backend;
  values.threads = 2;
  values.outputGain = 1;
  values.initialLogStd = -0.5;
  return values;
}

// Owns what an UpdateRequest points to.
struct Batch {
  Batch(Policy& policy, size_t rows, uint64_t seed = 2) {
    Random random(seed);
    observations = normals(rows * 3, random);
    for (double& value : observations) value = roundToFloat(value);
    actions.resize(rows * policy.model().distribution.actionSize());
    policy.act(spanOf(observations), rows, false, actions.data());
    advantages = normals(rows, random);
  }
  size_t rows() const { return advantages.size(); }
  UpdateRequest request(const MethodOptions& options = TrpoOptions{}) const {
    UpdateRequest values;
    values.rollout = {rows(), spanOf(observations), spanOf(actions), spanOf(advantages)};
    values.options = options;
    return values;
  }
  std::vector<double> observations;
  std::vector<double> actions;
  std::vector<double> advantages;
};

// --- the rows of the Fisher matrix -------------------------------------------------------------

TrpoOptions withFraction(double fraction, FisherEstimator estimator = FisherEstimator::exact) {
  TrpoOptions options;
  options.naturalDirection.fisherFraction = fraction;
  options.naturalDirection.fisher = estimator;
  return options;
}

CASE("how many rows the Fisher matrix is a mean over") {
  Policy policy(config());
  const Batch batch(policy, 101);
  const auto rowsWith = [&](double fraction) {
    const UpdateResult result =
        policy.computeUpdate(*policy.snapshot(), batch.request(withFraction(fraction)));
    return result.summary.naturalDirection.fisherRows;
  };
  CHECK(rowsWith(1) == 101);
  CHECK(rowsWith(0.999) == 101);
  CHECK(rowsWith(0.5) == 51);
  CHECK(rowsWith(0.1) == 10);
  CHECK(rowsWith(0.02) == 2);
  CHECK(rowsWith(1e-9) == 1);  // never none
}

// The same update, by hand: gradient, KL and surrogate of all rows, F of row i rows / count.
bool addFractions() {
  for (const std::string& backend : supportedBackendNames()) {
    for (const FisherEstimator estimator : {FisherEstimator::exact, FisherEstimator::empirical}) {
      addCase(
          "which rows, estimator " + std::to_string(static_cast<int>(estimator)) + " on " + backend,
          [=] {
            for (const DistributionKind kind :
                 {DistributionKind::gaussian, DistributionKind::categorical}) {
              Policy policy(config(backend, kind));
              Random random(3);
              const std::vector<double> seen = normals(300, random);
              policy.updateNormalizer(spanOf(seen));
              const Batch batch(policy, 103);
              const size_t actionSize = policy.model().distribution.actionSize();
              for (const double fraction : {0.5, 0.3, 0.07}) {
                const Context context("fraction ", fraction);
                const TrpoOptions options = withFraction(fraction, estimator);
                const auto snapshot = policy.snapshot();
                const UpdateResult result = policy.computeUpdate(*snapshot, batch.request(options));
                const auto count = static_cast<size_t>(std::lround(fraction * 103));
                std::vector<double> observations;
                std::vector<double> actions;
                for (size_t i = 0; i < count; i++) {
                  const size_t row = i * 103 / count;
                  for (size_t k = 0; k < 3; k++) {
                    observations.push_back(batch.observations[row * 3 + k]);
                  }
                  for (size_t k = 0; k < actionSize; k++) {
                    actions.push_back(batch.actions[row * actionSize + k]);
                  }
                }
                std::vector<double> advantages = batch.advantages;
                normalizeAdvantages(advantages);
                UpdateRequest request = batch.request(options);
                request.rollout.advantages = spanOf(advantages);
                const auto all = policy.makeProblem(*snapshot, request.rollout);
                RolloutView part;
                part.rows = count;
                part.observations = spanOf(observations);
                part.actions = spanOf(actions);
                const auto few = policy.makeProblem(*snapshot, part);
                std::vector<double> expected(snapshot->parameters.size());
                MethodState state;
                const UpdateContext byHand{policy.model(), policy.backend(), snapshot->parameters,
                                           *all, *few};
                const UpdateSummary summary = trpoStep(byHand, options, state, expected);
                CHECK(summary.status == result.summary.status);
                CHECK(summary.status == UpdateStatus::accepted);
                CHECK(result.summary.naturalDirection.fisherRows == count);
                CHECK(sameBits(result.snapshot->parameters, expected));
                CHECK(result.summary.meanKl == summary.meanKl);
                // It did make a difference.
                const UpdateResult whole =
                    policy.computeUpdate(*snapshot, batch.request(withFraction(1, estimator)));
                CHECK(!sameBits(whole.snapshot->parameters, expected));
              }
            }
          });
    }
  }
  return true;
}

const bool kFractionsAdded = addFractions();

CASE("a part of the rows, and no actions: refused as with all of them") {
  Policy policy(config());
  const Batch batch(policy, 50);
  for (const double fraction : {1.0, 0.5}) {
    const Context context("fraction ", fraction);
    UpdateRequest request = batch.request(withFraction(fraction));
    request.rollout.actions = {};
    CHECK_THROWS(ErrorCode::invalidArgument, "needs a batch with actions",
                 policy.computeUpdate(*policy.snapshot(), request));
  }
}

// --- diagnostics -------------------------------------------------------------------------------

std::vector<MethodOptions> allMethods() {
  return {VanillaPolicyGradientOptions{}, NaturalPolicyGradientOptions{}, TrpoOptions{},
          DualGradientDescentOptions{}, PpoOptions{}};
}

void checkEdges(const UpdateDiagnostics& diagnostics, size_t rows) {
  const std::vector<double>& edges = diagnostics.klEdges;
  CHECK(edges.size() == diagnostics.klCounts.size() + 1);
  for (size_t i = 0; i + 1 < edges.size(); i++) {
    CHECK(std::isfinite(edges[i]) && edges[i] > 0 && edges[i] < edges[i + 1]);
    // Half a decade each, of powers that pow gives to some roundings.
    CHECK_RELATIVE(edges[i + 1] / edges[i], std::sqrt(10.0), 16 * kDoubleRoundoff);
  }
  CHECK_RELATIVE(edges.back() / edges.front(), 1e6, 16 * kDoubleRoundoff);
  CHECK(std::accumulate(diagnostics.klCounts.begin(), diagnostics.klCounts.end(), size_t{0}) ==
        rows);
}

bool addDiagnostics() {
  for (const std::string& backend : supportedBackendNames()) {
    addCase("diagnostics count every row and keep the caller's units on " + backend, [=] {
      Policy policy(config(backend));
      Batch batch(policy, 300);
      for (double& advantage : batch.advantages) advantage = 40 + 7 * advantage;
      for (const MethodOptions& options : allMethods()) {
        const Context context("method ", options.index());
        UpdateRequest request = batch.request(options);
        CHECK(!policy.computeUpdate(*policy.snapshot(), request).summary.hasDiagnostics);
        request.diagnostics = true;
        const auto snapshot = policy.snapshot();
        const UpdateResult result = policy.computeUpdate(*snapshot, request);
        CHECK(result.summary.status == UpdateStatus::accepted && result.summary.hasDiagnostics);
        const UpdateDiagnostics& diagnostics = result.summary.diagnostics;
        checkEdges(diagnostics, batch.rows());
        // Recomputed row by row.
        const auto problem = policy.makeProblem(*snapshot, batch.request().rollout);
        std::vector<RowComparison> rows(batch.rows());
        problem->compareRows(result.snapshot->parameters, rows);
        double largest = 0;
        double meanKl = 0;
        double meanRatioAdvantage = 0;
        std::vector<uint32_t> counts(diagnostics.klCounts.size());
        for (size_t i = 0; i < rows.size(); i++) {
          largest = std::max(largest, rows[i].kl);
          meanKl += rows[i].kl / 300;
          meanRatioAdvantage += std::exp(rows[i].logRatio) * batch.advantages[i] / 300;
          size_t bin = 0;
          while (bin + 1 < counts.size() && rows[i].kl >= diagnostics.klEdges[bin + 1]) bin++;
          counts[bin]++;
        }
        CHECK(counts == diagnostics.klCounts);
        // The largest is in the last bin.
        CHECK(largest >= diagnostics.klEdges[counts.size() - 1]);
        CHECK(largest < diagnostics.klEdges.back() && counts.back() > 0);
        // Sums of 300 numbers of the size of the largest, in one order or another; float32 or
        // float64 decided the KL of the summary.
        CHECK_RELATIVE(meanKl, result.summary.meanKl, 1e-4);
        CHECK_NEAR(diagnostics.meanRatioAdvantage, meanRatioAdvantage, 600 * kDoubleRoundoff * 100);
        double largestAdvantage = 0;
        for (const double advantage : batch.advantages) {
          largestAdvantage = std::max(largestAdvantage, std::abs(advantage));
        }
        CHECK(diagnostics.largestAdvantage == largestAdvantage);
        // Looking changes nothing.
        request.diagnostics = false;
        CHECK(sameBits(policy.computeUpdate(*snapshot, request).snapshot->parameters,
                       result.snapshot->parameters));
      }
    });
    addCase("diagnostics of a step that was not taken on " + backend, [=] {
      Policy policy(config(backend));
      Batch batch(policy, 100);
      batch.advantages.assign(100, 3.0);  // constant: normalised to zero
      for (const MethodOptions& options : allMethods()) {
        UpdateRequest request = batch.request(options);
        request.diagnostics = true;
        const UpdateResult result = policy.computeUpdate(*policy.snapshot(), request);
        CHECK(result.summary.status == UpdateStatus::zeroGradient);
        checkEdges(result.summary.diagnostics, 100);
        CHECK(result.summary.diagnostics.klCounts.front() == 100);
        CHECK(result.summary.diagnostics.meanRatioAdvantage == 3);
        CHECK(result.summary.diagnostics.largestAdvantage == 3);
      }
    });
  }
  return true;
}

const bool kDiagnosticsAdded = addDiagnostics();

// Rows with KLs of the test's choice.
class RowsProblem : public Problem {
 public:
  explicit RowsProblem(std::vector<RowComparison> comparisons)
      : comparisons_(std::move(comparisons)) {}
  size_t parameterCount() const override { return 1; }
  size_t rows() const override { return comparisons_.size(); }
  void surrogateGradient(std::span<double>) override {}
  void fisherProduct(std::span<const double>, std::span<double>) override {}
  void fisherDiagonal(std::span<double>) override {}
  void empiricalFisherProduct(std::span<const double>, std::span<double>) override {}
  KroneckerFactors kroneckerFactors(const KroneckerSampling&) override { return {}; }
  ObjectiveValue objectiveGradient(std::span<const double>, const Objective&,
                                   std::span<const uint32_t>, std::span<double>) override {
    return {};
  }
  Evaluation evaluate(std::span<const double>) override { return {}; }
  Evaluation evaluateInDouble(std::span<const double>) override { return {}; }
  void compareRows(std::span<const double>, std::span<RowComparison> out) override {
    std::copy(comparisons_.begin(), comparisons_.end(), out.begin());
  }

 private:
  std::vector<RowComparison> comparisons_;
};

CASE("bins of known KLs: the edges belong to the bin above, small ones to the first") {
  const std::vector<double> advantages = {1, 2, 3, 4, 5, -6, 0, 8};
  const auto diagnosticsOf = [&](double fourth, double fifth) {
    RowsProblem problem({{0.02, 0},
                         {0.011, 0},
                         {0.009, std::log(2)},
                         {fourth, 0},
                         {fifth, 0},
                         {1e-12, 0},
                         {0, 0},
                         {-1e-18, std::log(0.5)}});
    return diagnose(problem, {}, spanOf(advantages));
  };
  const UpdateDiagnostics diagnostics = diagnosticsOf(1.1e-4, 2e-7);
  checkEdges(diagnostics, 8);
  // 10^-1.5 is the first edge above 0.02: 12 bins [10^-7.5, 10^-7), ..., [10^-2, 10^-1.5).
  CHECK_RELATIVE(diagnostics.klEdges.back(), std::pow(10, -1.5), 4 * kDoubleRoundoff);
  CHECK(diagnostics.klCounts == std::vector<uint32_t>({3, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2}));
  CHECK(diagnostics.largestAdvantage == 8);
  CHECK_NEAR(diagnostics.meanRatioAdvantage, (1 + 2 + 6 + 4 + 5 - 6 + 0 + 4) / 8.0,
             16 * kDoubleRoundoff * 8);
  const double edge = diagnostics.klEdges[5];
  const UpdateDiagnostics onEdge = diagnosticsOf(edge, std::nextafter(edge, 0));
  CHECK(onEdge.klCounts == std::vector<uint32_t>({3, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 2}));
}

CASE("a histogram of any size of KLs has edges that are numbers") {
  for (const double kl : {0.0, 1e-300, 1e-20, 0.1, 1.0, 10.0, 1e20, 1e300}) {
    const Context context("KL ", kl);
    RowsProblem problem({{kl, 0}, {0, 0}});
    const std::vector<double> advantages = {1, 1};
    const UpdateDiagnostics diagnostics = diagnose(problem, {}, spanOf(advantages));
    checkEdges(diagnostics, 2);
    if (kl > 0) CHECK(diagnostics.klCounts.back() == 1);
  }
}

// --- state -------------------------------------------------------------------------------------

CASE("an update works on a copy of the state, also one that throws") {
  for (const MethodOptions& options : allMethods()) {
    const Context context("method ", options.index());
    Policy policy(config());
    Batch batch(policy, 100);
    UpdateRequest request = batch.request(options);
    const UpdateResult first = policy.computeUpdate(*policy.snapshot(), request);
    request.state = first.state;
    const auto direction = request.state.naturalDirection.direction;
    const double multiplier = request.state.multiplier;
    const auto adam = request.state.adam;
    const UpdateResult second = policy.computeUpdate(*first.snapshot, request);
    batch.advantages[5] = kNaN;
    CHECK_THROWS(ErrorCode::notFinite, "advantages[5]",
                 policy.computeUpdate(*first.snapshot, request));
    CHECK(request.state.naturalDirection.direction == direction);
    CHECK(request.state.multiplier == multiplier && request.state.adam == adam);
    // The same again from the same state, whatever came between.
    batch.advantages[5] = 1;
    const UpdateResult third = policy.computeUpdate(*first.snapshot, request);
    const UpdateResult fourth = policy.computeUpdate(*first.snapshot, request);
    CHECK(second.summary.status == UpdateStatus::accepted);
    CHECK(sameBits(third.snapshot->parameters, fourth.snapshot->parameters));
  }
}

bool addWarmStart() {
  for (const std::string& backend : supportedBackendNames()) {
    addCase("a warm start goes from update to update on " + backend, [=] {
      Policy policy(config(backend));
      const Batch batch(policy, 300);
      TrpoOptions options;
      options.naturalDirection.warmStart = true;
      UpdateRequest request = batch.request(options);
      UpdateResult result = policy.computeUpdate(*policy.snapshot(), request);
      CHECK(!result.summary.naturalDirection.warmStarted);
      for (int update = 0; update < 3; update++) {
        request.state = result.state;
        const auto snapshot = result.snapshot;
        result = policy.computeUpdate(*snapshot, request);
        CHECK(result.summary.naturalDirection.warmStarted);
        CHECK(result.summary.status == UpdateStatus::accepted);
        CHECK(result.summary.meanKl <= options.maxKl);
      }
    });
  }
  return true;
}

const bool kWarmStartAdded = addWarmStart();

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
