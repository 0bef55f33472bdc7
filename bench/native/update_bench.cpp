// Where the time of a whole TRPO update goes, without Node: 15 plain conjugate-gradient iterations
// and a backtracking line search, as in `npm run bench:update`, against the machine's multiply-add
// peak, measured in turns within one run.
//
//   build-cmake/update_bench [--backend cpu-avx512] [--threads 1] [--rounds 7] [--repeats 0]
//                            [CASE ...]
//
// For each phase the median over all updates, the least, and its part of the whole. A phase that is
// products of matrices also gets its share of the peak. `--repeats` 0 chooses by size.

#include <algorithm>
#include <cstdio>
#include <optional>

#include "cases.h"
#include "core/advantages.h"
#include "core/stopwatch.h"
#include "memory.h"
#include "peak.h"

namespace trustregion::bench {
namespace {

constexpr int kIterations = 15;

// Seconds of one update.
struct Phases {
  double prepare = 0;   // advantages, copy of the batch, forward pass, caches
  double start = 0;     // surrogate and entropy at theta
  double gradient = 0;  // of the surrogate
  double products = 0;
  double vectors = 0;  // the rest of conjugate gradients
  double search = 0;   // forward pass of each candidate
  double rest = 0;     // the new snapshot, and what no other phase has
  double total = 0;
  size_t candidates = 0;
  double meanKl = 0;
  double stepNorm = 0;
};

// A problem that measures how long each of an update's calls takes.
class TimedProblem : public Problem {
 public:
  TimedProblem(Problem& problem, Phases& phases) : problem_(problem), phases_(phases) {}

  size_t parameterCount() const override { return problem_.parameterCount(); }
  size_t rows() const override { return problem_.rows(); }
  unsigned threads() const override { return problem_.threads(); }
  double orthogonalityTolerance() const override { return problem_.orthogonalityTolerance(); }
  MultiplySingle multiplySingle() const override { return problem_.multiplySingle(); }
  void surrogateGradient(std::span<double> gradient) override {
    phases_.gradient += secondsOf([&] { problem_.surrogateGradient(gradient); });
  }
  void fisherProduct(std::span<const double> vector, std::span<double> product) override {
    phases_.products += secondsOf([&] { problem_.fisherProduct(vector, product); });
  }
  Evaluation evaluate(std::span<const double> parameters) override {
    Evaluation evaluation;
    (isStarted_ ? phases_.search : phases_.start) +=
        secondsOf([&] { evaluation = problem_.evaluate(parameters); });
    isStarted_ = true;
    return evaluation;
  }
  Evaluation evaluateInDouble(std::span<const double> parameters) override {
    Evaluation evaluation;
    phases_.search += secondsOf([&] { evaluation = problem_.evaluateInDouble(parameters); });
    return evaluation;
  }

  // Of no use to plain TRPO.
  void fisherDiagonal(std::span<double> diagonal) override { problem_.fisherDiagonal(diagonal); }
  void empiricalFisherProduct(std::span<const double> vector, std::span<double> product) override {
    problem_.empiricalFisherProduct(vector, product);
  }
  KroneckerFactors kroneckerFactors(const KroneckerSampling& sampling) override {
    return problem_.kroneckerFactors(sampling);
  }
  ObjectiveValue objectiveGradient(std::span<const double> parameters, const Objective& objective,
                                   std::span<const uint32_t> rows,
                                   std::span<double> gradient) override {
    return problem_.objectiveGradient(parameters, objective, rows, gradient);
  }
  void compareRows(std::span<const double> parameters,
                   std::span<RowComparison> comparisons) override {
    problem_.compareRows(parameters, comparisons);
  }

 private:
  Problem& problem_;
  Phases& phases_;
  bool isStarted_ = false;
};

// The steps of Policy::computeUpdate, with the clock between them.
Phases update(const BenchProblem& bench) {
  const Stopwatch whole;
  Phases phases;
  const Policy& policy = bench.policy;
  const PolicySnapshot& snapshot = *policy.snapshot();
  std::unique_ptr<Problem> problem;
  std::vector<double> advantages(bench.advantages.begin(), bench.advantages.end());
  phases.prepare = secondsOf([&] {
    normalizeAdvantages(advantages);
    RolloutView rollout = bench.rollout();
    rollout.advantages = {advantages.data(), advantages.size()};
    problem = policy.makeProblem(snapshot, rollout);
  });
  TimedProblem timed(*problem, phases);
  const UpdateContext context{policy.model(), policy.backend(), snapshot.parameters, timed, timed};
  TrpoOptions options;
  options.lineSearchKind = LineSearchKind::backtracking;
  options.naturalDirection.conjugateGradient.iterations = kIterations;
  MethodState state;
  std::vector<double> parameters(snapshot.parameters.size());
  const UpdateSummary summary = trpoStep(context, options, state, parameters);
  const auto network = policy.backend().makeNetwork(policy.model().network, parameters);
  problem.reset();
  phases.total = whole.seconds();
  phases.vectors = summary.timing.solve - phases.products;
  phases.rest = phases.total - phases.prepare - phases.start - phases.gradient -
                summary.timing.solve - phases.search;
  phases.candidates = summary.candidates.size();
  phases.meanKl = summary.meanKl;
  phases.stepNorm = summary.stepNorm;
  return phases;
}

struct Row {
  const char* name;
  double Phases::*seconds;
  double multiplyAdds;  // a row of the batch; 0: not products of matrices
};

void printTable(const Case& shape, const BenchProblem& bench, const std::vector<Phases>& updates,
                double peak) {
  const MultiplyAdds work = multiplyAddsOf(bench.policy.model().network);
  const Phases& last = updates.back();
  const auto candidates = static_cast<double>(last.candidates);
  const std::vector<Row> table = {
      {"make problem", &Phases::prepare, work.forward},
      {"evaluate theta", &Phases::start, work.forward},
      {"gradient", &Phases::gradient, work.gradient},
      {"products", &Phases::products, kIterations * work.product},
      {"vector work", &Phases::vectors, 0},
      {"line search", &Phases::search, work.forward * candidates},
      {"rest", &Phases::rest, 0},
      {"whole", &Phases::total, work.update(kIterations, last.candidates)},
  };
  const auto times = [&](double Phases::*seconds) {
    std::vector<double> values;
    values.reserve(updates.size());
    for (const Phases& phases : updates) values.push_back(phases.*seconds);
    return values;
  };
  const double whole = medianOf(times(&Phases::total));
  for (const Row& row : table) {
    const std::vector<double> values = times(row.seconds);
    const double median = medianOf(values);
    std::printf("  %-15s %9.3f ms, least %9.3f  %5.1f %%", row.name, 1e3 * median,
                1e3 * *std::min_element(values.begin(), values.end()), 100 * median / whole);
    if (row.multiplyAdds > 0) {
      const double flops = 2 * row.multiplyAdds * static_cast<double>(shape.rows);
      std::printf("  share of the peak %.3f", flops / median / peak);
    }
    std::printf("\n");
  }
}

void measure(const Case& shape, const std::string& backend, unsigned threads, int rounds,
             int repeats) {
  const BenchProblem bench(shape, backend, threads);
  const std::string name = bench.policy.backend().name();
  const double work = 2 * multiplyAddsOf(bench.policy.model().network).update(kIterations, 1) *
                      static_cast<double>(shape.rows);
  if (repeats == 0) repeats = std::clamp(static_cast<int>(2e10 / work), 1, 20);

  // The first update finds the pages of none of its memory there; it is not timed.
  const bool isMemoryKnown = resetMemoryPeak();
  const size_t before = readMemory().now;
  update(bench);
  const size_t after = readMemory().peak;

  std::vector<Phases> updates;
  std::vector<double> peaks;
  for (int round = 0; round < rounds; round++) {
    peaks.push_back(peakFlops(name, threads));
    for (int i = 0; i < repeats; i++) updates.push_back(update(bench));
  }
  const Phases& last = updates.back();
  const double peak = medianOf(peaks);
  std::printf(
      "%s %s, threads %u: %zu updates, peak %.0f Gflop/s, KL %.6f, |step| %.5f, %zu candidate(s), ",
      shape.name.c_str(), name.c_str(), threads, updates.size(), 1e-9 * peak, last.meanKl,
      last.stepNorm, last.candidates);
  if (isMemoryKnown) {
    std::printf("%.1f MB above the batch\n", 1e-6 * static_cast<double>(after - before));
  } else {
    std::printf("memory not available\n");
  }
  printTable(shape, bench, updates, peak);
  std::fflush(stdout);
}

void run(std::vector<std::string> arguments) {
  const std::string backend = takeOption(arguments, "--backend", "");
  const unsigned threads = takeThreads(arguments);
  const int rounds = std::stoi(takeOption(arguments, "--rounds", "7"));
  const int repeats = std::stoi(takeOption(arguments, "--repeats", "0"));
  if (arguments.empty()) arguments = {"S2k", "D2k", "S50k", "M2k"};
  for (const std::string& name : arguments) {
    measure(caseNamed(name), backend, threads, rounds, repeats);
  }
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  return trustregion::bench::runProgram(count, arguments, trustregion::bench::run);
}
