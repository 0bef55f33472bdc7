#pragma once

#include <cstddef>
#include <vector>

#include "core/memory_reserve.h"

namespace trustregion {

// Memory that starts at a cache line, from the reserve of the process.
template <class T>
struct CacheLineAllocator {
  using value_type = T;

  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(size_t count) {
    return static_cast<T*>(MemoryReserve::ofProcess().take(count * sizeof(T)));
  }
  void deallocate(T* pointer, size_t count) {
    MemoryReserve::ofProcess().give(pointer, count * sizeof(T));
  }
  template <class U>
  bool operator==(const CacheLineAllocator<U>&) const {
    return true;
  }
};

using AlignedFloats = std::vector<float, CacheLineAllocator<float>>;
using AlignedDoubles = std::vector<double, CacheLineAllocator<double>>;

}  // namespace trustregion
