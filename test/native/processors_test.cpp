// Threads woken on another processor than the waker's, and then free to run where they might
// before; and threads that give way.

#include "core/processors.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "check.h"
#include "environment.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace trustregion::test {
namespace {

CASE("wake() is called once, whoever sleeps") {
  const std::array none = {0, -1, 1 << 30};  // the caller itself, and two that are no threads
  for (const size_t count : {0, 1, 3}) {
    int calls = 0;
    wakeElsewhere({none.data(), count}, [&] { calls++; });
    CHECK(calls == 1);
  }
}

#if defined(__linux__)

cpu_set_t allowed(int thread) {
  cpu_set_t set;
  CHECK(sched_getaffinity(thread, sizeof(set), &set) == 0);
  return set;
}

// Threads that sleep until they are told to say where they woke.
class Sleepers {
 public:
  explicit Sleepers(size_t count) : processors_(count, -1) {
    for (size_t i = 0; i < count; i++) threads_.emplace_back([this, i] { work(i); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return identifiers_.size() == threads_.size(); });
  }
  ~Sleepers() {
    for (std::thread& thread : threads_) thread.join();
  }

  const std::vector<int>& identifiers() const { return identifiers_; }
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      isOver_ = true;
    }
    over_.notify_all();
  }
  // Where each woke, awaited without sleeping: the waker's processor stays busy.
  std::vector<int> processors() const {
    while (awake_.load() < static_cast<int>(threads_.size())) std::this_thread::yield();
    return processors_;
  }

 private:
  void work(size_t index) {
    std::unique_lock lock(mutex_);
    identifiers_.push_back(threadIdentifier());
    changed_.notify_all();
    over_.wait(lock, [&] { return isOver_; });
    processors_[index] = sched_getcpu();
    awake_++;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable over_;
  std::vector<int> identifiers_;
  std::vector<int> processors_;
  std::atomic<int> awake_{0};
  bool isOver_ = false;
  std::vector<std::thread> threads_;
};

// Binds the calling thread to one of its processors while it lives.
class Bound {
 public:
  Bound() : before_(allowed(0)) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
  }
  ~Bound() { sched_setaffinity(0, sizeof(before_), &before_); }
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;

 private:
  cpu_set_t before_;
};

CASE("nobody wakes on the waker's processor, and all may run there afterwards") {
  if (availableProcessors() == 1) skipCase("this process may run on one processor only");
  const cpu_set_t before = allowed(0);
  for (int round = 0; round < 200; round++) {
    Sleepers sleepers(3);
    const Bound bound;
    const int here = sched_getcpu();
    bool isApart = true;
    wakeElsewhere(sleepers.identifiers(), [&] {
      for (const int thread : sleepers.identifiers()) {
        const cpu_set_t others = allowed(thread);
        isApart = isApart && !CPU_ISSET(static_cast<size_t>(here), &others) &&
                  CPU_COUNT(&others) == CPU_COUNT(&before) - 1;
      }
    });
    CHECK(isApart);
    for (const int thread : sleepers.identifiers()) {
      const cpu_set_t after = allowed(thread);
      CHECK(CPU_EQUAL(&after, &before));
    }
    // Woken while it may not run here, and seen before anything could move it back.
    std::vector<int> processors;
    wakeElsewhere(sleepers.identifiers(), [&] {
      sleepers.wake();
      processors = sleepers.processors();
    });
    for (const int processor : processors) CHECK(processor != here);
  }
}

// Of two processors neither waker could take what the other left.
CASE("wakers of the same threads at a time leave them free (from three processors on)") {
  if (availableProcessors() < 3) skipCase("this process may run on fewer than three processors");
  const cpu_set_t before = allowed(0);
  Sleepers sleepers(2);
  std::vector<std::thread> wakers;
  for (int waker = 0; waker < 3; waker++) {
    wakers.emplace_back([&] {
      for (int round = 0; round < 3000; round++) wakeElsewhere(sleepers.identifiers(), [] {});
    });
  }
  for (std::thread& waker : wakers) waker.join();
  for (const int thread : sleepers.identifiers()) {
    const cpu_set_t after = allowed(thread);
    CHECK(CPU_EQUAL(&after, &before));
  }
  sleepers.wake();
}

CASE("where the waker's processor is all that there is, it is used") {
  const Bound bound;
  CHECK(availableProcessors() == 1);
  Sleepers sleepers(2);  // bound as the thread that starts them
  const int here = sched_getcpu();
  wakeElsewhere(sleepers.identifiers(), [&] { sleepers.wake(); });
  for (const int processor : sleepers.processors()) CHECK(processor == here);
}

// The scheduling policy of a new thread once it has given way, and how it started.
std::array<int, 2> policies() {
  std::array<int, 2> result{};
  std::thread([&] {
    result[0] = sched_getscheduler(0);
    giveWay();
    result[1] = sched_getscheduler(0);
  }).join();
  return result;
}

CASE("a thread keeps an ordinary priority, unless it is to run in the background") {
  for (const char* value : {static_cast<const char*>(nullptr), "", "normal", "Background"}) {
    setVariable("TRUSTREGION_PRIORITY", value);
    const auto [before, after] = policies();
    CHECK(after == before);
  }
  setVariable("TRUSTREGION_PRIORITY", "background");
  CHECK(policies()[1] == SCHED_IDLE);
  setVariable("TRUSTREGION_PRIORITY", nullptr);
}

CASE("a thread gives up a real-time priority that it inherits") {
  const sched_param lowest{1};
  const sched_param none{};
  if (sched_setscheduler(0, SCHED_FIFO, &lowest) != 0) {
    skipCase("the system lends no real-time priority");
  }
  const auto [before, after] = policies();
  setVariable("TRUSTREGION_PRIORITY", "background");
  const int background = policies()[1];
  setVariable("TRUSTREGION_PRIORITY", nullptr);
  CHECK(sched_setscheduler(0, SCHED_OTHER, &none) == 0);
  CHECK(before == SCHED_FIFO);
  CHECK(after == SCHED_OTHER);
  CHECK(background == SCHED_IDLE);
}

#endif

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
