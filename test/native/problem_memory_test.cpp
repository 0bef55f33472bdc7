// The memory of a batch, as the formula says it and as it is really allocated.

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/cpu/problem_memory.h"
#include "core/memory_reserve.h"
#include "problems.h"
#include "targets.h"

namespace {

std::atomic<long> bytesHeld{0};

// The size stands before what is handed out, at a distance that keeps any alignment.
void* allocate(std::size_t size, std::size_t alignment) {
  const std::size_t header = alignment < 64 ? 64 : alignment;
  const std::size_t whole = (size + header + header - 1) / header * header;
  void* start = std::aligned_alloc(header, whole);
  if (start == nullptr) throw std::bad_alloc();
  *static_cast<std::size_t*>(start) = size;
  bytesHeld += static_cast<long>(size);
  return static_cast<char*>(start) + header;
}

void release(void* memory, std::size_t alignment) noexcept {
  if (memory == nullptr) return;
  const std::size_t header = alignment < 64 ? 64 : alignment;
  void* start = static_cast<char*>(memory) - header;
  bytesHeld -= static_cast<long>(*static_cast<std::size_t*>(start));
  std::free(start);
}

}  // namespace

using Alignment = std::align_val_t;

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, Alignment a) {
  return allocate(size, static_cast<std::size_t>(a));
}
void operator delete(void* memory) noexcept { release(memory, 0); }
void operator delete(void* memory, std::size_t) noexcept { release(memory, 0); }
void operator delete(void* memory, Alignment a) noexcept {
  release(memory, static_cast<std::size_t>(a));
}
void operator delete(void* memory, std::size_t, Alignment a) noexcept {
  release(memory, static_cast<std::size_t>(a));
}

namespace trustregion::test {
namespace {

// Small batches have more of what the formula leaves out (buffers of 32 rows, bookkeeping).
struct Shaped {
  Distribution distribution;
  Activation activation;
  Shape shape;
};

void checkFormula(const Backend& backend, const cpu::CpuMlp& mlp, const PolicyProblem& problem,
                  const Resources& resources) {
  const Context context("rows ", problem.rows, " threads ", resources.threads, " budget ",
                        resources.memoryBudget);
  MemoryReserve::ofProcess().clear();
  const long before = bytesHeld;
  const auto held = backend.makeProblem(problem.model, problem.parameters, problem.scaling,
                                        problem.view(), resources);
  MemoryReserve::ofProcess().clear();  // of what making it took and gave back
  const auto actual = static_cast<double>(bytesHeld - before);
  const auto bytesOf = [&](size_t heldRows) {
    return static_cast<double>(
        cpu::problemBytes(problem.model, mlp, problem.rows, heldRows, resources.threads));
  };
  const double all = bytesOf(problem.rows);
  const double none = bytesOf(0);
  const auto budget = static_cast<double>(resources.memoryBudget);
  if (budget >= all) {
    CHECK_NEAR(actual, all, 0.1 * all);
  } else if (budget <= none) {
    CHECK_NEAR(actual, none, 0.1 * none);
  } else {
    CHECK(actual > 0.8 * budget);
    CHECK(actual <= 1.1 * budget);
  }
}

const bool kFormulaAdded =
    addForEachBackend("the formula is within 10 %", [](const Backend& backend) {
      const cpu::Kernels* kernels = kernelsOf(backend);
      if (kernels == nullptr) skipCase("the formula is that of the CPU backends");
      const std::vector<Shaped> shapes = {
          {Distribution::gaussian(6), Activation::tanh, {2048, 17, {64, 64}}},
          {Distribution::gaussian(6), Activation::tanh, {20000, 17, {64, 64}}},
          {Distribution::categorical({4}), Activation::silu, {5000, 8, {64, 64}}},
          {Distribution::bernoulli(3), Activation::relu, {3000, 40, {100}}},
          {Distribution::gaussian(17), Activation::tanh, {2048, 376, {256, 256}}},
      };
      for (const Shaped& shaped : shapes) {
        const PolicyProblem problem =
            randomProblem(shaped.distribution, shaped.activation, shaped.shape, 3);
        const cpu::CpuMlp mlp(problem.model.network, *kernels);
        for (const unsigned threads : {1U, 2U}) {
          for (const size_t budget : {size_t{0}, size_t{4'000'000}, size_t{1} << 30}) {
            checkFormula(backend, mlp, problem, {threads, budget});
          }
        }
      }
    });

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
