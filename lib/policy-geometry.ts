import { addon, callNative } from './addon.js';
import { checkVector, countRows, none, toFloatArray, toNumberArray } from './arrays.js';
import { checkBatch } from './batch.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import { checkFisherOptions, FisherOperator } from './fisher-operator.js';
import type { FisherOptions } from './fisher-operator.js';
import { resolveNaturalDirection } from './natural-direction-options.js';
import { naturalDirectionSolveNames } from './natural-direction.js';
import type { NaturalDirection, NaturalDirectionSolveOptions } from './natural-direction.js';
import type { FloatArray, NativeBatch, NativePolicy } from './native.js';
import { nativePolicyConfig, resolvePolicyOptions } from './policy-options.js';
import type { PolicyOptions, ResolvedPolicyOptions } from './policy-options.js';
import { actionLength } from './spaces.js';
import type { ActionSpace } from './spaces.js';
import { toNaturalDirection } from './update-summary.js';
import { describe, rejectUnknownOptions, rejectUnusedOptions, requireLength } from './validate.js';

/**
 * For the other modules of this package: the native policy behind `policy`, which is open.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (not a Policy, or one of another copy of this
 *   package) or `ERR_CLOSED`.
 */
export let openPolicy: (policy: unknown) => NativePolicy;

/**
 * The part of {@link Policy} that only reads: its distributions over actions and their geometry in
 * the parameters. All of it refers to the present parameters and normaliser, and may be called
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
   * What Fisher products are made in: as `precision`, but `'bfloat16x3'` on the backend `'cpu-amx'`.
   * There each factor is the sum of two bfloat16, and a product is three of theirs, summed in
   * float32: within 2^-14.5 of itself, most within 2^-17. `'bfloat16x2'` on `'cpu-amx-bf16'`: there
   * weights and activations are rounded to one bfloat16, what they are multiplied by is not, and a
   * product is two. So products are by the Fisher matrix of another network, within 2^-9 of this one,
   * and as exact for that; they differ by 0.1 to 0.5 % from those of this one, directions agree in
   * their efficiency to three digits. All else, the line search and its trust region among it, is
   * computed in `precision`.
   */
  readonly productPrecision: 'float32' | 'float64' | 'bfloat16x3' | 'bfloat16x2';
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
    this.productPrecision = this.#native.productPrecision;
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
   * The natural direction x = (F + damping I)^-1 g of a batch, g its policy gradient and F its Fisher
   * matrix, as {@link NaturalPolicyGradient} and {@link TRPO} find it. Advantages are used as given.
   *
   * @param options - Those of these methods, as far as they mean something for one solve, and `start`.
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, `ERR_UNKNOWN_OPTION`, and
   *   as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, hidden: [4] });
   * const observations = Float32Array.from({ length: 100 }, (_, row) => row / 50 - 1);
   * const actions = policy.act(observations);
   * const batch = { observations, actions, advantages: actions.map(Math.cos) };
   * const { direction, slope, solver } = policy.naturalDirection(batch, { solver: 'cholesky' });
   * const product = policy.fisherVectorProduct(observations, direction);
   * const gradient = policy.gradient(batch);
   * console.assert(product.every((Fx, i) => Math.abs(Fx + 0.1 * (direction[i] ?? 0) - (gradient[i] ?? 0)) < 1e-6));
   * console.assert(slope > 0 && solver === 'cholesky');
   * ```
   */
  naturalDirection(batch: Batch, options: NaturalDirectionSolveOptions = {}): NaturalDirection {
    const native = this.#open();
    rejectUnknownOptions(options, naturalDirectionSolveNames, 'naturalDirection options');
    const { start, ...chosen } = options;
    if (chosen.solver === 'cholesky') {
      rejectUnusedOptions(options, ['start'], "solver 'cholesky'");
    }
    const resolved = resolveNaturalDirection(
      start === undefined ? chosen : { ...chosen, warmStart: true },
      this.parameterCount,
    );
    const checked = this.#batch(batch);
    const from = start === undefined ? none : checkVector(start, this.parameterCount, 'start');
    const direction = new Float64Array(this.parameterCount);
    const found = callNative(() => native.naturalDirection(checked, resolved, from, direction));
    const { status, slope, curvature, seconds } = found;
    return {
      direction,
      usable: status === 'accepted',
      slope,
      curvature,
      ...toNaturalDirection(found),
      seconds,
    };
  }

  /**
   * The product F v with the Fisher matrix over observations, a mean over rows, not damped; see
   * {@link FisherOperator}, which is faster for several products.
   *
   * @param observations - [n x observationSize]
   * @param vector - v, [parameterCount]
   * @param options - Which Fisher matrix; see {@link FisherOptions}.
   * @returns [parameterCount], a fresh array.
   * @throws TrustRegionError As {@link PolicyGeometry.fisherOperator}.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const vector = new Float64Array(policy.parameterCount);
   * vector[vector.length - 1] = 1; // along logStd, where the metric is 2
   * console.assert(Math.abs((policy.fisherVectorProduct([0.5], vector).at(-1) ?? 0) - 2) < 1e-6);
   *
   * const actions = policy.act([0.5]); // the empirical one depends on the actions that were taken
   * const score = policy.gradient({ observations: [0.5], actions, advantages: [1] } as never);
   * const empirical = policy.fisherVectorProduct([0.5], score, { estimator: 'empirical', actions });
   * const squared = score.reduce((sum, each) => sum + each ** 2, 0); // (s s') s = |s|^2 s
   * console.assert(empirical.every((each, i) => Math.abs(each - squared * (score[i] ?? 0)) < 1e-4));
   * ```
   */
  fisherVectorProduct(
    observations: ArrayLike<number>,
    vector: ArrayLike<number>,
    options?: FisherOptions,
  ): Float64Array {
    const checked = checkVector(vector, this.parameterCount, 'vector');
    const fisher = this.fisherOperator(observations, options);
    try {
      return fisher.apply(checked);
    } finally {
      fisher.close();
    }
  }

  /**
   * The diagonal of the exact Fisher matrix over observations, a mean over rows, not damped.
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
   * @param options - Which Fisher matrix; see {@link FisherOptions}.
   * @throws TrustRegionError `ERR_INVALID_ARGUMENT` for an empirical one without actions or an exact
   *   one with them, `ERR_OUT_OF_RANGE` for an action that is none, `ERR_UNKNOWN_OPTION`, and as for
   *   every method.
   */
  fisherOperator(observations: ArrayLike<number>, options: FisherOptions = {}): FisherOperator {
    const native = this.#open();
    const { array, rows } = this.#rows(observations);
    const { estimator, actions } = checkFisherOptions(options);
    if (actions !== none) {
      requireLength(actions, rows * this.actionLength, 'actions');
    }
    const rollout = { observations: array, actions, advantages: none };
    return new FisherOperator(
      callNative(() => native.fisherOperator(rollout, estimator)),
      estimator,
    );
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

  #batch(batch: Batch): NativeBatch {
    return checkBatch(batch, this.observationSize, this.actionLength);
  }
}
