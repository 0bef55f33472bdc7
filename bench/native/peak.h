#pragma once

#include <string>

namespace trustregion::bench {

// Multiply-adds of float32 a second that `threads` threads reach together with nothing but
// registers, in the instruction set of a CPU backend ("cpu-avx512", ...), as 2 x flops. Measured
// for some milliseconds.
double peakFlops(const std::string& backend, unsigned threads);

}  // namespace trustregion::bench
