#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "core/processors.h"

namespace trustregion {
namespace {

// What is to be done, and what went wrong first.
struct Work {
  explicit Work(FunctionRef<void(size_t, unsigned)> taskOfWork) : task(taskOfWork) {}

  const FunctionRef<void(size_t, unsigned)> task;
  std::mutex exceptionMutex;
  std::exception_ptr exception;

  void run(size_t index, unsigned worker) {
    try {
      task(index, worker);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(exceptionMutex);
      if (!exception) exception = std::current_exception();
    }
  }
};

// Consecutive tasks, claimed one after the other.
struct alignas(64) Share {
  std::atomic<size_t> next{0};
  size_t end = 0;

  bool isLeft() const { return next.load(std::memory_order_relaxed) < end; }
};

// Work for several threads, on the stack of the one that calls. Each worker has a share of the
// tasks, and helps the others once it is done.
struct Job {
  Job(Work& workOfJob, size_t taskCount, unsigned threadCount)
      : work(workOfJob), threads(threadCount) {
    for (size_t worker = 0; worker < threads; worker++) {
      shares[worker].next.store(worker * taskCount / threads, std::memory_order_relaxed);
      shares[worker].end = (worker + 1) * taskCount / threads;
    }
  }

  Work& work;
  const unsigned threads;
  Share shares[kMaxThreads];
  uint64_t taken = 1;  // one bit for each worker, 0 being the caller; guarded by the pool's mutex
  std::atomic<unsigned> helpers{0};
  Job* nextJob = nullptr;  // the pool's list of jobs; guarded by its mutex

  void run(unsigned worker) {
    for (unsigned i = 0; i < threads; i++) {
      Share& share = shares[(worker + i) % threads];
      while (share.isLeft()) {
        const size_t index = share.next.fetch_add(1, std::memory_order_relaxed);
        if (index < share.end) work.run(index, worker);
      }
    }
  }

  bool wantsHelp() const {
    return std::popcount(taken) < static_cast<int>(threads) &&
           std::any_of(shares, shares + threads, [](const Share& share) { return share.isLeft(); });
  }

  // The worker of that number, so that it finds in its caches what it left there, or another.
  unsigned join(unsigned preferred) {
    const bool isFree = preferred < threads && (taken >> preferred & 1) == 0;
    const unsigned worker = isFree ? preferred : static_cast<unsigned>(std::countr_one(taken));
    taken |= uint64_t{1} << worker;
    return worker;
  }
};
static_assert(kMaxThreads <= 64, "Job::taken has 64 bits");

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
    int asleep[kMaxThreads];
    size_t asleepCount = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      grow(job.threads - 1);
      add(job);
      generation_.fetch_add(1, std::memory_order_release);
      asleepCount = static_cast<size_t>(std::copy_if(sleeping_, sleeping_ + job.threads, asleep,
                                                     [](int thread) { return thread != 0; }) -
                                        asleep);
    }
    wakeElsewhere({asleep, asleepCount}, [&] { wake_.notify_all(); });
    job.run(0);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      remove(job);  // nobody joins from here on
    }
    wait(job);
  }

 private:
  // Longer than what a solver does on one thread between two products, shorter than a nuisance.
  static constexpr std::chrono::microseconds kSpinTime{100};

  // Whether the condition came true within kSpinTime.
  template <class Condition>
  static bool spinUntil(const Condition& condition) {
    constexpr int kPauses = 32;  // of 10 to 40 ns each; what the clock costs is a few of them
    const auto begin = std::chrono::steady_clock::now();
    do {
      for (int i = 0; i < kPauses; i++) {
        if (condition()) return true;
        pause();
      }
    } while (std::chrono::steady_clock::now() - begin < kSpinTime);
    return false;
  }

  void grow(unsigned count) {
    while (threadCount_ < count) {
      threadCount_++;
      std::thread([this, number = threadCount_] { work(number); }).detach();
    }
  }

  static void leave(Job& job) { job.helpers.fetch_sub(1, std::memory_order_release); }

  // Helpers still inside a task finish it; they hold at most one each.
  void wait(Job& job) {
    const auto isDone = [&] { return job.helpers.load(std::memory_order_acquire) == 0; };
    if (spinUntil(isDone)) return;
    while (!isDone()) std::this_thread::yield();
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

  Job* join(unsigned number, unsigned& worker) {
    for (Job* job = jobs_; job != nullptr; job = job->nextJob) {
      if (!job->wantsHelp()) continue;
      worker = job->join(number);
      job->helpers.fetch_add(1, std::memory_order_relaxed);
      return job;
    }
    return nullptr;
  }

  void work(unsigned number) {
    giveWay();
    // Beside the caller's: where there is none to spare, spinning would take one from who works.
    const bool spins = number < availableProcessors();
    const int identifier = threadIdentifier();
    uint64_t seen = 0;
    for (;;) {
      if (spins) spinUntil([&] { return generation_.load(std::memory_order_acquire) != seen; });
      unsigned worker = 0;
      Job* job = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        while (generation_.load(std::memory_order_relaxed) == seen) {
          sleeping_[number] = identifier;
          wake_.wait(lock);
          sleeping_[number] = 0;
        }
        job = join(number, worker);
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
  int sleeping_[kMaxThreads] = {};  // by number, 0 who is awake; guarded by mutex_
};

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
  const unsigned wanted = std::clamp(threads, 1U, most);
  Work work(task);
  if (wanted == 1) {
    for (size_t i = 0; i < tasks; i++) work.run(i, 0);
  } else {
    Job job(work, tasks, wanted);
    ThreadPool::instance().run(job);
  }
  if (work.exception) std::rethrow_exception(work.exception);
}

}  // namespace trustregion
