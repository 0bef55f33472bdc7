#include "binding/fisher_operator_wrap.h"

#include <utility>

#include "binding/addon_data.h"
#include "binding/arguments.h"

namespace trustregion::binding {
namespace {

// About what a problem without actions holds: the inputs of every layer and the head, in float32.
size_t problemBytes(const PolicyModel& model, size_t rows) {
  size_t numbersOfRow = model.observationSize();
  for (const LayerLayout& layer : model.network.layers()) numbersOfRow += layer.outputs;
  return rows * numbersOfRow * sizeof(float);
}

}  // namespace

Napi::Function FisherOperatorWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {
                         getter<&FisherOperatorWrap::size>("size"),
                         method<&FisherOperatorWrap::apply>("apply"),
                         method<&FisherOperatorWrap::diagonal>("diagonal"),
                         method<&FisherOperatorWrap::close>("close"),
                     });
}

Napi::Value FisherOperatorWrap::make(Napi::Env env, std::shared_ptr<const Policy> policy,
                                     const RolloutView& rollout, FisherEstimator estimator) {
  std::shared_ptr<const PolicySnapshot> snapshot = policy->snapshot();
  std::unique_ptr<Problem> problem = policy->makeProblem(*snapshot, rollout);
  const Napi::Object object = AddonData::of(env).fisherOperator.New({});
  FisherOperatorWrap& wrap = unwrap(env, object);
  wrap.memory_.report(env, problemBytes(policy->model(), rollout.rows));
  wrap.vector_.resize(problem->parameterCount());
  wrap.policy_ = std::move(policy);
  wrap.snapshot_ = std::move(snapshot);
  wrap.problem_ = std::move(problem);
  wrap.estimator_ = estimator;
  return object;
}

Problem& FisherOperatorWrap::open() const {
  if (!problem_) throw Error(ErrorCode::closed, "the Fisher operator is closed");
  return *problem_;
}

Napi::Value FisherOperatorWrap::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(open().parameterCount()));
}

void FisherOperatorWrap::apply(const Napi::CallbackInfo& info) {
  Problem& problem = open();
  const NumberSpan vector = readFloats(info.Env(), info[0], "vector");
  const std::span<double> out = readDoubles(info.Env(), info[1], "out");
  requireLength(vector.size(), problem.parameterCount(), "vector", "size");
  requireLength(out.size(), problem.parameterCount(), "out", "size");
  vector.copyTo(vector_.data());
  problem.estimatedFisherProduct(estimator_, vector_, out);
}

void FisherOperatorWrap::diagonal(const Napi::CallbackInfo& info) {
  Problem& problem = open();
  const std::span<double> out = readDoubles(info.Env(), info[0], "out");
  requireLength(out.size(), problem.parameterCount(), "out", "size");
  if (estimator_ != FisherEstimator::exact) {
    throw Error(ErrorCode::invalidArgument,
                "diagonal() needs an operator with the exact estimator, not the empirical one");
  }
  problem.fisherDiagonal(out);
}

void FisherOperatorWrap::close(const Napi::CallbackInfo&) {
  problem_.reset();
  snapshot_.reset();
  policy_.reset();
  vector_ = {};
  memory_.release();
}

}  // namespace trustregion::binding
