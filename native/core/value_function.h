#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/adam.h"
#include "core/backend.h"
#include "core/gauss_newton.h"
#include "core/memory_reserve.h"
#include "core/mlp_layout.h"
#include "core/normalizer.h"
#include "core/random.h"

namespace trustregion {

struct ValueFunctionConfig {
  size_t observationSize = 0;
  std::vector<size_t> hidden;
  Activation activation = Activation::tanh;
  uint64_t seed = 0;
  std::string backend;
  unsigned threads = 0;
  bool normalizeObservations = true;
  bool normalizeTargets = true;
  double observationClip = 10;
};

enum class FitSolver { adam, gaussNewton };

struct FitOptions {
  FitSolver solver = FitSolver::adam;
  int epochs = 10;  // of Adam, as the next two
  size_t minibatchSize = 128;
  double learningRate = 1e-3;
  GaussNewtonOptions gaussNewton = {};
};

struct FitSummary {
  double lossBefore = 0;  // mean of (V - target)^2 / 2, in units of the targets squared
  double lossAfter = 0;
  double explainedVarianceBefore = 0;  // of the targets, by the predictions
  double explainedVarianceAfter = 0;
  FitSolver solver = FitSolver::adam;
  int64_t minibatches = 0;         // gradient steps of Adam
  GaussNewtonSummary gaussNewton;  // zeros after Adam
  double seconds = 0;
};

// One immutable version of a value function; V(s) = targetMean + targetStd network(scaled s).
struct ValueSnapshot {
  uint64_t version = 0;
  std::vector<double> parameters;
  ObservationScaling scaling;
  double targetMean = 0;
  double targetStd = 1;
  std::unique_ptr<const Network> network;
};

// Everything that a fit changes; computed beside the live object and published at the end.
struct ValueFunctionState {
  std::shared_ptr<const ValueSnapshot> snapshot;
  RunningNormalizer observations;
  RunningNormalizer targets;  // of one feature
  Adam adam;
  Random shuffling;
  double damping = 0;  // where Gauss-Newton's last fit ended; 0 before the first
};

// A critic: an MLP with one output fitted to returns by minibatch Adam or by damped Gauss-Newton on
// the whole batch. Observations and targets
// are standardised by running statistics of everything fitted so far; when the statistics of the
// targets move, the last layer is rescaled so that predictions stay as they were (van Hasselt et
// al. 2016, "Learning values across many orders of magnitude", equation 4).
class ValueFunction {
 public:
  explicit ValueFunction(const ValueFunctionConfig& config);

  const MlpLayout& layout() const { return layout_; }
  const Backend& backend() const { return *backend_; }
  const ValueFunctionState& state() const { return state_; }
  void publish(ValueFunctionState state) { state_ = std::move(state); }
  size_t memoryBytes() const;

  // V(s) for each row, [rows].
  void predict(NumberSpan observations, double* values);
  void setParameters(NumberSpan parameters);

  // Everything that decides what it predicts and how fits go on, as numbers, and back: from a value
  // function of the same layout. Restoring throws what SavedState throws, and then changes nothing.
  std::vector<double> savedState() const;
  void restoreState(std::span<const double> numbers);

  // Minimises mean (V(s) - target)^2 / 2 from `state`; changes nothing here (publish() the result).
  FitSummary computeFit(ValueFunctionState& state, NumberSpan observations, NumberSpan targets,
                        const FitOptions& options) const;

 private:
  MemoryReserve::User memoryUser_;
  std::shared_ptr<const ValueSnapshot> makeSnapshot(uint64_t version,
                                                    std::vector<double> parameters,
                                                    const ObservationScaling& scaling,
                                                    double targetMean, double targetStd) const;
  // Passes of minibatches over the rows; returns their number.
  int64_t fitByAdam(ValueFunctionState& state, const LeastSquares& problem,
                    const FitOptions& options, std::span<double> parameters) const;
  // V of every row, by several threads.
  std::vector<double> predictions(const ValueSnapshot& snapshot, NumberSpan observations) const;
  void predictWith(const ValueSnapshot& snapshot, NumberSpan observations, double* values,
                   Network::Workspace& workspace) const;

  ValueFunctionConfig config_;
  MlpLayout layout_;
  const Backend* backend_;
  unsigned threads_;
  ValueFunctionState state_;
  std::unique_ptr<Network::Workspace> workspace_;
};

}  // namespace trustregion
