#include "core/rollout_copy.h"

#include "core/error.h"

namespace trustregion {

RolloutCopy::RolloutCopy(const PolicyModel& model, const RolloutView& rollout) {
  const size_t rows = rollout.rows;
  if (rows == 0) throw Error(ErrorCode::outOfRange, "a batch must have at least one row, got 0");
  rollout.observations.requireSize("observations", rows * model.observationSize(),
                                   "rows x observationSize");
  rollout.observations.requireFinite("observations");
  if (!rollout.actions.empty()) {
    const size_t actionSize = model.distribution.actionSize();
    rollout.actions.requireSize("actions", rows * actionSize, "rows x values of an action");
    actions.resize(rollout.actions.size());
    rollout.actions.copyTo(actions.data());
    // On the copy: nothing the caller does from here on can make an index run out of range.
    NumberSpan(actions.data(), actions.size()).requireFinite("actions");
    for (size_t i = 0; i < actions.size(); i += actionSize) {
      model.distribution.requireValidAction(actions.data() + i, i);
    }
  }
  if (!rollout.advantages.empty()) {
    rollout.advantages.requireSize("advantages", rows, "rows");
    advantages.resize(rows);
    rollout.advantages.copyTo(advantages.data());
    NumberSpan(advantages.data(), rows).requireFinite("advantages");
  }
}

void RolloutCopy::requireActions() const {
  if (!hasActions()) {
    throw Error(ErrorCode::invalidArgument,
                "the empirical Fisher matrix needs a batch with actions");
  }
}

void RolloutCopy::requireActionsAndAdvantages() const {
  if (!hasActions() || !hasAdvantages()) {
    throw Error(ErrorCode::invalidArgument,
                "the surrogate gradient needs a batch with actions and advantages");
  }
}

}  // namespace trustregion
