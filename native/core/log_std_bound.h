#pragma once

#include <span>

#include "core/policy_model.h"

namespace trustregion {

// The feasible set logStd >= minLogStd of a Gaussian policy, and what a step needs to stay in it.
// All of it does nothing where there is no bound.

// Throws outOfRange, naming the entry of `parameters`.
void requireLogStd(const PolicyModel& model, std::span<const double> parameters);

// The nearest feasible parameters. A projection never makes a KL divergence from a feasible policy
// larger, in any row: with the old deviation s >= m and the new one t < m, KL as a function of t,
//   log(t / s) + (s^2 + d^2) / (2 t^2) - 1/2,   d the distance of the means,
// falls up to t^2 = s^2 + d^2 >= m^2. So candidates along a projected path (Bertsekas 1976, "On the
// Goldstein-Levitin-Polyak gradient projection method") are as safe as those on a line. Returns
// g'(projected - given), 0 without a gradient.
double projectLogStd(const PolicyModel& model, std::span<double> parameters,
                     std::span<const double> gradient = {});

// Sets to zero what of an ascent direction leads out of the feasible set at once: the components of
// logStd that are at the bound and would fall. As logStd has no curvature in common with any
// other parameter, the natural direction of what is left is the one along the bound.
void keepInside(const PolicyModel& model, std::span<const double> parameters,
                std::span<double> direction);

}  // namespace trustregion
