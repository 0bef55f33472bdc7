// The machine's multiply-add peak as one JSON object, for benchmarks that are no programs of ours.
//
//   build-cmake/peak_bench [--backend cpu-avx512] [--threads 1]

#include <cstdio>

#include "cases.h"
#include "core/backend.h"
#include "peak.h"

namespace trustregion::bench {
namespace {

void run(std::vector<std::string> arguments) {
  const std::string backend = findBackend(takeOption(arguments, "--backend", "")).name();
  const unsigned threads = takeThreads(arguments);
  std::printf(R"({"peer": "peak", "backend": "%s", "threads": %u, "flops": %.6g})"
              "\n",
              backend.c_str(), threads, peakFlops(backend, threads));
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  return trustregion::bench::runProgram(count, arguments, trustregion::bench::run);
}
