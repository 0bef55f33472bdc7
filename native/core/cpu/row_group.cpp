#include "core/cpu/row_group.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace trustregion::cpu {
namespace {

const double kLogTwoPi = std::log(2 * std::numbers::pi);

}  // namespace

GroupDistribution::GroupDistribution(const Distribution& distribution, const Kernels& kernels,
                                     const double* logStd, const double* oldLogStd)
    : distribution_(distribution), kernels_(kernels.inDouble) {
  if (!isGaussian()) outcomes_ = (isCategorical() ? 1 : 2) * distribution.headSize();
  for (size_t j = 0; j < distribution.logStdSize(); j++) {
    inverseStd_.push_back(std::exp(-logStd[j]));
    logProbabilityAtMean_ -= logStd[j] + 0.5 * kLogTwoPi;
    entropy_ += logStd[j] + 0.5 * (1 + kLogTwoPi);
    // As in Distribution::kl and klGradient
    const double u = oldLogStd[j] - logStd[j];
    klAtSameMean_ += 0.5 * (std::expm1(2 * u) - 2 * u);
    klLogStdGradient_.push_back(-std::expm1(2 * u));
  }
}

GroupHeads GroupDistribution::makeHeads() const {
  return {AlignedDoubles(distribution_.headSize() * kGroupRows),
          AlignedDoubles(outcomes_ * kGroupRows), AlignedDoubles(outcomes_ * kGroupRows)};
}

GroupGradient GroupDistribution::makeGradient() const {
  return {AlignedDoubles(distribution_.headSize() * kGroupRows),
          AlignedDoubles(distribution_.logStdSize() * kGroupRows)};
}

AlignedDoubles GroupDistribution::makeActions() const {
  return AlignedDoubles(distribution_.actionSize() * kGroupRows);
}

template <class Number>
void GroupDistribution::readRows(size_t rows, const Number* heads, size_t stride,
                                 GroupHeads& group) const {
  for (size_t j = 0; j < distribution_.headSize(); j++) {
    double* to = group.head.data() + j * kGroupRows;
    for (size_t i = 0; i < rows; i++) to[i] = static_cast<double>(heads[i * stride + j]);
  }
  if (isCategorical()) {
    kernels_->normalizeLogits(distribution_.counts().size(), distribution_.counts().data(),
                              group.head.data(), group.probability.data(),
                              group.logProbability.data());
  } else if (!isGaussian()) {
    kernels_->normalizeBits(distribution_.headSize(), group.head.data(), group.probability.data(),
                            group.logProbability.data());
  }
}

void GroupDistribution::read(size_t rows, const float* heads, size_t stride,
                             GroupHeads& group) const {
  readRows(rows, heads, stride, group);
}

void GroupDistribution::read(size_t rows, const double* heads, size_t stride,
                             GroupHeads& group) const {
  readRows(rows, heads, stride, group);
}

void GroupDistribution::readActions(size_t rows, const double* actions, AlignedDoubles& to) const {
  const size_t size = distribution_.actionSize();
  for (size_t j = 0; j < size; j++) {
    for (size_t i = 0; i < rows; i++) to[j * kGroupRows + i] = actions[i * size + j];
  }
}

void GroupDistribution::readAction(size_t row, const double* action, AlignedDoubles& to) const {
  for (size_t j = 0; j < distribution_.actionSize(); j++) to[j * kGroupRows + row] = action[j];
}

// Calls use(row, outcome) for the outcome that each factor of each row's action chose.
template <class Use>
void GroupDistribution::forEachChoice(size_t rows, const AlignedDoubles& actions,
                                      const Use& use) const {
  size_t first = 0;
  for (size_t factor = 0; factor < distribution_.actionSize(); factor++) {
    for (size_t row = 0; row < rows; row++) {
      use(row, first + static_cast<size_t>(actions[factor * kGroupRows + row]));
    }
    first += isCategorical() ? distribution_.counts()[factor] : 2;
  }
}

void GroupDistribution::logProbability(size_t rows, const GroupHeads& heads,
                                       const AlignedDoubles& actions, double* out) const {
  if (isGaussian()) {
    // -1/2 ((a - mu) / sigma)^2 - log sigma - 1/2 log 2 pi
    kernels_->halfSquaredDistance(inverseStd_.size(), actions.data(), heads.head.data(),
                                  inverseStd_.data(), out);
    for (size_t row = 0; row < kGroupRows; row++) out[row] = logProbabilityAtMean_ - out[row];
    return;
  }
  std::fill(out, out + kGroupRows, 0.0);
  forEachChoice(rows, actions, [&](size_t row, size_t outcome) {
    out[row] += heads.logProbability[outcome * kGroupRows + row];
  });
}

void GroupDistribution::entropy(const GroupHeads& heads, double* out) const {
  if (isGaussian()) {
    std::fill(out, out + kGroupRows, entropy_);
  } else {
    kernels_->entropyOfOutcomes(outcomes_, heads.probability.data(), heads.logProbability.data(),
                                out);
  }
}

void GroupDistribution::kl(const GroupHeads& oldHeads, const GroupHeads& heads, double* out) const {
  if (isGaussian()) {
    kernels_->halfSquaredDistance(inverseStd_.size(), oldHeads.head.data(), heads.head.data(),
                                  inverseStd_.data(), out);
    for (size_t row = 0; row < kGroupRows; row++) out[row] += klAtSameMean_;
  } else {
    kernels_->klOfOutcomes(outcomes_, oldHeads.probability.data(), oldHeads.logProbability.data(),
                           heads.probability.data(), heads.logProbability.data(), out);
  }
}

void GroupDistribution::score(size_t rows, const GroupHeads& heads, const AlignedDoubles& actions,
                              const double* factor, GroupGradient& gradient) const {
  if (isGaussian()) {
    for (size_t j = 0; j < inverseStd_.size(); j++) {
      const double inverseStd = inverseStd_[j];
      const double* mean = heads.head.data() + j * kGroupRows;
      const double* action = actions.data() + j * kGroupRows;
      double* headGradient = gradient.head.data() + j * kGroupRows;
      double* logStdGradient = gradient.logStd.data() + j * kGroupRows;
      for (size_t row = 0; row < kGroupRows; row++) {
        const double z = (action[row] - mean[row]) * inverseStd;
        headGradient[row] = factor[row] * (z * inverseStd);
        logStdGradient[row] = factor[row] * (z * z - 1);
      }
    }
    return;
  }
  if (isCategorical()) {
    // 1 - p for the logit that was chosen, -p for the others
    for (size_t k = 0; k < gradient.head.size(); k++) gradient.head[k] = -heads.probability[k];
    forEachChoice(rows, actions, [&](size_t row, size_t outcome) {
      gradient.head[outcome * kGroupRows + row] += 1;
    });
  } else {
    // 1 - p of a bit that is 1, -p of one that is 0: the probability of what did not happen
    forEachChoice(rows, actions, [&](size_t row, size_t outcome) {
      const double other = heads.probability[(outcome ^ 1) * kGroupRows + row];
      gradient.head[outcome / 2 * kGroupRows + row] = outcome % 2 == 1 ? other : -other;
    });
  }
  for (size_t j = 0; j < distribution_.headSize(); j++) {
    double* headGradient = gradient.head.data() + j * kGroupRows;
    for (size_t row = 0; row < kGroupRows; row++) headGradient[row] *= factor[row];
  }
}

void GroupDistribution::addKlGradient(const GroupHeads& oldHeads, const GroupHeads& heads,
                                      double factor, GroupGradient& gradient) const {
  for (size_t j = 0; j < distribution_.headSize(); j++) {
    double* headGradient = gradient.head.data() + j * kGroupRows;
    if (isGaussian()) {
      // (mn - mo) / sn^2; 1 - (so^2 + (mo - mn)^2) / sn^2
      const double inverseStd = inverseStd_[j];
      const double* mean = heads.head.data() + j * kGroupRows;
      const double* oldMean = oldHeads.head.data() + j * kGroupRows;
      double* logStdGradient = gradient.logStd.data() + j * kGroupRows;
      for (size_t row = 0; row < kGroupRows; row++) {
        const double z = (mean[row] - oldMean[row]) * inverseStd;
        headGradient[row] += factor * (z * inverseStd);
        logStdGradient[row] += factor * (klLogStdGradient_[j] - z * z);
      }
      continue;
    }
    // p_new - p_old; of a bit, those of its being 1
    const size_t outcome = (isCategorical() ? j : 2 * j + 1) * kGroupRows;
    const double* p = oldHeads.probability.data() + outcome;
    const double* q = heads.probability.data() + outcome;
    for (size_t row = 0; row < kGroupRows; row++) headGradient[row] += factor * (q[row] - p[row]);
  }
}

void GroupDistribution::addEntropyGradient(const GroupHeads& heads, double factor,
                                           GroupGradient& gradient) const {
  if (isGaussian()) {
    for (double& value : gradient.logStd) value += factor;
    return;
  }
  const double* p = heads.probability.data();
  double* headGradient = gradient.head.data();
  if (!isCategorical()) {
    // -l p (1 - p)
    for (size_t j = 0; j < distribution_.headSize(); j++) {
      for (size_t row = 0; row < kGroupRows; row++) {
        const double variance = p[2 * j * kGroupRows + row] * p[(2 * j + 1) * kGroupRows + row];
        headGradient[j * kGroupRows + row] -= factor * heads.head[j * kGroupRows + row] * variance;
      }
    }
    return;
  }
  // -p_k (log p_k + H)
  const double* logP = heads.logProbability.data();
  for (const size_t count : distribution_.counts()) {
    alignas(64) double entropy[kGroupRows];
    kernels_->entropyOfOutcomes(count, p, logP, entropy);
    for (size_t k = 0; k < count; k++) {
      for (size_t row = 0; row < kGroupRows; row++) {
        headGradient[row] -= factor * p[row] * (logP[row] + entropy[row]);
      }
      p += kGroupRows;
      logP += kGroupRows;
      headGradient += kGroupRows;
    }
  }
}

void GroupDistribution::metricWeights(size_t rows, const GroupHeads& heads, float* weights,
                                      size_t stride) const {
  const double* p = heads.probability.data();
  for (size_t j = 0; j < distribution_.headSize(); j++) {
    if (isGaussian()) {
      weights[j] = static_cast<float>(inverseStd_[j] * inverseStd_[j]);
      continue;
    }
    for (size_t row = 0; row < rows; row++) {
      const double weight = isCategorical()
                                ? p[j * kGroupRows + row]
                                : p[2 * j * kGroupRows + row] * p[(2 * j + 1) * kGroupRows + row];
      weights[row * stride + j] = static_cast<float>(weight);
    }
  }
}

}  // namespace trustregion::cpu
