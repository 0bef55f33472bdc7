#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace trustregion {

// xoshiro256++ (Blackman and Vigna 2021), seeded by splitmix64 as its authors advise. Four words of
// state, the same numbers on every machine.
class Random {
 public:
  // `stream` separates generators that share a seed (initialisation, sampling, shuffling).
  explicit Random(uint64_t seed, uint64_t stream = 0);

  uint64_t next();
  double uniform();                // in [0, 1), 53 bits
  double normal();                 // N(0, 1) by Marsaglia's polar method
  uint64_t below(uint64_t bound);  // in [0, bound), unbiased; bound > 0

  // Every order equally likely (Fisher and Yates).
  template <class Item>
  void shuffle(std::span<Item> items) {
    for (size_t i = items.size(); i > 1; i--) std::swap(items[i - 1], items[below(i)]);
  }

  using State = std::array<uint64_t, 4>;
  const State& state() const { return state_; }
  void setState(const State& state);

 private:
  State state_;
  bool hasSpare_ = false;
  double spare_ = 0;
};

}  // namespace trustregion
