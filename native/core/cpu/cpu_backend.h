#pragma once

#include <vector>

#include "core/backend.h"
#include "core/cpu/kernels.h"

namespace trustregion {

// One backend for each instruction set compiled in, the fastest first: the same kernels in float32,
// compiled once for each target.
const std::vector<const Backend*>& cpuBackends();

// What such a backend calculates with; null for any other.
const cpu::Kernels* kernelsOf(const Backend& backend);

}  // namespace trustregion
