#pragma once

#include "core/aligned_memory.h"
#include "core/backend.h"

namespace trustregion {

// The checked private copy of a rollout's actions and advantages that a problem keeps: the caller
// may change his arrays afterwards without harm. Observations are checked here and copied by each
// backend into its own layout.
struct RolloutCopy {
  RolloutCopy(const PolicyModel& model, const RolloutView& rollout);

  bool hasActions() const { return !actions.empty(); }
  bool hasAdvantages() const { return !advantages.empty(); }
  // Throw unless there are the actions (and advantages) that scores and gradients need.
  void requireActions() const;
  void requireActionsAndAdvantages() const;

  AlignedDoubles actions;     // [rows x actionSize] or empty
  AlignedDoubles advantages;  // [rows] or empty
};

}  // namespace trustregion
