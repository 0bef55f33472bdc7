#include "binding/method_options.h"

#include "binding/options.h"

namespace trustregion::binding {
namespace {

AdaptiveDamping readAdaptiveDamping(const Options& options) {
  AdaptiveDamping result;
  result.enabled = options.isOn("adaptiveDamping");
  if (!result.enabled) return result;
  const Options rule = options.object("adaptiveDamping");
  result.minimum = rule.number("minimum");
  result.maximum = rule.number("maximum");
  result.factor = rule.number("factor");
  if (!(result.minimum <= result.maximum)) {  // what std::clamp rests on
    throw Error(ErrorCode::outOfRange,
                "options.adaptiveDamping.minimum must be at most its maximum");
  }
  return result;
}

void readIterativeSolver(const Options& options, NaturalDirectionOptions& result) {
  result.conjugateGradient.iterations =
      static_cast<int>(options.count("cgIterations", 1, kMaxInteger));
  result.conjugateGradient.residualTolerance = options.number("cgTolerance");
  result.conjugateGradient.progressTolerance = options.number("cgProgressTolerance");
  result.conjugateGradient.reorthogonalize = options.boolean("cgReorthogonalize");
  result.warmStart = options.boolean("warmStart");
  result.preconditioner =
      options.choice<Preconditioner>("preconditioner", {{"none", Preconditioner::identity},
                                                        {"jacobi", Preconditioner::jacobi},
                                                        {"kronecker", Preconditioner::kronecker}});
  if (result.preconditioner != Preconditioner::identity) {
    result.preconditionerPeriod =
        static_cast<int>(options.count("preconditionerPeriod", 1, kMaxInteger));
  }
  if (result.preconditioner == Preconditioner::kronecker) {
    result.preconditionerFraction = options.part("preconditionerFraction");
  }
}

}  // namespace

NaturalDirectionOptions readNaturalDirectionOptions(const Options& options) {
  NaturalDirectionOptions result;
  result.damping = options.number("damping");
  result.relativeDamping = options.number("relativeDamping");
  result.adaptiveDamping = readAdaptiveDamping(options);
  result.fisher = fisherEstimatorFromName(options.text("fisher"), options.path("fisher"));
  result.fisherFraction = options.part("fisherFraction");
  result.solver = options.choice<SolverChoice>(
      "solver", {{"conjugateGradient", SolverChoice::conjugateGradient},
                 {"cholesky", SolverChoice::cholesky},
                 {"auto", SolverChoice::automatic}});
  if (result.solver != SolverChoice::cholesky) readIterativeSolver(options, result);
  return result;
}

namespace {

VanillaPolicyGradientOptions readVanillaPolicyGradientOptions(const Options& options) {
  VanillaPolicyGradientOptions result;
  if (options.has("learningRate")) {
    result.learningRate = options.number("learningRate");
  } else {
    result.epsilon = options.number("epsilon");
  }
  return result;
}

NaturalPolicyGradientOptions readNaturalPolicyGradientOptions(const Options& options) {
  NaturalPolicyGradientOptions result;
  if (options.has("learningRate")) {
    result.learningRate = options.number("learningRate");
  } else {
    result.epsilon = options.number("epsilon");
  }
  result.naturalDirection = readNaturalDirectionOptions(options);
  return result;
}

TrpoOptions readTrpoOptions(const Options& options) {
  TrpoOptions result;
  result.naturalDirection = readNaturalDirectionOptions(options);
  result.stepLength = options.choice<StepLengthRule>(
      "stepLength", {{"fisher", StepLengthRule::fisher}, {"damped", StepLengthRule::damped}});
  result.lineSearchKind = readLineSearchKind(options, "lineSearch");
  result.lineSearch = readLineSearchOptions(options, result.lineSearchKind);
  result.maxKl = result.lineSearch.maxKl;
  return result;
}

DualGradientDescentOptions readDualGradientDescentOptions(const Options& options) {
  DualGradientDescentOptions result;
  result.maxKl = options.number("maxKl");
  result.innerSteps = static_cast<int>(options.count("innerSteps", 1, kMaxInteger));
  result.innerLearningRate = options.number("innerLearningRate");
  result.initialMultiplier = options.number("initialMultiplier");
  result.multiplierLearningRate = options.number("multiplierLearningRate");
  return result;
}

PpoOptions readPpoOptions(const Options& options) {
  PpoOptions result;
  result.variant = options.choice<PpoVariant>(
      "variant", {{"clip", PpoVariant::clip}, {"klPenalty", PpoVariant::klPenalty}});
  if (result.variant == PpoVariant::clip) {
    result.clipRange = options.number("clipRange");
  } else {
    result.targetKl = options.number("targetKl");
    result.initialKlPenalty = options.number("initialKlPenalty");
  }
  result.epochs = static_cast<int>(options.count("epochs", 1, kMaxInteger));
  result.minibatchSize = options.count("minibatchSize", 1, kMaxInteger);
  result.learningRate = options.number("learningRate");
  result.entropyBonus = options.number("entropyBonus");
  result.maxKl = options.number("maxKl");
  result.seed = options.count("seed", 0, kMaxSafeInteger);
  return result;
}

}  // namespace

MethodOptions readMethodOptions(const std::string& kind, const Options& options) {
  if (kind == "VanillaPolicyGradient") return readVanillaPolicyGradientOptions(options);
  if (kind == "NaturalPolicyGradient") return readNaturalPolicyGradientOptions(options);
  if (kind == "TRPO") return readTrpoOptions(options);
  if (kind == "DualGradientDescent") return readDualGradientDescentOptions(options);
  if (kind == "PPO") return readPpoOptions(options);
  throw Error(ErrorCode::invalidArgument, "kind cannot be '" + kind + "'");
}

}  // namespace trustregion::binding
