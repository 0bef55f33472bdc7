// parallelFor: every task once, exceptions, nesting, many callers, a pool that is all busy.

#include "core/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "environment.h"

namespace trustregion::test {
namespace {

const std::vector<size_t> kTasks = {0, 1, 2, 3, 7, 64, 1000};
const std::vector<unsigned> kThreads = {0, 1, 2, 3, 8, 64, 1000};

// At most so many threads take part, and so many worker numbers are given out.
size_t mostWorkers(size_t tasks, unsigned threads) {
  return std::max<size_t>(1, std::min<size_t>({tasks, threads, kMaxThreads}));
}

CASE("every task runs exactly once, and before the return") {
  for (const size_t tasks : kTasks) {
    for (const unsigned threads : kThreads) {
      const Context context("tasks ", tasks, " threads ", threads);
      std::vector<int> runs(tasks);  // not atomic: the return must order them
      parallelFor(tasks, threads, [&](size_t task, unsigned) { runs[task]++; });
      CHECK(std::all_of(runs.begin(), runs.end(), [](int count) { return count == 1; }));
    }
  }
}

CASE("no tasks: nothing is called") {
  bool called = false;
  parallelFor(0, 8, [&](size_t, unsigned) { called = true; });
  CHECK(!called);
}

CASE("one thread: on the caller's, in order, as worker 0") {
  std::vector<size_t> order;
  const auto caller = std::this_thread::get_id();
  parallelFor(50, 1, [&](size_t task, unsigned worker) {
    order.push_back(task);
    CHECK(worker == 0 && std::this_thread::get_id() == caller);
  });
  for (size_t i = 0; i < 50; i++) CHECK(order[i] == i);
}

CASE("worker numbers: below min(threads, tasks), and one thread's alone at a time") {
  for (const size_t tasks : {2, 3, 5, 40}) {
    for (const unsigned threads : {2U, 3U, 8U, 64U}) {
      const Context context("tasks ", tasks, " threads ", threads);
      const size_t most = mostWorkers(tasks, threads);
      std::atomic<int> mistakes{0};
      for (int round = 0; round < 50; round++) {
        std::vector<std::atomic<bool>> busy(kMaxThreads);
        parallelFor(tasks, threads, [&](size_t, unsigned worker) {
          if (worker >= most || busy[worker].exchange(true)) {
            mistakes++;
            return;
          }
          for (int spin = 0; spin < 200; spin++)
            std::atomic_signal_fence(std::memory_order_seq_cst);
          busy[worker].store(false);
        });
      }
      CHECK(mistakes == 0);
    }
  }
}

CASE("a worker's scratch memory needs no lock") {
  // One counter for each worker, not atomic: the thread sanitizer sees any that two threads use.
  std::vector<long> sums(8);
  long expected = 0;
  for (int round = 0; round < 300; round++) {
    parallelFor(9, 8,
                [&](size_t task, unsigned worker) { sums[worker] += static_cast<long>(task); });
    expected += 36;
  }
  long total = 0;
  for (const long sum : sums) total += sum;
  CHECK(total == expected);
}

CASE("an exception is rethrown, after all tasks ran") {
  for (const unsigned threads : {1U, 2U, 8U}) {
    for (const size_t bad : {size_t{0}, size_t{50}, size_t{99}}) {
      const Context context("threads ", threads, " task ", bad);
      std::atomic<int> runs{0};
      CHECK_THROWS(ErrorCode::busy, "task failed",
                   parallelFor(100, threads, [&](size_t task, unsigned) {
                     runs++;
                     if (task == bad) throw Error(ErrorCode::busy, "task failed");
                   }));
      CHECK(runs == 100);
    }
  }
}

CASE("when every task throws, one exception comes out, and the pool goes on") {
  for (int round = 0; round < 20; round++) {
    int caught = 0;
    try {
      parallelFor(64, 8, [](size_t, unsigned) { throw std::runtime_error("all"); });
    } catch (const std::runtime_error&) {
      caught++;
    }
    CHECK(caught == 1);
    std::atomic<int> runs{0};
    parallelFor(64, 8, [&](size_t, unsigned) { runs++; });
    CHECK(runs == 64);
  }
}

CASE("an exception of any type") {
  int caught = 0;
  try {
    parallelFor(8, 4, [](size_t task, unsigned) {
      if (task == 3) throw 42;
    });
  } catch (int value) {
    caught = value;
  }
  CHECK(caught == 42);
}

CASE("nested calls, three deep") {
  std::atomic<int> runs{0};
  parallelFor(6, 4, [&](size_t, unsigned) {
    parallelFor(5, 4,
                [&](size_t, unsigned) { parallelFor(4, 4, [&](size_t, unsigned) { runs++; }); });
  });
  CHECK(runs == 6 * 5 * 4);
}

CASE("an exception leaves nested calls too") {
  std::atomic<int> outer{0};
  CHECK_THROWS(ErrorCode::internal, "deep", parallelFor(4, 4, [&](size_t task, unsigned) {
                 outer++;
                 parallelFor(4, 4, [&](size_t inner, unsigned) {
                   if (task == 2 && inner == 2) throw Error(ErrorCode::internal, "deep");
                 });
               }));
  CHECK(outer == 4);
}

CASE("many callers at once") {
  constexpr int kCallers = 8;
  std::vector<int> good(kCallers);
  std::vector<std::thread> callers;
  for (size_t caller = 0; caller < kCallers; caller++) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 100; round++) {
        const size_t tasks = 1 + (caller * 7 + static_cast<size_t>(round)) % 20;
        std::vector<int> runs(tasks);
        bool threw = false;
        try {
          parallelFor(tasks, 1 + static_cast<unsigned>(round) % 6, [&](size_t task, unsigned) {
            runs[task]++;
            if (round % 10 == 0 && task == tasks - 1) throw std::runtime_error("now and then");
          });
        } catch (const std::runtime_error&) {
          threw = true;
        }
        const bool once = std::all_of(runs.begin(), runs.end(), [](int n) { return n == 1; });
        if (once && threw == (round % 10 == 0)) good[caller]++;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const int count : good) CHECK(count == 100);
}

// "Where the pool is busy, the caller does the work": it must not wait for anybody.
CASE("a caller gets through while every thread of the pool is busy") {
  std::atomic<bool> release{false};
  std::atomic<unsigned> begun{0};
  std::thread hog([&] {
    parallelFor(kMaxThreads, kMaxThreads, [&](size_t, unsigned) {
      begun++;
      while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    });
  });
  while (begun < kMaxThreads) std::this_thread::yield();  // its thread and the whole pool
  std::atomic<int> runs{0};
  const auto caller = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  parallelFor(100, 8, [&](size_t, unsigned) {
    runs++;
    if (std::this_thread::get_id() != caller) elsewhere++;
  });
  CHECK(runs == 100);
  CHECK(elsewhere == 0);
  CHECK(begun == kMaxThreads);
  release = true;
  hog.join();
}

CASE("results are the same however the tasks fall") {
  const auto sums = [](unsigned threads) {
    std::vector<double> results(200);
    parallelFor(200, threads, [&](size_t task, unsigned) {
      for (int i = 1; i < 500; i++) results[task] += 1.0 / (static_cast<double>(task) + i);
    });
    return results;
  };
  const std::vector<double> one = sums(1);
  for (const unsigned threads : {2U, 7U, 64U}) CHECK(sums(threads) == one);
}

CASE("the default number of threads") {
  const auto withVariable = [](const char* value) {
    setVariable("TRUSTREGION_THREADS", value);
    const unsigned threads = defaultThreads();
    setVariable("TRUSTREGION_THREADS", nullptr);
    return threads;
  };
  setVariable("TRUSTREGION_THREADS", nullptr);
  const unsigned processors = defaultThreads();
  CHECK(processors >= 1 && processors <= kMaxThreads);
  CHECK(withVariable("3") == 3);
  CHECK(withVariable("64") == 64);
  CHECK(withVariable("1000") == kMaxThreads);
  CHECK(withVariable("99999999999999999999") == kMaxThreads);
  for (const char* nonsense : {"", "0", "-4", "many"}) {
    const Context context("'", nonsense, "'");
    CHECK(withVariable(nonsense) == processors);
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
