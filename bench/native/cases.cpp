#include "cases.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <sstream>
#include <stdexcept>

#include "core/random.h"

namespace trustregion::bench {
namespace {

const std::vector<Case> kCases = {
    {"S2k", 2048, 17, {64, 64}, 6, false},         {"S50k", 50000, 17, {64, 64}, 6, false},
    {"M2k", 2048, 376, {256, 256}, 17, false},     {"M50k", 50000, 376, {256, 256}, 17, false},
    {"L10k", 10000, 376, {1024, 1024}, 17, false}, {"D2k", 2048, 8, {64, 64}, 4, true},
};

PolicyConfig configOf(const Case& shape, const std::string& backend, unsigned threads) {
  PolicyConfig config;
  config.observationSize = shape.observationSize;
  config.hidden = shape.hidden;
  config.distribution =
      shape.isCategorical ? DistributionKind::categorical : DistributionKind::gaussian;
  config.actionCounts = {shape.actions};
  config.initialLogStd = -1;
  config.outputGain = 1;
  config.seed = 1;
  config.backend = backend;
  config.threads = threads;
  return config;
}

std::vector<float> normals(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

}  // namespace

Case caseNamed(const std::string& name) {
  const auto found = std::find_if(kCases.begin(), kCases.end(),
                                  [&](const Case& shape) { return shape.name == name; });
  if (found != kCases.end()) return *found;
  // Numbers with one character between two of them: x after the rows, then hyphens.
  std::istringstream text(name);
  std::vector<size_t> numbers(1);
  text >> numbers[0];
  for (char between = 0; text >> between && between == (numbers.size() == 1 ? 'x' : '-');) {
    text >> numbers.emplace_back();
  }
  const bool isWhole = !text.bad() && text.eof() && numbers.size() >= 3;
  if (!isWhole || std::count(numbers.begin(), numbers.end(), 0U) > 0) {
    throw std::invalid_argument("no case '" + name + "'");
  }
  return {name,           numbers[0], numbers[1], {numbers.begin() + 2, numbers.end() - 1},
          numbers.back(), false};
}

BenchProblem::BenchProblem(const Case& shape, const std::string& backend, unsigned threads)
    : policy(configOf(shape, backend, threads)),
      observations(normals(shape.rows * shape.observationSize, 2)),
      actions(shape.rows * policy.model().distribution.actionSize()),
      advantages(normals(shape.rows, 3)) {
  // One row after another: a pass over all rows would leave its memory behind, and the update's is
  // measured.
  for (size_t row = 0; row < shape.rows; row++) {
    policy.act({observations.data() + row * shape.observationSize, shape.observationSize}, 1, false,
               actions.data() + row * policy.model().distribution.actionSize());
  }
}

RolloutView BenchProblem::rollout() const {
  RolloutView view;
  view.rows = advantages.size();
  view.observations = {observations.data(), observations.size()};
  view.actions = {actions.data(), actions.size()};
  view.advantages = {advantages.data(), advantages.size()};
  return view;
}

MultiplyAdds multiplyAddsOf(const MlpLayout& layout) {
  MultiplyAdds sum;
  for (const LayerLayout& layer : layout.layers()) {
    const bool isFirst = &layer == &layout.layers().front();
    const auto weights = static_cast<double>(layer.inputs * layer.outputs);
    sum.forward += weights;
    sum.gradient += isFirst ? weights : 2 * weights;
    sum.product += isFirst ? 2 * weights : 4 * weights;
  }
  return sum;
}

double secondsOf(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double medianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : 0.5 * (values[middle - 1] + values[middle]);
}

std::string takeOption(std::vector<std::string>& arguments, const std::string& name,
                       const std::string& otherwise) {
  const auto found = std::find(arguments.begin(), arguments.end(), name);
  if (found == arguments.end()) return otherwise;
  if (found + 1 == arguments.end()) throw std::invalid_argument(name + " wants a value");
  std::string value = found[1];
  arguments.erase(found, found + 2);
  return value;
}

unsigned takeThreads(std::vector<std::string>& arguments) {
  return static_cast<unsigned>(std::stoul(takeOption(arguments, "--threads", "1")));
}

int runProgram(int count, char** arguments,
               const std::function<void(std::vector<std::string>)>& run) {
  try {
    run({arguments + 1, arguments + count});
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}

}  // namespace trustregion::bench
