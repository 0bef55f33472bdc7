#pragma once

#include <cstddef>
#include "core/function_ref.h"

namespace trustregion {

// How many threads an object uses by default: the environment variable TRUSTREGION_THREADS, or the
// number of processors that this process may run on. At least 1, at most kMaxThreads.
unsigned defaultThreads();

constexpr unsigned kMaxThreads = 64;

// Runs task(i, worker) for i = 0 ... tasks - 1 on at most `threads` threads, the calling one among
// them, and returns when all have run. worker < min(threads, tasks) tells the threads of one call
// apart, for their scratch memory. Each thread begins with a share of neighbouring tasks, the same
// in every call of so many tasks, so that it finds in its caches what it left there; who is done
// helps the others. So which thread runs which is not fixed: results must not depend on it. The
// first exception is rethrown here after all tasks ended.
//
// The threads belong to one pool for the whole process, grow on demand, spin for 100
// microseconds between calls (no more of them than there are processors) and then sleep. Several
// threads may call at once. A caller never waits for a pool thread that has not begun: where the
// pool is busy, the caller does the work. Allocates nothing once the threads are there.
void parallelFor(size_t tasks, unsigned threads,
                 FunctionRef<void(size_t task, unsigned worker)> task);

}  // namespace trustregion
