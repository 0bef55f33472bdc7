#include "core/ppo.h"

#include <algorithm>
#include <numeric>

#include "core/candidate_step.h"
#include "core/log_std_bound.h"
#include "core/stopwatch.h"
#include "core/vector_operations.h"

namespace trustregion {
namespace {

constexpr uint64_t kShufflingStream = 5;

// beta of the next update, by the KL that this one came to.
double adaptedPenalty(double penalty, double kl, double target) {
  if (kl > 1.5 * target) return 2 * penalty;
  if (kl < target / 1.5) return penalty / 2;
  return penalty;
}

// One pass over the batch in shuffled minibatches.
class Epoch {
 public:
  Epoch(const UpdateContext& context, const PpoOptions& options, const Objective& objective)
      : context_(context),
        options_(options),
        objective_(objective),
        order_(context.problem.rows()),
        gradient_(context.parameters.size()) {
    std::iota(order_.begin(), order_.end(), 0U);
  }

  // Returns the mean value of the objective over the pass.
  ObjectiveValue run(Random& random, Adam& adam, std::span<double> parameters, int& gradientSteps) {
    random.shuffle(std::span(order_));
    ObjectiveValue sum;
    for (size_t first = 0; first < order_.size(); first += options_.minibatchSize) {
      const size_t count = std::min(options_.minibatchSize, order_.size() - first);
      ObjectiveValue value = context_.problem.objectiveGradient(
          parameters, objective_, std::span(order_).subspan(first, count), gradient_);
      for (double& component : gradient_) component = -component;  // Adam minimises
      adam.step(gradient_, options_.learningRate, parameters);
      projectLogStd(context_.model, parameters);
      value.divideBy(static_cast<double>(order_.size()) / static_cast<double>(count));
      sum.add(value);
      gradientSteps++;
    }
    return sum;
  }

 private:
  const UpdateContext& context_;
  const PpoOptions& options_;
  const Objective& objective_;
  std::vector<uint32_t> order_;
  std::vector<double> gradient_;
};

}  // namespace

UpdateSummary ppoStep(const UpdateContext& context, const PpoOptions& options, MethodState& state,
                      std::span<double> newParameters) {
  UpdateSummary summary;
  const bool isClipped = options.variant == PpoVariant::clip;
  if (state.klPenalty < 0) state.klPenalty = options.initialKlPenalty;
  summary.klPenalty = isClipped ? 0 : state.klPenalty;
  UpdateStart start;
  summary.status = startUpdate(context, start, summary);
  const bool canMove = summary.status == UpdateStatus::accepted ||
                       (summary.status == UpdateStatus::zeroGradient && options.entropyBonus > 0);
  if (!canMove) return summary;

  const Stopwatch stopwatch;
  Objective objective;
  if (isClipped) {
    objective.clipRange = options.clipRange;
  } else {
    objective.klPenalty = state.klPenalty;
  }
  objective.entropyBonus = options.entropyBonus;
  Adam adam = state.adam ? *state.adam : Adam(context.parameters.size());
  Random random = state.shuffling ? *state.shuffling : Random(options.seed, kShufflingStream);
  Epoch epoch(context, options, objective);
  std::vector<double> parameters(context.parameters.begin(), context.parameters.end());
  // The end of the last epoch inside the limit. Adam's moments with it: those of an epoch that is
  // undone, or broke down, must not act on the next update.
  std::vector<double> kept = parameters;
  Adam keptAdam = adam;
  double kl = 0;
  while (summary.epochs < options.epochs) {
    const ObjectiveValue value = epoch.run(random, adam, parameters, summary.gradientSteps);
    if (!allFinite(parameters)) break;
    std::vector<double> rounded = parameters;
    context.backend.roundParameters(rounded);
    const Evaluation evaluation = context.problem.evaluate(rounded);
    if (!evaluation.finite) break;
    kl = evaluation.meanKl;
    const bool isInside = kl + evaluation.klUncertainty <= options.maxKl;
    if (!isInside && summary.epochs > 0) break;
    summary.epochs++;
    summary.clipFraction = value.clipFraction;
    kept = parameters;
    keptAdam = adam;
    if (!isInside) break;
  }
  summary.timing.solve = stopwatch.seconds();
  if (summary.epochs == 0) {
    summary.status = UpdateStatus::notFinite;
    return summary;
  }
  acceptWithinLimit(context, start, kept, options.maxKl, summary, newParameters);
  if (!isClipped) {
    state.klPenalty = adaptedPenalty(state.klPenalty, kl, options.targetKl);
    summary.klPenalty = state.klPenalty;
  }
  if (summary.status == UpdateStatus::accepted) {
    state.adam = std::make_shared<const Adam>(std::move(keptAdam));
  }
  state.shuffling = std::make_shared<const Random>(random);
  return summary;
}

}  // namespace trustregion
