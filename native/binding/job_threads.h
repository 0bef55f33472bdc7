#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <vector>

namespace trustregion::binding {

// Threads that run one job after the other and sleep between them, one for each of the most jobs
// that ran at once. To start a new thread for each job would take some ten microseconds more, and
// some more until it has its stack and the unit of a backend.
class JobThreads {
 public:
  struct Job {
    std::function<void()> work;  // must not throw
    std::packaged_task<void()> report;
  };

  // Never destroyed: its threads sleep until the process ends.
  static JobThreads& ofProcess();

  // Runs job.work and then job.report on a thread that has nothing else to do, and that may have
  // the next job from the report on. The future becomes ready when the thread is done with all that
  // the job refers to.
  std::future<void> run(Job job);

 private:
  struct Sleeper {
    std::condition_variable wake;
    std::optional<Job> next;
  };

  void work(Job first);

  std::mutex mutex_;
  std::vector<Sleeper*> sleepers_;
};

}  // namespace trustregion::binding
