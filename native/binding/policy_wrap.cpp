#include "binding/policy_wrap.h"

#include <utility>

#include "binding/batch_arguments.h"
#include "binding/fisher_operator_wrap.h"
#include "binding/method_options.h"
#include "binding/method_wrap.h"
#include "binding/options.h"
#include "binding/promise_job.h"
#include "binding/results.h"
#include "core/saved_state.h"

namespace trustregion::binding {

// One update on a thread of its own. It reads the snapshot of the moment it was started and works
// on a copy of the method's state, so acting goes on meanwhile and a failure changes nothing; the
// new snapshot and state are published when the Promise settles.
class PolicyWrap::UpdateJob : public PromiseJob {
 public:
  UpdateJob(PolicyWrap& owner, MethodWrap& method, UpdateRequest request, napi_env env,
            const BatchArrays& arrays)
      : PromiseJob(owner.Value()),
        owner_(owner),
        method_(method),
        methodReference_(Napi::Persistent(method.Value())),
        policy_(owner.policy_),
        snapshot_(owner.policy_->snapshot()),
        request_(std::move(request)),
        observations_(env, arrays.observations, request_.rollout.observations),
        actions_(env, arrays.actions, request_.rollout.actions),
        advantages_(env, arrays.advantages, request_.rollout.advantages) {
    request_.rollout.observations = observations_.span();
    request_.rollout.actions = actions_.span();
    request_.rollout.advantages = advantages_.span();
  }

 private:
  void run() override { result_ = policy_->computeUpdate(*snapshot_, request_); }

  void release() noexcept override {
    owner_.busy_ = false;
    method_.setBusy(false);
  }

  Napi::Value result(Napi::Env env) override {
    if (result_.snapshot) policy_->publish(result_.snapshot);
    method_.publish(env, policy_, std::move(result_.state));
    return toObject(env, result_.summary, policy_->snapshot()->version);
  }

  PolicyWrap& owner_;   // alive: PromiseJob references its JavaScript object
  MethodWrap& method_;  // alive by methodReference_
  const Napi::ObjectReference methodReference_;
  const std::shared_ptr<Policy> policy_;
  const std::shared_ptr<const PolicySnapshot> snapshot_;
  UpdateRequest request_;
  const HeldNumbers observations_;
  const HeldNumbers actions_;
  const HeldNumbers advantages_;
  UpdateResult result_;
};

Napi::Function PolicyWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {
                         getter<&PolicyWrap::backend>("backend"),
                         getter<&PolicyWrap::precision>("precision"),
                         getter<&PolicyWrap::productPrecision>("productPrecision"),
                         getter<&PolicyWrap::threads>("threads"),
                         getter<&PolicyWrap::parameterCount>("parameterCount"),
                         getter<&PolicyWrap::headSize>("headSize"),
                         getter<&PolicyWrap::version>("version"),
                         getter<&PolicyWrap::busy>("busy"),
                         getter<&PolicyWrap::closed>("closed"),
                         method<&PolicyWrap::getParameters>("getParameters"),
                         method<&PolicyWrap::setParameters>("setParameters"),
                         method<&PolicyWrap::getNormalizer>("getNormalizer"),
                         method<&PolicyWrap::setNormalizer>("setNormalizer"),
                         method<&PolicyWrap::updateNormalizer>("updateNormalizer"),
                         method<&PolicyWrap::act>("act"),
                         method<&PolicyWrap::seed>("seed"),
                         method<&PolicyWrap::forward>("forward"),
                         method<&PolicyWrap::logProbability>("logProbability"),
                         method<&PolicyWrap::entropy>("entropy"),
                         method<&PolicyWrap::gradient>("gradient"),
                         method<&PolicyWrap::evaluate>("evaluate"),
                         method<&PolicyWrap::objectiveGradient>("objectiveGradient"),
                         method<&PolicyWrap::naturalDirection>("naturalDirection"),
                         method<&PolicyWrap::compareRows>("compareRows"),
                         method<&PolicyWrap::fisherOperator>("fisherOperator"),
                         method<&PolicyWrap::update>("update"),
                         method<&PolicyWrap::getMethodState>("getMethodState"),
                         method<&PolicyWrap::setMethodState>("setMethodState"),
                         method<&PolicyWrap::close>("close"),
                     });
}

PolicyWrap::PolicyWrap(const Napi::CallbackInfo& info) : ClassWrap(info) {
  // On failure the exception is pending, so JavaScript never sees this half-made object.
  guarded(info.Env(), [&] {
    policy_ = std::make_shared<Policy>(readPolicyConfig(info.Env(), info[0]));
    memory_.report(info.Env(), policy_->memoryBytes());
    return nullptr;
  });
}

Policy& PolicyWrap::open() const {
  if (!policy_) throw Error(ErrorCode::closed, "the policy is closed");
  return *policy_;
}

void PolicyWrap::requireNotBusy() const {
  if (busy_) {
    throw Error(ErrorCode::busy, "the policy is busy: an update is running; await it first");
  }
}

Policy& PolicyWrap::idle() const {
  Policy& policy = open();
  requireNotBusy();
  return policy;
}

size_t PolicyWrap::rowsOf(const NumberSpan& observations) const {
  return countRows(observations, policy_->model().observationSize());
}

Napi::Value PolicyWrap::backend(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open().backend().name());
}

Napi::Value PolicyWrap::precision(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open().backend().precision());
}

Napi::Value PolicyWrap::productPrecision(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open().backend().productPrecision());
}

Napi::Value PolicyWrap::threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), open().threads());
}

Napi::Value PolicyWrap::parameterCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(open().model().parameterCount()));
}

Napi::Value PolicyWrap::headSize(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(open().model().distribution.headSize()));
}

Napi::Value PolicyWrap::version(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(open().snapshot()->version));
}

Napi::Value PolicyWrap::busy(const Napi::CallbackInfo& info) {
  open();
  return Napi::Boolean::New(info.Env(), busy_);
}

Napi::Value PolicyWrap::closed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), policy_ == nullptr);
}

void PolicyWrap::getParameters(const Napi::CallbackInfo& info) {
  const Policy& policy = open();
  const NumberOutput out = NumberOutput::ofFloats(info.Env(), info[0], "out");
  requireLength(out.size(), policy.model().parameterCount(), "out", "parameterCount");
  out.store(policy.snapshot()->parameters.data());
}

void PolicyWrap::setParameters(const Napi::CallbackInfo& info) {
  idle().setParameters(readFloats(info.Env(), info[0], "parameters"));
}

Napi::Value PolicyWrap::getNormalizer(const Napi::CallbackInfo& info) {
  return toObject(info.Env(), open().normalizer());
}

void PolicyWrap::setNormalizer(const Napi::CallbackInfo& info) {
  const Options state(info.Env(), info[0], "state");
  const double count = state.number("count");
  const napi_value meanArray = state.value("mean");
  const napi_value deviationsArray = state.value("squaredDeviations");
  Policy& policy = idle();
  const std::span<double> mean = readDoubles(info.Env(), meanArray, "state.mean");
  const std::span<double> deviations =
      readDoubles(info.Env(), deviationsArray, "state.squaredDeviations");
  const size_t size = policy.model().observationSize();
  requireLength(mean.size(), size, "state.mean", "observationSize");
  requireLength(deviations.size(), size, "state.squaredDeviations", "observationSize");
  policy.restoreNormalizer(count, mean.data(), deviations.data());
}

void PolicyWrap::updateNormalizer(const Napi::CallbackInfo& info) {
  Policy& policy = idle();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  rowsOf(observations);
  policy.updateNormalizer(observations);
}

void PolicyWrap::act(const Napi::CallbackInfo& info) {
  Policy& policy = open();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  const bool deterministic = readBoolean(info.Env(), info[1], "deterministic");
  const NumberOutput out(info.Env(), info[2], "out");
  const Distribution& distribution = policy.model().distribution;
  const size_t rows = rowsOf(observations);
  requireLength(out.size(), rows * distribution.actionSize(), "out", "rows x values of an action");
  if (out.isInteger() && distribution.kind() == DistributionKind::gaussian) {
    throw Error(ErrorCode::invalidArgument,
                "out must be a Float32Array or a Float64Array for continuous actions");
  }
  if (actions_.size() < out.size()) actions_.resize(out.size());
  policy.act(observations, rows, deterministic, actions_.data());
  out.store(actions_.data());
}

void PolicyWrap::seed(const Napi::CallbackInfo& info) {
  open().seedSampling(readCount(info.Env(), info[0], "seed", 0, kMaxSafeInteger));
}

void PolicyWrap::forward(const Napi::CallbackInfo& info) {
  Policy& policy = open();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  const std::span<double> out = readDoubles(info.Env(), info[1], "out");
  requireLength(out.size(), rowsOf(observations) * policy.model().distribution.headSize(), "out",
                "rows x headSize");
  policy.forward(observations, out.data());
}

void PolicyWrap::logProbability(const Napi::CallbackInfo& info) {
  Policy& policy = open();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  const NumberSpan actions = readNumbers(info.Env(), info[1], "actions");
  const std::span<double> out = readDoubles(info.Env(), info[2], "out");
  const size_t rows = rowsOf(observations);
  requireActions(policy, actions, rows);
  requireLength(out.size(), rows, "out", "rows");
  policy.logProbability(observations, actions, out.data());
}

void PolicyWrap::entropy(const Napi::CallbackInfo& info) {
  Policy& policy = open();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  const std::span<double> out = readDoubles(info.Env(), info[1], "out");
  requireLength(out.size(), rowsOf(observations), "out", "rows");
  policy.entropy(observations, out.data());
}

void PolicyWrap::gradient(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  const Policy& policy = open();
  RolloutView rollout = viewOf(info.Env(), arrays);
  const std::span<double> out = readDoubles(info.Env(), info[1], "out");
  rollout.rows = rowsOf(rollout.observations);
  requireActions(policy, rollout.actions, rollout.rows);
  requireAdvantages(rollout.advantages, rollout.rows);
  requireLength(out.size(), policy.model().parameterCount(), "out", "parameterCount");
  policy.makeProblem(*policy.snapshot(), rollout)->surrogateGradient(out);
}

Napi::Value PolicyWrap::evaluate(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  const Policy& policy = open();
  RolloutView rollout = viewOf(info.Env(), arrays);
  const NumberSpan parameters = readFloats(info.Env(), info[1], "parameters");
  rollout.rows = rowsOf(rollout.observations);
  if (!rollout.actions.empty()) requireActions(policy, rollout.actions, rollout.rows);
  if (!rollout.advantages.empty()) requireAdvantages(rollout.advantages, rollout.rows);
  const std::vector<double> candidate = copyParameters(policy, parameters);
  return toObject(info.Env(), policy.makeProblem(*policy.snapshot(), rollout)->evaluate(candidate));
}

Napi::Value PolicyWrap::objectiveGradient(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  const Objective objective = readObjective(Options(info.Env(), info[2], "objective"));
  const Policy& policy = open();
  RolloutView rollout = viewOf(info.Env(), arrays);
  const NumberSpan parameters = readFloats(info.Env(), info[1], "parameters");
  const std::span<double> out = readDoubles(info.Env(), info[3], "out");
  rollout.rows = rowsOf(rollout.observations);
  requireActions(policy, rollout.actions, rollout.rows);
  requireAdvantages(rollout.advantages, rollout.rows);
  requireLength(out.size(), policy.model().parameterCount(), "out", "parameterCount");
  const std::vector<double> candidate = copyParameters(policy, parameters);
  const std::unique_ptr<Problem> problem = policy.makeProblem(*policy.snapshot(), rollout);
  return toObject(info.Env(), problem->objectiveGradient(candidate, objective, {}, out));
}

Napi::Value PolicyWrap::naturalDirection(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  const NaturalDirectionOptions options =
      readNaturalDirectionOptions(Options(info.Env(), info[1], "options"));
  const Policy& policy = open();
  RolloutView rollout = viewOf(info.Env(), arrays);
  const NumberSpan start = readFloats(info.Env(), info[2], "start");
  const std::span<double> out = readDoubles(info.Env(), info[3], "out");
  rollout.rows = rowsOf(rollout.observations);
  requireActions(policy, rollout.actions, rollout.rows);
  requireAdvantages(rollout.advantages, rollout.rows);
  const size_t size = policy.model().parameterCount();
  if (!start.empty()) requireLength(start.size(), size, "start", "parameterCount");
  requireLength(out.size(), size, "out", "parameterCount");
  std::vector<double> from(start.size());
  start.copyTo(from.data());
  double seconds = 0;
  const NaturalDirection found =
      policy.naturalDirection(*policy.snapshot(), rollout, options, std::move(from), seconds);
  std::copy(found.direction.begin(), found.direction.end(), out.begin());
  return toObject(info.Env(), found, seconds);
}

Napi::Value PolicyWrap::compareRows(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  const Policy& policy = open();
  RolloutView rollout = viewOf(info.Env(), arrays);
  const NumberSpan parameters = readFloats(info.Env(), info[1], "parameters");
  rollout.rows = rowsOf(rollout.observations);
  requireActions(policy, rollout.actions, rollout.rows);
  rollout.advantages = {};  // not looked at
  const std::vector<double> candidate = copyParameters(policy, parameters);
  std::vector<RowComparison> comparisons(rollout.rows);
  policy.makeProblem(*policy.snapshot(), rollout)->compareRows(candidate, comparisons);
  return toObject(info.Env(), comparisons);
}

Napi::Value PolicyWrap::fisherOperator(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  const FisherEstimator estimator =
      fisherEstimatorFromName(readText(info.Env(), info[1], "estimator"), "estimator");
  const Policy& policy = open();
  RolloutView rollout = viewOf(info.Env(), arrays);
  rollout.rows = rowsOf(rollout.observations);
  rollout.advantages = {};  // not looked at
  if (estimator == FisherEstimator::empirical) {
    requireActions(policy, rollout.actions, rollout.rows);
  } else {
    rollout.actions = {};
  }
  return FisherOperatorWrap::make(info.Env(), policy_, rollout, estimator);
}

Napi::Value PolicyWrap::update(const Napi::CallbackInfo& info) {
  const BatchArrays arrays(info.Env(), info[0]);
  MethodWrap& method = MethodWrap::unwrapArgument(info.Env(), info[1], "method");
  const Policy& policy = idle();
  UpdateRequest request = method.makeRequest(policy, info.Env(), info[2]);
  request.rollout = viewOf(info.Env(), arrays);
  request.rollout.rows = rowsOf(request.rollout.observations);
  requireActions(policy, request.rollout.actions, request.rollout.rows);
  requireAdvantages(request.rollout.advantages, request.rollout.rows);

  const Napi::Value promise = PromiseJob::start(
      info.Env(),
      std::make_unique<UpdateJob>(*this, method, std::move(request), info.Env(), arrays));
  busy_ = true;
  method.setBusy(true);
  return promise;
}

Napi::Value PolicyWrap::getMethodState(const Napi::CallbackInfo& info) {
  const MethodWrap& method = MethodWrap::unwrapArgument(info.Env(), info[0], "method");
  MethodState state = method.makeRequest(open()).state;
  SavedState saved;
  saved.pass(state, policy_->model().parameterCount());
  return toFloat64Array(info.Env(), saved.take());
}

void PolicyWrap::setMethodState(const Napi::CallbackInfo& info) {
  MethodWrap& method = MethodWrap::unwrapArgument(info.Env(), info[0], "method");
  SavedState saved(readDoubles(info.Env(), info[1], "state"));
  method.makeRequest(open());  // throws where the method is busy, or another policy's
  MethodState state;
  saved.pass(state, policy_->model().parameterCount());
  saved.finish();
  method.publish(info.Env(), policy_, std::move(state));
}

void PolicyWrap::close(const Napi::CallbackInfo&) {
  requireNotBusy();
  policy_.reset();
  actions_ = {};
  memory_.release();
}

}  // namespace trustregion::binding
