#include "core/processors.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace trustregion {

#if defined(__linux__)

unsigned availableProcessors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());
}

int threadIdentifier() { return static_cast<int>(syscall(SYS_gettid)); }

void wakeElsewhere(std::span<const int> threads, FunctionRef<void()> wake) {
  if (threads.empty()) return wake();
  constexpr size_t kMost = 64;
  cpu_set_t before[kMost];
  bool isRestricted[kMost] = {};
  const size_t count = std::min(threads.size(), kMost);
  // One at a time: who read here what another one has restricted would put that back in the end.
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  const int here = sched_getcpu();
  // Whatever the system refuses is left as it is.
  for (size_t i = 0; i < count && here >= 0; i++) {
    if (sched_getaffinity(threads[i], sizeof(cpu_set_t), &before[i]) != 0) continue;
    cpu_set_t others = before[i];
    CPU_CLR(static_cast<size_t>(here), &others);
    if (CPU_COUNT(&others) == 0 || CPU_EQUAL(&others, &before[i])) continue;
    isRestricted[i] = sched_setaffinity(threads[i], sizeof(cpu_set_t), &others) == 0;
  }
  wake();
  for (size_t i = 0; i < count; i++) {
    if (isRestricted[i]) sched_setaffinity(threads[i], sizeof(cpu_set_t), &before[i]);
  }
}

void giveWay() {
  const char* const priority = std::getenv("TRUSTREGION_PRIORITY");
  const bool isBackground = priority != nullptr && std::string_view(priority) == "background";
  constexpr int kFlags = SCHED_RESET_ON_FORK;
  const int policy = sched_getscheduler(0) & ~kFlags;
  const sched_param none{};
  if (isBackground) {
    sched_setscheduler(0, SCHED_IDLE, &none);
  } else if (policy == SCHED_FIFO || policy == SCHED_RR) {
    sched_setscheduler(0, SCHED_OTHER, &none);
  }
}

#else

unsigned availableProcessors() { return std::max(1U, std::thread::hardware_concurrency()); }

int threadIdentifier() { return 0; }

void wakeElsewhere(std::span<const int>, FunctionRef<void()> wake) { wake(); }

void giveWay() {}

#endif

}  // namespace trustregion
