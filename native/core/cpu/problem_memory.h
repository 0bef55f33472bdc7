#pragma once

#include <cstddef>

#include "core/cpu/cpu_mlp.h"
#include "core/policy_model.h"

namespace trustregion::cpu {

// Floats of hidden activations (and derivatives, SiLU) that one row takes.
size_t hiddenFloats(const CpuMlp& mlp);

// Bytes that a batch with actions and advantages takes, of which the hidden activations of
// `heldRows` rows are held: the formula of docs/memory.md. problem_memory_test holds it against
// what is really allocated.
size_t problemBytes(const PolicyModel& model, const CpuMlp& mlp, size_t rows, size_t heldRows,
                    unsigned threads);

}  // namespace trustregion::cpu
