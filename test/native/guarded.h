#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <span>

#include "core/address_sanitizer.h"

#if TRUSTREGION_WATCHES_MEMORY
#include <sanitizer/asan_interface.h>
#endif

namespace trustregion::test {

// An output array between two bands of sentinels, filled with NaN (or with the number given), its
// first element on a cache line. intact() says whether anything wrote outside; the address
// sanitizer also sees reads outside.
template <class Number>
class Guarded {
 public:
  explicit Guarded(size_t size, Number fill = std::numeric_limits<Number>::quiet_NaN())
      : size_(size),
        memory_(static_cast<unsigned char*>(::operator new(totalBytes(), kAlignment))) {
    std::memset(memory_, kSentinel, totalBytes());
    for (Number& value : span()) value = fill;
    protect(true);
  }
  ~Guarded() {
    protect(false);
    ::operator delete(memory_, kAlignment);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  size_t size() const { return size_; }
  Number* data() { return reinterpret_cast<Number*>(memory_ + kBand); }
  const Number* data() const { return reinterpret_cast<const Number*>(memory_ + kBand); }
  std::span<Number> span() { return {data(), size_}; }
  Number& operator[](size_t index) { return data()[index]; }
  const Number& operator[](size_t index) const { return data()[index]; }

  bool intact() const {
    protect(false);
    bool same = true;
    for (size_t i = 0; i < kBand; i++) {
      same = same && memory_[i] == kSentinel && memory_[kBand + bytes() + i] == kSentinel;
    }
    protect(true);
    return same;
  }

  // Every element was written, by a number that is not NaN.
  bool complete() const {
    for (size_t i = 0; i < size_; i++) {
      if (data()[i] != data()[i]) return false;
    }
    return true;
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static constexpr size_t kBand = 1024;
  static constexpr unsigned char kSentinel = 0xa5;

  size_t bytes() const { return size_ * sizeof(Number); }
  size_t totalBytes() const { return bytes() + 2 * kBand; }

  void protect([[maybe_unused]] bool on) const {
#if TRUSTREGION_WATCHES_MEMORY
    if (on) {
      ASAN_POISON_MEMORY_REGION(memory_, kBand);
      ASAN_POISON_MEMORY_REGION(memory_ + kBand + bytes(), kBand);
    } else {
      ASAN_UNPOISON_MEMORY_REGION(memory_, totalBytes());
    }
#endif
  }

  size_t size_;
  unsigned char* memory_;
};

// The same bits: unlike ==, tells -0 from 0 and finds a NaN equal to itself.
inline bool sameBits(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); i++) {
    if (std::bit_cast<uint64_t>(a[i]) != std::bit_cast<uint64_t>(b[i])) return false;
  }
  return true;
}

}  // namespace trustregion::test
