#include "binding/batch_arguments.h"

namespace trustregion::binding {

BatchArrays::BatchArrays(napi_env env, napi_value batch) {
  const Options options(env, batch, "batch");
  observations = options.value("observations");
  actions = options.value("actions");
  advantages = options.value("advantages");
}

RolloutView viewOf(napi_env env, const BatchArrays& arrays) {
  RolloutView rollout;
  rollout.observations = readFloats(env, arrays.observations, "observations");
  rollout.actions = readNumbers(env, arrays.actions, "actions");
  rollout.advantages = readFloats(env, arrays.advantages, "advantages");
  return rollout;
}

void requireActions(const Policy& policy, const NumberSpan& actions, size_t rows) {
  requireLength(actions.size(), rows * policy.model().distribution.actionSize(), "actions",
                "rows x values of an action");
}

void requireAdvantages(const NumberSpan& advantages, size_t rows) {
  requireLength(advantages.size(), rows, "advantages", "rows");
}

std::vector<double> copyParameters(const Policy& policy, const NumberSpan& parameters) {
  requireLength(parameters.size(), policy.model().parameterCount(), "parameters", "parameterCount");
  std::vector<double> copy(parameters.size());
  parameters.copyTo(copy.data());
  return copy;
}

}  // namespace trustregion::binding
