#pragma once

#include "core/backend.h"
#include "core/update_summary.h"

namespace trustregion {

// Row by row, what moving to `parameters` did: the histogram of KL(old || new), its bins half a
// decade wide and spanning the largest six decades; and mean r A with max |A| for advantages as the
// caller gave them, which the lower bound on the true improvement is made of (Schulman et al. 2015,
// theorem 1). One forward pass.
UpdateDiagnostics diagnose(Problem& problem, std::span<const double> parameters,
                           NumberSpan advantages);

}  // namespace trustregion
