#pragma once

#include <cstddef>
#include <new>
#include <utility>
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

// The same for vectors whose elements have no value until they are given one.
template <class T>
struct UninitializedAllocator : CacheLineAllocator<T> {
  UninitializedAllocator() = default;
  template <class U>
  UninitializedAllocator(const UninitializedAllocator<U>&) {}

  template <class U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Arguments>
  void construct(U* at, Arguments&&... arguments) {
    ::new (static_cast<void*>(at)) U(std::forward<Arguments>(arguments)...);
  }
};

using AlignedFloats = std::vector<float, CacheLineAllocator<float>>;
template <class T>
using UninitializedVector = std::vector<T, UninitializedAllocator<T>>;
using UninitializedFloats = UninitializedVector<float>;
using UninitializedDoubles = UninitializedVector<double>;
using AlignedDoubles = std::vector<double, CacheLineAllocator<double>>;

}  // namespace trustregion
