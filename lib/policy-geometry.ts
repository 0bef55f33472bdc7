import { addon, callNative } from './addon.js';
import { countRows, toFloatArray, toNumberArray } from './arrays.js';
import { checkBatch } from './batch.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import { FisherOperator } from './fisher-operator.js';
import type { FloatArray, NativeBatch, NativePolicy } from './native.js';
import { nativePolicyConfig, resolvePolicyOptions } from './policy-options.js';
import type { PolicyOptions, ResolvedPolicyOptions } from './policy-options.js';
import type { PolicyEvaluation } from './policy-types.js';
import { actionLength } from './spaces.js';
import type { ActionSpace } from './spaces.js';
import { describe, requireFinite, requireLength } from './validate.js';

const none = new Float32Array(0);

/**
 * For the other modules of this package: the native policy behind `policy`, which is open.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (not a Policy, or one of another copy of this
 *   package) or `ERR_CLOSED`.
 */
export let openPolicy: (policy: unknown) => NativePolicy;

/**
 * The part of {@link Policy} that only reads: its distributions over actions and their derivatives
 * in the parameters. All of it refers to the present parameters and normaliser, and may be called
 * while an update runs.
 */
export abstract class PolicyGeometry<A extends ActionSpace = ActionSpace> {
  /**
   * All options with their defaults; frozen. `new Policy(policy.options)` starts from the same
   * parameters as this policy did.
   */
  readonly options: ResolvedPolicyOptions<A>;
  /**
   * The backend that really computes, such as `'cpu-avx2'` where the option was `'cpu'`.
   */
  readonly backend: string;
  /**
   * What parameters are held in: `'float64'` for the reference backend, else `'float32'`.
   */
  readonly precision: 'float32' | 'float64';
  /**
   * Threads that a long computation may use.
   */
  readonly threads: number;
  /**
   * Length of the parameter vector.
   */
  readonly parameterCount: number;
  /**
   * Outputs of the network: means, or logits.
   */
  readonly headSize: number;
  /**
   * Numbers in one observation.
   */
  readonly observationSize: number;
  /**
   * Numbers in one action.
   */
  readonly actionLength: number;

  readonly #native: NativePolicy;
  #closed = false;

  /**
   * @param options - See {@link PolicyOptions}.
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION` (misspelt), `ERR_INVALID_ARGUMENT`,
   *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad option; `ERR_BACKEND` if this machine cannot
   *   run the backend; `ERR_ADDON`.
   */
  constructor(options: PolicyOptions<A>) {
    this.options = resolvePolicyOptions(options);
    const { Policy: Native } = addon();
    this.#native = callNative(() => new Native(nativePolicyConfig(this.options)));
    this.backend = this.#native.backend;
    this.precision = this.#native.precision;
    this.threads = this.#native.threads;
    this.parameterCount = this.#native.parameterCount;
    this.headSize = this.#native.headSize;
    this.observationSize = this.options.observationSize;
    this.actionLength = actionLength(this.options.actions);
  }

  /**
   * Grows by one with every accepted update and every other change of parameters or normaliser.
   */
  get version(): number {
    return this.#open().version;
  }

  /**
   * Whether an update is running.
   */
  get busy(): boolean {
    return this.#open().busy;
  }

  /**
   * Whether `close()` was called.
   */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Outputs of the network [n x headSize]: means (continuous) or logits.
   *
   * @param observations - [n x observationSize]
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 3 } });
   * console.assert(policy.forward([0.1, 0.2]).length === 3); // one logit for each choice
   * ```
   */
  forward(observations: ArrayLike<number>): Float64Array {
    const native = this.#open();
    const { array, rows } = this.#rows(observations);
    const head = new Float64Array(rows * this.headSize);
    callNative(() => native.forward(array, head));
    return head;
  }

  /**
   * log pi(action | observation) of each row, [n].
   *
   * @param observations - [n x observationSize]
   * @param actions - [n x actionLength]
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 3 } });
   * const observation = [0.1, 0.2];
   * const p = [0, 1, 2].map((action) => Math.exp(policy.logProbability(observation, [action])[0] ?? 0));
   * console.assert(Math.abs(p.reduce((sum, each) => sum + each) - 1) < 1e-6);
   * ```
   */
  logProbability(observations: ArrayLike<number>, actions: ArrayLike<number>): Float64Array {
    const native = this.#open();
    const { array, rows } = this.#rows(observations);
    const checked = toNumberArray(actions, 'actions');
    requireLength(checked, rows * this.actionLength, 'actions');
    const result = new Float64Array(rows);
    callNative(() => native.logProbability(array, checked, result));
    return result;
  }

  /**
   * Entropy -E log pi(. | observation) of each row, [n], in nats.
   *
   * @param observations - [n x observationSize]
   * @example
   * ```ts
   * const policy = new Policy({
   *   observationSize: 2, actions: { kind: 'discrete', count: 3 }, outputGain: 0, // all alike
   * });
   * console.assert(Math.abs((policy.entropy([0.1, 0.2])[0] ?? 0) - Math.log(3)) < 1e-6);
   * ```
   */
  entropy(observations: ArrayLike<number>): Float64Array {
    const native = this.#open();
    const { array, rows } = this.#rows(observations);
    const result = new Float64Array(rows);
    callNative(() => native.entropy(array, result));
    return result;
  }

  /**
   * Gradient at the present parameters of the surrogate, mean of A grad log pi(a | s) over rows:
   * the policy gradient. Advantages are used as given.
   *
   * @returns [parameterCount], a fresh array.
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'discrete', count: 2 }, hidden: [] });
   * const batch = {
   *   observations: Float32Array.of(1), actions: Int32Array.of(1), advantages: Float32Array.of(2),
   * };
   * const bias = policy.gradient(batch).slice(-2); // 2 (1 - p) for the choice taken, -2 (1 - p) else
   * console.assert(Math.abs((bias[0] ?? 0) + (bias[1] ?? 0)) < 1e-6 && (bias[1] ?? 0) > 0);
   * ```
   */
  gradient(batch: Batch): Float64Array {
    const native = this.#open();
    const checked = this.#batch(batch);
    const gradient = new Float64Array(this.parameterCount);
    callNative(() => native.gradient(checked, gradient));
    return gradient;
  }

  /**
   * The surrogate L = mean of pi_new(a|s) / pi_old(a|s) A over rows (Schulman et al. 2015, equation
   * 14), old being the present parameters. Advantages are used as given.
   *
   * @param parameters - New parameters [parameterCount]; the present ones by default, whose
   *   surrogate is the mean advantage.
   * @throws TrustRegionError As {@link PolicyGeometry.evaluate}.
   */
  surrogate(batch: Batch, parameters?: ArrayLike<number>): number {
    if (parameters !== undefined) {
      return this.evaluate(batch, parameters).surrogate;
    }
    const native = this.#open();
    const checked = this.#batch(batch);
    const present = new Float64Array(this.parameterCount);
    callNative(() => native.getParameters(present));
    return callNative(() => native.evaluate(checked, present)).surrogate;
  }

  /**
   * KL(present || new) over observations: its mean, which trust regions bound, and its largest.
   *
   * @param observations - [n x observationSize]
   * @param parameters - New parameters [parameterCount].
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const parameters = policy.getParameters();
   * console.assert(policy.kl([0.5, -0.5], parameters).mean < 1e-9);
   * parameters[parameters.length - 1] = 1; // logStd from 0 to 1: KL = 1 + (1 / e^2 - 1) / 2
   * const { mean, max } = policy.kl([0.5, -0.5], parameters);
   * console.assert(Math.abs(mean - (1 + (Math.exp(-2) - 1) / 2)) < 1e-6 && max >= mean);
   * ```
   */
  kl(
    observations: ArrayLike<number>,
    parameters: ArrayLike<number>,
  ): { mean: number; max: number } {
    const native = this.#open();
    const { array } = this.#rows(observations);
    const candidate = this.#vector(parameters, 'parameters');
    const rollout = { observations: array, actions: none, advantages: none };
    const { meanKl, maxKl } = callNative(() => native.evaluate(rollout, candidate));
    return { mean: meanKl, max: maxKl };
  }

  /**
   * Compares other parameters with the present ones on a batch: surrogate, KL divergence, entropy.
   * What {@link lineSearch} needs of a candidate.
   *
   * @param parameters - New parameters [parameterCount], rounded to `precision`.
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const observations = Float32Array.of(-1, 0, 1);
   * const batch = { observations, actions: policy.act(observations), advantages: Float32Array.of(1, 2, 3) };
   * const { surrogate, meanKl, finite } = policy.evaluate(batch, policy.getParameters());
   * console.assert(Math.abs(surrogate - 2) < 1e-6 && meanKl < 1e-9 && finite);
   * ```
   */
  evaluate(batch: Batch, parameters: ArrayLike<number>): PolicyEvaluation {
    const native = this.#open();
    const checked = this.#batch(batch);
    const candidate = this.#vector(parameters, 'parameters');
    return callNative(() => native.evaluate(checked, candidate));
  }

  /**
   * The product F v with the Fisher matrix over observations, a mean over rows, not damped; see
   * {@link FisherOperator}, which is faster for several products.
   *
   * @param observations - [n x observationSize]
   * @param vector - v, [parameterCount]
   * @returns [parameterCount], a fresh array.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const vector = new Float64Array(policy.parameterCount);
   * vector[vector.length - 1] = 1; // along logStd, where the metric is 2
   * console.assert(Math.abs((policy.fisherVectorProduct([0.5], vector).at(-1) ?? 0) - 2) < 1e-6);
   * ```
   */
  fisherVectorProduct(observations: ArrayLike<number>, vector: ArrayLike<number>): Float64Array {
    const checked = this.#vector(vector, 'vector');
    const fisher = this.fisherOperator(observations);
    try {
      return fisher.apply(checked);
    } finally {
      fisher.close();
    }
  }

  /**
   * The diagonal of the Fisher matrix over observations, a mean over rows, not damped.
   *
   * @param observations - [n x observationSize]
   * @returns [parameterCount], a fresh array.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * console.assert(policy.fisherDiagonal([0.5, -0.5]).every((entry) => entry >= 0));
   * ```
   */
  fisherDiagonal(observations: ArrayLike<number>): Float64Array {
    const fisher = this.fisherOperator(observations);
    try {
      return fisher.diagonal();
    } finally {
      fisher.close();
    }
  }

  /**
   * The Fisher matrix at the present parameters as an operator: activations are computed once, here,
   * and shared by all products.
   *
   * @param observations - [n x observationSize]; copied.
   */
  fisherOperator(observations: ArrayLike<number>): FisherOperator {
    const native = this.#open();
    const { array } = this.#rows(observations);
    return new FisherOperator(callNative(() => native.fisherOperator(array)));
  }

  /**
   * Frees native memory at once instead of at garbage collection. Calling it again does nothing;
   * other methods then throw.
   *
   * @throws TrustRegionError `ERR_BUSY` while an update runs: await it first.
   */
  close(): void {
    if (!this.#closed) {
      callNative(() => this.#native.close());
      this.#closed = true;
    }
  }

  static {
    openPolicy = (policy: unknown): NativePolicy => {
      if (typeof policy !== 'object' || policy === null || !(#native in policy)) {
        throw new TrustRegionError(
          'ERR_INVALID_ARGUMENT',
          `policy must be a Policy, got ${describe(policy)}`,
        );
      }
      return policy.#open();
    };
  }

  #open(): NativePolicy {
    if (this.#closed) {
      throw new TrustRegionError('ERR_CLOSED', 'policy was used after close()');
    }
    return this.#native;
  }

  #rows(observations: ArrayLike<number>): { array: FloatArray; rows: number } {
    const array = toFloatArray(observations, 'observations');
    return { array, rows: countRows(array, this.observationSize, 'observations') };
  }

  #vector(values: ArrayLike<number>, name: string): FloatArray {
    const vector = toFloatArray(values, name);
    requireLength(vector, this.parameterCount, name);
    requireFinite(vector, name);
    return vector;
  }

  #batch(batch: Batch): NativeBatch {
    return checkBatch(batch, this.observationSize, this.actionLength);
  }
}
