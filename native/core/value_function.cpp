#include "core/value_function.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/advantages.h"
#include "core/error.h"
#include "core/initialization.h"
#include "core/saved_state.h"
#include "core/thread_pool.h"

namespace trustregion {
namespace {

constexpr uint64_t kInitializationStream = 3;
constexpr uint64_t kShufflingStream = 4;
constexpr size_t kPredictionRows = 512;  // of a task

struct Affine {
  double mean;
  double std;
};

// Mean and standard deviation of the targets so far; the identity before there are any.
Affine targetScale(const RunningNormalizer& targets) {
  const ObservationScaling scaling = targets.scaling();
  if (scaling.isIdentity()) return {0, 1};
  return {scaling.mean[0], 1 / scaling.inverseStd[0]};
}

// Rescales the last layer so that newMean + newStd (W'h + b') = oldMean + oldStd (W h + b).
void preserveOutputs(const MlpLayout& layout, Affine before, Affine after,
                     std::span<double> parameters) {
  const LayerLayout& last = layout.layers().back();
  const double ratio = before.std / after.std;
  for (size_t i = 0; i < last.inputs; i++) parameters[last.weightOffset + i] *= ratio;
  double& bias = parameters[last.biasOffset];
  bias = (before.mean - after.mean) / after.std + ratio * bias;
}

// Without the snapshot, which follows from it.
void passState(SavedState& saved, ValueFunctionState& state, std::span<double> parameters) {
  saved.pass(parameters);
  saved.pass(state.observations);
  saved.pass(state.targets);
  saved.pass(state.adam);
  saved.pass(state.shuffling);
  saved.pass(state.damping, 0);
}

double meanSquaredErrorHalf(std::span<const double> values, std::span<const double> targets) {
  double sum = 0;
  for (size_t i = 0; i < values.size(); i++) {
    sum += (values[i] - targets[i]) * (values[i] - targets[i]);
  }
  return 0.5 * sum / static_cast<double>(values.size());
}

}  // namespace

ValueFunction::ValueFunction(const ValueFunctionConfig& config)
    : config_(config),
      layout_(config.observationSize, config.hidden, 1, config.activation),
      backend_(&findBackend(config.backend)),
      threads_(config.threads == 0 ? defaultThreads() : config.threads),
      state_{nullptr, RunningNormalizer(config.observationSize, config.observationClip),
             // Targets are never clipped.
             RunningNormalizer(1, HUGE_VAL), Adam(layout_.parameterCount()),
             Random(config.seed, kShufflingStream), 0} {
  std::vector<double> parameters(layout_.parameterCount());
  Random random(config.seed, kInitializationStream);
  initializeOrthogonal(layout_, 1, random, parameters);
  backend_->roundParameters(parameters);
  state_.snapshot = makeSnapshot(0, std::move(parameters), {}, 0, 1);
  workspace_ = state_.snapshot->network->makeWorkspace();
}

size_t ValueFunction::memoryBytes() const {
  // float64 parameters, two Adam moments and the packed network.
  return 5 * sizeof(double) * layout_.parameterCount();
}

std::shared_ptr<const ValueSnapshot> ValueFunction::makeSnapshot(uint64_t version,
                                                                 std::vector<double> parameters,
                                                                 const ObservationScaling& scaling,
                                                                 double targetMean,
                                                                 double targetStd) const {
  auto snapshot = std::make_shared<ValueSnapshot>();
  snapshot->version = version;
  snapshot->parameters = std::move(parameters);
  snapshot->scaling = scaling;
  snapshot->targetMean = targetMean;
  snapshot->targetStd = targetStd;
  snapshot->network = backend_->makeNetwork(layout_, snapshot->parameters);
  return snapshot;
}

void ValueFunction::predictWith(const ValueSnapshot& snapshot, NumberSpan observations,
                                double* values, Network::Workspace& workspace) const {
  const size_t rows = observations.size() / layout_.inputs();
  snapshot.network->forward(observations, rows, snapshot.scaling, values, workspace);
  for (size_t row = 0; row < rows; row++) {
    values[row] = snapshot.targetMean + snapshot.targetStd * values[row];
  }
}

std::vector<double> ValueFunction::predictions(const ValueSnapshot& snapshot,
                                               NumberSpan observations) const {
  const size_t size = layout_.inputs();
  const size_t rows = observations.size() / size;
  const size_t tasks = (rows + kPredictionRows - 1) / kPredictionRows;
  std::vector<double> values(rows);
  std::vector<std::unique_ptr<Network::Workspace>> workspaces(std::min<size_t>(threads_, tasks));
  for (auto& workspace : workspaces) workspace = snapshot.network->makeWorkspace();
  parallelFor(tasks, threads_, [&](size_t task, unsigned worker) {
    const size_t first = task * kPredictionRows;
    const size_t count = std::min(kPredictionRows, rows - first);
    predictWith(snapshot, observations.subspan(first * size, count * size), values.data() + first,
                *workspaces[worker]);
  });
  return values;
}

void ValueFunction::predict(NumberSpan observations, double* values) {
  observations.countRows("observations", layout_.inputs());
  observations.requireFinite("observations");
  predictWith(*state_.snapshot, observations, values, *workspace_);
}

void ValueFunction::setParameters(NumberSpan parameters) {
  parameters.requireSize("parameters", layout_.parameterCount(), "parameterCount");
  std::vector<double> values(parameters.size());
  parameters.copyTo(values.data());
  backend_->roundParameters(values);
  NumberSpan(values.data(), values.size()).requireFinite("parameters");
  const ValueSnapshot& old = *state_.snapshot;
  state_.snapshot =
      makeSnapshot(old.version + 1, std::move(values), old.scaling, old.targetMean, old.targetStd);
}

std::vector<double> ValueFunction::savedState() const {
  SavedState saved;
  ValueFunctionState state = state_;
  std::vector<double> parameters = state_.snapshot->parameters;
  passState(saved, state, parameters);
  return saved.take();
}

void ValueFunction::restoreState(std::span<const double> numbers) {
  NumberSpan(numbers.data(), numbers.size())
      .requireSize("state", savedState().size(), "that of its own state");
  SavedState saved(numbers);
  ValueFunctionState state = state_;
  std::vector<double> parameters(layout_.parameterCount());
  passState(saved, state, parameters);
  backend_->roundParameters(parameters);
  NumberSpan(parameters.data(), parameters.size()).requireFinite("state");
  const Affine target = config_.normalizeTargets ? targetScale(state.targets) : Affine{0, 1};
  const ObservationScaling scaling =
      config_.normalizeObservations ? state.observations.scaling() : ObservationScaling{};
  state.snapshot = makeSnapshot(state_.snapshot->version + 1, std::move(parameters), scaling,
                                target.mean, target.std);
  publish(std::move(state));
}

int64_t ValueFunction::fitByAdam(ValueFunctionState& state, const LeastSquares& problem,
                                 const FitOptions& options, std::span<double> parameters) const {
  const size_t rows = problem.targets.size();
  const auto regression = backend_->makeRegressionProblem(
      layout_, problem.observations, problem.targets, rows, problem.scaling, threads_);
  std::vector<uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0U);
  int64_t minibatches = 0;
  int epochs = 0;
  size_t first = rows;  // of the next minibatch, within the epoch
  const auto next = [&]() -> std::span<const uint32_t> {
    if (first == rows) {
      if (epochs == options.epochs) return {};
      state.shuffling.shuffle(std::span(order));
      epochs++;
      first = 0;
    }
    const size_t count = std::min(options.minibatchSize, rows - first);
    first += count;
    minibatches++;
    return std::span(order).subspan(first - count, count);
  };
  regression->descend(next, std::min(options.minibatchSize, rows), options.learningRate, state.adam,
                      parameters);
  return minibatches;
}

FitSummary ValueFunction::computeFit(ValueFunctionState& state, NumberSpan observations,
                                     NumberSpan targets, const FitOptions& options) const {
  const auto start = std::chrono::steady_clock::now();
  const size_t rows = targets.size();
  if (rows == 0) throw Error(ErrorCode::outOfRange, "a fit needs at least one row, got 0");
  observations.requireSize("observations", rows * layout_.inputs(), "rows x observationSize");
  observations.requireFinite("observations");
  targets.requireFinite("targets");

  std::vector<double> wanted(rows);
  targets.copyTo(wanted.data());
  FitSummary summary;
  const ValueSnapshot& old = *state.snapshot;
  std::vector<double> values = predictions(old, observations);
  summary.lossBefore = meanSquaredErrorHalf(values, wanted);
  summary.explainedVarianceBefore = explainedVariance({values.data(), rows}, {wanted.data(), rows});

  std::vector<double> parameters = old.parameters;
  ObservationScaling scaling = old.scaling;
  Affine target{old.targetMean, old.targetStd};
  if (config_.normalizeObservations) {
    state.observations.update(observations, rows);
    scaling = state.observations.scaling();
  }
  if (config_.normalizeTargets) {
    // The first targets tell what unit an untrained network answers in; from then on its answers
    // are kept.
    const bool isFirst = state.targets.count() == 0;
    state.targets.update(targets, rows);
    const Affine moved = targetScale(state.targets);
    if (!isFirst) preserveOutputs(layout_, target, moved, parameters);
    target = moved;
  }

  std::vector<double> scaledTargets(rows);
  for (size_t i = 0; i < rows; i++) scaledTargets[i] = (wanted[i] - target.mean) / target.std;
  const LeastSquares problem{layout_, observations, scaledTargets, scaling};
  summary.solver = options.solver;
  if (options.solver == FitSolver::gaussNewton) {
    summary.gaussNewton =
        gaussNewton(problem, *backend_, options.gaussNewton, state.damping, threads_, parameters);
    state.damping = summary.gaussNewton.damping;
  } else {
    summary.minibatches = fitByAdam(state, problem, options, parameters);
  }
  backend_->roundParameters(parameters);
  NumberSpan(parameters.data(), parameters.size()).requireFinite("parameters after the fit");
  // A squared gradient beyond float32 would stop its parameter, silently and for good.
  const std::span<const double> squares = state.adam.square();
  NumberSpan(squares.data(), squares.size()).requireFinite("squared gradients of the fit");

  state.snapshot =
      makeSnapshot(old.version + 1, std::move(parameters), scaling, target.mean, target.std);
  values = predictions(*state.snapshot, observations);
  summary.lossAfter = meanSquaredErrorHalf(values, wanted);
  summary.explainedVarianceAfter = explainedVariance({values.data(), rows}, {wanted.data(), rows});
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

}  // namespace trustregion
