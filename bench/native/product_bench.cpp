// Fisher products against the machine's multiply-add peak, measured in turns within one run.
//
//   build-cmake/product_bench [--backend cpu-avx512] [--threads 1] [--rounds 7] [--json] [CASE ...]
//
// CASE as in cases.h. --json prints one object a line.

#include <algorithm>
#include <cstdio>

#include "cases.h"
#include "core/random.h"
#include "peak.h"

namespace trustregion::bench {
namespace {

void measure(const Case& shape, const std::string& backend, unsigned threads, int rounds,
             bool isJson) {
  const BenchProblem bench(shape, backend, threads);
  const std::string name = bench.policy.backend().name();
  const PolicyModel& model = bench.policy.model();
  const auto problem = bench.policy.makeProblem(*bench.policy.snapshot(), bench.rollout());
  Random random(4);
  std::vector<double> vector(model.parameterCount());
  for (double& value : vector) value = random.normal();
  std::vector<double> product(model.parameterCount());

  const double work = 2 * multiplyAddsOf(model.network).product * static_cast<double>(shape.rows);
  const int repetitions = std::max(3, static_cast<int>(2e10 / work / 10));
  std::vector<double> shares;
  std::vector<double> times;
  double largest = 0;
  for (int round = 0; round < rounds; round++) {
    const double peak = peakFlops(name, threads);
    largest = std::max(largest, peak);
    std::vector<double> trial;
    for (int i = 0; i < repetitions; i++) {
      trial.push_back(secondsOf([&] { problem->fisherProduct(vector, product); }));
    }
    times.push_back(medianOf(trial));
    shares.push_back(work / times.back() / peak);
  }
  const auto [least, most] = std::minmax_element(shares.begin(), shares.end());
  const double milliseconds = 1e3 * medianOf(times);
  if (isJson) {
    std::printf(
        R"({"case": "%s", "backend": "%s", "threads": %u, "rows": %zu, "ms": %.6g, "leastMs": %.6g, )"
        R"("flops": %.6g, "share": %.4f, "leastShare": %.4f, "mostShare": %.4f, "peak": %.6g})"
        "\n",
        shape.name.c_str(), name.c_str(), threads, shape.rows, milliseconds,
        1e3 * *std::min_element(times.begin(), times.end()), work / medianOf(times),
        medianOf(shares), *least, *most, largest);
  } else {
    std::printf(
        "%-5s %-12s threads %u  product %9.3f ms  share of the peak %.3f (%.3f to %.3f), peak %.0f "
        "Gflop/s\n",
        shape.name.c_str(), name.c_str(), threads, milliseconds, medianOf(shares), *least, *most,
        1e-9 * largest);
  }
  std::fflush(stdout);
}

void run(std::vector<std::string> arguments) {
  const std::string backend = takeOption(arguments, "--backend", "");
  const unsigned threads = takeThreads(arguments);
  const int rounds = std::stoi(takeOption(arguments, "--rounds", "7"));
  const auto json = std::find(arguments.begin(), arguments.end(), "--json");
  const bool isJson = json != arguments.end();
  if (isJson) arguments.erase(json);
  if (arguments.empty()) arguments = {"S2k", "D2k", "S50k", "M2k"};
  for (const std::string& name : arguments) {
    measure(caseNamed(name), backend, threads, rounds, isJson);
  }
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  return trustregion::bench::runProgram(count, arguments, trustregion::bench::run);
}
