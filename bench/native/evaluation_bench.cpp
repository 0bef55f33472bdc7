// The parts of an update that are not Fisher products, each beside the pass through the network
// that it contains: what is left over is the mathematics of the distributions.
//
//   build-cmake/evaluation_bench [--backend cpu-avx512] [--threads 1] [--rounds 7] [CASE ...]
//
// Cases as in product_bench. Times in milliseconds, the fastest of all rounds: the neighbours on a
// shared machine only ever add to one.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <string>

#include "cases.h"
#include "core/backend.h"
#include "core/cpu/cpu_backend.h"
#include "core/cpu/cpu_mlp.h"
#include "core/random.h"
#include "core/thread_pool.h"

namespace trustregion::bench {
namespace {

struct Shape {
  size_t rows;
  size_t observationSize;
  std::vector<size_t> hidden;
  Distribution distribution;
};

const std::map<std::string, Shape> kCases = {
    {"S2k", {2048, 17, {64, 64}, Distribution::gaussian(6)}},
    {"S50k", {50000, 17, {64, 64}, Distribution::gaussian(6)}},
    {"M2k", {2048, 376, {256, 256}, Distribution::gaussian(17)}},
    {"M50k", {50000, 376, {256, 256}, Distribution::gaussian(17)}},
    {"D2k", {2048, 8, {64, 64}, Distribution::categorical({4})}},
    {"B2k", {2048, 8, {64, 64}, Distribution::bernoulli(4)}},
};

struct Batch {
  Batch(const Shape& shape, const Backend& backend)
      : model{MlpLayout(shape.observationSize, shape.hidden, shape.distribution.headSize(),
                        Activation::tanh),
              shape.distribution},
        rows(shape.rows),
        parameters(model.parameterCount()),
        observations(rows * shape.observationSize),
        actions(rows * shape.distribution.actionSize()),
        advantages(rows) {
    Random random(1);
    for (const LayerLayout& layer : model.network.layers()) {
      const double scale = 1 / std::sqrt(static_cast<double>(layer.inputs));
      for (size_t i = layer.weightOffset; i < layer.biasOffset; i++) {
        parameters[i] = scale * random.normal();
      }
    }
    backend.roundParameters(parameters);
    candidate = parameters;
    for (double& value : candidate) value += 1e-3 * random.normal();
    backend.roundParameters(candidate);
    for (float& value : observations) value = static_cast<float>(random.normal());
    const std::vector<double> head(shape.distribution.headSize());
    const std::vector<double> logStd(shape.distribution.headSize());
    for (size_t row = 0; row < rows; row++) {
      shape.distribution.sample(head.data(), logStd.data(), random,
                                actions.data() + row * shape.distribution.actionSize());
      advantages[row] = random.normal();
    }
  }

  RolloutView view() const {
    return {rows,
            {observations.data(), observations.size()},
            {actions.data(), actions.size()},
            {advantages.data(), advantages.size()}};
  }

  PolicyModel model;
  size_t rows;
  std::vector<double> parameters;
  std::vector<double> candidate;
  std::vector<float> observations;
  std::vector<double> actions;
  std::vector<double> advantages;
};

// The passes of the network alone, over the same tiles as a problem's.
class Passes {
 public:
  Passes(const Batch& batch, const cpu::Kernels& kernels, unsigned threads)
      : mlp_(batch.model.network, kernels),
        rows_(batch.rows),
        tileRows_(mlp_.tileRows(rows_)),
        threads_(threads),
        observations_(rows_ * mlp_.inputWidth()) {
    mlp_.pack(batch.parameters, cpu::PackFor::forwardAndBackward, packed_);
    const size_t size = batch.model.observationSize();
    for (size_t row = 0; row < rows_; row++) {
      std::copy_n(batch.observations.data() + row * size, size,
                  observations_.data() + row * mlp_.inputWidth());
    }
    for (size_t width : batch.model.network.hidden()) {
      hidden_.emplace_back(rows_ * cpu::hiddenWidth(width));
    }
    workers_.resize(threads_);
    for (Worker& worker : workers_) {
      worker.scratch = mlp_.makeScratch(tileRows_);
      worker.activations.input.resize(hidden_.size() + 1);
      worker.head.resize(tileRows_ * mlp_.outputWidth());
      worker.sum.resize(batch.model.parameterCount());
    }
  }

  // Hidden layers of one tile after the other in the same memory, as for a candidate.
  void forward() {
    forEachTile([&](size_t firstRow, size_t rows, Worker& worker) {
      const size_t index = static_cast<size_t>(&worker - workers_.data());
      pointTo(firstRow, index * tileRows_, rows, worker);
      mlp_.forward(packed_, rows, worker.activations, worker.head.data());
    });
  }

  void forwardIntoCache() {
    forEachTile([&](size_t firstRow, size_t rows, Worker& worker) {
      pointTo(firstRow, firstRow, rows, worker);
      mlp_.forward(packed_, rows, worker.activations, worker.head.data());
    });
  }

  void backward() {
    forEachTile([&](size_t firstRow, size_t rows, Worker& worker) {
      pointTo(firstRow, firstRow, rows, worker);
      mlp_.backward(packed_, rows, worker.activations, worker.head.data(), worker.scratch,
                    worker.sum.data());
    });
  }

 private:
  struct Worker {
    cpu::TileScratch scratch;
    cpu::TileActivations activations;
    AlignedFloats head;
    AlignedDoubles sum;
  };

  template <class Task>
  void forEachTile(const Task& task) {
    const size_t tiles = (rows_ + tileRows_ - 1) / tileRows_;
    parallelFor(tiles, threads_, [&](size_t tile, unsigned worker) {
      const size_t firstRow = tile * tileRows_;
      task(firstRow, std::min(tileRows_, rows_ - firstRow), workers_[worker]);
    });
  }

  void pointTo(size_t firstRow, size_t firstHiddenRow, size_t rows, Worker& worker) {
    const std::vector<size_t>& widths = mlp_.layout().hidden();
    worker.activations.input[0] =
        cpu::rowMajor(observations_.data() + firstRow * mlp_.inputWidth(), mlp_.inputWidth());
    for (size_t l = 0; l < widths.size(); l++) {
      worker.activations.input[l + 1] = cpu::inPanels(
          hidden_[l].data() + firstHiddenRow * cpu::hiddenWidth(widths[l]), rows, widths[l]);
    }
  }

  cpu::CpuMlp mlp_;
  size_t rows_;
  size_t tileRows_;
  unsigned threads_;
  std::vector<cpu::PackedLayer> packed_;
  AlignedFloats observations_;
  std::vector<AlignedFloats> hidden_;
  std::vector<Worker> workers_;
};

struct Measurement {
  const char* name;
  std::function<void()> run;
  double fastest = std::numeric_limits<double>::infinity();
};

void measureOnce(Measurement& measurement) {
  using Clock = std::chrono::steady_clock;
  constexpr double kEnough = 0.02;  // seconds of one round
  const auto start = Clock::now();
  auto before = start;
  do {
    measurement.run();
    const auto after = Clock::now();
    measurement.fastest =
        std::min(measurement.fastest, std::chrono::duration<double>(after - before).count());
    before = after;
  } while (std::chrono::duration<double>(before - start).count() < kEnough);
}

void measure(const std::string& name, const Backend& backend, unsigned threads, int rounds) {
  const Batch batch(kCases.at(name), backend);
  const auto makeProblem = [&] {
    return backend.makeProblem(batch.model, batch.parameters, {}, batch.view(), threads);
  };
  const auto problem = makeProblem();
  const cpu::Kernels* kernels = kernelsOf(backend);
  Passes passes(batch, kernels == nullptr ? cpu::baselineKernels() : *kernels, threads);
  std::vector<double> gradient(batch.model.parameterCount());
  Measurement measurements[] = {
      {"forward", [&] { passes.forward(); }},
      {"evaluate", [&] { problem->evaluate(batch.candidate); }},
      {"evaluate at theta", [&] { problem->evaluate(batch.parameters); }},
      {"evaluateInDouble", [&] { problem->evaluateInDouble(batch.candidate); }},
      {"backward", [&] { passes.backward(); }},
      {"surrogateGradient", [&] { problem->surrogateGradient(gradient); }},
      {"objectiveGradient",
       [&] {
         problem->objectiveGradient(batch.candidate, {0.2, 1, 0.01}, {}, gradient);
       }},
      {"forward into cache", [&] { passes.forwardIntoCache(); }},
      {"makeProblem", [&] { makeProblem(); }},
  };
  passes.forwardIntoCache();
  for (int round = 0; round < rounds; round++) {
    for (Measurement& measurement : measurements) measureOnce(measurement);
  }
  std::printf("%s, %s, threads %u\n", name.c_str(), backend.name().c_str(), threads);
  for (const Measurement& measurement : measurements) {
    std::printf("  %-20s %9.3f ms\n", measurement.name, 1e3 * measurement.fastest);
  }
  std::fflush(stdout);
}

void run(std::vector<std::string> names) {
  const std::string backend = takeOption(names, "--backend", "");
  const unsigned threads = takeThreads(names);
  const int rounds = std::stoi(takeOption(names, "--rounds", "7"));
  if (names.empty()) names = {"S2k", "D2k", "S50k", "M2k"};
  for (const std::string& name : names) measure(name, findBackend(backend), threads, rounds);
}

}  // namespace
}  // namespace trustregion::bench

int main(int count, char** arguments) {
  return trustregion::bench::runProgram(count, arguments, trustregion::bench::run);
}
