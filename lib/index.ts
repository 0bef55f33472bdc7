/*
 * The public face of trustregion: everything that programs may import.
 */

export type { AdvantageEstimator, EstimatorOptions } from './advantage-estimator.js';
export { computeAdvantages, explainedVariance, normalizeAdvantages } from './advantages.js';
export type { AdvantageInputs, Advantages } from './advantages.js';
export { backends } from './backends.js';
export type { Batch } from './batch.js';
export { conjugateGradient } from './conjugate-gradient.js';
export type {
  ConjugateGradientOptions,
  ConjugateGradientResult,
  ConjugateGradientStop,
  ConjugateGradientSummary,
  LinearFunction,
  LinearOperator,
} from './conjugate-gradient.js';
export { DualGradientDescent } from './dual-gradient-descent.js';
export type {
  DualGradientDescentOptions,
  ResolvedDualGradientDescentOptions,
} from './dual-gradient-descent.js';
export { TrustRegionError } from './errors.js';
export type { ErrorCode } from './errors.js';
export { evaluate } from './evaluate.js';
export type { EvaluateOptions, Evaluation } from './evaluate.js';
export type { FisherOperator, FisherOptions } from './fisher-operator.js';
export type { FitOptions, FitSolver } from './fit-options.js';
export { lineSearch } from './line-search.js';
export type {
  Candidate,
  CandidateEvaluation,
  LineSearchOptions,
  LineSearchResult,
  StepSearchOptions,
} from './line-search.js';
export type { Method } from './method.js';
export type {
  DiagnosticsOptions,
  MethodName,
  MethodOptions,
  ResolvedMethodOptions,
} from './method-options.js';
export type { FloatArray, NumberArray } from './native.js';
export type { NaturalDirection, NaturalDirectionSolveOptions } from './natural-direction.js';
export type {
  AdaptiveDampingOptions,
  NaturalDirectionOptions,
  ResolvedNaturalDirectionOptions,
} from './natural-direction-options.js';
export { NaturalPolicyGradient } from './natural-policy-gradient.js';
export type {
  NaturalPolicyGradientOptions,
  ResolvedNaturalPolicyGradientOptions,
} from './natural-policy-gradient.js';
export type { Normalizer } from './normalizer.js';
export { Policy } from './policy.js';
export type {
  ActionArray,
  ActOptions,
  MachineOptions,
  ObjectiveOptions,
  ObjectiveValue,
  PolicyEvaluation,
} from './policy.js';
export type {
  Activation,
  NetworkOptions,
  PolicyOptions,
  ResolvedPolicyOptions,
} from './policy-options.js';
export { PPO } from './ppo.js';
export type { PpoOptions, ResolvedPpoOptions } from './ppo.js';
export { RolloutBuffer } from './rollout-buffer.js';
export type { FinishOptions, RolloutBufferOptions, RolloutStep } from './rollout-buffer.js';
export type { Schedule } from './schedule.js';
export { actionLength } from './spaces.js';
export type {
  ActionSpace,
  BinarySpace,
  ContinuousSpace,
  DiscreteSpace,
  MultiDiscreteSpace,
  ObservationSpace,
} from './spaces.js';
export type { StepSizeOptions } from './step-size.js';
export { train } from './train.js';
export type { TrainOptions, TrainProgress, TrainResult, TrainState, TrainTiming } from './train.js';
export { TRPO } from './trpo.js';
export type { ResolvedTrpoOptions, TrpoOptions } from './trpo.js';
export type { UpdateDiagnostics } from './update-diagnostics.js';
export type { UpdateOptions } from './update-options.js';
export type { NaturalDirectionSummary, UpdateReason, UpdateSummary } from './update-summary.js';
export { ValueFunction } from './value-function.js';
export type { FitBatch, FitSummary, ValueFunctionOptions } from './value-function.js';
export { VanillaPolicyGradient } from './vanilla-policy-gradient.js';
export type {
  ResolvedVanillaPolicyGradientOptions,
  VanillaPolicyGradientOptions,
} from './vanilla-policy-gradient.js';
export { VectorEnvironment } from './vector-environment.js';
export type {
  EnvironmentFactory,
  VectorEnvironmentOptions,
  VectorStep,
} from './vector-environment.js';
export { version } from './version.js';

export { Acrobot } from './environments/acrobot.js';
export { CartPole } from './environments/cart-pole.js';
export type { Environment, StepResult } from './environments/environment.js';
export { EpisodicEnvironment } from './environments/episodic-environment.js';
export type { Transition } from './environments/episodic-environment.js';
export { halfCheetah } from './environments/half-cheetah.js';
export { hopper } from './environments/hopper.js';
export { invertedDoublePendulum } from './environments/inverted-double-pendulum.js';
export { invertedPendulum } from './environments/inverted-pendulum.js';
export { MountainCarContinuous } from './environments/mountain-car-continuous.js';
export { MujocoEnvironment } from './environments/mujoco-environment.js';
export type { MujocoEnvironmentOptions, MujocoStart } from './environments/mujoco-environment.js';
export type { MujocoState } from './environments/mujoco-state.js';
export { Pendulum } from './environments/pendulum.js';
export { RandomGenerator } from './environments/random.js';
export { reacher } from './environments/reacher.js';
export { environmentNames, makeEnvironment } from './environments/registry.js';
export type { EnvironmentName } from './environments/registry.js';
export { swimmer } from './environments/swimmer.js';
export { walker2d } from './environments/walker2d.js';
