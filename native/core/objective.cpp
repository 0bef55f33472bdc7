#include "core/objective.h"

#include <algorithm>
#include <cmath>

namespace trustregion {

void ObjectiveValue::add(const ObjectiveValue& other) {
  value += other.value;
  surrogate += other.surrogate;
  meanKl += other.meanKl;
  entropy += other.entropy;
  clipFraction += other.clipFraction;
}

void ObjectiveValue::divideBy(double rows) {
  value /= rows;
  surrogate /= rows;
  meanKl /= rows;
  entropy /= rows;
  clipFraction /= rows;
}

ClippedSurrogate clippedSurrogate(double ratio, double advantage, double clipRange) {
  const double clipped = std::clamp(ratio, 1 - clipRange, 1 + clipRange) * advantage;
  const double plain = ratio * advantage;
  const bool isClipped = clipped < plain;
  return {std::min(plain, clipped), isClipped ? 0 : plain, isClipped};
}

ObjectiveValue objectiveOfRow(const Distribution& distribution, const Objective& objective,
                              const ObjectiveRow& row, double* headGradient, double* logStdGradient,
                              double* scratch) {
  const size_t headSize = distribution.headSize();
  const size_t logStdSize = distribution.logStdSize();
  const auto addScaled = [&](double factor) {
    for (size_t i = 0; i < headSize; i++) headGradient[i] += factor * scratch[i];
    for (size_t i = 0; i < logStdSize; i++) logStdGradient[i] += factor * scratch[headSize + i];
  };
  std::fill(headGradient, headGradient + headSize, 0.0);
  std::fill(logStdGradient, logStdGradient + logStdSize, 0.0);

  // d (r A) = r A d log pi
  ObjectiveValue value;
  const double logProbability = distribution.logProbability(row.newHead, row.newLogStd, row.action);
  const ClippedSurrogate surrogate = clippedSurrogate(
      std::exp(logProbability - row.oldLogProbability), row.advantage, objective.clipRange);
  value.surrogate = surrogate.value;
  if (surrogate.isClipped) {
    value.clipFraction = 1;
  } else {
    distribution.score(row.newHead, row.newLogStd, row.action, scratch, scratch + headSize);
    addScaled(surrogate.slope);
  }

  value.meanKl = distribution.kl(row.oldHead, row.oldLogStd, row.newHead, row.newLogStd);
  if (objective.klPenalty != 0) {
    distribution.klGradient(row.oldHead, row.oldLogStd, row.newHead, row.newLogStd, scratch,
                            scratch + headSize);
    addScaled(-objective.klPenalty);
  }
  value.entropy = distribution.entropy(row.newHead, row.newLogStd);
  if (objective.entropyBonus != 0) {
    distribution.entropyGradient(row.newHead, row.newLogStd, scratch, scratch + headSize);
    addScaled(objective.entropyBonus);
  }
  value.value =
      value.surrogate - objective.klPenalty * value.meanKl + objective.entropyBonus * value.entropy;
  return value;
}

}  // namespace trustregion
