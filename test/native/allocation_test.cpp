// The promises of no allocation, by counting every call of operator new in this executable.

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "core/policy.h"
#include "problems.h"

namespace {

std::atomic<long> allocations{0};

// Not inlined, or the compiler would find malloc and delete in one function and complain.
#if defined(__GNUC__)
#define NEVER_INLINED __attribute__((noinline))
#else
#define NEVER_INLINED
#endif

NEVER_INLINED void* allocate(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

// Keeps what malloc returned just before the aligned address.
NEVER_INLINED void* allocateAligned(std::size_t size, std::size_t alignment) {
  std::size_t space = size + alignment;
  void* const start = allocate(sizeof(void*) + space);
  void* aligned = static_cast<void**>(start) + 1;
  std::align(alignment, size, aligned, space);
  static_cast<void**>(aligned)[-1] = start;
  return aligned;
}

NEVER_INLINED void release(void* memory) noexcept { std::free(memory); }

NEVER_INLINED void releaseAligned(void* memory) noexcept {
  if (memory == nullptr) return;
  std::free(static_cast<void**>(memory)[-1]);
}

}  // namespace

using Alignment = std::align_val_t;

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, Alignment alignment) {
  return allocateAligned(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, Alignment alignment) {
  return allocateAligned(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, Alignment) noexcept { releaseAligned(memory); }
void operator delete[](void* memory, Alignment) noexcept { releaseAligned(memory); }
void operator delete(void* memory, std::size_t, Alignment) noexcept { releaseAligned(memory); }
void operator delete[](void* memory, std::size_t, Alignment) noexcept { releaseAligned(memory); }

namespace trustregion::test {
namespace {

// Allocations of the second call and of many after it: the first may fill caches.
template <class Call>
long allocationsOf(const Call& call) {
  constexpr int kCalls = 10;
  call();
  const long before = allocations.load();
  for (int i = 0; i < kCalls; i++) call();
  return allocations.load() - before;
}

CASE("the counter counts") {
  static int* volatile number;  // or the compiler may leave the pair out
  const auto newAndDelete = [] {
    number = new int;
    delete number;
  };
  CHECK(allocationsOf(newAndDelete) == 10);
  CHECK(allocationsOf([] {}) == 0);
}

bool addForEachBackend() {
  for (const Backend* backend : allBackends()) {
    const auto add = [&](const std::string& name, auto run) {
      addCase(name + " on " + backend->name(), [=] {
        if (!backend->isSupported()) skipCase("not supported by this machine");
        run();
      });
    };
    // The oracle may allocate; cpu_problem.h says that its products do not.
    if (backend->precision() == "float32") {
      for (const unsigned threads : {1U, 2U}) {
        add("a Fisher product with " + std::to_string(threads) + " threads", [=] {
          for (const Activation activation : {Activation::tanh, Activation::silu}) {
            for (const Distribution& distribution :
                 {Distribution::gaussian(2), Distribution::categorical({3, 2}),
                  Distribution::bernoulli(2)}) {
              const Context context(describe(distribution), " ", activationName(activation));
              const PolicyProblem problem =
                  randomProblem(distribution, activation, {600, 3, {8}}, 5);
              const auto held = problem.on(*backend, threads);
              std::vector<double> product(problem.parameters.size());
              CHECK(allocationsOf([&] { held->fisherProduct(problem.direction, product); }) == 0);
            }
          }
        });
      }
    }
    add("Network::forward", [=] {
      const PolicyProblem problem =
          randomProblem(Distribution::gaussian(2), Activation::silu, {70, 3, {8, 4}}, 6, true);
      const auto network = backend->makeNetwork(problem.model.network, problem.parameters);
      const auto workspace = network->makeWorkspace();
      std::vector<double> heads(problem.rows * 2);
      const long count = allocationsOf([&] {
        network->forward(problem.view().observations, problem.rows, problem.scaling, heads.data(),
                         *workspace);
      });
      CHECK(count == 0);
    });
    add("Policy::act", [=] {
      for (const DistributionKind kind : {DistributionKind::gaussian, DistributionKind::categorical,
                                          DistributionKind::bernoulli}) {
        PolicyConfig config;
        config.observationSize = 3;
        config.hidden = {8};
        config.distribution = kind;
        config.actionCounts = {4};
        config.backend = backend->name();
        Policy policy(config);
        const std::vector<float> observations(3 * 5, 0.5F);
        std::vector<double> actions(4 * 5);
        for (const bool deterministic : {false, true}) {
          const long count = allocationsOf([&] {
            policy.act({observations.data(), observations.size()}, 5, deterministic,
                       actions.data());
          });
          CHECK(count == 0);
        }
      }
    });
  }
  return true;
}

const bool kAdded = addForEachBackend();

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
