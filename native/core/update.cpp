#include "core/update.h"

namespace trustregion {
namespace {

// A visitor made of one function for each alternative.
template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace

UpdateSummary methodStep(const UpdateContext& context, const MethodOptions& options,
                         MethodState& state, std::span<double> newParameters) {
  return std::visit(
      Overloaded{
          [&](const VanillaPolicyGradientOptions& chosen) {
            return vanillaPolicyGradientStep(context, chosen, newParameters);
          },
          [&](const NaturalPolicyGradientOptions& chosen) {
            return naturalPolicyGradientStep(context, chosen, state, newParameters);
          },
          [&](const TrpoOptions& chosen) {
            return trpoStep(context, chosen, state, newParameters);
          },
          [&](const DualGradientDescentOptions& chosen) {
            return dualGradientDescentStep(context, chosen, state, newParameters);
          },
          [&](const PpoOptions& chosen) { return ppoStep(context, chosen, state, newParameters); },
      },
      options);
}

double fisherFractionOf(const MethodOptions& options) {
  if (const auto* natural = std::get_if<NaturalPolicyGradientOptions>(&options)) {
    return natural->naturalDirection.fisherFraction;
  }
  if (const auto* trpo = std::get_if<TrpoOptions>(&options)) {
    return trpo->naturalDirection.fisherFraction;
  }
  return 1;
}

}  // namespace trustregion
