#include "binding/promise_job.h"

#include <utility>

#include "binding/errors.h"
#include "binding/job_threads.h"

namespace trustregion::binding {

// The thread-safe function owns the job: its finaliser runs in every case, after the last report or
// when the environment ends, and always on the loop's thread.
Napi::Value PromiseJob::start(Napi::Env env, std::unique_ptr<PromiseJob> owned) {
  PromiseJob* job = owned.get();
  job->env_ = env;
  napi_value promise = nullptr;
  napi_value name = nullptr;
  requireOk(env, napi_create_promise(env, &job->deferred_, &promise));
  requireOk(env, napi_create_string_utf8(env, "trustregion", NAPI_AUTO_LENGTH, &name));
  requireOk(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, job, onFinalize,
                                                 job, onReport, &job->report_));
  static_cast<void>(owned.release());  // the finaliser owns it now
  // Cleanup hooks run in reverse order, and the thread-safe function has one that makes it
  // unusable. Added after it, this one runs before: the thread is done when that comes.
  napi_add_env_cleanup_hook(env, onCleanup, job);
  try {
    job->over_ = JobThreads::ofProcess().run(
        {[job] { job->tryToRun(); }, std::packaged_task<void()>([job] { job->report(); })});
  } catch (...) {
    napi_release_threadsafe_function(job->report_, napi_tsfn_abort);
    throw;
  }
  return {env, promise};
}

PromiseJob::~PromiseJob() {
  // Only a job that start() never took over has no thread-safe function.
  if (report_ == nullptr) return;
  wait();
  napi_remove_env_cleanup_hook(env_, onCleanup, this);
}

void PromiseJob::wait() const {
  if (over_.valid()) over_.wait();
}

void PromiseJob::tryToRun() noexcept {
  try {
    run();
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void PromiseJob::report() noexcept {
  napi_call_threadsafe_function(report_, nullptr, napi_tsfn_blocking);
  napi_release_threadsafe_function(report_, napi_tsfn_release);
}

void PromiseJob::settle(napi_env env) {
  wait();
  release();
  // Statuses are not looked at: a worker that is being terminated refuses any of these calls, and
  // then nobody is left to be told.
  napi_value value = nullptr;
  bool succeeded = false;
  try {
    if (failure_) {
      value = toJavaScriptError(env, failure_);
    } else {
      value = result(env);
      succeeded = true;
    }
  } catch (const PendingException&) {
    napi_get_and_clear_last_exception(env, &value);
  } catch (const Napi::Error& error) {
    value = error.Value();
  } catch (...) {
    napi_get_undefined(env, &value);
  }
  if (succeeded) {
    napi_resolve_deferred(env, deferred_, value);
  } else {
    napi_reject_deferred(env, deferred_, value);
  }
  owner_.Reset();
}

void PromiseJob::onReport(napi_env env, napi_value, void* context, void*) {
  // Null when the environment ended with the report still queued. The job is finalised by then.
  if (env != nullptr) static_cast<PromiseJob*>(context)->settle(env);
}

void PromiseJob::onFinalize(napi_env, void* job, void*) { delete static_cast<PromiseJob*>(job); }

void PromiseJob::onCleanup(void* job) { static_cast<PromiseJob*>(job)->wait(); }

}  // namespace trustregion::binding
