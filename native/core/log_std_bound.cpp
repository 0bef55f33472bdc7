#include "core/log_std_bound.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace trustregion {

void requireLogStd(const PolicyModel& model, std::span<const double> parameters) {
  for (size_t i = model.logStdOffset(); i < parameters.size(); i++) {
    if (parameters[i] >= model.minLogStd) continue;
    throw Error(ErrorCode::outOfRange,
                "parameters[" + std::to_string(i) + "], a logStd, must be at least minLogStd = " +
                    std::to_string(model.minLogStd) + ", got " + std::to_string(parameters[i]));
  }
}

double projectLogStd(const PolicyModel& model, std::span<double> parameters,
                     std::span<const double> gradient) {
  double change = 0;
  for (size_t i = model.logStdOffset(); i < parameters.size(); i++) {
    if (!(parameters[i] < model.minLogStd)) continue;  // NaN stays NaN
    if (!gradient.empty()) change += gradient[i] * (model.minLogStd - parameters[i]);
    parameters[i] = model.minLogStd;
  }
  return change;
}

void keepInside(const PolicyModel& model, std::span<const double> parameters,
                std::span<double> direction) {
  for (size_t i = model.logStdOffset(); i < model.parameterCount(); i++) {
    if (parameters[i] <= model.minLogStd) direction[i] = std::max(direction[i], 0.0);
  }
}

}  // namespace trustregion
