#include "binding/options.h"

#include "core/thread_pool.h"

namespace trustregion::binding {

PolicyConfig readPolicyConfig(napi_env env, napi_value object) {
  const Options options(env, object, "config");
  PolicyConfig config;
  config.observationSize = options.count("observationSize", 1, kMaxUnits);
  config.hidden = options.sizes("hidden");
  config.activation = activationFromName(options.text("activation"));
  config.distribution = options.choice<DistributionKind>(
      "distribution", {{"gaussian", DistributionKind::gaussian},
                       {"categorical", DistributionKind::categorical},
                       {"bernoulli", DistributionKind::bernoulli}});
  config.actionCounts = options.sizes("actionCounts");
  if (config.actionCounts.empty()) {
    throw Error(ErrorCode::shapeMismatch, "config.actionCounts must have at least one entry");
  }
  config.initialLogStd = options.number("initialLogStd");
  config.minLogStd = options.number("minLogStd");
  config.outputGain = options.number("outputGain");
  config.seed = options.count("seed", 0, kMaxSafeInteger);
  config.backend = options.text("backend");
  config.threads = static_cast<unsigned>(options.count("threads", 0, kMaxThreads));
  config.observationClip = options.number("observationClip");
  config.memoryBudget = options.count("memoryBudget", 0, kMaxSafeInteger);
  return config;
}

ValueFunctionConfig readValueFunctionConfig(napi_env env, napi_value object) {
  const Options options(env, object, "config");
  ValueFunctionConfig config;
  config.observationSize = options.count("observationSize", 1, kMaxUnits);
  config.hidden = options.sizes("hidden");
  config.activation = activationFromName(options.text("activation"));
  config.seed = options.count("seed", 0, kMaxSafeInteger);
  config.backend = options.text("backend");
  config.threads = static_cast<unsigned>(options.count("threads", 0, kMaxThreads));
  config.normalizeObservations = options.boolean("normalizeObservations");
  config.normalizeTargets = options.boolean("normalizeTargets");
  config.observationClip = options.number("observationClip");
  return config;
}

ConjugateGradientOptions readConjugateGradientOptions(const Options& options) {
  ConjugateGradientOptions result;
  result.iterations = options.integer("iterations");
  result.residualTolerance = options.number("residualTolerance");
  result.progressTolerance = options.number("progressTolerance");
  result.residualResetPeriod = options.integer("residualResetPeriod");
  result.reorthogonalize = options.boolean("reorthogonalize");
  return result;
}

LineSearchKind readLineSearchKind(const Options& options, const char* key) {
  return options.choice<LineSearchKind>(key, {{"backtracking", LineSearchKind::backtracking},
                                              {"boundary", LineSearchKind::boundary}});
}

LineSearchOptions readLineSearchOptions(const Options& options, LineSearchKind kind) {
  LineSearchOptions result;
  result.maxKl = options.number("maxKl");
  result.maxRowKl = options.number("maxRowKl");
  result.backtrackFactor = options.number("backtrackFactor");
  result.maxBacktracks = options.integer("maxBacktracks");
  result.acceptRatio = options.number("acceptRatio");
  if (kind == LineSearchKind::boundary) result.klTolerance = options.number("klTolerance");
  return result;
}

FisherEstimator fisherEstimatorFromName(const std::string& estimator, const std::string& name) {
  return chosenFrom<FisherEstimator>(
      {{"exact", FisherEstimator::exact}, {"empirical", FisherEstimator::empirical}}, estimator,
      name);
}

Objective readObjective(const Options& options) {
  Objective objective;
  objective.clipRange = options.number("clipRange");
  objective.klPenalty = options.number("klPenalty");
  objective.entropyBonus = options.number("entropyBonus");
  return objective;
}

AdvantageOptions readAdvantageOptions(const Options& options) {
  AdvantageOptions result;
  result.estimator = options.choice<AdvantageEstimator>(
      "estimator", {{"gae", AdvantageEstimator::gae},
                    {"monteCarlo", AdvantageEstimator::monteCarlo},
                    {"rewardToGo", AdvantageEstimator::rewardToGo},
                    {"nStep", AdvantageEstimator::nStep}});
  result.gamma = options.number("gamma");
  if (result.estimator == AdvantageEstimator::gae) result.lambda = options.number("lambda");
  if (result.estimator == AdvantageEstimator::nStep) {
    result.horizon = options.count("horizon", 1, kMaxRows);
  }
  return result;
}

FitOptions readFitOptions(const Options& options) {
  FitOptions result;
  result.solver = options.choice<FitSolver>(
      "solver", {{"adam", FitSolver::adam}, {"gaussNewton", FitSolver::gaussNewton}});
  if (result.solver == FitSolver::gaussNewton) {
    result.gaussNewton.iterations = options.integer("iterations");
    result.gaussNewton.cgIterations = options.integer("cgIterations");
    result.gaussNewton.damping = options.number("damping");
    return result;
  }
  result.epochs = options.integer("epochs");
  result.minibatchSize = options.count("minibatchSize", 1, kMaxInteger);
  result.learningRate = options.number("learningRate");
  return result;
}

Evaluation readEvaluation(const Options& options) {
  Evaluation evaluation;
  evaluation.surrogate = options.number("surrogate");
  evaluation.meanKl = options.number("meanKl");
  evaluation.maxKl = options.number("maxKl");
  evaluation.entropy = options.number("entropy");
  evaluation.effectiveSampleSize = options.number("effectiveSampleSize");
  evaluation.klUncertainty = options.number("klUncertainty");
  evaluation.finite = options.boolean("finite");
  return evaluation;
}

}  // namespace trustregion::binding
