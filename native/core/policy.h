#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/memory_reserve.h"
#include "core/normalizer.h"
#include "core/policy_model.h"
#include "core/random.h"
#include "core/update.h"

namespace trustregion {

struct PolicyConfig {
  size_t observationSize = 0;
  std::vector<size_t> hidden;
  Activation activation = Activation::tanh;
  DistributionKind distribution = DistributionKind::gaussian;
  std::vector<size_t> actionCounts;  // {size} (gaussian, bernoulli) or categories of each factor
  double initialLogStd = 0;
  double minLogStd = -std::numeric_limits<double>::infinity();
  double outputGain = 0.01;
  uint64_t seed = 0;
  std::string backend;                                    // "" as findBackend says
  unsigned threads = 0;                                   // 0: the process-wide default
  size_t memoryBudget = Resources::kDefaultMemoryBudget;  // bytes, of each problem
  double observationClip = 10;
};

// One immutable version of a policy. Acting, evaluating and updating all read a snapshot; an
// update makes a new one. The snapshot keeps the observation scaling frozen with the parameters.
struct PolicySnapshot {
  uint64_t version = 0;
  std::vector<double> parameters;  // representable in the backend's precision
  ObservationScaling scaling;
  std::unique_ptr<const Network> network;
};

// The batch of an update or evaluation, as the caller has it.
struct UpdateRequest {
  RolloutView rollout;
  bool normalizeAdvantages = true;
  bool diagnostics = false;
  MethodOptions options;
  MethodState state;  // what the method's last update left
};

struct UpdateResult {
  UpdateSummary summary;
  std::shared_ptr<const PolicySnapshot> snapshot;  // null unless accepted
  MethodState state;                               // to keep for the next update
};

// A stochastic policy: a network, its action distribution and an observation normaliser. Methods
// marked const may run beside each other on any threads as long as each uses its own workspace or
// snapshot; the others belong to the owner's thread.
class Policy {
 public:
  explicit Policy(const PolicyConfig& config);

  const PolicyModel& model() const { return model_; }
  const Backend& backend() const { return *backend_; }
  unsigned threads() const { return threads_; }
  const RunningNormalizer& normalizer() const { return normalizer_; }
  std::shared_ptr<const PolicySnapshot> snapshot() const { return snapshot_; }
  size_t memoryBytes() const;

  // Each of these makes a new version.
  void setParameters(NumberSpan parameters);
  void updateNormalizer(NumberSpan observations);
  void restoreNormalizer(double count, const double* mean, const double* squaredDeviations);
  void publish(std::shared_ptr<const PolicySnapshot> snapshot) { snapshot_ = std::move(snapshot); }

  // Samples (or takes the mode of) pi(. | observation) for `rows` observations; actions
  // [rows x actionSize]. No allocation after the first call with as many rows.
  void act(NumberSpan observations, size_t rows, bool deterministic, double* actions);
  void seedSampling(uint64_t seed);

  // Head outputs [rows x headSize], log pi(a|s) [rows], entropy [rows] of the current snapshot.
  void forward(NumberSpan observations, double* head);
  void logProbability(NumberSpan observations, NumberSpan actions, double* out);
  void entropy(NumberSpan observations, double* out);

  // A batch held at a snapshot's parameters.
  std::unique_ptr<Problem> makeProblem(const PolicySnapshot& snapshot,
                                       const RolloutView& rollout) const;

  // x = (F + damping I)^-1 g of a batch with actions and advantages, started from an earlier
  // direction where options.warmStart is set and `start` is not empty. `seconds` receives the time
  // of the solve alone.
  NaturalDirection naturalDirection(const PolicySnapshot& snapshot, const RolloutView& rollout,
                                    const NaturalDirectionOptions& options,
                                    std::vector<double> start, double& seconds) const;

  // One update from `snapshot`; changes nothing here (publish() the result).
  UpdateResult computeUpdate(const PolicySnapshot& snapshot, const UpdateRequest& request) const;

 private:
  MemoryReserve::User memoryUser_;
  std::shared_ptr<PolicySnapshot> makeSnapshot(uint64_t version, std::vector<double> parameters,
                                               const ObservationScaling& scaling) const;
  const double* logStd() const;
  // Checks length and range; returns the number of rows.
  size_t requireObservations(NumberSpan observations) const;

  PolicyModel model_;
  const Backend* backend_;
  unsigned threads_;
  size_t memoryBudget_;
  RunningNormalizer normalizer_;
  Random sampling_;
  std::shared_ptr<const PolicySnapshot> snapshot_;
  std::unique_ptr<Network::Workspace> workspace_;
  std::vector<double> head_;
};

}  // namespace trustregion
