#include "binding/job_threads.h"

#include <thread>
#include <utility>

#include "core/processors.h"

namespace trustregion::binding {

JobThreads& JobThreads::ofProcess() {
  static auto* const threads = new JobThreads;
  return *threads;
}

std::future<void> JobThreads::run(Job job) {
  std::future<void> over = job.report.get_future();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!sleepers_.empty()) {
      Sleeper& sleeper = *sleepers_.back();  // the likeliest to be in a cache still
      sleepers_.pop_back();
      sleeper.next = std::move(job);
      sleeper.wake.notify_one();
      return over;
    }
  }
  std::thread([this, first = std::move(job)]() mutable { work(std::move(first)); }).detach();
  return over;
}

void JobThreads::work(Job first) {
  giveWay();
  constexpr size_t kMostKept = 16;
  Sleeper self;
  self.next = std::move(first);
  for (;;) {
    Job job = std::move(*self.next);
    self.next.reset();
    job.work();
    bool isKept = false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      isKept = sleepers_.size() < kMostKept;
      if (isKept) sleepers_.push_back(&self);
    }
    job.report();
    if (!isKept) return;
    std::unique_lock<std::mutex> lock(mutex_);
    self.wake.wait(lock, [&] { return self.next.has_value(); });
  }
}

}  // namespace trustregion::binding
