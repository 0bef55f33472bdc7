import { performance } from 'node:perf_hooks';
import type { Lockstep } from './environment-group.js';
import type { EpisodeStatistics } from './episode-statistics.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray } from './native.js';
import { openPolicy } from './policy-geometry.js';
import type { ActionArray, ActOptions, Policy } from './policy.js';
import type { Rollout } from './rollout-batch.js';
import { makeRolloutStorage } from './rollout-storage.js';
import type { RolloutStorage } from './rollout-storage.js';
import type { ActionSpace } from './spaces.js';
import type { TimeSheet } from './train-timing.js';
import { TurnTaker } from './turn-taker.js';

/** So many of the first views of a storage are kept; a longer rollout makes the others again. */
const mostRows = 4096;

/** What `policy.act` needs for one time step: views of a storage. */
interface Row<Actions extends ActionSpace> {
  readonly observations: FloatArray;
  readonly options: ActOptions<Actions>;
}

interface Target<Actions extends ActionSpace> {
  readonly storage: RolloutStorage;
  /** Of the first time steps, as far as there were any yet. */
  readonly rows: Row<Actions>[];
}

/**
 * Lets a policy act in environments that step side by side. Everything about a step is written once,
 * to where the update reads it: environments write what they show, and the policy its actions, into the
 * storage of the rollout. Episodes run on from one rollout into the next.
 *
 * There are two storages, used in turn: a rollout stays as it is until the one after the next is
 * collected. The second one is made when it is needed.
 */
export class Collector<Actions extends ActionSpace> {
  readonly #policy: Policy<Actions>;
  readonly #environments: Lockstep;
  readonly #statistics: EpisodeStatistics;
  readonly #times: TimeSheet;
  readonly #turns = new TurnTaker();
  readonly #makeStorage: () => RolloutStorage;
  readonly #targets: Target<Actions>[] = [];
  #rollouts = 0;
  /** How many steps of the rollout before are there. */
  #previousSteps = 0;

  /**
   * @param policy - It acts.
   * @param environments - It acts in them. Then `await begin()`.
   * @param capacity - Time steps of the longest rollout.
   * @param isShared - Whether other threads step the environments.
   */
  constructor(
    policy: Policy<Actions>,
    environments: Lockstep,
    { capacity, isShared }: { readonly capacity: number; readonly isShared: boolean },
    statistics: EpisodeStatistics,
    times: TimeSheet,
  ) {
    this.#policy = policy;
    this.#environments = environments;
    this.#statistics = statistics;
    this.#times = times;
    this.#makeStorage = () => {
      const { observationSize, actionLength, precision, options } = policy;
      return makeRolloutStorage(
        {
          steps: capacity,
          environments: environments.count,
          observationSize,
          actionLength,
          precision,
          actionType: options.actions.kind === 'continuous' ? 'float32' : 'int32',
        },
        isShared,
      );
    };
    this.#addTarget();
  }

  /**
   * Resets every environment.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_CALLBACK`, `ERR_NOT_FINITE` or `ERR_TIMEOUT`
   *   if an environment fails.
   */
  begin(seeds: readonly number[]): Promise<void> {
    return this.#times.book('physics', () => this.#environments.begin(seeds, 0));
  }

  /**
   * Collects a rollout.
   *
   * @param steps - Time steps, at most the capacity.
   * @returns The rollout, or `null` if `signal` was aborted first; the collector is then of no more
   *   use, as it is after an error.
   * @throws TrustRegionError (the promise rejects) `ERR_CALLBACK`, `ERR_NOT_FINITE` or `ERR_TIMEOUT`
   *   if an environment fails; `ERR_STALE_BATCH` if the policy changed meanwhile; `ERR_CLOSED`.
   */
  async collect(steps: number, signal?: AbortSignal): Promise<Rollout | null> {
    const number = this.#rollouts % 2;
    if (number === this.#targets.length) {
      this.#addTarget();
    }
    const target = this.#targets[number] as Target<Actions>;
    const { storage } = target;
    const { version } = openPolicy(this.#policy);
    this.#carryOver(storage);
    for (let step = 0; step < steps; step += 1) {
      let start = performance.now();
      if (this.#turns.isDue(start)) {
        await this.#turns.pause();
        start = performance.now();
      }
      if (signal?.aborted === true) {
        return null;
      }
      const { observations, options } = rowOf(target, step);
      this.#policy.act(observations, options);
      const acted = performance.now();
      if (!this.#environments.step(number, step)) {
        await this.#environments.settled();
      }
      this.#times.inference += acted - start;
      this.#times.physics += performance.now() - acted;
      this.#record(storage, step);
    }
    requireSameVersion(version, openPolicy(this.#policy).version);
    this.#rollouts += 1;
    this.#previousSteps = steps;
    return { storage, steps, policyVersion: version };
  }

  #addTarget(): void {
    this.#targets.push({ storage: this.#makeStorage(), rows: [] });
    this.#environments.open(this.#targets.map(({ storage }) => storage));
  }

  /** What the environments show now is where the next rollout starts. */
  #carryOver(storage: RolloutStorage): void {
    const previous = this.#targets[(this.#rollouts + 1) % 2]?.storage;
    if (this.#rollouts > 0 && previous !== undefined) {
      const length = storage.environments * storage.observationSize;
      const first = this.#previousSteps * length;
      storage.observations.set(previous.observations.subarray(first, first + length));
    }
  }

  #record({ environments, rewards, terminated, truncated }: RolloutStorage, step: number): void {
    const first = step * environments;
    for (let index = 0; index < environments; index += 1) {
      const row = first + index;
      const ended = terminated[row] === 1 || truncated[row] === 1;
      this.#statistics.record(index, rewards[row] ?? NaN, ended);
    }
  }
}

function rowOf<Actions extends ActionSpace>(
  { storage, rows }: Target<Actions>,
  step: number,
): Row<Actions> {
  const known = rows[step];
  if (known !== undefined) {
    return known;
  }
  const { environments, observationSize, actionLength } = storage;
  const view = <Numbers extends FloatArray | Int32Array>(array: Numbers, size: number): Numbers =>
    array.subarray(step * environments * size, (step + 1) * environments * size) as Numbers;
  // The kind of the array is the kind of the space, which TypeScript cannot follow.
  const out = view(storage.actions, actionLength) as ActionArray<Actions>;
  const row = { observations: view(storage.observations, observationSize), options: { out } };
  if (step < mostRows) {
    rows[step] = row;
  }
  return row;
}

function requireSameVersion(before: number, now: number): void {
  if (before !== now) {
    throw new TrustRegionError(
      'ERR_STALE_BATCH',
      `all steps of a rollout must come from one version of the policy, got version ${now} after ` +
        `version ${before}: something else changed it meanwhile`,
    );
  }
}
