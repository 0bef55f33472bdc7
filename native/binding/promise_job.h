#pragma once

#include <exception>
#include <future>
#include <memory>

#include "binding/napi_setup.h"

namespace trustregion::binding {

// A calculation on a thread of its own (job_threads.h) that settles a Promise. Not libuv's pool: an
// update may take seconds and would keep file and network work of the whole process waiting.
//
//   loop's thread   start()                                settle(): release(), result()
//   own thread              run(), which sees no JavaScript
//
// The wrapped object that the job belongs to is referenced until the Promise settles. Where the
// environment ends first (a terminated worker), its cleanup waits for run() to return, and the
// Promise is never settled.
class PromiseJob {
 public:
  PromiseJob(const PromiseJob&) = delete;
  PromiseJob& operator=(const PromiseJob&) = delete;
  virtual ~PromiseJob();

  // Starts the job and returns its Promise. If this throws, nothing was started.
  static Napi::Value start(Napi::Env env, std::unique_ptr<PromiseJob> job);

 protected:
  explicit PromiseJob(Napi::Object owner) : owner_(Napi::Persistent(owner)) {}

  // On the own thread. What it throws rejects the Promise.
  virtual void run() = 0;
  // On the loop's thread after run() returned or threw: the owner is not busy any more.
  virtual void release() noexcept = 0;
  // On the loop's thread after run() returned: makes its effects visible and returns what the
  // Promise resolves to.
  virtual Napi::Value result(Napi::Env env) = 0;

 private:
  void tryToRun() noexcept;
  void report() noexcept;
  void settle(napi_env env);
  void wait() const;

  static void onReport(napi_env env, napi_value, void* context, void*);
  static void onFinalize(napi_env env, void* job, void*);
  static void onCleanup(void* job);

  Napi::ObjectReference owner_;
  napi_env env_ = nullptr;
  napi_threadsafe_function report_ = nullptr;
  napi_deferred deferred_ = nullptr;
  std::exception_ptr failure_;
  std::future<void> over_;  // ready when the own thread is done with this object
};

}  // namespace trustregion::binding
