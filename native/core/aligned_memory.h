#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace trustregion {

// Memory that starts at a cache line; where it is large, in huge pages.
template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr size_t kHugePage = 2 << 20;

  static constexpr bool isLarge(size_t count) { return count * sizeof(T) >= 2 * kHugePage; }
  static constexpr std::align_val_t alignmentOf(size_t count) {
    return std::align_val_t{isLarge(count) ? kHugePage : 64};
  }

  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(size_t count) {
    void* memory = ::operator new(count * sizeof(T), alignmentOf(count));
#if defined(__linux__)
    // A request that may be denied. Memory fresh from the system costs a fault for every page that
    // is touched, about a microsecond for 4 KiB or for 2 MiB; and a batch read from end to end
    // meets a page every microsecond.
    if (isLarge(count)) madvise(memory, count * sizeof(T), MADV_HUGEPAGE);
#endif
    return static_cast<T*>(memory);
  }
  void deallocate(T* pointer, size_t count) { ::operator delete(pointer, alignmentOf(count)); }
  template <class U>
  bool operator==(const CacheLineAllocator<U>&) const {
    return true;
  }
};

using AlignedFloats = std::vector<float, CacheLineAllocator<float>>;
using AlignedDoubles = std::vector<double, CacheLineAllocator<double>>;

}  // namespace trustregion
