// What a Kronecker preconditioner costs to make and to apply, beside a Fisher product.
//
//   build-cmake/preconditioner_bench [--backend cpu-avx512] [--threads 1] [--stride 1] [CASE ...]
//
// Cases: S2k (17-64-64-6), M2k (376-256-256-17), L10k (376-1024-1024-17); all tanh, Gaussian. Times
// are the least of some repetitions, in turns.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "cases.h"
#include "core/backend.h"
#include "core/kronecker_preconditioner.h"
#include "core/random.h"

namespace trustregion::bench {
namespace {

struct Shape {
  size_t rows;
  size_t observationSize;
  std::vector<size_t> hidden;
  size_t actions;
  int repetitions;
};

const std::map<std::string, Shape> kCases = {
    {"S2k", {2048, 17, {64, 64}, 6, 300}},
    {"M2k", {2048, 376, {256, 256}, 17, 10}},
    {"L10k", {10000, 376, {1024, 1024}, 17, 2}},
};

class Least {
 public:
  void time(const std::function<void()>& run) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    least_ = std::min(least_, seconds.count());
  }
  double milliseconds() const { return 1e3 * least_; }

 private:
  double least_ = 1e300;
};

void measure(const std::string& name, const Backend& backend, unsigned threads, size_t stride) {
  const Shape& shape = kCases.at(name);
  const PolicyModel model{
      MlpLayout(shape.observationSize, shape.hidden, shape.actions, Activation::tanh),
      Distribution::gaussian(shape.actions)};
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
  std::vector<double> result(model.parameterCount());

  const KroneckerSampling sampling{1, stride, 0};
  KroneckerFactors factors;
  Least product;
  Least factorsTime;
  Least decomposition;
  Least application;
  for (int i = 0; i < shape.repetitions; i++) {
    product.time([&] { problem->fisherProduct(vector, result); });
    factorsTime.time([&] { factors = problem->kroneckerFactors(sampling); });
    std::unique_ptr<const KroneckerPreconditioner> preconditioner;
    decomposition.time([&] {
      preconditioner =
          KroneckerPreconditioner::make(model, factors, threads, problem->multiplySingle());
    });
    application.time([&] { preconditioner->apply(0.1, vector, result); });
  }
  std::printf(
      "%-5s %-12s threads %u  product %9.3f  factors (every %zu. row) %9.3f  eigenvectors %9.3f  "
      "application %9.3f ms\n",
      name.c_str(), backend.name().c_str(), threads, product.milliseconds(), stride,
      factorsTime.milliseconds(), decomposition.milliseconds(), application.milliseconds());
  std::fflush(stdout);
}

void run(std::vector<std::string> names) {
  const std::string backend = takeOption(names, "--backend", "");
  const unsigned threads = takeThreads(names);
  const size_t stride = std::stoul(takeOption(names, "--stride", "1"));
  if (names.empty()) names = {"S2k", "M2k"};
  for (const std::string& name : names) measure(name, findBackend(backend), threads, stride);
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  return trustregion::bench::runProgram(count, arguments, trustregion::bench::run);
}
