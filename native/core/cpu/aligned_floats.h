#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace trustregion::cpu {

// Rows of float matrices start at multiples of this, so that every vector width divides them.
constexpr size_t kRowAlignment = 16;  // floats: one cache line, one AVX-512 vector

constexpr size_t paddedWidth(size_t width) {
  return (width + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

template <class T>
struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kAlignment{64};

  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(size_t count) {
    return static_cast<T*>(::operator new(count * sizeof(T), kAlignment));
  }
  void deallocate(T* pointer, size_t) { ::operator delete(pointer, kAlignment); }
  template <class U>
  bool operator==(const CacheLineAllocator<U>&) const {
    return true;
  }
};

using AlignedFloats = std::vector<float, CacheLineAllocator<float>>;
using AlignedDoubles = std::vector<double, CacheLineAllocator<double>>;

}  // namespace trustregion::cpu
