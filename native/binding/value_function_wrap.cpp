#include "binding/value_function_wrap.h"

#include <utility>

#include "binding/options.h"
#include "binding/promise_job.h"
#include "binding/results.h"

namespace trustregion::binding {

// One fit on a thread of its own, on a copy of the state; predictions go on meanwhile with the old
// one.
class ValueFunctionWrap::FitJob : public PromiseJob {
 public:
  FitJob(ValueFunctionWrap& owner, const FitOptions& options, HeldNumbers observations,
         HeldNumbers targets)
      : PromiseJob(owner.Value()),
        owner_(owner),
        valueFunction_(owner.valueFunction_),
        state_(owner.valueFunction_->state()),
        options_(options),
        observations_(std::move(observations)),
        targets_(std::move(targets)) {}

 private:
  void run() override {
    summary_ = valueFunction_->computeFit(state_, observations_.span(), targets_.span(), options_);
  }

  void release() noexcept override { owner_.busy_ = false; }

  Napi::Value result(Napi::Env env) override {
    valueFunction_->publish(std::move(state_));
    return toObject(env, summary_);
  }

  ValueFunctionWrap& owner_;  // alive: PromiseJob references its JavaScript object
  const std::shared_ptr<ValueFunction> valueFunction_;
  ValueFunctionState state_;
  const FitOptions options_;
  const HeldNumbers observations_;
  const HeldNumbers targets_;
  FitSummary summary_;
};

Napi::Function ValueFunctionWrap::define(Napi::Env env) {
  return DefineClass(env, kName,
                     {
                         getter<&ValueFunctionWrap::backend>("backend"),
                         getter<&ValueFunctionWrap::parameterCount>("parameterCount"),
                         getter<&ValueFunctionWrap::version>("version"),
                         getter<&ValueFunctionWrap::busy>("busy"),
                         getter<&ValueFunctionWrap::closed>("closed"),
                         method<&ValueFunctionWrap::predict>("predict"),
                         method<&ValueFunctionWrap::fit>("fit"),
                         method<&ValueFunctionWrap::getParameters>("getParameters"),
                         method<&ValueFunctionWrap::setParameters>("setParameters"),
                         method<&ValueFunctionWrap::getState>("getState"),
                         method<&ValueFunctionWrap::setState>("setState"),
                         method<&ValueFunctionWrap::close>("close"),
                     });
}

ValueFunctionWrap::ValueFunctionWrap(const Napi::CallbackInfo& info) : ClassWrap(info) {
  // On failure the exception is pending, so JavaScript never sees this half-made object.
  guarded(info.Env(), [&] {
    valueFunction_ = std::make_shared<ValueFunction>(readValueFunctionConfig(info.Env(), info[0]));
    memory_.report(info.Env(), valueFunction_->memoryBytes());
    return nullptr;
  });
}

ValueFunction& ValueFunctionWrap::open() const {
  if (!valueFunction_) throw Error(ErrorCode::closed, "the value function is closed");
  return *valueFunction_;
}

void ValueFunctionWrap::requireNotBusy() const {
  if (busy_) {
    throw Error(ErrorCode::busy, "the value function is busy: a fit is running; await it first");
  }
}

ValueFunction& ValueFunctionWrap::idle() const {
  ValueFunction& valueFunction = open();
  requireNotBusy();
  return valueFunction;
}

size_t ValueFunctionWrap::rowsOf(const NumberSpan& observations) const {
  return countRows(observations, valueFunction_->layout().inputs());
}

Napi::Value ValueFunctionWrap::backend(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), open().backend().name());
}

Napi::Value ValueFunctionWrap::parameterCount(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(open().layout().parameterCount()));
}

Napi::Value ValueFunctionWrap::version(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(open().state().snapshot->version));
}

Napi::Value ValueFunctionWrap::busy(const Napi::CallbackInfo& info) {
  open();
  return Napi::Boolean::New(info.Env(), busy_);
}

Napi::Value ValueFunctionWrap::closed(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), valueFunction_ == nullptr);
}

void ValueFunctionWrap::predict(const Napi::CallbackInfo& info) {
  ValueFunction& valueFunction = open();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  const std::span<double> out = readDoubles(info.Env(), info[1], "out");
  requireLength(out.size(), rowsOf(observations), "out", "rows");
  valueFunction.predict(observations, out.data());
}

Napi::Value ValueFunctionWrap::fit(const Napi::CallbackInfo& info) {
  const FitOptions options = readFitOptions(Options(info.Env(), info[2], "options"));
  idle();
  const NumberSpan observations = readFloats(info.Env(), info[0], "observations");
  const NumberSpan targets = readFloats(info.Env(), info[1], "targets");
  requireLength(targets.size(), rowsOf(observations), "targets", "rows");
  const Napi::Value promise = PromiseJob::start(
      info.Env(),
      std::make_unique<FitJob>(*this, options, HeldNumbers(info.Env(), info[0], observations),
                               HeldNumbers(info.Env(), info[1], targets)));
  busy_ = true;
  return promise;
}

void ValueFunctionWrap::getParameters(const Napi::CallbackInfo& info) {
  const ValueFunction& valueFunction = open();
  const NumberOutput out = NumberOutput::ofFloats(info.Env(), info[0], "out");
  requireLength(out.size(), valueFunction.layout().parameterCount(), "out", "parameterCount");
  out.store(valueFunction.state().snapshot->parameters.data());
}

void ValueFunctionWrap::setParameters(const Napi::CallbackInfo& info) {
  idle().setParameters(readFloats(info.Env(), info[0], "parameters"));
}

Napi::Value ValueFunctionWrap::getState(const Napi::CallbackInfo& info) {
  return toFloat64Array(info.Env(), open().savedState());
}

void ValueFunctionWrap::setState(const Napi::CallbackInfo& info) {
  idle().restoreState(readDoubles(info.Env(), info[0], "state"));
}

void ValueFunctionWrap::close(const Napi::CallbackInfo&) {
  requireNotBusy();
  valueFunction_.reset();
  memory_.release();
}

}  // namespace trustregion::binding
