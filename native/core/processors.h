#pragma once

#include <span>

#include "core/function_ref.h"

namespace trustregion {

// Processors that the calling thread may run on, at least 1.
unsigned availableProcessors();

// The calling thread, as wakeElsewhere() wants it.
int threadIdentifier();

// Calls wake(), which wakes the sleeping threads of those identifiers, so that none of them begins
// on the processor of the one that calls; then they may run where they might before.
//
// Linux wakes a thread where it slept, or beside its waker, if no processor is idle at that moment.
// A processor that becomes idle a moment later, as that of Node's loop does behind the start of an
// update, is not given the thread before the next tick or two: two processors, Linux 6.18, every
// tenth update took twice its time. Elsewhere nothing but wake() is called.
void wakeElsewhere(std::span<const int> threads, FunctionRef<void()> wake);

// Called once by each thread that does nothing but calculate. A real-time priority that it has from
// the thread that started it is given up: the loop that needs it would wait for a whole update.
// With the environment variable TRUSTREGION_PRIORITY=background the thread runs only where nobody
// else wants the processor (Linux: SCHED_IDLE), so that whoever wakes meanwhile need not wait for
// the end of its time slice, some milliseconds. Elsewhere nothing happens.
void giveWay();

}  // namespace trustregion
