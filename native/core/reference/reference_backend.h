#pragma once

#include "core/backend.h"

namespace trustregion {

// Naive loops in double precision, one row after another, no threads: the oracle that every other
// backend is tested against, and selectable like any of them.
const Backend& referenceBackend();

}  // namespace trustregion
