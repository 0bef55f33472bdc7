#pragma once

#include <cstddef>
#include <deque>
#include <mutex>

namespace trustregion {

// Pieces of memory that one update gave back, for the next. An update of the same size asks for the
// same sizes, and from the system each of their pages would cost a fault, half to one microsecond
// for 4 KiB: a tenth of an update of 2,048 rows. Any thread may use it.
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

  // Memory of just so many bytes that starts at a cache line, not initialised: a kept piece of this
  // size, or a new one, which comes in huge pages if it is large. Throws std::bad_alloc.
  void* take(size_t bytes);
  // Gives back what take(bytes) returned. What was given back first is let go where the limit asks
  // for it.
  void give(void* memory, size_t bytes) noexcept;

  size_t bytesKept() const;
  // Lets go of everything that is kept.
  void clear() noexcept;

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
