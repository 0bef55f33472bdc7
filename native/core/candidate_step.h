#pragma once

#include <limits>
#include <vector>

#include "core/method.h"

namespace trustregion {

// What every method knows before it steps: where it is, and the policy gradient.
struct UpdateStart {
  Evaluation evaluation;
  std::vector<double> gradient;  // g, without what would take logStd out of its bound
};

// Evaluates the batch and its gradient at theta and fills in the summary's part of it. The status
// is `accepted` where the method may go on, else why it cannot.
UpdateStatus startUpdate(const UpdateContext& context, UpdateStart& start, UpdateSummary& summary);

// Candidates theta + fraction d along a displacement d, brought back to logStd >= minLogStd and
// rounded to what the backend can hold, so that the parameters that are evaluated are the very bits
// that are returned.
class CandidateStep {
 public:
  // d = scale direction; wholeImprovement = g'd
  CandidateStep(const UpdateContext& context, std::span<const double> gradient,
                std::span<const double> direction, double scale, double wholeImprovement);

  // Moves to a fraction of the displacement. Where rounding leaves it open on which side of `maxKl`
  // the mean KL is, or may, of `maxRowKl` and the largest KL of a row, the batch is evaluated again
  // in float64.
  Evaluation evaluate(double fraction, double maxKl,
                      double maxRowKl = std::numeric_limits<double>::infinity());
  // The candidate that was evaluated last.
  std::span<const double> parameters() const { return candidate_; }
  // g'(candidate - theta), up to rounding.
  double expectedImprovement() const { return expectedImprovement_; }

 private:
  const UpdateContext& context_;
  std::span<const double> gradient_;
  std::span<const double> direction_;
  double scale_;
  double wholeImprovement_;
  double expectedImprovement_ = 0;
  std::vector<double> candidate_;
};

// Takes scale times a direction whatever the KL becomes, unless something is not finite: the
// methods that check nothing. Reads summary.stepScale, sets the summary's status.
void takeWholeStep(const UpdateContext& context, const UpdateStart& start,
                   std::span<const double> direction, UpdateSummary& summary,
                   std::span<double> newParameters);

// Fills in what an accepted step did and copies its parameters out.
void acceptStep(const UpdateContext& context, std::span<const double> accepted,
                const Evaluation& evaluation, UpdateSummary& summary,
                std::span<double> newParameters);

// Accepts the end of a displacement that some inner optimisation made, or as much of it as stays
// inside mean KL <= maxKl (infinite: all of it). Sets the summary's status.
void acceptWithinLimit(const UpdateContext& context, const UpdateStart& start,
                       std::span<const double> end, double maxKl, UpdateSummary& summary,
                       std::span<double> newParameters);

}  // namespace trustregion
