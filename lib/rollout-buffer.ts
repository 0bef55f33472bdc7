import { choiceCounts } from './action-layout.js';
import { estimatorOptionNames, resolveEstimator } from './advantage-estimator.js';
import { toFlags, toFloatArray } from './arrays.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray } from './native.js';
import { openPolicy } from './policy-geometry.js';
import type { Policy } from './policy.js';
import { makeBatch } from './rollout-batch.js';
import { makeRolloutStorage, requireRolloutSize } from './rollout-storage.js';
import type { RolloutStorage } from './rollout-storage.js';
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

  readonly #storage: RolloutStorage;
  readonly #choices: readonly number[];
  #size = 0;
  #policyVersion = 0;
  /**
   * Whether it was told what the environments showed after the newest step.
   */
  #knowsLast = false;

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
    requireRolloutSize({ steps, environments, observationSize, actionLength });
    this.#choices = choiceCounts(policy.options.actions);
    this.#storage = makeRolloutStorage(
      {
        steps,
        environments,
        observationSize,
        actionLength,
        precision,
        actionType: this.#choices.length === 0 ? precision : 'int32',
      },
      false,
    );
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
    const storage = this.#storage;
    const row = this.#size * environments;
    storage.observations.set(observations, row * observationSize);
    storage.actions.set(actions, row * this.policy.actionLength);
    storage.rewards.set(rewards, row);
    storage.terminated.set(terminated, row);
    storage.truncated.set(truncated, row);
    for (let environment = 0; next !== undefined && environment < environments; environment += 1) {
      if (terminated[environment] === 0) {
        const first = environment * observationSize;
        const shown = next.subarray(first, first + observationSize);
        const target = truncated[environment] === 1 ? 'finalObservations' : 'observations';
        const targetRow = row + environment + (target === 'observations' ? environments : 0);
        storage[target].set(shown, targetRow * observationSize);
      }
    }
    this.#knowsLast = next !== undefined;
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
    const critic = this.#checkCritic(options.valueFunction);
    if (this.#size === 0) {
      throw new TrustRegionError(
        'ERR_STATE',
        'the rollout buffer is empty: add() at least one step before finish()',
      );
    }
    this.#requireLast();
    const rollout = {
      storage: this.#storage,
      steps: this.#size,
      policyVersion: this.#policyVersion,
    };
    const batch = makeBatch(rollout, critic, estimator);
    return {
      ...batch,
      observations: batch.observations.slice(),
      actions: batch.actions.slice(),
    };
  }

  /**
   * Empties the buffer for the next rollout, which may come from a new version of the policy.
   */
  reset(): void {
    this.#size = 0;
    this.#knowsLast = false;
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

  #checkCritic(valueFunction: ValueFunction | undefined): ValueFunction | null {
    if (valueFunction === undefined) {
      return null;
    }
    if (!(valueFunction instanceof ValueFunction)) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `valueFunction must be a ValueFunction, got ${describe(valueFunction)}`,
      );
    }
    const { observationSize } = this.policy;
    if (valueFunction.observationSize !== observationSize) {
      throw new TrustRegionError(
        'ERR_SHAPE_MISMATCH',
        `valueFunction must have the policy's observationSize ${observationSize}, got ${
          valueFunction.observationSize
        }`,
      );
    }
    return valueFunction;
  }

  /**
   * Environments that go on after the last step need the value of what they showed then.
   */
  #requireLast(): void {
    const { environments } = this;
    const { terminated, truncated } = this.#storage;
    for (let environment = 0; !this.#knowsLast && environment < environments; environment += 1) {
      const row = (this.#size - 1) * environments + environment;
      if (terminated[row] === 0 && truncated[row] === 0) {
        throw new TrustRegionError(
          'ERR_STATE',
          `environment ${environment} goes on after the last step, which must come with ` +
            'nextObservations before finish()',
        );
      }
    }
  }
}
