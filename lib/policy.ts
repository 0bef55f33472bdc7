import { callNative, fromNative } from './addon.js';
import {
  checkVector,
  countRows,
  isTypedArray,
  requireFloatOut,
  requireOut,
  toFloatArray,
} from './arrays.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint-file.js';
import { decodePolicy, encodePolicy } from './checkpoint.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray, NativePolicy } from './native.js';
import { normalizerOf } from './normalizer.js';
import type { Normalizer } from './normalizer.js';
import { PolicyComparison } from './policy-comparison.js';
import { openPolicy } from './policy-geometry.js';
import { requireSeed } from './policy-options.js';
import type { PolicyOptions } from './policy-options.js';
import type { ActionArray, ActOptions, MachineOptions } from './policy-types.js';
import type { ActionSpace } from './spaces.js';
import { describe, rejectUnknownOptions, requireBoolean } from './validate.js';

export type {
  ActionArray,
  ActOptions,
  MachineOptions,
  ObjectiveOptions,
  ObjectiveValue,
  PolicyEvaluation,
} from './policy-types.js';

const actOptionNames = ['deterministic', 'out'];

/**
 * A stochastic policy pi(action | observation): a multilayer perceptron whose output (the head)
 * parametrises a distribution over actions,
 *
 *     continuous      N(mean, diag(exp(logStd))^2), logStd one parameter per number of the action
 *     discrete        softmax(logits); multiDiscrete: one softmax per factor, independent
 *     binary          sigmoid(logit) per bit, independent
 *
 * and a running normaliser of its observations. Log-probabilities, entropies and KL divergences are
 * joint: summed over the numbers, factors or bits of an action, in nats.
 *
 * **Parameters** are one flat vector: for each layer in order its weight [outputs x inputs]
 * row-major, then its bias [outputs]; at last logStd (continuous). Weights start orthogonal (Saxe et
 * al. 2014) with gain sqrt(2), the last layer's with `outputGain`; biases start at 0.
 *
 * **Observations** are one vector or n of them, row-major, in any array of numbers; a Float32Array
 * or Float64Array is read in place, anything else is copied first. Inputs are never changed nor
 * kept, and results are fresh arrays unless `out` is given.
 *
 * **Versions.** Parameters and normaliser together are an immutable snapshot. While an update runs
 * on threads of its own, `act` and every other method that only reads go on with the present
 * snapshot; an accepted update then replaces it whole, and `version` grows.
 *
 * Every method throws TrustRegionError `ERR_CLOSED` after `close()`, `ERR_INVALID_ARGUMENT` for an
 * argument of the wrong type, `ERR_SHAPE_MISMATCH` for an array of the wrong length and
 * `ERR_NOT_FINITE` for NaN or infinity in it, naming the array and index. A failed call changes
 * nothing.
 *
 * @typeParam A - The space of actions, taken from the option `actions`.
 * @example
 * ```ts
 * const policy = new Policy({
 *   observationSize: 3,
 *   actions: { kind: 'continuous', size: 2 },
 *   hidden: [32, 32],
 *   seed: 1,
 * });
 * const action = policy.act([0.1, -0.2, 0.3]); // a Float32Array of 2 numbers
 * console.assert(action.length === 2);
 * console.assert(policy.parameterCount === 3 * 32 + 32 + 32 * 32 + 32 + 32 * 2 + 2 + 2);
 * policy.close();
 * ```
 */
export class Policy<A extends ActionSpace = ActionSpace> extends PolicyComparison<A> {
  readonly #isContinuous: boolean;

  /**
   * @param options - See {@link PolicyOptions}.
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION` (misspelt), `ERR_INVALID_ARGUMENT`,
   *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad option; `ERR_BACKEND` if this machine cannot
   *   run the backend; `ERR_ADDON`.
   */
  constructor(options: PolicyOptions<A>) {
    super(options);
    this.#isContinuous = this.options.actions.kind === 'continuous';
  }

  /**
   * Chooses actions: random ones from pi(. | observation), or the most likely. Synchronous, takes
   * microseconds for one observation, and may be called while an update runs.
   *
   * @param observations - One observation, or n of them [n x observationSize].
   * @returns Actions [n x actionLength]; continuous ones are not clipped to the space's bounds.
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, and as for every method; no random number is
   *   then spent.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 3 } });
   * const out = new Int32Array(1);
   * const observation = new Float32Array(2);
   * for (let step = 0; step < 3; step += 1) {
   *   policy.act(observation, { out }); // a control loop without garbage
   * }
   * console.assert((out[0] ?? -1) >= 0 && (out[0] ?? 3) < 3);
   * ```
   */
  act(observations: ArrayLike<number>, options?: ActOptions<A>): ActionArray<A> {
    // The hot path of control loops: no closure, no spread, one allocation at most.
    const native = openPolicy(this);
    const checked = toFloatArray(observations, 'observations');
    const length = countRows(checked, this.observationSize, 'observations') * this.actionLength;
    let deterministic = false;
    let out: ActionArray<A> | undefined;
    if (options !== undefined) {
      this.#checkActOptions(options, length);
      ({ deterministic = false, out } = options);
    }
    const actions = out ?? this.#makeActions(length);
    try {
      native.act(checked, deterministic, actions);
    } catch (error) {
      throw fromNative(error);
    }
    return actions;
  }

  /**
   * Restarts the stream of random numbers that `act` draws from; the option `seed` started it.
   *
   * @param seed - Integer from 0 to 2^53 - 1.
   * @throws TrustRegionError `ERR_OUT_OF_RANGE`, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * policy.seed(7);
   * const first = policy.act([0.5]);
   * policy.seed(7);
   * console.assert(policy.act([0.5])[0] === first[0]);
   * ```
   */
  seed(seed: number): void {
    const native = openPolicy(this);
    requireSeed(seed);
    callNative(() => native.seed(seed));
  }

  /**
   * The parameters, a copy.
   *
   * @param out - Where they go, [parameterCount]: a Float64Array shows all bits of the reference
   *   backend's parameters. A fresh Float32Array by default.
   * @returns `out`.
   */
  getParameters(): Float32Array;
  getParameters<Out extends FloatArray>(out: Out): Out;
  getParameters(out: FloatArray = new Float32Array(this.parameterCount)): FloatArray {
    const native = openPolicy(this);
    requireFloatOut(out, this.parameterCount);
    callNative(() => native.getParameters(out));
    return out;
  }

  /**
   * Replaces the parameters, rounded to `precision`. Makes a new version.
   *
   * @param parameters - [parameterCount]
   * @throws TrustRegionError `ERR_BUSY` while an update runs, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'discrete', count: 2 } });
   * policy.setParameters(new Float32Array(policy.parameterCount));
   * console.assert(policy.getParameters().every((parameter) => parameter === 0));
   * console.assert(policy.version === 1);
   * ```
   */
  setParameters(parameters: ArrayLike<number>): void {
    const native = this.#openIdle('setParameters()');
    const checked = checkVector(parameters, this.parameterCount, 'parameters');
    callNative(() => native.setParameters(checked));
  }

  /**
   * Statistics that observations are normalised by; a copy.
   */
  get normalizer(): Normalizer {
    const native = openPolicy(this);
    return normalizerOf(callNative(() => native.getNormalizer()));
  }

  /**
   * Adds observations to the statistics (Chan, Golub and LeVeque 1983). Makes a new version, so do
   * it between an update and the next rollout, as {@link train} does.
   *
   * @param observations - [n x observationSize]
   * @throws TrustRegionError `ERR_BUSY` while an update runs, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'discrete', count: 2 } });
   * policy.updateNormalizer([1, 2, 6]);
   * const { count, mean } = policy.normalizer;
   * console.assert(count === 3 && mean[0] === 3);
   * ```
   */
  updateNormalizer(observations: ArrayLike<number>): void {
    const native = this.#openIdle('updateNormalizer()');
    const checked = toFloatArray(observations, 'observations');
    countRows(checked, this.observationSize, 'observations');
    callNative(() => native.updateNormalizer(checked));
  }

  /**
   * Saves the policy as it is at the time of the call: options, parameters in full precision,
   * normaliser; not the state of the sampling stream. The file is a safetensors file, by convention
   * named `policy.safetensors`. It appears whole or not at all, also in a crash or a power cut.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_CHECKPOINT` if the file cannot be written,
   *   with the error of the file system as `cause`; `ERR_CLOSED`; `ERR_INVALID_ARGUMENT`.
   */
  async save(path: string): Promise<void> {
    await writeCheckpoint(path, this.toBytes());
  }

  /**
   * Loads a policy that was saved. It acts as the saved one did; `seed` restarts its sampling.
   *
   * @param machine - Where to run it, for a file that was saved on another machine.
   * @throws TrustRegionError (the promise rejects) `ERR_CHECKPOINT` if the file cannot be read, is
   *   damaged, holds something else, or comes from a newer version; `ERR_BACKEND` if this machine
   *   cannot run the backend that it was saved with (give another).
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 3 } });
   * await policy.save('policy.safetensors');
   * const twin = await Policy.load('policy.safetensors');
   * console.assert(twin.parameterCount === policy.parameterCount);
   * ```
   */
  static async load(path: string, machine?: MachineOptions): Promise<Policy> {
    return Policy.fromBytes(await readCheckpoint(path), machine);
  }

  /**
   * What {@link Policy.save} writes to the file. The same policy gives the same bytes.
   */
  toBytes(): Uint8Array {
    const native = openPolicy(this);
    const parameters =
      this.precision === 'float64'
        ? new Float64Array(this.parameterCount)
        : new Float32Array(this.parameterCount);
    return encodePolicy({
      options: this.options,
      parameters: this.getParameters(parameters),
      normalizer: callNative(() => native.getNormalizer()),
    });
  }

  /**
   * Makes a policy from the bytes of {@link Policy.toBytes}; see {@link Policy.load}.
   *
   * @throws TrustRegionError `ERR_CHECKPOINT`, `ERR_BACKEND`, or `ERR_INVALID_ARGUMENT` if it is no
   *   Uint8Array.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 3 } });
   * const twin = Policy.fromBytes(policy.toBytes());
   * const observation = [0.5, -0.5];
   * console.assert(policy.forward(observation).join() === twin.forward(observation).join());
   * ```
   */
  static fromBytes(bytes: Uint8Array, machine: MachineOptions = {}): Policy {
    if (!isTypedArray(bytes, 'Uint8Array')) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `bytes must be a Uint8Array, got ${describe(bytes)}`,
      );
    }
    rejectUnknownOptions(machine, ['backend', 'threads', 'memoryBudget'], 'machine options');
    const { options, parameters, normalizer } = decodePolicy(bytes);
    const policy = new Policy({ ...options, ...machine });
    const native = openPolicy(policy);
    callNative(() => native.setParameters(parameters));
    callNative(() => native.setNormalizer(normalizer));
    return policy;
  }

  #openIdle(call: string): NativePolicy {
    const native = openPolicy(this);
    if (native.busy) {
      throw new TrustRegionError(
        'ERR_BUSY',
        `${call} must wait for the policy's running update, whose result would replace the change`,
      );
    }
    return native;
  }

  #makeActions(length: number): ActionArray<A> {
    // The kind of the array is the kind of the space, which TypeScript cannot follow.
    return (
      this.#isContinuous ? new Float32Array(length) : new Int32Array(length)
    ) as ActionArray<A>;
  }

  #checkActOptions(options: ActOptions<A>, length: number): void {
    if (typeof options !== 'object' || options === null) {
      rejectUnknownOptions(options, actOptionNames, 'act options'); // throws
    }
    for (const key in options) {
      if (key !== 'deterministic' && key !== 'out') {
        rejectUnknownOptions(options, actOptionNames, 'act options');
      }
    }
    const { deterministic, out } = options;
    if (deterministic !== undefined) {
      requireBoolean(deterministic, 'deterministic');
    }
    if (out !== undefined) {
      requireOut(out, this.#isContinuous ? 'Float32Array' : 'Int32Array', length);
    }
  }
}
