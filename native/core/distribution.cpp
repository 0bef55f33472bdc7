#include "core/distribution.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.h"

namespace trustregion {
namespace {

const double kLogTwoPi = std::log(2 * std::numbers::pi);

// log sum_i exp(logits_i), shifted by the maximum so that nothing overflows.
double logSumExp(const double* logits, size_t count) {
  const double maximum = *std::max_element(logits, logits + count);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += std::exp(logits[i] - maximum);
  return maximum + std::log(sum);
}

// log(1 + exp(x)) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

// p d + q - p for p = e^logP, q = e^logQ, d = logP - logQ: one term of a KL divergence plus q - p,
// which sums to zero over all terms. Every term is then >= 0, and nothing cancels where p and q
// nearly agree.
double klTerm(double logP, double logQ) {
  const double difference = logP - logQ;
  const double p = std::exp(logP);
  if (std::abs(difference) < 1) return p * (difference + std::expm1(-difference));
  return p * difference + std::exp(logQ) - p;
}

// p (1 - p) as e / (1 + e)^2, exact also where p rounds to 1.
double bernoulliVariance(double logit) {
  const double e = std::exp(-std::abs(logit));
  return e / ((1 + e) * (1 + e));
}

}  // namespace

Distribution::Distribution(DistributionKind kind, std::vector<size_t> counts, size_t headSize,
                           size_t actionSize)
    : kind_(kind), counts_(std::move(counts)), headSize_(headSize), actionSize_(actionSize) {
  if (headSize_ == 0 || actionSize_ == 0 ||
      std::find(counts_.begin(), counts_.end(), 0U) != counts_.end()) {
    throw Error(ErrorCode::outOfRange, "an action must have at least one dimension, factor or bit");
  }
}

Distribution Distribution::gaussian(size_t size) {
  return {DistributionKind::gaussian, {}, size, size};
}

Distribution Distribution::categorical(std::vector<size_t> counts) {
  const size_t headSize = std::accumulate(counts.begin(), counts.end(), size_t{0});
  const size_t factors = counts.size();
  return {DistributionKind::categorical, std::move(counts), headSize, factors};
}

Distribution Distribution::bernoulli(size_t size) {
  return {DistributionKind::bernoulli, {}, size, size};
}

double Distribution::logProbability(const double* head, const double* logStd,
                                    const double* action) const {
  double sum = 0;
  switch (kind_) {
    case DistributionKind::gaussian:
      // -1/2 ((a - mu) / sigma)^2 - log sigma - 1/2 log 2 pi
      for (size_t i = 0; i < headSize_; i++) {
        const double z = (action[i] - head[i]) * std::exp(-logStd[i]);
        sum -= 0.5 * z * z + logStd[i] + 0.5 * kLogTwoPi;
      }
      return sum;
    case DistributionKind::categorical:
      for (size_t factor = 0; factor < counts_.size(); factor++) {
        sum += head[static_cast<size_t>(action[factor])] - logSumExp(head, counts_[factor]);
        head += counts_[factor];
      }
      return sum;
    case DistributionKind::bernoulli:
      // log p = -softplus(-l), log(1 - p) = -softplus(l)
      for (size_t i = 0; i < headSize_; i++) sum -= softplus(action[i] != 0 ? -head[i] : head[i]);
      return sum;
  }
  return sum;
}

double Distribution::entropy(const double* head, const double* logStd) const {
  double sum = 0;
  switch (kind_) {
    case DistributionKind::gaussian:
      for (size_t i = 0; i < headSize_; i++) sum += logStd[i] + 0.5 * (1 + kLogTwoPi);
      return sum;
    case DistributionKind::categorical:
      for (const size_t count : counts_) {
        const double normalizer = logSumExp(head, count);
        for (size_t i = 0; i < count; i++) {
          const double logP = head[i] - normalizer;
          sum -= std::exp(logP) * logP;
        }
        head += count;
      }
      return sum;
    case DistributionKind::bernoulli:
      // H = softplus(l) - l p
      for (size_t i = 0; i < headSize_; i++) {
        const double logit = std::abs(head[i]);  // the entropy is even in the logit
        sum += softplus(-logit) + logit * sigmoid(-logit);
      }
      return sum;
  }
  return sum;
}

double Distribution::kl(const double* oldHead, const double* oldLogStd, const double* newHead,
                        const double* newLogStd) const {
  double sum = 0;
  switch (kind_) {
    case DistributionKind::gaussian:
      // log(sn / so) + (so^2 + (mo - mn)^2) / (2 sn^2) - 1/2. With u = log(so / sn) the first
      // terms are expm1(2u)/2 - u, which keeps its digits where old and new nearly agree.
      for (size_t i = 0; i < headSize_; i++) {
        const double u = oldLogStd[i] - newLogStd[i];
        const double z = (oldHead[i] - newHead[i]) * std::exp(-newLogStd[i]);
        sum += 0.5 * (std::expm1(2 * u) - 2 * u + z * z);
      }
      return sum;
    case DistributionKind::categorical:
      for (const size_t count : counts_) {
        const double oldNormalizer = logSumExp(oldHead, count);
        const double newNormalizer = logSumExp(newHead, count);
        for (size_t i = 0; i < count; i++) {
          sum += klTerm(oldHead[i] - oldNormalizer, newHead[i] - newNormalizer);
        }
        oldHead += count;
        newHead += count;
      }
      return sum;
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < headSize_; i++) {
        sum += klTerm(-softplus(-oldHead[i]), -softplus(-newHead[i]));
        sum += klTerm(-softplus(oldHead[i]), -softplus(newHead[i]));
      }
      return sum;
  }
  return sum;
}

void Distribution::score(const double* head, const double* logStd, const double* action,
                         double* headScore, double* logStdScore) const {
  switch (kind_) {
    case DistributionKind::gaussian:
      for (size_t i = 0; i < headSize_; i++) {
        const double inverseStd = std::exp(-logStd[i]);
        const double z = (action[i] - head[i]) * inverseStd;
        headScore[i] = z * inverseStd;
        logStdScore[i] = z * z - 1;
      }
      return;
    case DistributionKind::categorical:
      for (size_t factor = 0; factor < counts_.size(); factor++) {
        const size_t count = counts_[factor];
        const double normalizer = logSumExp(head, count);
        const auto chosen = static_cast<size_t>(action[factor]);
        for (size_t i = 0; i < count; i++) {
          headScore[i] = (i == chosen ? 1.0 : 0.0) - std::exp(head[i] - normalizer);
        }
        head += count;
        headScore += count;
      }
      return;
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < headSize_; i++) {
        headScore[i] = action[i] != 0 ? sigmoid(-head[i]) : -sigmoid(head[i]);
      }
      return;
  }
}

void Distribution::klGradient(const double* oldHead, const double* oldLogStd, const double* newHead,
                              const double* newLogStd, double* headGradient,
                              double* logStdGradient) const {
  switch (kind_) {
    case DistributionKind::gaussian:
      // (mn - mo) / sn^2; 1 - (so^2 + (mo - mn)^2) / sn^2 = -expm1(2u) - z^2
      for (size_t i = 0; i < headSize_; i++) {
        const double inverseStd = std::exp(-newLogStd[i]);
        const double z = (newHead[i] - oldHead[i]) * inverseStd;
        headGradient[i] = z * inverseStd;
        logStdGradient[i] = -std::expm1(2 * (oldLogStd[i] - newLogStd[i])) - z * z;
      }
      return;
    case DistributionKind::categorical:
      // p_new - p_old
      for (const size_t count : counts_) {
        const double oldNormalizer = logSumExp(oldHead, count);
        const double newNormalizer = logSumExp(newHead, count);
        for (size_t i = 0; i < count; i++) {
          headGradient[i] =
              std::exp(newHead[i] - newNormalizer) - std::exp(oldHead[i] - oldNormalizer);
        }
        oldHead += count;
        newHead += count;
        headGradient += count;
      }
      return;
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < headSize_; i++) {
        headGradient[i] = sigmoid(newHead[i]) - sigmoid(oldHead[i]);
      }
      return;
  }
}

void Distribution::entropyGradient(const double* head, const double*, double* headGradient,
                                   double* logStdGradient) const {
  switch (kind_) {
    case DistributionKind::gaussian:
      std::fill(headGradient, headGradient + headSize_, 0.0);
      std::fill(logStdGradient, logStdGradient + headSize_, 1.0);
      return;
    case DistributionKind::categorical:
      // d H / d l_i = -p_i (log p_i + H)
      for (const size_t count : counts_) {
        const double normalizer = logSumExp(head, count);
        double entropy = 0;
        for (size_t i = 0; i < count; i++) {
          const double logP = head[i] - normalizer;
          entropy -= std::exp(logP) * logP;
        }
        for (size_t i = 0; i < count; i++) {
          const double logP = head[i] - normalizer;
          headGradient[i] = -std::exp(logP) * (logP + entropy);
        }
        head += count;
        headGradient += count;
      }
      return;
    case DistributionKind::bernoulli:
      // d H / d l = -l p (1 - p)
      for (size_t i = 0; i < headSize_; i++) {
        headGradient[i] = -head[i] * bernoulliVariance(head[i]);
      }
      return;
  }
}

void Distribution::metricWeights(const double* head, const double* logStd, double* weights) const {
  switch (kind_) {
    case DistributionKind::gaussian:
      for (size_t i = 0; i < headSize_; i++) weights[i] = std::exp(-2 * logStd[i]);
      return;
    case DistributionKind::categorical:
      for (const size_t count : counts_) {
        const double normalizer = logSumExp(head, count);
        for (size_t i = 0; i < count; i++) weights[i] = std::exp(head[i] - normalizer);
        head += count;
        weights += count;
      }
      return;
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < headSize_; i++) weights[i] = bernoulliVariance(head[i]);
      return;
  }
}

void Distribution::applyMetric(const double* head, const double* logStd, const double* headTangent,
                               double* headOut) const {
  metricWeights(head, logStd, headOut);
  if (kind_ != DistributionKind::categorical) {
    for (size_t i = 0; i < headSize_; i++) headOut[i] *= headTangent[i];
    return;
  }
  // (diag(p) - p p') t = p (t - p't)
  for (const size_t count : counts_) {
    double mean = 0;
    for (size_t i = 0; i < count; i++) mean += headOut[i] * headTangent[i];
    for (size_t i = 0; i < count; i++) headOut[i] *= headTangent[i] - mean;
    headTangent += count;
    headOut += count;
  }
}

void Distribution::metricFactorColumn(const double* head, const double* logStd, size_t column,
                                      double* out) const {
  metricWeights(head, logStd, out);
  if (kind_ != DistributionKind::categorical) {
    const double weight = out[column];
    std::fill(out, out + headSize_, 0.0);
    out[column] = std::sqrt(weight);
    return;
  }
  size_t start = 0;
  for (const size_t count : counts_) {
    if (column < start || column >= start + count) {
      std::fill(out + start, out + start + count, 0.0);
    } else {
      const double root = std::sqrt(out[column]);
      for (size_t i = start; i < start + count; i++) {
        out[i] = root * ((i == column ? 1.0 : 0.0) - out[i]);
      }
    }
    start += count;
  }
}

void Distribution::metricFactorProduct(const double* head, const double* logStd, const double* e,
                                       double* out) const {
  metricWeights(head, logStd, out);
  if (kind_ != DistributionKind::categorical) {
    for (size_t i = 0; i < headSize_; i++) out[i] = std::sqrt(out[i]) * e[i];
    return;
  }
  // sum_c e_c sqrt(p_c) (1_c - p)
  for (const size_t count : counts_) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += e[i] * std::sqrt(out[i]);
    for (size_t i = 0; i < count; i++) out[i] = e[i] * std::sqrt(out[i]) - out[i] * sum;
    e += count;
    out += count;
  }
}

void Distribution::sample(const double* head, const double* logStd, Random& random,
                          double* action) const {
  switch (kind_) {
    case DistributionKind::gaussian:
      for (size_t i = 0; i < headSize_; i++) {
        action[i] = head[i] + std::exp(logStd[i]) * random.normal();
      }
      return;
    case DistributionKind::categorical:
      // Inverse of the cumulative distribution; the last category takes what rounding leaves.
      for (size_t factor = 0; factor < counts_.size(); factor++) {
        const size_t count = counts_[factor];
        const double normalizer = logSumExp(head, count);
        double left = random.uniform();
        size_t chosen = 0;
        for (; chosen + 1 < count; chosen++) {
          left -= std::exp(head[chosen] - normalizer);
          if (left < 0) break;
        }
        action[factor] = static_cast<double>(chosen);
        head += count;
      }
      return;
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < headSize_; i++) {
        action[i] = random.uniform() < sigmoid(head[i]) ? 1 : 0;
      }
      return;
  }
}

void Distribution::mode(const double* head, double* action) const {
  switch (kind_) {
    case DistributionKind::gaussian:
      std::copy(head, head + headSize_, action);
      return;
    case DistributionKind::categorical:
      for (size_t factor = 0; factor < counts_.size(); factor++) {
        const double* largest = std::max_element(head, head + counts_[factor]);
        action[factor] = static_cast<double>(largest - head);
        head += counts_[factor];
      }
      return;
    case DistributionKind::bernoulli:
      for (size_t i = 0; i < headSize_; i++) action[i] = head[i] > 0 ? 1 : 0;
      return;
  }
}

void Distribution::requireValidAction(const double* action, size_t firstIndex) const {
  if (kind_ == DistributionKind::gaussian) return;
  for (size_t i = 0; i < actionSize_; i++) {
    const size_t count = kind_ == DistributionKind::bernoulli ? 2 : counts_[i];
    const double value = action[i];
    if (!(value >= 0 && value < static_cast<double>(count) && value == std::floor(value))) {
      throw Error(ErrorCode::outOfRange,
                  "actions[" + std::to_string(firstIndex + i) + "] must be an integer from 0 to " +
                      std::to_string(count - 1) + ", got " + std::to_string(value));
    }
  }
}

}  // namespace trustregion
