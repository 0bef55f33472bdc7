#include "core/diagnostics.h"

#include <algorithm>
#include <cmath>

namespace trustregion {
namespace {

constexpr int kBinsPerDecade = 2;
constexpr int kBins = 12;

}  // namespace

UpdateDiagnostics diagnose(Problem& problem, std::span<const double> parameters,
                           NumberSpan advantages) {
  std::vector<RowComparison> rows(problem.rows());
  problem.compareRows(parameters, rows);

  UpdateDiagnostics result;
  double largestKl = 0;
  for (const RowComparison& row : rows) largestKl = std::max(largestKl, row.kl);
  // Edges at round powers, the highest just above the largest KL; of a policy that did not move,
  // around 1.
  const double top =
      largestKl > 0 ? std::floor(kBinsPerDecade * std::log10(largestKl)) + 1 : kBinsPerDecade;
  for (int i = 0; i <= kBins; i++) {
    result.klEdges.push_back(std::pow(10, (top - kBins + i) / kBinsPerDecade));
  }
  result.klCounts.resize(kBins);
  for (const RowComparison& row : rows) {
    const auto bin = std::upper_bound(result.klEdges.begin(), result.klEdges.end(), row.kl) -
                     result.klEdges.begin() - 1;
    result.klCounts[static_cast<size_t>(std::clamp<ptrdiff_t>(bin, 0, kBins - 1))]++;
  }

  double sum = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    result.largestAdvantage = std::max(result.largestAdvantage, std::abs(advantages[i]));
    sum += std::exp(rows[i].logRatio) * advantages[i];
  }
  result.meanRatioAdvantage = sum / static_cast<double>(rows.size());
  return result;
}

}  // namespace trustregion
