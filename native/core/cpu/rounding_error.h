#pragma once

#include <span>
#include <vector>

#include "core/policy_model.h"

namespace trustregion::cpu {

// How far the mean KL(old || new) that float32 forward passes give may be from that of float64, for
// observations whose features are at most `largestInput` in magnitude: an estimate with a wide
// margin, not a bound in the strict sense (a strict one is a thousand times what ever happens).
//
// Rounding errors are taken as independent and of mean zero (Higham and Mary 2019, "A new approach
// to probabilistic rounding error analysis"). Per unit, with magnitude m and variance of the error
// v, for z = W x + b of n terms, u = 2^-24:
//   m_z^2 = sum W^2 m^2 + b^2,   v_z = sum W^2 v + (n + 1) m_z^2 u^2 / 3.
// The heads of the old parameters and of the new ones are wrong, each by its own. With w the metric
// weight of an output, heads that move by e change the KL by at most sqrt(2 KL) |e|_w + |e|_w^2 / 2
// to second order (Cauchy and Schwarz).
double klUncertainty(const PolicyModel& model, std::span<const double> oldParameters,
                     std::span<const double> newParameters, std::span<const double> largestInput,
                     double meanKl);

}  // namespace trustregion::cpu
