import { choiceCounts } from './action-layout.js';
import { estimatorOptionNames, resolveEstimator } from './advantage-estimator.js';
import { computeAdvantages } from './advantages.js';
import { toFlags, toFloatArray } from './arrays.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray, NumberArray } from './native.js';
import { openPolicy } from './policy-geometry.js';
import type { Policy } from './policy.js';
import type { FinishOptions, RolloutBufferOptions, RolloutStep } from './rollout-types.js';
import type { ActionSpace } from './spaces.js';
import {
  describe,
  rejectUnknownOptions,
  requireFinite,
  requireInteger,
  requireLength,
} from './validate.js';
import { ValueFunction } from './value-function.js';

export type { FinishOptions, RolloutBufferOptions, RolloutStep } from './rollout-types.js';

interface FinalObservation {
  readonly row: number;
  readonly observation: FloatArray;
}

const optionNames: readonly (keyof RolloutBufferOptions)[] = ['policy', 'steps', 'environments'];
const stepNames: readonly (keyof RolloutStep)[] = [
  'observations',
  'actions',
  'rewards',
  'terminated',
  'truncated',
  'nextObservations',
];
const finishNames: readonly (keyof FinishOptions)[] = ['valueFunction', ...estimatorOptionNames];
const mostNumbers = 2 ** 31;

/**
 * Collects what a policy does in E environments over T time steps and makes a {@link Batch} of it,
 * time-major: row `step * E + environment`. Holds its own copies (float32, or float64 for a policy
 * of that precision).
 *
 * @example
 * ```ts
 * const environment = new CartPole();
 * const policy = new Policy({ observationSize: 4, actions: environment.actionSpace, seed: 1 });
 * const rollout = new RolloutBuffer({ policy, steps: 100 });
 * let observations = environment.reset(1);
 * while (!rollout.full) {
 *   const actions = policy.act(observations);
 *   const { observation, reward, terminated, truncated } = environment.step(actions);
 *   rollout.add({
 *     observations, actions, rewards: reward, terminated, truncated, nextObservations: observation,
 *   });
 *   observations = terminated || truncated ? environment.reset() : observation;
 * }
 * const batch = rollout.finish({ gamma: 0.99 });
 * console.assert(batch.advantages.length === 100 && batch.policyVersion === policy.version);
 * rollout.reset();
 * ```
 */
export class RolloutBuffer<A extends ActionSpace = ActionSpace> {
  /**
   * The policy that chooses the actions.
   */
  readonly policy: Policy<A>;
  /**
   * Time steps that fit in, T.
   */
  readonly steps: number;
  /**
   * Environments, E.
   */
  readonly environments: number;

  readonly #observations: FloatArray;
  readonly #actions: NumberArray;
  readonly #rewards: Float64Array;
  readonly #terminated: Uint8Array;
  readonly #truncated: Uint8Array;
  readonly #choices: readonly number[];
  #size = 0;
  #policyVersion = 0;
  #finalObservations: FinalObservation[] = [];
  /**
   * What the environments showed after the newest step, if that was told.
   */
  #lastObservations: FloatArray | undefined;

  /**
   * @param options - See {@link RolloutBufferOptions}.
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE`,
   *   `ERR_OUT_OF_RANGE`, or `ERR_CLOSED` if the policy is.
   */
  constructor(options: RolloutBufferOptions<A>) {
    rejectUnknownOptions(options, optionNames, 'RolloutBuffer options');
    const { policy, steps, environments = 1 } = options;
    openPolicy(policy);
    this.policy = policy;
    this.steps = requireInteger(steps, 'steps', { min: 1 });
    this.environments = requireInteger(environments, 'environments', { min: 1 });
    const { observationSize, actionLength, precision } = policy;
    const rows = steps * environments;
    if (rows * Math.max(observationSize, actionLength) > mostNumbers) {
      throw new TrustRegionError(
        'ERR_OUT_OF_RANGE',
        `steps x environments x observationSize must be ` +
          `at most ${mostNumbers}, got ${steps} x ${environments} x ${observationSize}`,
      );
    }
    const Floats = precision === 'float64' ? Float64Array : Float32Array;
    this.#observations = new Floats(rows * observationSize);
    this.#choices = choiceCounts(policy.options.actions);
    this.#actions = new (this.#choices.length === 0 ? Floats : Int32Array)(rows * actionLength);
    this.#rewards = new Float64Array(rows);
    this.#terminated = new Uint8Array(rows);
    this.#truncated = new Uint8Array(rows);
  }

  /**
   * Time steps held now.
   */
  get size(): number {
    return this.#size;
  }

  /**
   * Whether no other step fits in.
   */
  get full(): boolean {
    return this.#size === this.steps;
  }

  /**
   * Adds one time step of all environments, copying it.
   *
   * @throws TrustRegionError `ERR_STATE` if the buffer is full; `ERR_STALE_BATCH` if the policy
   *   changed since the first step; `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT` (also for missing
   *   nextObservations), `ERR_SHAPE_MISMATCH`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` (an action
   *   that is none), naming the array and index; `ERR_CLOSED`. The buffer then stays as it was.
   */
  add(step: RolloutStep): void {
    const { version } = openPolicy(this.policy);
    this.#requireRoom(version);
    rejectUnknownOptions(step, stepNames, 'rollout step');
    const { environments } = this;
    const { observationSize } = this.policy;
    const observations = this.#finite(step.observations, 'observations', observationSize);
    const actions = this.#checkActions(step.actions);
    const rewards = this.#finite(this.#asArray(step.rewards), 'rewards', 1);
    const terminated = toFlags(this.#asArray(step.terminated), environments, 'terminated');
    const truncated = toFlags(this.#asArray(step.truncated), environments, 'truncated');
    const next = this.#checkNext(step.nextObservations, terminated, truncated);

    if (this.#size === 0) {
      this.#policyVersion = version;
    }
    const row = this.#size * environments;
    this.#observations.set(observations, row * observationSize);
    this.#actions.set(actions, row * this.policy.actionLength);
    this.#rewards.set(rewards, row);
    this.#terminated.set(terminated, row);
    this.#truncated.set(truncated, row);
    this.#lastObservations = next?.slice();
    for (let environment = 0; environment < environments; environment += 1) {
      if (next !== undefined && truncated[environment] === 1 && terminated[environment] === 0) {
        this.#finalObservations.push({
          row: row + environment,
          observation: next.slice(
            environment * observationSize,
            (environment + 1) * observationSize,
          ),
        });
      }
    }
    this.#size += 1;
  }

  /**
   * Estimates advantages and returns of the steps held now ({@link computeAdvantages}). The buffer
   * stays as it is: `reset()` it for the next rollout.
   *
   * @param options - See {@link FinishOptions}.
   * @returns A batch of size x E rows with fresh arrays, advantages not normalised.
   * @throws TrustRegionError `ERR_STATE` if the buffer is empty, or ends within an episode and the
   *   last step came without nextObservations; `ERR_SHAPE_MISMATCH` if the value function takes
   *   other observations; `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE`,
   *   `ERR_OUT_OF_RANGE`, `ERR_CLOSED`.
   */
  finish(options: FinishOptions = {}): Batch {
    rejectUnknownOptions(options, finishNames, 'finish options');
    const estimator = resolveEstimator(options);
    const predict = this.#predictor(options.valueFunction);
    const { environments } = this;
    const { observationSize, actionLength } = this.policy;
    if (this.#size === 0) {
      throw new TrustRegionError(
        'ERR_STATE',
        'the rollout buffer is empty: add() at least one step before finish()',
      );
    }
    const rows = this.#size * environments;
    const observations = this.#observations.slice(0, rows * observationSize);
    const terminated = this.#terminated.subarray(0, rows);
    const truncated = this.#truncated.subarray(0, rows);
    const values = predict(observations);
    const { advantages, returns } = computeAdvantages({
      rewards: this.#rewards.subarray(0, rows),
      values,
      terminated,
      truncated,
      finalValues: this.#finalValues(predict, rows),
      lastValues: this.#lastValues(predict),
      environments,
      ...estimator,
    });
    const actions = this.#actions.slice(0, rows * actionLength);
    const policyVersion = this.#policyVersion;
    return { observations, actions, advantages, returns, values, policyVersion };
  }

  /**
   * Empties the buffer for the next rollout, which may come from a new version of the policy.
   */
  reset(): void {
    this.#size = 0;
    this.#finalObservations = [];
    this.#lastObservations = undefined;
  }

  #requireRoom(version: number): void {
    if (this.full) {
      throw new TrustRegionError(
        'ERR_STATE',
        `the rollout buffer holds all of its ${this.steps} steps: call reset() before the next add()`,
      );
    }
    if (this.#size > 0 && version !== this.#policyVersion) {
      throw new TrustRegionError(
        'ERR_STALE_BATCH',
        `all steps of a rollout must come from one version of the policy, got version ${version} ` +
          `after version ${this.#policyVersion}: call reset() after each change of the policy`,
      );
    }
  }

  #asArray<Value>(value: ArrayLike<Value> | Value): ArrayLike<Value> {
    return this.environments === 1 && (typeof value === 'number' || typeof value === 'boolean')
      ? [value]
      : (value as ArrayLike<Value>);
  }

  #finite(values: ArrayLike<number>, name: string, rowLength: number): FloatArray {
    const array = toFloatArray(values, name);
    requireLength(array, this.environments * rowLength, name);
    requireFinite(array, name);
    return array;
  }

  #checkActions(actions: ArrayLike<number> | number): ArrayLike<number> {
    const length = this.environments * this.policy.actionLength;
    const array = length === 1 && typeof actions === 'number' ? [actions] : actions;
    requireLength(array, length, 'actions');
    const values = array as ArrayLike<number>;
    if (this.#choices.length === 0) {
      return this.#finite(values, 'actions', this.policy.actionLength);
    }
    for (let index = 0; index < length; index += 1) {
      const choices = this.#choices[index % this.#choices.length] ?? 0;
      requireInteger(values[index], `actions[${index}]`, { min: 0, max: choices - 1 });
    }
    return values;
  }

  /**
   * Checks the rows that may be needed: those of environments whose task goes on.
   */
  #checkNext(
    nextObservations: ArrayLike<number> | undefined,
    terminated: Uint8Array,
    truncated: Uint8Array,
  ): FloatArray | undefined {
    if (nextObservations === undefined) {
      this.#requireNotNeeded(terminated, truncated);
      return undefined;
    }
    const { observationSize } = this.policy;
    const next = toFloatArray(nextObservations, 'nextObservations');
    requireLength(next, this.environments * observationSize, 'nextObservations');
    next.forEach((value, index) => {
      if (!Number.isFinite(value) && terminated[Math.floor(index / observationSize)] === 0) {
        throw new TrustRegionError(
          'ERR_NOT_FINITE',
          `nextObservations[${index}] must be a finite number, got ${describe(value)}`,
        );
      }
    });
    return next;
  }

  #requireNotNeeded(terminated: Uint8Array, truncated: Uint8Array): void {
    const isLast = this.#size + 1 === this.steps;
    const needed = terminated.findIndex(
      (flag, environment) => flag === 0 && (isLast || truncated[environment] === 1),
    );
    if (needed >= 0) {
      const why = truncated[needed] === 1 ? 'was truncated' : 'goes on after the last step';
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `nextObservations must be given, because environment ${needed} ${why} and the value of what ` +
          'it showed then is needed',
      );
    }
  }

  #predictor(valueFunction: ValueFunction | undefined): (observations: FloatArray) => Float64Array {
    const { observationSize } = this.policy;
    if (valueFunction === undefined) {
      return (observations) => new Float64Array(observations.length / observationSize);
    }
    if (!(valueFunction instanceof ValueFunction)) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `valueFunction must be a ValueFunction, got ${describe(valueFunction)}`,
      );
    }
    if (valueFunction.observationSize !== observationSize) {
      throw new TrustRegionError(
        'ERR_SHAPE_MISMATCH',
        `valueFunction must have the policy's observationSize ${observationSize}, got ${
          valueFunction.observationSize
        }`,
      );
    }
    return (observations) => valueFunction.predict(observations);
  }

  /**
   * Values of the final observations where an episode was cut off, 0 elsewhere.
   */
  #finalValues(predict: (observations: FloatArray) => Float64Array, rows: number): Float64Array {
    const finalValues = new Float64Array(rows);
    for (const { row, observation } of this.#finalObservations) {
      finalValues[row] = predict(observation)[0] ?? 0;
    }
    return finalValues;
  }

  /**
   * Values after the last step of environments that go on, 0 for others.
   */
  #lastValues(predict: (observations: FloatArray) => Float64Array): Float64Array {
    const { environments } = this;
    const { observationSize } = this.policy;
    const lastValues = new Float64Array(environments);
    for (let environment = 0; environment < environments; environment += 1) {
      const row = (this.#size - 1) * environments + environment;
      if (this.#terminated[row] === 1 || this.#truncated[row] === 1) {
        continue;
      }
      if (this.#lastObservations === undefined) {
        throw new TrustRegionError(
          'ERR_STATE',
          `environment ${environment} goes on after the last step, which must come with ` +
            'nextObservations before finish()',
        );
      }
      const first = environment * observationSize;
      const observation = this.#lastObservations.subarray(first, first + observationSize);
      lastValues[environment] = predict(observation)[0] ?? 0;
    }
    return lastValues;
  }
}
