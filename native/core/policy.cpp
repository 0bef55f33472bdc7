#include "core/policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/advantages.h"
#include "core/diagnostics.h"
#include "core/error.h"
#include "core/initialization.h"
#include "core/log_std_bound.h"
#include "core/stopwatch.h"
#include "core/thread_pool.h"

namespace trustregion {
namespace {

// Streams of one seed, so that initialisation and sampling share nothing.
constexpr uint64_t kInitializationStream = 1;
constexpr uint64_t kSamplingStream = 2;

Distribution makeDistribution(const PolicyConfig& config) {
  switch (config.distribution) {
    case DistributionKind::categorical:
      return Distribution::categorical(config.actionCounts);
    case DistributionKind::bernoulli:
      return Distribution::bernoulli(config.actionCounts.at(0));
    case DistributionKind::gaussian:
      break;
  }
  return Distribution::gaussian(config.actionCounts.at(0));
}

PolicyModel makeModel(const PolicyConfig& config) {
  Distribution distribution = makeDistribution(config);
  MlpLayout network(config.observationSize, config.hidden, distribution.headSize(),
                    config.activation);
  return {std::move(network), std::move(distribution)};
}

}  // namespace

Policy::Policy(const PolicyConfig& config)
    : model_(makeModel(config)),
      backend_(&findBackend(config.backend)),
      threads_(config.threads == 0 ? defaultThreads() : config.threads),
      memoryBudget_(config.memoryBudget),
      normalizer_(config.observationSize, config.observationClip),
      sampling_(config.seed, kSamplingStream) {
  model_.minLogStd = config.minLogStd;
  backend_->roundParameters({&model_.minLogStd, 1});
  std::vector<double> parameters(model_.parameterCount(), config.initialLogStd);
  Random random(config.seed, kInitializationStream);
  initializeOrthogonal(model_.network, config.outputGain, random, parameters);
  backend_->roundParameters(parameters);
  snapshot_ = makeSnapshot(0, std::move(parameters), normalizer_.scaling());
  workspace_ = snapshot_->network->makeWorkspace();
}

size_t Policy::memoryBytes() const {
  // The float64 parameters and the backend's packed copies of about twice their size.
  return 3 * sizeof(double) * model_.parameterCount();
}

std::shared_ptr<PolicySnapshot> Policy::makeSnapshot(uint64_t version,
                                                     std::vector<double> parameters,
                                                     const ObservationScaling& scaling) const {
  auto snapshot = std::make_shared<PolicySnapshot>();
  snapshot->version = version;
  snapshot->parameters = std::move(parameters);
  snapshot->scaling = scaling;
  snapshot->network = backend_->makeNetwork(model_.network, snapshot->parameters);
  return snapshot;
}

void Policy::setParameters(NumberSpan parameters) {
  parameters.requireSize("parameters", model_.parameterCount(), "parameterCount");
  parameters.requireFinite("parameters");
  std::vector<double> values(parameters.size());
  parameters.copyTo(values.data());
  backend_->roundParameters(values);
  NumberSpan(values.data(), values.size()).requireFinite("parameters");
  requireLogStd(model_, values);
  snapshot_ = makeSnapshot(snapshot_->version + 1, std::move(values), snapshot_->scaling);
}

void Policy::updateNormalizer(NumberSpan observations) {
  const size_t rows = observations.countRows("observations", model_.observationSize());
  observations.requireFinite("observations");
  normalizer_.update(observations, rows);
  snapshot_ = makeSnapshot(snapshot_->version + 1, snapshot_->parameters, normalizer_.scaling());
}

void Policy::restoreNormalizer(double count, const double* mean, const double* squaredDeviations) {
  normalizer_.restore(count, mean, squaredDeviations);
  snapshot_ = makeSnapshot(snapshot_->version + 1, snapshot_->parameters, normalizer_.scaling());
}

const double* Policy::logStd() const {
  return snapshot_->parameters.data() + model_.logStdOffset();
}

void Policy::seedSampling(uint64_t seed) { sampling_ = Random(seed, kSamplingStream); }

size_t Policy::requireObservations(NumberSpan observations) const {
  const size_t rows = observations.countRows("observations", model_.observationSize());
  // Scaled observations are clipped into range.
  if (backend_->precision() == "float32" && snapshot_->scaling.isIdentity()) {
    observations.requireFiniteFloat32("observations");
  } else {
    observations.requireFinite("observations");
  }
  return rows;
}

void Policy::forward(NumberSpan observations, double* head) {
  const size_t rows = requireObservations(observations);
  snapshot_->network->forward(observations, rows, snapshot_->scaling, head, *workspace_);
}

void Policy::act(NumberSpan observations, size_t rows, bool deterministic, double* actions) {
  const Distribution& distribution = model_.distribution;
  observations.requireSize("observations", rows * model_.observationSize(),
                           "rows x observationSize");
  head_.resize(std::max(head_.size(), rows * distribution.headSize()));
  forward(observations, head_.data());
  for (size_t row = 0; row < rows; row++) {
    const double* head = head_.data() + row * distribution.headSize();
    double* action = actions + row * distribution.actionSize();
    if (deterministic) {
      distribution.mode(head, action);
    } else {
      distribution.sample(head, logStd(), sampling_, action);
    }
  }
}

void Policy::logProbability(NumberSpan observations, NumberSpan actions, double* out) {
  const Distribution& distribution = model_.distribution;
  const size_t rows = requireObservations(observations);
  actions.requireSize("actions", rows * distribution.actionSize(), "rows x values of an action");
  actions.requireFinite("actions");
  std::vector<double> head(rows * distribution.headSize());
  forward(observations, head.data());
  std::vector<double> values(actions.size());
  actions.copyTo(values.data());
  for (size_t row = 0; row < rows; row++) {
    const double* action = values.data() + row * distribution.actionSize();
    distribution.requireValidAction(action, row * distribution.actionSize());
    out[row] =
        distribution.logProbability(head.data() + row * distribution.headSize(), logStd(), action);
  }
}

void Policy::entropy(NumberSpan observations, double* out) {
  const Distribution& distribution = model_.distribution;
  const size_t rows = requireObservations(observations);
  std::vector<double> head(rows * distribution.headSize());
  forward(observations, head.data());
  for (size_t row = 0; row < rows; row++) {
    out[row] = distribution.entropy(head.data() + row * distribution.headSize(), logStd());
  }
}

std::unique_ptr<Problem> Policy::makeProblem(const PolicySnapshot& snapshot,
                                             const RolloutView& rollout) const {
  return backend_->makeProblem(model_, snapshot.parameters, snapshot.scaling, rollout,
                               {threads_, memoryBudget_});
}

namespace {

// Every n-th row so that about `fraction` of them are left, spread evenly over the batch.
struct RowSample {
  std::vector<double> observations;
  std::vector<double> actions;
  RolloutView view;
};

RowSample sampleRows(const PolicyModel& model, const RolloutView& rollout, double fraction) {
  RowSample sample;
  const double rows = static_cast<double>(rollout.rows);
  const auto count = static_cast<size_t>(std::max(1.0, std::round(fraction * rows)));
  const auto copyRow = [](const NumberSpan& from, size_t row, size_t size,
                          std::vector<double>& to) {
    if (from.empty()) return;  // no actions
    for (size_t i = 0; i < size; i++) to.push_back(from[row * size + i]);
  };
  for (size_t i = 0; i < count; i++) {
    const size_t row = i * rollout.rows / count;
    copyRow(rollout.observations, row, model.observationSize(), sample.observations);
    copyRow(rollout.actions, row, model.distribution.actionSize(), sample.actions);
  }
  sample.view.rows = count;
  sample.view.observations = NumberSpan(sample.observations.data(), sample.observations.size());
  sample.view.actions = NumberSpan(sample.actions.data(), sample.actions.size());
  return sample;
}

}  // namespace

NaturalDirection Policy::naturalDirection(const PolicySnapshot& snapshot,
                                          const RolloutView& rollout,
                                          const NaturalDirectionOptions& options,
                                          std::vector<double> start, double& seconds) const {
  const std::unique_ptr<Problem> problem = makeProblem(snapshot, rollout);
  std::unique_ptr<Problem> sample;
  if (options.fisherFraction < 1) {
    sample = makeProblem(snapshot, sampleRows(model_, rollout, options.fisherFraction).view);
  }
  std::vector<double> gradient(model_.parameterCount());
  problem->surrogateGradient(gradient);
  NaturalDirectionState state;
  state.direction = std::move(start);
  const Stopwatch stopwatch;
  NaturalDirection direction = findNaturalDirection(sample ? *sample : *problem, model_, gradient,
                                                    rollout.rows, options, state);
  seconds = stopwatch.seconds();
  return direction;
}

UpdateResult Policy::computeUpdate(const PolicySnapshot& snapshot,
                                   const UpdateRequest& request) const {
  const Stopwatch stopwatch;
  RolloutView rollout = request.rollout;
  rollout.advantages.requireFinite("advantages");
  std::vector<double> advantages(rollout.advantages.size());
  rollout.advantages.copyTo(advantages.data());
  if (request.normalizeAdvantages) normalizeAdvantages(advantages);
  rollout.advantages = NumberSpan(advantages.data(), advantages.size());
  const std::unique_ptr<Problem> problem = makeProblem(snapshot, rollout);
  std::unique_ptr<Problem> fisherProblem;
  if (const double fraction = fisherFractionOf(request.options); fraction < 1) {
    fisherProblem = makeProblem(snapshot, sampleRows(model_, rollout, fraction).view);
  }
  const double prepared = stopwatch.seconds();

  std::vector<double> parameters(snapshot.parameters.size());
  UpdateResult result;
  result.state = request.state;
  const UpdateContext context{model_, *backend_, snapshot.parameters, *problem,
                              fisherProblem ? *fisherProblem : *problem};
  result.summary = methodStep(context, request.options, result.state, parameters);
  const bool accepted = result.summary.status == UpdateStatus::accepted;
  if (request.diagnostics) {
    result.summary.hasDiagnostics = true;
    result.summary.diagnostics =
        diagnose(*problem, accepted ? parameters : snapshot.parameters, request.rollout.advantages);
  }
  if (accepted) {
    result.snapshot = makeSnapshot(snapshot.version + 1, std::move(parameters), snapshot.scaling);
  }
  result.summary.timing.prepare = prepared;
  result.summary.timing.total = stopwatch.seconds();
  return result;
}

}  // namespace trustregion
