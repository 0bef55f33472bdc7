#pragma once

#include "core/aligned_memory.h"
#include "core/cpu/kernels.h"
#include "core/distribution.h"

namespace trustregion::cpu {

// The distributions of a group of rows, in the form that everything else follows from.
struct GroupHeads {
  AlignedDoubles head;  // means or logits, [headSize x kGroupRows]
  // Of each outcome of each factor, [outcomes x kGroupRows]; a bit has two, 0 and 1. Empty for a
  // Gaussian.
  AlignedDoubles probability;
  AlignedDoubles logProbability;
};

// Gradients of a group with respect to the head, [headSize x kGroupRows], and to logStd (Gaussian).
struct GroupGradient {
  AlignedDoubles head;
  AlignedDoubles logStd;
};

// `Distribution` for a group of rows at once, in float64 like it. Terms of a Gaussian that no row
// changes are computed once, in the constructor. Vectors run over rows, so a row's numbers do not
// depend on its place in a group. What is written for rows that a group lacks means nothing.
class GroupDistribution {
 public:
  // logStd, and that of the distribution that KL divergences start from, are read by the Gaussian
  // only.
  GroupDistribution(const Distribution& distribution, const Kernels& kernels, const double* logStd,
                    const double* oldLogStd);

  GroupHeads makeHeads() const;
  GroupGradient makeGradient() const;
  AlignedDoubles makeActions() const;

  // From rows of heads, `stride` numbers apart; at most kGroupRows.
  void read(size_t rows, const float* heads, size_t stride, GroupHeads& group) const;
  void read(size_t rows, const double* heads, size_t stride, GroupHeads& group) const;
  // Of rows that follow each other as in a rollout, or of one row of the group: actionSize()
  // numbers.
  void readActions(size_t rows, const double* actions, AlignedDoubles& to) const;
  void readAction(size_t row, const double* action, AlignedDoubles& to) const;

  void logProbability(size_t rows, const GroupHeads& heads, const AlignedDoubles& actions,
                      double* out) const;
  void entropy(const GroupHeads& heads, double* out) const;
  // KL(old || this)
  void kl(const GroupHeads& oldHeads, const GroupHeads& heads, double* out) const;

  // gradient = d log pi(action), times a factor for each row; then what is added to it.
  void score(size_t rows, const GroupHeads& heads, const AlignedDoubles& actions,
             const double* factor, GroupGradient& gradient) const;
  void addKlGradient(const GroupHeads& oldHeads, const GroupHeads& heads, double factor,
                     GroupGradient& gradient) const;
  void addEntropyGradient(const GroupHeads& heads, double factor, GroupGradient& gradient) const;

  // Distribution::metricWeights of each row, `stride` numbers apart; of a Gaussian one row for all.
  void metricWeights(size_t rows, const GroupHeads& heads, float* weights, size_t stride) const;

 private:
  bool isGaussian() const { return distribution_.kind() == DistributionKind::gaussian; }
  bool isCategorical() const { return distribution_.kind() == DistributionKind::categorical; }
  template <class Number>
  void readRows(size_t rows, const Number* heads, size_t stride, GroupHeads& group) const;
  template <class Use>
  void forEachChoice(size_t rows, const AlignedDoubles& actions, const Use& use) const;

  Distribution distribution_;
  const DoubleKernels* kernels_;
  size_t outcomes_ = 0;
  // Gaussian:
  AlignedDoubles inverseStd_;
  AlignedDoubles klLogStdGradient_;  // where the means agree
  double logProbabilityAtMean_ = 0;
  double entropy_ = 0;
  double klAtSameMean_ = 0;
};

}  // namespace trustregion::cpu
