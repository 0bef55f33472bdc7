#include "core/memory_reserve.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <new>

#include "core/address_sanitizer.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace trustregion {
namespace {

std::align_val_t alignmentOf(size_t bytes) {
  // Half of a piece of two huge pages might lie beside them; of more, less.
  return std::align_val_t{bytes >= 2 * MemoryReserve::kHugePage ? MemoryReserve::kHugePage
                                                                : MemoryReserve::kCacheLine};
}

void* allocate(size_t bytes) {
  void* memory = ::operator new(bytes, alignmentOf(bytes));
#if defined(__linux__)
  // A request that may be denied. Of a batch read from end to end, small pages would be met one a
  // microsecond.
  if (bytes >= 2 * MemoryReserve::kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  // Under a sanitizer what nobody wrote is NaN, as float32 and as float64, with bits set that make
  // signed arithmetic with them overflow.
  if (TRUSTREGION_WATCHES_MEMORY) {
    std::fill_n(static_cast<uint32_t*>(memory), bytes / sizeof(uint32_t), 0x7ff8009cU);
  }
  return memory;
}

void release(void* memory, size_t bytes) noexcept { ::operator delete(memory, alignmentOf(bytes)); }

}  // namespace

MemoryReserve& MemoryReserve::ofProcess() {
  // Kept memory would hide from a sanitizer that it is used after it was given back.
  constexpr size_t kLimit = TRUSTREGION_WATCHES_MEMORY ? 0 : size_t{64} << 20;
  // Never destroyed: the last to give something back may be an object of static duration.
  static auto* const reserve = new MemoryReserve(kLimit);
  return *reserve;
}

MemoryReserve::~MemoryReserve() { clear(); }

void MemoryReserve::clear() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const Piece& piece : pieces_) release(piece.memory, piece.bytes);
  pieces_.clear();
  bytesKept_ = 0;
}

std::atomic<size_t>& MemoryReserve::User::users() {
  static std::atomic<size_t> count{0};
  return count;
}

size_t MemoryReserve::roundedUp(size_t bytes) {
  if (bytes < kSmallest) return bytes;
  const size_t step = std::bit_floor(bytes) / 16;
  return (bytes + step - 1) / step * step;
}

void* MemoryReserve::take(size_t requested) {
  const size_t bytes = roundedUp(requested);
  if (bytes < kSmallest) return allocate(bytes);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // The newest is the likeliest to be in a cache still.
    const auto found = std::find_if(pieces_.rbegin(), pieces_.rend(),
                                    [&](const Piece& piece) { return piece.bytes == bytes; });
    if (found != pieces_.rend()) {
      void* memory = found->memory;
      pieces_.erase(std::next(found).base());
      bytesKept_ -= bytes;
      return memory;
    }
  }
  return allocate(bytes);
}

void MemoryReserve::give(void* memory, size_t requested) noexcept {
  const size_t bytes = roundedUp(requested);
  if (bytes < kSmallest || bytes > limit_) return release(memory, bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  try {
    pieces_.push_back({memory, bytes});
  } catch (const std::bad_alloc&) {
    return release(memory, bytes);
  }
  bytesKept_ += bytes;
  while (bytesKept_ > limit_) {
    bytesKept_ -= pieces_.front().bytes;
    release(pieces_.front().memory, pieces_.front().bytes);
    pieces_.pop_front();
  }
}

size_t MemoryReserve::bytesKept() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytesKept_;
}

}  // namespace trustregion
