import type { MethodName, ResolvedOptions } from './method-options.js';
import type { ResolvedNaturalDirectionOptions } from './natural-direction-options.js';

/**
 * Every function and class that the C++ addon exports, declared once (native/binding implements
 * exactly this). Nothing here is public: the classes of lib/ check arguments and options with good
 * sentences, then call these, which re-check lengths cheaply. All errors thrown or rejected from
 * here carry a `code` of {@link ErrorCode}.
 */

/** Numbers in parameter or observation space, in either floating-point precision. */
export type FloatArray = Float32Array | Float64Array;
/** Actions: floating-point for continuous ones, int32 (or floating-point integers) otherwise. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

export interface NativePolicyConfig {
  readonly observationSize: number;
  readonly hidden: readonly number[];
  readonly activation: string;
  readonly distribution: 'gaussian' | 'categorical' | 'bernoulli';
  /** [size] for gaussian and bernoulli; the number of categories of each factor otherwise. */
  readonly actionCounts: readonly number[];
  readonly initialLogStd: number;
  /** -Infinity for none. */
  readonly minLogStd: number;
  readonly outputGain: number;
  readonly seed: number;
  /** '' for the default. */
  readonly backend: string;
  /** 0 for the default. */
  readonly threads: number;
  readonly observationClip: number;
  /** Bytes. */
  readonly memoryBudget: number;
}

export interface NativeNormalizerState {
  readonly count: number;
  readonly mean: Float64Array;
  readonly squaredDeviations: Float64Array;
}

export interface NativeBatch {
  readonly observations: FloatArray;
  readonly actions: NumberArray;
  readonly advantages: FloatArray;
}

export interface NativeEvaluation {
  readonly surrogate: number;
  readonly meanKl: number;
  readonly maxKl: number;
  readonly entropy: number;
  readonly effectiveSampleSize: number;
  readonly klUncertainty: number;
  readonly finite: boolean;
}

export interface NativeConjugateGradientOptions {
  readonly iterations: number;
  readonly residualTolerance: number;
  readonly progressTolerance: number;
  readonly residualResetPeriod: number;
  readonly reorthogonalize: boolean;
}

export interface NativeConjugateGradientSummary {
  readonly iterations: number;
  readonly products: number;
  readonly residualNorm: number;
  readonly relativeResidual: number;
  readonly quadraticModel: number;
  readonly stop: string;
}

export interface NativeLineSearchOptions {
  readonly kind: 'backtracking' | 'boundary';
  readonly maxKl: number;
  readonly backtrackFactor: number;
  readonly maxBacktracks: number;
  readonly acceptRatio: number;
  /** Of the boundary search only. */
  readonly klTolerance?: number;
}

export interface NativeCandidate extends NativeEvaluation {
  readonly fraction: number;
}

export interface NativeObjective {
  /** Infinity for none. */
  readonly clipRange: number;
  readonly klPenalty: number;
  readonly entropyBonus: number;
}

export interface NativeObjectiveValue {
  readonly value: number;
  readonly surrogate: number;
  readonly meanKl: number;
  readonly entropy: number;
  readonly clipFraction: number;
}

export interface NativeNaturalDirectionSummary {
  readonly solver: string;
  readonly preconditioner: string;
  readonly preconditionerRefreshed: boolean;
  readonly warmStarted: boolean;
  readonly damping: number;
  readonly fisherRows: number;
  readonly conjugateGradient: NativeConjugateGradientSummary;
}

export interface NativeNaturalDirection extends NativeNaturalDirectionSummary {
  readonly status: string;
  readonly slope: number;
  readonly curvature: number;
  /** Of the solve alone. */
  readonly seconds: number;
}

export interface NativeUpdateSummary {
  readonly status: string;
  readonly surrogateBefore: number;
  readonly surrogateAfter: number;
  readonly expectedImprovement: number;
  readonly actualImprovement: number;
  readonly meanKl: number;
  readonly maxKl: number;
  readonly entropyBefore: number;
  readonly entropyAfter: number;
  readonly effectiveSampleSize: number;
  readonly gradientNorm: number;
  readonly stepScale: number;
  readonly stepFraction: number;
  readonly stepNorm: number;
  readonly backtracks: number;
  /** These five are 0 where the method does not have them. */
  readonly gradientSteps: number;
  readonly epochs: number;
  readonly multiplier: number;
  readonly klPenalty: number;
  readonly clipFraction: number;
  readonly naturalDirection: NativeNaturalDirectionSummary | null;
  readonly diagnostics: {
    readonly klEdges: readonly number[];
    readonly klCounts: readonly number[];
    readonly largestAdvantage: number;
    readonly meanRatioAdvantage: number;
  } | null;
  readonly candidates: readonly NativeCandidate[];
  readonly timing: {
    readonly prepare: number;
    readonly gradient: number;
    readonly solve: number;
    readonly lineSearch: number;
    readonly total: number;
  };
  /** policy.version after the update. */
  readonly version: number;
}

/**
 * A method's options, and what its last update left to the next: of use with one policy only. One
 * that runs an update is busy.
 */
export interface NativeMethod {
  readonly busy: boolean;
}

/** A Fisher matrix held at the parameters that the policy had when it was made. */
export interface NativeFisherOperator {
  readonly size: number;
  /** out = F v, the undamped mean Fisher product. */
  apply(vector: FloatArray, out: Float64Array): void;
  /** Of the exact estimator only. */
  diagonal(out: Float64Array): void;
  close(): void;
}

export interface NativePolicy {
  readonly backend: string;
  readonly precision: 'float32' | 'float64';
  readonly productPrecision: 'float32' | 'float64' | 'bfloat16x3' | 'bfloat16x2';
  readonly threads: number;
  readonly parameterCount: number;
  readonly headSize: number;
  readonly version: number;
  /** True while an update runs. */
  readonly busy: boolean;
  readonly closed: boolean;

  getParameters(out: FloatArray): void;
  setParameters(parameters: FloatArray): void;
  getNormalizer(): NativeNormalizerState;
  setNormalizer(state: NativeNormalizerState): void;
  updateNormalizer(observations: FloatArray): void;

  /** Rows are observations.length / observationSize. No allocation in native code. */
  act(observations: FloatArray, deterministic: boolean, out: NumberArray): void;
  seed(seed: number): void;
  forward(observations: FloatArray, out: Float64Array): void;
  logProbability(observations: FloatArray, actions: NumberArray, out: Float64Array): void;
  entropy(observations: FloatArray, out: Float64Array): void;

  /** Surrogate gradient at the current parameters; advantages are used as they are. */
  gradient(batch: NativeBatch, out: Float64Array): void;
  /** Candidate parameters against the current ones; actions and advantages may be empty arrays. */
  evaluate(batch: NativeBatch, parameters: FloatArray): NativeEvaluation;
  /** Writes the gradient of the objective at `parameters` to out. */
  objectiveGradient(
    batch: NativeBatch,
    parameters: FloatArray,
    objective: NativeObjective,
    out: Float64Array,
  ): NativeObjectiveValue;
  /** Row by row, `parameters` against the current ones; advantages may be an empty array. */
  compareRows(
    batch: NativeBatch,
    parameters: FloatArray,
  ): { readonly kl: Float64Array; readonly logRatio: Float64Array };
  /**
   * Writes x = (F + damping I)^-1 g to out. `start` may be an empty array, else it is where a warm
   * start begins.
   */
  naturalDirection(
    batch: NativeBatch,
    options: ResolvedNaturalDirectionOptions,
    start: FloatArray,
    out: Float64Array,
  ): NativeNaturalDirection;
  /** Advantages may be an empty array; so may actions, for the exact estimator. */
  fisherOperator(batch: NativeBatch, estimator: 'exact' | 'empirical'): NativeFisherOperator;

  /**
   * One step of `method`, on a thread of its own. The batch is copied before the call returns; arrays in shared memory
   * are read in place instead and must not change until it settles. `options`, of this update alone, replace
   * the method's.
   */
  update<Name extends MethodName>(
    batch: NativeBatch,
    method: NativeMethod,
    options?: ResolvedOptions[Name],
  ): Promise<NativeUpdateSummary>;
  /** What updates of this policy left to the method, preconditioners apart. */
  getMethodState(method: NativeMethod): Float64Array;
  setMethodState(method: NativeMethod, state: Float64Array): void;
  close(): void;
}

export interface NativeValueFunctionConfig {
  readonly observationSize: number;
  readonly hidden: readonly number[];
  readonly activation: string;
  readonly seed: number;
  readonly backend: string;
  readonly threads: number;
  readonly normalizeObservations: boolean;
  readonly normalizeTargets: boolean;
  readonly observationClip: number;
}

export type NativeFitOptions =
  | {
      readonly solver: 'adam';
      readonly epochs: number;
      readonly minibatchSize: number;
      readonly learningRate: number;
    }
  | {
      readonly solver: 'gaussNewton';
      readonly iterations: number;
      readonly cgIterations: number;
      readonly damping: number;
    };

export interface NativeFitSummary {
  readonly lossBefore: number;
  readonly lossAfter: number;
  readonly explainedVarianceBefore: number;
  readonly explainedVarianceAfter: number;
  readonly solver: 'adam' | 'gaussNewton';
  readonly minibatches: number;
  readonly iterations: number;
  readonly acceptedSteps: number;
  readonly products: number;
  readonly damping: number;
  readonly seconds: number;
}

export interface NativeValueFunction {
  readonly backend: string;
  readonly parameterCount: number;
  readonly version: number;
  readonly busy: boolean;
  readonly closed: boolean;
  predict(observations: FloatArray, out: Float64Array): void;
  fit(
    observations: FloatArray,
    targets: FloatArray,
    options: NativeFitOptions,
  ): Promise<NativeFitSummary>;
  getParameters(out: FloatArray): void;
  setParameters(parameters: FloatArray): void;
  /** Parameters, running statistics and what fits leave to the next. */
  getState(): Float64Array;
  setState(state: Float64Array): void;
  close(): void;
}

export interface NativeAdvantageInputs {
  readonly steps: number;
  readonly environments: number;
  readonly rewards: FloatArray;
  readonly values: FloatArray;
  readonly terminated: Uint8Array;
  readonly truncated: Uint8Array;
  /** May be empty where no row is truncated. */
  readonly finalValues: FloatArray;
  readonly lastValues: FloatArray;
  readonly gamma: number;
  readonly estimator: 'gae' | 'monteCarlo' | 'rewardToGo' | 'nStep';
  /** Read for 'gae' only. */
  readonly lambda?: number;
  /** Read for 'nStep' only. */
  readonly horizon?: number;
}

export interface NativeAddon {
  readonly Method: new <Name extends MethodName>(
    name: Name,
    options: ResolvedOptions[Name],
  ) => NativeMethod;
  readonly Policy: new (config: NativePolicyConfig) => NativePolicy;
  readonly ValueFunction: new (config: NativeValueFunctionConfig) => NativeValueFunction;

  /** Backends that this machine can run, fastest first. */
  backends(): string[];
  defaultThreads(): number;

  /** Writes advantages and returns, both [steps x environments]. */
  advantages(inputs: NativeAdvantageInputs, advantages: Float64Array, returns: Float64Array): void;
  normalizeAdvantages(advantages: Float64Array): void;
  explainedVariance(values: FloatArray, returns: FloatArray): number;

  /**
   * Solves A x = b; `apply(v, out)` writes A v to out. Both arrays are only valid during the call.
   * An exception of `apply` is rethrown unchanged.
   */
  conjugateGradient(
    apply: (vector: Float64Array, out: Float64Array) => void,
    rightHandSide: FloatArray,
    options: NativeConjugateGradientOptions,
    solution: Float64Array,
    residual: Float64Array,
    preconditioner?: (vector: Float64Array, out: Float64Array) => void,
  ): NativeConjugateGradientSummary;

  /** `evaluate(fraction)` is called for each candidate, in order. */
  lineSearch(
    evaluate: (fraction: number) => NativeEvaluation,
    surrogateBefore: number,
    expectedImprovement: number,
    options: NativeLineSearchOptions,
  ): { readonly stop: string; readonly candidates: readonly NativeCandidate[] };
}
