// The critic's fit by Adam, and what surrounds an update: advantages, normaliser, checks and
// copies.
//
//   build-cmake/critic_bench [--backend cpu-avx512] [--threads 1] [--rounds 7] [CASE ...]
//
// Cases: S2k, S50k (17 observations, critic 17-64-64-1 tanh, 10 epochs of minibatches of 128).

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "cases.h"
#include "core/advantages.h"
#include "core/random.h"
#include "core/rollout_copy.h"
#include "core/value_function.h"
#include "peak.h"

namespace trustregion::bench {
namespace {

constexpr size_t kObservationSize = 17;
constexpr size_t kActionSize = 6;
const std::map<std::string, size_t> kCases = {{"S2k", 2048}, {"S50k", 50000}};

// Each round's time of one run; the shortest and the median are printed.
class Times {
 public:
  void measure(const std::function<void()>& run) {
    const auto start = std::chrono::steady_clock::now();
    run();
    seconds_.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  double least() const { return *std::min_element(seconds_.begin(), seconds_.end()); }
  double median() const {
    std::vector<double> sorted = seconds_;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

 private:
  std::vector<double> seconds_;
};

// Multiply-adds of a gradient: forward and gradient of every layer, backward of all but the first.
double multiplyAdds(const MlpLayout& layout, size_t rows) {
  double sum = 0;
  for (const LayerLayout& layer : layout.layers()) {
    sum += static_cast<double>(layer.inputs * layer.outputs) *
           (&layer == layout.layers().data() ? 2 : 3);
  }
  return sum * static_cast<double>(rows);
}

std::vector<float> normals(size_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

void measure(const std::string& name, const std::string& backend, unsigned threads, int rounds) {
  const size_t rows = kCases.at(name);
  ValueFunctionConfig config;
  config.observationSize = kObservationSize;
  config.hidden = {64, 64};
  config.seed = 1;
  config.backend = backend;
  config.threads = threads;
  ValueFunction critic(config);
  Random random(2);
  const std::vector<float> observations = normals(rows * kObservationSize, random);
  const std::vector<float> actions = normals(rows * kActionSize, random);
  const std::vector<float> rewards = normals(rows, random);
  std::vector<float> targets(rows);
  for (size_t row = 0; row < rows; row++) {
    const float* x = observations.data() + row * kObservationSize;
    targets[row] = 100 + 20 * std::sin(x[0]) + 5 * x[1] * x[2] + rewards[row];
  }
  const NumberSpan inputs(observations.data(), observations.size());
  const NumberSpan wanted(targets.data(), rows);
  const FitOptions options;
  const std::string& chosen = critic.backend().name();

  // From the same state every time: moments, shuffles and statistics are a state's own.
  {
    ValueFunctionState state = critic.state();
    critic.computeFit(state, inputs, wanted, options);
    critic.publish(std::move(state));
  }
  Times fit;
  std::vector<double> shares;
  double loss = 0;
  const double work = 2 * multiplyAdds(critic.layout(), rows) * options.epochs;
  for (int round = 0; round < rounds; round++) {
    const double peak = peakFlops(chosen, threads);
    Times trial;
    for (int i = 0; i < (rows > 10000 ? 1 : 9); i++) {
      ValueFunctionState state = critic.state();
      const auto run = [&] { loss = critic.computeFit(state, inputs, wanted, options).lossAfter; };
      trial.measure(run);
    }
    fit.measure([] {});
    shares.push_back(work / trial.median() / peak);
    std::printf(
        "%-5s %-12s threads %u  fit %9.3f ms (least %9.3f), share of the peak %.3f, loss after "
        "%.9g\n",
        name.c_str(), chosen.c_str(), threads, 1e3 * trial.median(), 1e3 * trial.least(),
        shares.back(), loss);
  }

  RunningNormalizer normalizer(kObservationSize, 10);
  std::vector<double> advantages(rows);
  std::vector<double> returns(rows);
  const std::vector<uint8_t> flags(rows, 0);
  const float last = 0;
  AdvantageInputs advantageInputs;
  advantageInputs.steps = rows;
  advantageInputs.rewards = {rewards.data(), rows};
  advantageInputs.values = {rewards.data(), rows};
  advantageInputs.terminated = flags;
  advantageInputs.truncated = flags;
  advantageInputs.lastValues = {&last, 1};
  const PolicyModel model{MlpLayout(kObservationSize, {64, 64}, kActionSize, Activation::tanh),
                          Distribution::gaussian(kActionSize)};
  std::vector<std::byte> held((observations.size() + actions.size() + rows) * sizeof(float));
  const RolloutView rollout{
      rows, inputs, {actions.data(), actions.size()}, {advantages.data(), rows}};
  const std::pair<const char*, std::function<void()>> pieces[] = {
      {"advantages", [&] { estimateAdvantages(advantageInputs, {}, advantages, returns); }},
      {"their normalisation", [&] { normalizeAdvantages(advantages); }},
      {"normaliser", [&] { normalizer.update(inputs, rows); }},
      {"one check of observations", [&] { inputs.requireFinite("observations"); }},
      {"rollout copy", [&] { RolloutCopy copy(model, rollout); }},
      {"explained variance",
       [&] {
         explainedVariance({returns.data(), rows}, wanted);
       }},
      {"holding the batch",
       [&] {
         std::vector<std::byte> fresh(held.size());
         std::copy(held.begin(), held.end(), fresh.begin());
       }},
  };
  for (const auto& [piece, run] : pieces) {
    Times times;
    for (int i = 0; i < 3 * rounds; i++) times.measure(run);
    std::printf("%-5s %-30s %9.1f us (least %9.1f)\n", name.c_str(), piece, 1e6 * times.median(),
                1e6 * times.least());
  }
}

void run(std::vector<std::string> names) {
  const std::string backend = takeOption(names, "--backend", "");
  const unsigned threads = takeThreads(names);
  const int rounds = std::stoi(takeOption(names, "--rounds", "7"));
  if (names.empty()) names = {"S2k", "S50k"};
  for (const std::string& name : names) measure(name, backend, threads, rounds);
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  return trustregion::bench::runProgram(count, arguments, trustregion::bench::run);
}
