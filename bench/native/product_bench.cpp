// Fisher products against the machine's multiply-add peak, measured in turns within one run.
//
//   build-cmake/product_bench [--backend cpu-avx512] [--threads 1] [--rounds 7] [CASE ...]
//
// Cases: S2k, S50k (17-64-64-6), M2k, M50k (376-256-256-17), L10k (376-1024-1024-17), D2k (8-64-64-4
// categorical); all tanh.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "core/backend.h"
#include "core/random.h"
#include "peak.h"

namespace trustregion::bench {
namespace {

struct Case {
  size_t rows;
  size_t observationSize;
  std::vector<size_t> hidden;
  size_t actions;
  bool categorical;
};

const std::map<std::string, Case> kCases = {
    {"S2k", {2048, 17, {64, 64}, 6, false}},       {"S50k", {50000, 17, {64, 64}, 6, false}},
    {"M2k", {2048, 376, {256, 256}, 17, false}},   {"M50k", {50000, 376, {256, 256}, 17, false}},
    {"L10k", {10000, 376, {1024, 1024}, 17, false}}, {"D2k", {2048, 8, {64, 64}, 4, true}},
};

// Multiply-adds of one product: two products for every layer's tangent but one for the first, one for
// the backward signal of every layer but the first, one for the gradient.
double multiplyAdds(const MlpLayout& layout, size_t rows) {
  double sum = 0;
  for (size_t l = 0; l < layout.layers().size(); l++) {
    const LayerLayout& layer = layout.layers()[l];
    sum += static_cast<double>(layer.inputs * layer.outputs) * (l == 0 ? 2 : 4);
  }
  return sum * static_cast<double>(rows);
}

double seconds(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(const std::string& name, const Backend& backend, unsigned threads, int rounds) {
  const Case& shape = kCases.at(name);
  const PolicyModel model{
      MlpLayout(shape.observationSize, shape.hidden, shape.actions, Activation::tanh),
      shape.categorical ? Distribution::categorical({shape.actions})
                        : Distribution::gaussian(shape.actions)};
  Random random(1);
  std::vector<double> parameters(model.parameterCount());
  for (const LayerLayout& layer : model.network.layers()) {
    const double scale = 1 / std::sqrt(static_cast<double>(layer.inputs));
    for (size_t i = layer.weightOffset; i < layer.biasOffset; i++) {
      parameters[i] = scale * random.normal();
    }
  }
  backend.roundParameters(parameters);
  std::vector<float> observations(shape.rows * shape.observationSize);
  for (float& value : observations) value = static_cast<float>(random.normal());
  RolloutView rollout;
  rollout.rows = shape.rows;
  rollout.observations = {observations.data(), observations.size()};
  const auto problem = backend.makeProblem(model, parameters, {}, rollout, threads);
  std::vector<double> vector(model.parameterCount());
  for (double& value : vector) value = random.normal();
  std::vector<double> product(model.parameterCount());

  const double work = 2 * multiplyAdds(model.network, shape.rows);
  const int repetitions = std::max(3, static_cast<int>(2e10 / work / 10));
  std::vector<double> shares;
  std::vector<double> times;
  double largest = 0;
  for (int round = 0; round < rounds; round++) {
    const double peak = peakFlops(backend.name(), threads);
    largest = std::max(largest, peak);
    std::vector<double> trial;
    for (int i = 0; i < repetitions; i++) {
      trial.push_back(seconds([&] { problem->fisherProduct(vector, product); }));
    }
    std::nth_element(trial.begin(), trial.begin() + trial.size() / 2, trial.end());
    const double median = trial[trial.size() / 2];
    times.push_back(median);
    shares.push_back(work / median / peak);
  }
  std::sort(shares.begin(), shares.end());
  std::sort(times.begin(), times.end());
  std::printf("%-5s %-12s threads %u  product %9.3f ms  share of the peak %.3f (%.3f to %.3f), peak %.0f Gflop/s\n",
              name.c_str(), backend.name().c_str(), threads, 1e3 * times[times.size() / 2],
              shares[shares.size() / 2], shares.front(), shares.back(), 1e-9 * largest);
  std::fflush(stdout);
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  using namespace trustregion;  // NOLINT(google-build-using-namespace): a program's main
  std::string backend;
  unsigned threads = 1;
  int rounds = 7;
  std::vector<std::string> names;
  for (int i = 1; i < count; i++) {
    const std::string argument = arguments[i];
    const bool hasValue = i + 1 < count;
    if (argument == "--backend" && hasValue) {
      backend = arguments[++i];
    } else if (argument == "--threads" && hasValue) {
      threads = static_cast<unsigned>(std::stoul(arguments[++i]));
    } else if (argument == "--rounds" && hasValue) {
      rounds = std::stoi(arguments[++i]);
    } else {
      names.push_back(argument);
    }
  }
  if (names.empty()) names = {"S2k", "D2k", "S50k", "M2k"};
  for (const std::string& name : names) bench::measure(name, findBackend(backend), threads, rounds);
}
