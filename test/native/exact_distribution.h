#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "core/distribution.h"

// The formulas of the distributions, straight from their definitions in long double: its range
// reaches e^-11000, so nothing underflows that a head of double precision can hold, and its eleven
// more bits pay for the cancellations.
namespace trustregion::test {

using Exact = long double;

constexpr bool kLongDoubleIsWider = std::numeric_limits<Exact>::digits > 53;

// log p of each choice of one independent part: a categorical factor, or a bit {0, 1}.
using ExactPart = std::vector<Exact>;

inline ExactPart exactLogSoftmax(const double* logits, size_t count) {
  Exact sum = 0;
  for (size_t i = 0; i < count; i++) sum += std::exp(static_cast<Exact>(logits[i]));
  ExactPart part;
  for (size_t i = 0; i < count; i++) part.push_back(static_cast<Exact>(logits[i]) - std::log(sum));
  return part;
}

// The independent parts of a discrete distribution.
inline std::vector<ExactPart> exactParts(const Distribution& distribution, const double* head) {
  std::vector<ExactPart> parts;
  if (distribution.kind() == DistributionKind::bernoulli) {
    for (size_t i = 0; i < distribution.headSize(); i++) {
      const double logits[] = {0, head[i]};
      parts.push_back(exactLogSoftmax(logits, 2));
    }
  }
  for (const size_t count : distribution.counts()) {
    parts.push_back(exactLogSoftmax(head, count));
    head += count;
  }
  return parts;
}

inline const Exact kExactLogTwoPi = std::log(2 * std::acos(static_cast<Exact>(-1)));

inline Exact exactEntropy(const Distribution& distribution, const double* head,
                          const double* logStd) {
  Exact sum = 0;
  for (size_t i = 0; i < distribution.logStdSize(); i++) {
    sum += static_cast<Exact>(logStd[i]) + (1 + kExactLogTwoPi) / 2;
  }
  if (distribution.kind() == DistributionKind::gaussian) return sum;
  for (const ExactPart& part : exactParts(distribution, head)) {
    for (const Exact logP : part) sum -= std::exp(logP) * logP;
  }
  return sum;
}

inline Exact exactKl(const Distribution& distribution, const double* oldHead,
                     const double* oldLogStd, const double* newHead, const double* newLogStd) {
  Exact sum = 0;
  for (size_t i = 0; i < distribution.logStdSize(); i++) {
    const Exact oldVariance = std::exp(2 * static_cast<Exact>(oldLogStd[i]));
    const Exact newVariance = std::exp(2 * static_cast<Exact>(newLogStd[i]));
    const Exact moved = static_cast<Exact>(oldHead[i]) - static_cast<Exact>(newHead[i]);
    sum += static_cast<Exact>(newLogStd[i]) - static_cast<Exact>(oldLogStd[i]) +
           (oldVariance + moved * moved) / (2 * newVariance) - 0.5L;
  }
  if (distribution.kind() == DistributionKind::gaussian) return sum;
  const std::vector<ExactPart> oldParts = exactParts(distribution, oldHead);
  const std::vector<ExactPart> newParts = exactParts(distribution, newHead);
  for (size_t part = 0; part < oldParts.size(); part++) {
    for (size_t i = 0; i < oldParts[part].size(); i++) {
      const Exact logP = oldParts[part][i];
      sum += std::exp(logP) * (logP - newParts[part][i]);
    }
  }
  return sum;
}

// The actions of a discrete distribution, all of them.
inline std::vector<std::vector<double>> allActions(const Distribution& distribution) {
  std::vector<std::vector<double>> actions = {{}};
  for (size_t i = 0; i < distribution.actionSize(); i++) {
    const size_t count =
        distribution.kind() == DistributionKind::bernoulli ? 2 : distribution.counts()[i];
    std::vector<std::vector<double>> longer;
    for (const std::vector<double>& action : actions) {
      for (size_t value = 0; value < count; value++) {
        longer.push_back(action);
        longer.back().push_back(static_cast<double>(value));
      }
    }
    actions = longer;
  }
  return actions;
}

}  // namespace trustregion::test
