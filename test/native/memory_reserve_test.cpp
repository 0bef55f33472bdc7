// Memory that goes from one update to the next.

#include "core/memory_reserve.h"

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "check.h"
#include "core/aligned_memory.h"

namespace trustregion::test {
namespace {

constexpr size_t kPiece = MemoryReserve::kSmallest;

CASE("what was given back is taken again, for its own size only") {
  MemoryReserve reserve(8 * kPiece);
  void* first = reserve.take(kPiece);
  void* second = reserve.take(2 * kPiece);
  reserve.give(first, kPiece);
  reserve.give(second, 2 * kPiece);
  CHECK(reserve.bytesKept() == 3 * kPiece);
  void* other = reserve.take(kPiece + 64);
  CHECK(other != first && other != second);
  CHECK(reserve.bytesKept() == 3 * kPiece);
  CHECK(reserve.take(2 * kPiece) == second);
  CHECK(reserve.take(kPiece) == first);
  CHECK(reserve.bytesKept() == 0);
  reserve.give(first, kPiece);
  reserve.give(second, 2 * kPiece);
  reserve.give(other, kPiece + 64);
}

CASE("the newest piece of a size comes first; beyond the limit the oldest is let go") {
  MemoryReserve reserve(3 * kPiece);
  void* pieces[4];
  for (void*& piece : pieces) piece = reserve.take(kPiece);
  for (void* piece : pieces) reserve.give(piece, kPiece);
  CHECK(reserve.bytesKept() == 3 * kPiece);
  for (int i = 3; i > 0; i--) CHECK(reserve.take(kPiece) == pieces[i]);
  CHECK(reserve.bytesKept() == 0);
  for (int i = 3; i > 0; i--) reserve.give(pieces[i], kPiece);
  CHECK(reserve.bytesKept() == 3 * kPiece);
  reserve.clear();
  CHECK(reserve.bytesKept() == 0);
}

CASE("nothing is kept that is small or larger than the limit") {
  MemoryReserve reserve(2 * kPiece);
  for (const size_t bytes : {size_t{0}, size_t{1}, kPiece - 1, 2 * kPiece + 1}) {
    const Context context("bytes ", bytes);
    reserve.give(reserve.take(bytes), bytes);
    CHECK(reserve.bytesKept() == 0);
  }
  MemoryReserve none(0);
  none.give(none.take(kPiece), kPiece);
  CHECK(none.bytesKept() == 0);
}

CASE("memory starts at a cache line, large memory at a huge page, and all of it can be written") {
  MemoryReserve reserve(64 << 20);
  for (const size_t bytes : {size_t{1}, size_t{100}, kPiece, 3 * kPiece + 8,
                             2 * MemoryReserve::kHugePage, 5 * MemoryReserve::kHugePage + 12}) {
    const Context context("bytes ", bytes);
    const size_t alignment = bytes >= 2 * MemoryReserve::kHugePage ? MemoryReserve::kHugePage
                                                                   : MemoryReserve::kCacheLine;
    for (int time = 0; time < 2; time++) {
      void* memory = reserve.take(bytes);
      CHECK(reinterpret_cast<uintptr_t>(memory) % alignment == 0);
      std::memset(memory, 0xa5, bytes);
      reserve.give(memory, bytes);
    }
  }
}

CASE("threads take and give without getting in each other's way") {
  MemoryReserve reserve(6 * kPiece);
  std::vector<int> damaged(4, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; i++) {
        const size_t bytes = kPiece * (1 + static_cast<size_t>(i + t) % 3);
        auto* memory = static_cast<unsigned char*>(reserve.take(bytes));
        std::memset(memory, t, bytes);
        std::this_thread::yield();
        for (size_t k = 0; k < bytes; k += 512) {
          if (memory[k] != t) damaged[static_cast<size_t>(t)]++;
        }
        reserve.give(memory, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : damaged) CHECK(count == 0);
  CHECK(reserve.bytesKept() <= 6 * kPiece);
}

CASE("vectors of recycled memory start as zeros") {
  for (int time = 0; time < 3; time++) {
    AlignedDoubles vector(10'000);
    double sum = 0;
    for (double& value : vector) {
      sum += value;
      value = 1;
    }
    CHECK(sum == 0);
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
