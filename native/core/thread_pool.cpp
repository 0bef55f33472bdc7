#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace trustregion {
namespace {

// One call of parallelFor, on its caller's stack.
struct Job {
  Job(FunctionRef<void(size_t, unsigned)> taskOfJob, size_t taskCount, unsigned threadCount)
      : task(taskOfJob), tasks(taskCount), threads(threadCount) {}

  const FunctionRef<void(size_t, unsigned)> task;
  const size_t tasks;
  const unsigned threads;
  std::atomic<size_t> next{0};
  unsigned joined = 1;  // the caller is worker 0; guarded by the pool's mutex
  std::atomic<unsigned> helpers{0};
  std::mutex exceptionMutex;
  std::exception_ptr exception;
  Job* nextJob = nullptr;  // the pool's list of jobs; guarded by its mutex

  void run(unsigned worker) {
    for (;;) {
      const size_t index = next.fetch_add(1, std::memory_order_relaxed);
      if (index >= tasks) return;
      try {
        task(index, worker);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(exceptionMutex);
        if (!exception) exception = std::current_exception();
      }
    }
  }

  bool wantsHelp() const {
    return joined < threads && next.load(std::memory_order_relaxed) < tasks;
  }
};

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class ThreadPool {
 public:
  // Never destroyed: its threads sleep until the process ends, whatever the order of static
  // destructors.
  static ThreadPool& instance() {
    static ThreadPool* pool = new ThreadPool;
    return *pool;
  }

  void run(Job& job) {
    if (job.threads <= 1 || job.tasks <= 1) {
      job.run(0);
    } else {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        grow(job.threads - 1);
        add(job);
        generation_.fetch_add(1, std::memory_order_release);
      }
      wake_.notify_all();
      job.run(0);
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        remove(job);  // nobody joins from here on
      }
      wait(job);
    }
    if (job.exception) std::rethrow_exception(job.exception);
  }

 private:
  // About 20 microseconds: longer than the gap between two products, shorter than a nuisance.
  static constexpr int kSpins = 500;

  void grow(unsigned count) {
    for (; threadCount_ < count; threadCount_++) std::thread([this] { work(); }).detach();
  }

  static void leave(Job& job) { job.helpers.fetch_sub(1, std::memory_order_release); }

  // Helpers still inside a task finish it; they hold at most one each.
  void wait(Job& job) {
    for (int spin = 0; job.helpers.load(std::memory_order_acquire) != 0; spin++) {
      if (spin < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

  // Jobs are few (one for each thread that calls), in the order of their coming.
  void add(Job& job) {
    Job** end = &jobs_;
    while (*end != nullptr) end = &(*end)->nextJob;
    *end = &job;
  }

  void remove(Job& job) {
    Job** link = &jobs_;
    while (*link != &job) link = &(*link)->nextJob;
    *link = job.nextJob;
  }

  Job* join(unsigned& worker) {
    for (Job* job = jobs_; job != nullptr; job = job->nextJob) {
      if (!job->wantsHelp()) continue;
      worker = job->joined++;
      job->helpers.fetch_add(1, std::memory_order_relaxed);
      return job;
    }
    return nullptr;
  }

  void work() {
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins; spin++) {
        if (generation_.load(std::memory_order_acquire) != seen) break;
        pause();
      }
      unsigned worker = 0;
      Job* job = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
        job = join(worker);
        if (job == nullptr) seen = generation_.load(std::memory_order_relaxed);
      }
      if (job == nullptr) continue;
      job->run(worker);
      leave(*job);  // the job may be gone from here on
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  Job* jobs_ = nullptr;
  std::atomic<uint64_t> generation_{0};
  unsigned threadCount_ = 0;
};

unsigned availableProcessors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    return std::max(1, CPU_COUNT(&set));
  }
#endif
  return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

unsigned defaultThreads() {
  if (const char* value = std::getenv("TRUSTREGION_THREADS")) {
    const long threads = std::strtol(value, nullptr, 10);
    if (threads >= 1) return static_cast<unsigned>(std::min<long>(threads, kMaxThreads));
  }
  return std::min(availableProcessors(), kMaxThreads);
}

void parallelFor(size_t tasks, unsigned threads,
                 FunctionRef<void(size_t task, unsigned worker)> task) {
  const auto most = static_cast<unsigned>(std::clamp<size_t>(tasks, 1, kMaxThreads));
  Job job(task, tasks, std::clamp(threads, 1U, most));
  ThreadPool::instance().run(job);
}

}  // namespace trustregion
