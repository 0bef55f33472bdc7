#pragma once

#include <vector>

#include "core/backend.h"

namespace trustregion {

// One backend for each instruction set compiled in, the fastest first: the same kernels in float32,
// compiled once for each target.
const std::vector<const Backend*>& cpuBackends();

}  // namespace trustregion
