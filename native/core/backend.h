#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/conjugate_gradient.h"
#include "core/normalizer.h"
#include "core/number_span.h"
#include "core/policy_model.h"

namespace trustregion {

// A network with fixed parameters, ready to answer: what a policy snapshot and a value function
// hold. Immutable, so any number of threads may read it, each with a workspace of its own.
class Network {
 public:
  // Scratch memory, valid for every network of the same backend and layout.
  class Workspace {
   public:
    virtual ~Workspace() = default;
  };

  virtual ~Network() = default;

  virtual std::unique_ptr<Workspace> makeWorkspace() const = 0;

  // outputs [rows x outputs] of raw observations [rows x inputs] scaled by `scaling`. Allocates
  // nothing.
  virtual void forward(NumberSpan observations, size_t rows, const ObservationScaling& scaling,
                       double* outputs, Workspace& workspace) const = 0;
};

// What a candidate's distributions are like, all as means over the rows of the batch.
struct Evaluation {
  double surrogate = 0;  // mean of pi_new(a|s) / pi_old(a|s) A
  double meanKl = 0;     // mean of KL(old || new)
  double maxKl = 0;      // the largest over rows
  double entropy = 0;    // of the new policy
  bool finite = true;    // false if any of these, in any row, is NaN or infinite

  // Backends first use it as a sum over rows, then take the mean.
  void addRow(double kl, double rowEntropy);
  void addRows(const Evaluation& sum);
  void divideByRows(size_t rows);
};

// The rollouts of one update. actions and advantages may be empty where only the Fisher matrix or
// the KL divergence is asked for.
struct RolloutView {
  size_t rows = 0;
  NumberSpan observations;  // [rows x observationSize]
  NumberSpan actions;       // [rows x actionSize]
  NumberSpan advantages;    // [rows]
};

// A batch held at an expansion point theta, the parameters it was made with: activations and the
// head's metric are computed once, then shared by every product. All results are means over rows;
// every sum over rows has a fixed order that does not depend on the number of threads.
//
// Vectors in parameter space are double on the host whatever the backend computes in. Used by one
// thread at a time.
class Problem {
 public:
  virtual ~Problem() = default;

  virtual size_t parameterCount() const = 0;
  virtual size_t rows() const = 0;

  // g = gradient of the surrogate at theta = mean of A grad log pi(a|s)
  virtual void surrogateGradient(std::span<double> gradient) = 0;
  // F v = mean of J' M J v: a tangent pass, the head's metric, a backward pass; undamped
  virtual void fisherProduct(std::span<const double> vector, std::span<double> product) = 0;
  // diag(F)
  virtual void fisherDiagonal(std::span<double> diagonal) = 0;
  // surrogate, KL and entropy of other parameters against theta. Without actions or advantages the
  // surrogate is 0.
  virtual Evaluation evaluate(std::span<const double> parameters) = 0;

  // Solves (F + damping I) x = b by conjugate gradients. Here on host vectors; a device backend
  // keeps the solve on the device instead.
  virtual ConjugateGradientSummary solve(std::span<const double> b, double damping,
                                         const ConjugateGradientOptions& options,
                                         std::span<double> x, std::span<double> residual);
};

// Least squares for a critic: loss = mean over chosen rows of (output - target)^2 / 2.
class RegressionProblem {
 public:
  virtual ~RegressionProblem() = default;
  // Returns the loss at the given parameters over the given rows, and its gradient.
  virtual double lossGradient(std::span<const double> parameters, std::span<const uint32_t> rows,
                              std::span<double> gradient) = 0;
};

// Where the policy's arithmetic happens.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;         // for example "cpu-avx512"
  virtual std::string description() const = 0;  // one line for people
  virtual bool isSupported() const = 0;         // by the machine that we run on
  virtual std::string precision() const = 0;    // "float32" or "float64", of parameters

  // Rounds parameters to the numbers that this backend can hold, in place.
  virtual void roundParameters(std::span<double> parameters) const = 0;

  virtual std::unique_ptr<Network> makeNetwork(const MlpLayout& layout,
                                               std::span<const double> parameters) const = 0;

  // Copies what it needs of `rollout` and refuses non-finite values and invalid actions by name.
  // `threads` bounds how many threads of the process-wide pool take part.
  virtual std::unique_ptr<Problem> makeProblem(const PolicyModel& model,
                                               std::span<const double> parameters,
                                               const ObservationScaling& scaling,
                                               const RolloutView& rollout,
                                               unsigned threads) const = 0;

  // inputs [rows x layout.inputs()] scaled by `scaling`, targets [rows]; both copied.
  virtual std::unique_ptr<RegressionProblem> makeRegressionProblem(
      const MlpLayout& layout, NumberSpan inputs, std::span<const double> targets, size_t rows,
      const ObservationScaling& scaling, unsigned threads) const = 0;
};

// All compiled-in backends in order of preference.
const std::vector<const Backend*>& allBackends();

// The names that this machine can run.
std::vector<std::string> supportedBackendNames();

// Finds a backend by name; "" means the environment variable TRUSTREGION_BACKEND, or "cpu"; "cpu"
// means the fastest instruction set that this machine has. Never falls back silently: throws
// ErrorCode::unknownBackend if there is none of that name or the machine cannot run it.
const Backend& findBackend(const std::string& name);

}  // namespace trustregion
