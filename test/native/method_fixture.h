#pragma once

#include "core/update.h"
#include "core/vector_operations.h"
#include "counting_problem.h"
#include "guarded.h"

namespace trustregion::test {

struct MethodStep {
  UpdateSummary summary;
  std::vector<double> newParameters;
  std::vector<double> moved;  // newParameters - parameters
};

// A problem held by a backend, for any method's steps from the same parameters.
class MethodFixture {
 public:
  explicit MethodFixture(PolicyProblem policyProblem,
                         const Backend& usedBackend = referenceBackend(), unsigned threads = 2)
      : problem(std::move(policyProblem)),
        backend(usedBackend),
        held(problem.on(backend, threads)),
        counting(*held) {}

  // newParameters starts as NaN; a step that is not accepted must leave it so, bit for bit.
  MethodStep step(const MethodOptions& options, MethodState& state) {
    Guarded<double> newParameters(problem.parameters.size());
    const std::vector<double> untouched(newParameters.data(),
                                        newParameters.data() + newParameters.size());
    const UpdateContext context{problem.model, backend, problem.parameters, counting, counting};
    MethodStep result;
    result.summary = methodStep(context, options, state, newParameters.span());
    CHECK(newParameters.intact());
    result.newParameters.assign(newParameters.data(), newParameters.data() + newParameters.size());
    const UpdateSummary& summary = result.summary;
    if (summary.status == UpdateStatus::accepted) {
      CHECK(newParameters.complete() && allFinite(result.newParameters));
      result.moved = result.newParameters;
      axpby(-1, problem.parameters, 1, result.moved);
    } else {
      CHECK(sameBits(result.newParameters, untouched));
      CHECK(summary.meanKl == 0 && summary.maxKl == 0 && summary.stepNorm == 0);
      CHECK(summary.stepFraction == 0 && summary.actualImprovement == 0);
      CHECK(summary.surrogateAfter == summary.surrogateBefore);
      CHECK(summary.entropyAfter == summary.entropyBefore);
    }
    return result;
  }
  MethodStep step(const MethodOptions& options) {
    MethodState state;
    return step(options, state);
  }

  std::vector<double> gradient() {
    std::vector<double> values(problem.parameters.size());
    held->surrogateGradient(values);
    return values;
  }

  // What the summary of an accepted step says, recomputed.
  void checkAccepted(const MethodStep& step) {
    const UpdateSummary& summary = step.summary;
    CHECK(summary.status == UpdateStatus::accepted);
    if (summary.status != UpdateStatus::accepted) return;
    // The very bits that are returned are the ones that were looked at, if need be in double.
    const Evaluation single = held->evaluate(step.newParameters);
    const Evaluation inDouble = held->evaluateInDouble(step.newParameters);
    const Evaluation& used = single.meanKl == summary.meanKl ? single : inDouble;
    CHECK(used.meanKl == summary.meanKl && used.maxKl == summary.maxKl);
    CHECK(used.surrogate == summary.surrogateAfter && used.entropy == summary.entropyAfter);
    CHECK(used.effectiveSampleSize == summary.effectiveSampleSize);
    const Evaluation before = held->evaluate(problem.parameters);
    CHECK(before.surrogate == summary.surrogateBefore);
    CHECK(before.entropy == summary.entropyBefore);
    CHECK(summary.actualImprovement == summary.surrogateAfter - summary.surrogateBefore);
    const std::vector<double> g = gradient();
    CHECK(summary.gradientNorm == norm(g));
    const double size = static_cast<double>(g.size());
    CHECK_NEAR(summary.stepNorm, norm(step.moved), size * kDoubleRoundoff * norm(step.moved));
    // Every parameter is rounded to the backend's precision on the way.
    const double roundoff = backend.precision() == "float32" ? kFloatRoundoff : kDoubleRoundoff;
    CHECK_NEAR(summary.expectedImprovement, dot(g, step.moved),
               2 * roundoff * norm(g) * (norm(step.newParameters) + norm(problem.parameters)) +
                   size * kDoubleRoundoff * norm(g) * norm(step.moved));
    std::vector<double> rounded = step.newParameters;
    backend.roundParameters(rounded);
    CHECK(sameBits(rounded, step.newParameters));
    CHECK(!summary.candidates.empty());
    CHECK(summary.stepFraction == summary.candidates.back().fraction);
    CHECK(summary.candidates.back().evaluation.meanKl == summary.meanKl);
  }

  PolicyProblem problem;
  const Backend& backend;
  std::unique_ptr<Problem> held;
  CountingProblem counting;
};

template <class Run>
bool addForEachSupportedBackend(const std::string& name, const Run& run) {
  for (const Backend* backend : allBackends()) {
    addCase(name + " on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      run(*backend);
    });
  }
  return true;
}

}  // namespace trustregion::test
