#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>

namespace trustregion {

// Pieces of memory that one update gave back, for the next. An update of about the same size asks
// for about the same pieces, and from the system each of their pages would cost a fault, half to
// one microsecond for 4 KiB: a tenth of an update of 2,048 rows. Any thread may use it.
class MemoryReserve {
 public:
  // Smaller pieces are left to the heap, which keeps such by itself.
  static constexpr size_t kSmallest = 16 << 10;
  static constexpr size_t kCacheLine = 64;
  static constexpr size_t kHugePage = 2 << 20;

  // Keeps up to `limit` bytes.
  explicit MemoryReserve(size_t limit) : limit_(limit) {}
  ~MemoryReserve();
  MemoryReserve(const MemoryReserve&) = delete;
  MemoryReserve& operator=(const MemoryReserve&) = delete;

  // That of the process.
  static MemoryReserve& ofProcess();

  // Sizes are rounded up to one of 16 steps between powers of two, so that batches of nearly the
  // same number of rows use each other's pieces.
  static size_t roundedUp(size_t bytes);

  // Memory of so many bytes that starts at a cache line, not initialised: a kept piece of the same
  // rounded size, or a new one, which comes in huge pages if it is large. Throws std::bad_alloc.
  void* take(size_t bytes);
  // Gives back what take(bytes) returned. What was given back first is let go where the limit asks
  // for it.
  void give(void* memory, size_t bytes) noexcept;

  size_t bytesKept() const;
  // Lets go of everything that is kept.
  void clear() noexcept;

  // What makes updates has one of these. With the last of them the reserve of the process lets go
  // of everything: a server that has learnt keeps nothing for updates that will not come.
  class User {
   public:
    User() { users()++; }
    ~User() {
      if (--users() == 0) ofProcess().clear();
    }
    User(const User&) = delete;
    User& operator=(const User&) = delete;

   private:
    static std::atomic<size_t>& users();
  };

 private:
  struct Piece {
    void* memory;
    size_t bytes;
  };

  const size_t limit_;
  mutable std::mutex mutex_;
  std::deque<Piece> pieces_;  // the oldest first
  size_t bytesKept_ = 0;
};

}  // namespace trustregion
