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

}  // namespace trustregion
