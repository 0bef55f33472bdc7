#pragma once

#include <cstddef>
#include <vector>

#include "core/random.h"

namespace trustregion {

enum class DistributionKind { gaussian, categorical, bernoulli };

// The distribution over actions that the network's output (the head) stands for, one state at a
// time and in double precision. Log-probabilities, entropies and KL divergences are joint: summed
// over the dimensions, factors or bits of an action.
//
//   gaussian     head = mean [d]; state-independent logStd [d] appended to the parameters
//   categorical  head = logits, one group of counts[f] for each independent factor f
//   bernoulli    head = logits of independent bits
//
// An action is d numbers (gaussian), one index for each factor (categorical), or d bits 0 or 1.
class Distribution {
 public:
  static Distribution gaussian(size_t size);
  static Distribution categorical(std::vector<size_t> counts);
  static Distribution bernoulli(size_t size);

  DistributionKind kind() const { return kind_; }
  size_t headSize() const { return headSize_; }
  size_t actionSize() const { return actionSize_; }
  size_t logStdSize() const { return kind_ == DistributionKind::gaussian ? headSize_ : 0; }
  const std::vector<size_t>& counts() const { return counts_; }

  // log pi(action | state). logStd is read by the Gaussian only, here and below.
  double logProbability(const double* head, const double* logStd, const double* action) const;

  // -E log pi
  double entropy(const double* head, const double* logStd) const;

  // KL(old || new) = E_old [log pi_old - log pi_new], the direction of the TRPO paper.
  double kl(const double* oldHead, const double* oldLogStd, const double* newHead,
            const double* newLogStd) const;

  // d log pi(action) / d head, and / d logStd (Gaussian).
  void score(const double* head, const double* logStd, const double* action, double* headScore,
             double* logStdScore) const;

  // d KL(old || new) / d newHead, and / d newLogStd (Gaussian).
  void klGradient(const double* oldHead, const double* oldLogStd, const double* newHead,
                  const double* newLogStd, double* headGradient, double* logStdGradient) const;

  // d entropy / d head, and / d logStd (Gaussian).
  void entropyGradient(const double* head, const double* logStd, double* headGradient,
                       double* logStdGradient) const;

  // headOut = M headTangent with M the Fisher matrix of the head: 1/sigma^2 (Gaussian mean),
  // diag(p) - p p' (each categorical factor), p (1 - p) (each bit). The logStd block is 2 I for
  // every state and has no cross term, so callers add 2 v themselves.
  void applyMetric(const double* head, const double* logStd, const double* headTangent,
                   double* headOut) const;

  // Column `column` (of headSize() many) of a factor B with B B' = M:
  // e_c / sigma_c; sqrt(p_c) (e_c - p); sqrt(p_c (1 - p_c)) e_c.
  void metricFactorColumn(const double* head, const double* logStd, size_t column,
                          double* out) const;

  // B e for one number of `e` for each column.
  void metricFactorProduct(const double* head, const double* logStd, const double* e,
                           double* out) const;

  // The parameters of M that do not change with the tangent, one number for each head output:
  // 1/sigma^2, p, or p (1 - p). Backends cache them once per update.
  void metricWeights(const double* head, const double* logStd, double* weights) const;

  void sample(const double* head, const double* logStd, Random& random, double* action) const;
  // The most likely action.
  void mode(const double* head, double* action) const;

  // Throws ErrorCode::outOfRange unless `action` is one of this distribution's (an index below its
  // count, a bit of 0 or 1), naming `actions[index of the value]`.
  void requireValidAction(const double* action, size_t firstIndex) const;

 private:
  Distribution(DistributionKind kind, std::vector<size_t> counts, size_t headSize,
               size_t actionSize);

  DistributionKind kind_;
  std::vector<size_t> counts_;
  size_t headSize_;
  size_t actionSize_;
};

}  // namespace trustregion
