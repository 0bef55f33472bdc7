#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/adam.h"
#include "core/aligned_memory.h"
#include "core/conjugate_gradient.h"
#include "core/dense_kernels.h"
#include "core/function_ref.h"
#include "core/normalizer.h"
#include "core/number_span.h"
#include "core/objective.h"
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
  // (sum r)^2 / sum r^2 for the importance ratios r = pi_new / pi_old: as many equally weighted
  // rows would estimate as well (Kish 1965). rows where there are no actions.
  double effectiveSampleSize = 0;
  // How far rounding may have moved meanKl from that of the very same parameters in float64.
  double klUncertainty = 0;
  bool finite = true;  // false if any of the means, in any row, is NaN or infinite

  // Backends first use it as a sum over rows, then take the mean.
  void addRow(double kl, double rowEntropy);
  void addRatio(double ratio);
  void addRows(const Evaluation& sum);
  void divideByRows(size_t rows);

 private:
  double ratioSum_ = 0;
  double squaredRatioSum_ = 0;
};

// A row of a batch under other parameters.
struct RowComparison {
  double kl = 0;        // KL(old || new)
  double logRatio = 0;  // log pi_new(a|s) - log pi_old(a|s)
};

// exact: the expectation over the policy's own actions, in closed form; the Hessian of the mean KL.
// empirical: the mean outer product of the scores of the actions that were taken.
enum class FisherEstimator { exact, empirical };

// The two factors of each layer's block of the Fisher matrix, F_l ~ A (x) G (Martens and Grosse
// 2015, "Optimizing neural networks with Kronecker-factored approximate curvature", section 3),
// both symmetric and row-major. The paper takes G = mean of u u', as if inputs and signals were
// independent. Taken as the covariance of the matrices u [x; 1]', A (x) G is likeliest for
// G = mean of ([x; 1]' A^-1 [x; 1]) u u' / (inputs + 1) (Dutilleul 1999, "The MLE algorithm for the
// matrix normal distribution"): the same where they are independent, and a better preconditioner
// where large inputs come with small signals, as they do behind tanh. The weight is that of
// InputWeight (core/kronecker_sampling.h), which looks at A's diagonal only.
struct KroneckerFactors {
  struct Layer {
    AlignedDoubles input;   // A = mean of [x; 1][x; 1]', [(inputs + 1) x (inputs + 1)]
    AlignedDoubles output;  // G = mean of w u u' / mean of w, [outputs x outputs]
  };
  std::vector<Layer> layers;
};

// How Kronecker factors are estimated. u = (d head / d z_l)' B e with M = B B' and random signs e,
// `probes` for each row, so that the expectation of u u' is exact. Only every `stride`-th row is
// looked at: one by one, since rows that follow one another in time resemble each other.
struct KroneckerSampling {
  int probes = 1;
  size_t stride = 1;
  uint64_t seed = 0;
};

// The rollouts of one update. actions and advantages may be empty where only the Fisher matrix or
// the KL divergence is asked for.
struct RolloutView {
  size_t rows = 0;
  NumberSpan observations;  // [rows x observationSize]
  NumberSpan actions;       // [rows x actionSize]
  NumberSpan advantages;    // [rows]
};

// The matrix F + damping I.
struct FisherSystem {
  FisherEstimator estimator = FisherEstimator::exact;
  double damping = 0.1;
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
  // How many threads of the process-wide pool may work on it, and on the solver's vectors.
  virtual unsigned threads() const { return 1; }
  // How far from orthogonal the residuals of a solve may become: what the rounding of its products
  // makes worth the while (ConjugateGradientOptions::orthogonalityTolerance).
  virtual double orthogonalityTolerance() const { return 0; }
  // Products of dense matrices for what need not be more exact than this problem's Fisher products
  // are, such as a preconditioner; null: all is in float64. Where there is one a solve keeps its
  // residuals in float32, too.
  virtual MultiplySingle multiplySingle() const { return nullptr; }

  // g = gradient of the surrogate at theta = mean of A grad log pi(a|s)
  virtual void surrogateGradient(std::span<double> gradient) = 0;
  // F v = mean of J' M J v: a tangent pass, the head's metric, a backward pass; undamped
  virtual void fisherProduct(std::span<const double> vector, std::span<double> product) = 0;
  // diag(F)
  virtual void fisherDiagonal(std::span<double> diagonal) = 0;
  // mean of (s'v) s for the scores s = grad log pi(a|s) of the actions taken; undamped
  virtual void empiricalFisherProduct(std::span<const double> vector,
                                      std::span<double> product) = 0;
  virtual KroneckerFactors kroneckerFactors(const KroneckerSampling& sampling) = 0;
  // The objective of `rows` (all of them if empty, any order) at other parameters, and its
  // gradient.
  virtual ObjectiveValue objectiveGradient(std::span<const double> parameters,
                                           const Objective& objective,
                                           std::span<const uint32_t> rows,
                                           std::span<double> gradient) = 0;
  // surrogate, KL and entropy of other parameters against theta. Without actions or advantages the
  // surrogate is 0.
  virtual Evaluation evaluate(std::span<const double> parameters) = 0;
  // The same in float64 throughout: slow, for a candidate that rounding leaves in doubt.
  virtual Evaluation evaluateInDouble(std::span<const double> parameters) = 0;
  // Each row by itself. Without actions every logRatio is 0.
  virtual void compareRows(std::span<const double> parameters,
                           std::span<RowComparison> comparisons) = 0;

  // F v by either estimator
  void estimatedFisherProduct(FisherEstimator estimator, std::span<const double> vector,
                              std::span<double> product);

  // Solves (F + damping I) x = b by conjugate gradients. Here on host vectors; a device backend
  // keeps the solve on the device instead.
  virtual ConjugateGradientSummary solve(std::span<const double> b, const FisherSystem& system,
                                         const ConjugateGradientOptions& options,
                                         std::span<double> x, std::span<double> residual,
                                         const LinearOperator& preconditioner);
};

// Least squares for a critic: loss = mean over chosen rows of (output - target)^2 / 2.
class RegressionProblem {
 public:
  virtual ~RegressionProblem() = default;
  // Returns the loss at the given parameters over the given rows, and its gradient.
  virtual double lossGradient(std::span<const double> parameters, std::span<const uint32_t> rows,
                              std::span<double> gradient) = 0;
  // Steps of Adam, one for each minibatch that `next` returns until it returns none. No minibatch
  // has more than `largest` rows. A backend may hold parameters and moments in its own precision
  // until the last step.
  virtual void descend(FunctionRef<std::span<const uint32_t>()> next, size_t largest,
                       double learningRate, Adam& adam, std::span<double> parameters);
};

// What a problem may use of the machine.
struct Resources {
  static constexpr size_t kDefaultMemoryBudget = size_t{1} << 30;

  // NOLINTNEXTLINE(google-explicit-constructor): a number of threads is what mostly matters
  Resources(unsigned threadCount, size_t budget = kDefaultMemoryBudget)
      : threads(threadCount), memoryBudget(budget) {}

  unsigned threads;     // of the process-wide pool, at most
  size_t memoryBudget;  // bytes; what does not go in is computed again when it is needed
};

// Where the policy's arithmetic happens.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;         // for example "cpu-avx512"
  virtual std::string description() const = 0;  // one line for people
  virtual bool isSupported() const = 0;         // by the machine that we run on
  // Called when it is chosen by name: asks the system for what it needs. Throws
  // ErrorCode::unknownBackend if that is refused.
  virtual void prepare() const {}
  virtual std::string precision() const = 0;  // "float32" or "float64", of parameters
  // What Fisher products are made in: as parameters, or "bfloat16x3" (core/cpu/split).
  virtual std::string productPrecision() const { return precision(); }

  // Rounds parameters to the numbers that this backend can hold, in place.
  virtual void roundParameters(std::span<double> parameters) const = 0;

  virtual std::unique_ptr<Network> makeNetwork(const MlpLayout& layout,
                                               std::span<const double> parameters) const = 0;

  // Copies what it needs of `rollout` and refuses non-finite values and invalid actions by name.
  virtual std::unique_ptr<Problem> makeProblem(const PolicyModel& model,
                                               std::span<const double> parameters,
                                               const ObservationScaling& scaling,
                                               const RolloutView& rollout,
                                               const Resources& resources) const = 0;

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
