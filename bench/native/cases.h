#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/policy.h"

namespace trustregion::bench {

// A policy's shape and how many rows its rollout has; all tanh.
struct Case {
  std::string name;
  size_t rows;
  size_t observationSize;
  std::vector<size_t> hidden;
  size_t actions;
  bool isCategorical;
};

// S2k, S50k, M2k, M50k, L10k, D2k as bench/README.md lists them, or a Gaussian policy of any shape,
// ROWSxINPUTS-HIDDEN-...-OUTPUTS as in 4096x17-64-64-6. Throws std::invalid_argument for another
// name.
Case caseNamed(const std::string& name);

// A policy in mid-training (logStd -1, output gain 1) and one rollout of it: never zeros.
struct BenchProblem {
  BenchProblem(const Case& shape, const std::string& backend, unsigned threads);

  RolloutView rollout() const;

  Policy policy;
  std::vector<float> observations;
  std::vector<double> actions;
  std::vector<float> advantages;
};

// Multiply-adds of one row.
struct MultiplyAdds {
  double forward = 0;
  double gradient = 0;  // backward: the signal of every layer but the first, and all weights
  double product = 0;   // tangent (two for every layer but the first) and backward

  // 15 products or another number; the batch's forward pass and one for each candidate.
  double update(int products, size_t candidates) const {
    return forward * static_cast<double>(1 + candidates) + gradient + product * products;
  }
};
MultiplyAdds multiplyAddsOf(const MlpLayout& layout);

double secondsOf(const std::function<void()>& run);
double medianOf(std::vector<double> values);

// What "--name value" says, or `otherwise`; the rest stays in `arguments`.
std::string takeOption(std::vector<std::string>& arguments, const std::string& name,
                       const std::string& otherwise);
unsigned takeThreads(std::vector<std::string>& arguments);

// A program's main: what `run` throws is printed, and the exit status is 2.
int runProgram(int count, char** arguments,
               const std::function<void(std::vector<std::string>)>& run);

}  // namespace trustregion::bench
