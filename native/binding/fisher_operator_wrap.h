#pragma once

#include <memory>
#include <vector>

#include "binding/class_wrap.h"
#include "core/policy.h"

namespace trustregion::binding {

// NativeFisherOperator of lib/native.ts: a batch held at the parameters that the policy had when
// it was made. It goes on working after the policy changed or was closed.
class FisherOperatorWrap : public ClassWrap<FisherOperatorWrap> {
 public:
  static constexpr const char* kName = "FisherOperator";
  static constexpr napi_type_tag kTypeTag = {0x3b80c9e2715f46d1, 0xa4d26f18e093b75c};

  static Napi::Function define(Napi::Env env);
  // What JavaScript constructs by itself is a closed operator.
  explicit FisherOperatorWrap(const Napi::CallbackInfo& info) : ClassWrap(info) {}

  static Napi::Value make(Napi::Env env, std::shared_ptr<const Policy> policy,
                          const RolloutView& rollout, FisherEstimator estimator);

 private:
  Problem& open() const;

  Napi::Value size(const Napi::CallbackInfo& info);
  void apply(const Napi::CallbackInfo& info);
  void diagonal(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  // The problem may refer to the policy's model and the snapshot's parameters: it goes first.
  std::shared_ptr<const Policy> policy_;
  std::shared_ptr<const PolicySnapshot> snapshot_;
  std::unique_ptr<Problem> problem_;  // null when closed
  FisherEstimator estimator_ = FisherEstimator::exact;
  std::vector<double> vector_;  // scratch: a product must not read what it writes
  ReportedMemory memory_;
};

}  // namespace trustregion::binding
