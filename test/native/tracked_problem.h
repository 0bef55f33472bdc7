#pragma once

#include <algorithm>
#include <cmath>

#include "core/cpu/cpu_mlp.h"
#include "problems.h"
#include "tracked_mlp.h"

// What a float32 backend should answer for a problem, and how far it may be off.
namespace trustregion::test {

struct TrackedEvaluation {
  Tracked surrogate;
  Tracked meanKl;
  Tracked maxKl;
  Tracked entropy;
};

class TrackedProblem {
 public:
  // Sums over rows are in float32 within a tile of `tileRows`.
  explicit TrackedProblem(const PolicyProblem& problem, size_t tileRows = cpu::kTileRows)
      : problem_(problem),
        tileRows_(tileRows),
        distribution_(problem.model.distribution),
        layout_(problem.model.network),
        parameters_(exactNumbers(problem.parameters)) {
    for (size_t row = 0; row < problem.rows; row++) {
      rows_.push_back(trackedForward(layout_, parameters_, problem.scaledObservation(row)));
    }
  }

  // Heads of all rows at theta, [rows x headSize].
  TrackedVector heads() const {
    TrackedVector all;
    for (const TrackedRow& row : rows_) all.insert(all.end(), row.head.begin(), row.head.end());
    return all;
  }

  TrackedVector surrogateGradient() const {
    return meanOverRows([&](size_t row, TrackedTileSum& sum) {
      const double advantage = problem_.advantages[row];
      const TrackedVector score = propagate(rows_[row].head, [&](const std::vector<double>& head) {
        std::vector<double> both(distribution_.headSize() + distribution_.logStdSize());
        distribution_.score(head.data(), logStd(problem_.parameters), action(row), both.data(),
                            both.data() + distribution_.headSize());
        for (double& value : both) value *= advantage;
        return both;
      });
      TrackedVector cotangent;
      for (size_t j = 0; j < distribution_.headSize(); j++) cotangent.push_back(inFloat(score[j]));
      addBackward(row, cotangent, sum);
      for (size_t j = 0; j < distribution_.logStdSize(); j++) {
        sum[problem_.model.logStdOffset() + j] += score[distribution_.headSize() + j];
      }
    });
  }

  TrackedVector fisherProduct(const std::vector<double>& vector) const {
    const TrackedVector direction = exactNumbers(vector);
    TrackedVector product = meanOverRows([&](size_t row, TrackedTileSum& sum) {
      const TrackedVector tangent = trackedTangent(layout_, parameters_, direction, rows_[row]);
      addBackward(row, applyMetric(rows_[row].head, tangent), sum);
    });
    addSharedRounding(product, 1);
    // Nor about that of a weight cut into two bfloat16, of 2^-17.6 in the root of the mean square;
    // several weights go into an element.
    for (Tracked& number : product) {
      number.variance += square(SplitProducts::roundoff() / 4 * number.value);
    }
    // F of logStd is exactly 2 I.
    for (size_t i = problem_.model.logStdOffset(); i < product.size(); i++) {
      product[i] = {2 * vector[i], 0};
    }
    return product;
  }

  TrackedVector fisherDiagonal() const {
    TrackedVector diagonal = meanOverRows([&](size_t row, TrackedTileSum& sum) {
      for (size_t column = 0; column < distribution_.headSize(); column++) {
        const TrackedVector factor =
            propagate(rows_[row].head, [&](const std::vector<double>& head) {
              std::vector<double> out(distribution_.headSize());
              distribution_.metricFactorColumn(head.data(), logStd(problem_.parameters), column,
                                               out.data());
              return out;
            });
        TrackedVector cotangent;
        for (const Tracked& value : factor) cotangent.push_back(inFloat(value));
        trackedBackward(layout_, parameters_, rows_[row], cotangent,
                        [&](size_t parameter, Tracked u, Tracked x) {
                          sum[parameter] += squared(u) * squared(x);
                        });
      }
    });
    addSharedRounding(diagonal, 2);
    for (size_t i = problem_.model.logStdOffset(); i < diagonal.size(); i++) diagonal[i] = {2, 0};
    return diagonal;
  }

  TrackedEvaluation evaluate(const std::vector<double>& candidate) const {
    const TrackedVector newParameters = exactNumbers(candidate);
    const size_t headSize = distribution_.headSize();
    TrackedEvaluation result;
    for (size_t row = 0; row < rows_.size(); row++) {
      TrackedVector heads = rows_[row].head;
      const TrackedRow moved =
          trackedForward(layout_, newParameters, problem_.scaledObservation(row));
      heads.insert(heads.end(), moved.head.begin(), moved.head.end());
      const TrackedVector numbers = propagate(heads, [&](const std::vector<double>& both) {
        const double* oldHead = both.data();
        const double* newHead = both.data() + headSize;
        const double* oldStd = logStd(problem_.parameters);
        const double* newStd = logStd(candidate);
        const double logRatio = distribution_.logProbability(newHead, newStd, action(row)) -
                                distribution_.logProbability(oldHead, oldStd, action(row));
        return std::vector<double>{distribution_.kl(oldHead, oldStd, newHead, newStd),
                                   distribution_.entropy(newHead, newStd),
                                   std::exp(logRatio) * problem_.advantages[row]};
      });
      addTo(result.meanKl, numbers[0]);
      addTo(result.entropy, numbers[1]);
      addTo(result.surrogate, numbers[2]);
      // |max a - max b| <= max |a - b|
      result.maxKl.value = std::max(result.maxKl.value, numbers[0].value);
      result.maxKl.variance = std::max(result.maxKl.variance, numbers[0].variance);
    }
    return result;
  }

 private:
  static Tracked inFloat(Tracked number) { return rounded(number.value, number.variance); }

  // The metric of a Gaussian, or its root, is rounded once for all rows: there is nothing
  // independent about that error.
  void addSharedRounding(TrackedVector& result, double power) const {
    if (distribution_.kind() != DistributionKind::gaussian) return;
    for (Tracked& number : result) {
      number.variance += square(power * kFloatRoundoff * number.value);
    }
  }

  // Sums over rows in double precision, straight to the mean.
  void addTo(Tracked& mean, const Tracked& number) const {
    const double count = static_cast<double>(rows_.size());
    mean.value += number.value / count;
    mean.variance += number.variance / square(count);
  }

  const double* action(size_t row) const {
    return problem_.actions.data() + row * distribution_.actionSize();
  }
  const double* logStd(const std::vector<double>& parameters) const {
    return parameters.data() + problem_.model.logStdOffset();
  }

  void addBackward(size_t row, const TrackedVector& cotangent, TrackedTileSum& sum) const {
    trackedBackward(layout_, parameters_, rows_[row], cotangent,
                    [&](size_t parameter, Tracked u, Tracked x) { sum[parameter] += u * x; });
  }

  TrackedVector applyMetric(const TrackedVector& head, const TrackedVector& tangent) const {
    TrackedVector weights = propagate(head, [&](const std::vector<double>& values) {
      std::vector<double> out(values.size());
      distribution_.metricWeights(values.data(), logStd(problem_.parameters), out.data());
      return out;
    });
    for (Tracked& weight : weights) weight = inFloat(weight);
    TrackedVector result(head.size());
    if (distribution_.kind() != DistributionKind::categorical) {
      for (size_t i = 0; i < head.size(); i++) result[i] = weights[i] * tangent[i];
      return result;
    }
    size_t first = 0;
    for (const size_t count : distribution_.counts()) {
      Tracked mean;
      for (size_t i = first; i < first + count; i++) mean += weights[i] * tangent[i];
      for (size_t i = first; i < first + count; i++) {
        result[i] = weights[i] * (tangent[i] + Tracked{-mean.value, mean.variance});
      }
      first += count;
    }
    return result;
  }

  template <class AddRow>
  TrackedVector meanOverRows(const AddRow& addRow) const {
    TrackedTileSum sum(problem_.parameters.size(), tileRows_);
    for (size_t row = 0; row < rows_.size(); row++) {
      addRow(row, sum);
      sum.endRow();
    }
    return sum.mean();
  }

  const PolicyProblem& problem_;
  size_t tileRows_;
  const Distribution& distribution_;
  const MlpLayout& layout_;
  TrackedVector parameters_;
  std::vector<TrackedRow> rows_;
};

}  // namespace trustregion::test
