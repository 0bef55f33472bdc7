#pragma once

#include <span>
#include <vector>

#include "core/policy_model.h"

namespace trustregion::cpu {

// Variance of the rounding error of each head output in a float32 forward pass, as a mean over rows
// whose features have the mean squares `meanSquareInput`.
//
// Rounding errors are taken as independent and of mean zero within a row (Higham and Mary 2019, "A
// new approach to probabilistic rounding error analysis"). Per unit, with mean square m^2 and
// variance of the error v, for z = W x + b of n terms, u = 2^-24:
//   m_z^2 = sum W^2 m^2 + b^2,   v_z = sum W^2 v + (n + 1) m_z^2 u^2 / 3.
// All of it is linear in x^2, so that means over rows go in and come out.
std::vector<double> headErrorVariance(const MlpLayout& layout, std::span<const double> parameters,
                                      std::span<const double> meanSquareInput);

// How far the mean KL(old || new) that float32 forward passes give may be from that of float64: an
// estimate with a wide margin, not a bound in the strict sense (a strict one is a thousand times
// what ever happens). `oldVariance` is headErrorVariance of the old parameters.
//
// The heads of the old parameters and of the new ones are wrong, each by its own. With w the metric
// weight of an output, heads that move by e change the KL of a row by at most sqrt(2 KL) |e|_w +
// |e|_w^2 / 2 to second order (Cauchy and Schwarz over outputs), and the mean over rows by the same
// with mean KL and mean |e|_w^2 (Cauchy and Schwarz over rows): errors of different rows need not
// be independent, as they are not where rows are alike.
double klUncertainty(const PolicyModel& model, std::span<const double> oldVariance,
                     std::span<const double> newParameters, std::span<const double> meanSquareInput,
                     double meanKl);

}  // namespace trustregion::cpu
