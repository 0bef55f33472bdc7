#include "memory.h"

#include <fstream>
#include <string>

#include "core/memory_reserve.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace trustregion::bench {

Memory readMemory() {
  Memory memory{0, 0};
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    size_t kibibytes = 0;
    if (word == "VmRSS:" && status >> kibibytes) memory.now = 1024 * kibibytes;
    if (word == "VmHWM:" && status >> kibibytes) memory.peak = 1024 * kibibytes;
  }
  return memory;
}

bool resetMemoryPeak() {
  // Else what an earlier case has freed would serve the next one unseen.
  MemoryReserve::ofProcess().clear();
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  std::ofstream file("/proc/self/clear_refs");
  file << "5";  // proc(5): resets VmHWM to VmRSS
  file.close();
  return !file.fail();
}

}  // namespace trustregion::bench
