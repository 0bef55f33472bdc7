#pragma once

#include <cstdint>

#include "core/method.h"

namespace trustregion {

enum class PpoVariant { clip, klPenalty };

struct PpoOptions {
  PpoVariant variant = PpoVariant::clip;
  double clipRange = 0.2;       // of the clipped variant
  double targetKl = 0.01;       // of the penalised variant
  double initialKlPenalty = 1;  // beta of the penalised variant
  int epochs = 10;
  size_t minibatchSize = 64;
  double learningRate = 3e-4;  // of Adam
  double entropyBonus = 0;
  // The epochs end before one that leaves mean KL <= maxKl; infinite: never.
  double maxKl = 0.02;
  uint64_t seed = 0;  // of the minibatches
};

// Proximal policy optimisation (Schulman et al. 2017): epochs of minibatch Adam on the clipped
// surrogate, or on the surrogate less beta mean KL, where beta is doubled when the KL came out
// above 1.5 targetKl and halved when it came out below targetKl / 1.5 (section 4 of the paper).
//
// The KL of the whole batch is taken after every epoch. The first epoch that leaves the limit is
// undone, or shortened to the limit if it was the very first.
UpdateSummary ppoStep(const UpdateContext& context, const PpoOptions& options, MethodState& state,
                      std::span<double> newParameters);

}  // namespace trustregion
