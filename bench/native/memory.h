#pragma once

#include <cstddef>

namespace trustregion::bench {

// Resident memory of this process in bytes, as Linux tells it; 0 where it cannot be known.
struct Memory {
  size_t now;
  size_t peak;  // since the last resetMemoryPeak()
};
Memory readMemory();

// Lets the peak begin anew at what is resident now. Returns whether it does.
bool resetMemoryPeak();

}  // namespace trustregion::bench
