import type { Environment } from './environments/environment.js';
import type { RolloutStorage } from './rollout-storage.js';
import { SupervisedEnvironment } from './supervised-environment.js';

/**
 * Environments that take their steps side by side and write what happens into storages of rollouts,
 * each environment into its own column.
 */
export interface Lockstep {
  /** How many environments. */
  readonly count: number;

  /** Says where steps will be written to; may be said again when there are more of them. */
  open(storages: readonly RolloutStorage[]): void;

  /**
   * Starts an episode in every environment; row 0 of the observations is then what they show.
   *
   * @param seeds - One for each; `undefined`: its random generator goes on.
   * @param storage - Number of the storage.
   * @throws TrustRegionError (the promise rejects) As {@link settled}.
   */
  begin(seeds: readonly (number | undefined)[], storage: number): Promise<void>;

  /**
   * Takes the actions of row `step`. Row `step` then tells what came of them, and row `step + 1` of
   * the observations what the environments show now: the first observation of the next episode
   * where one ended.
   *
   * @returns Whether it is done; otherwise `await settled()`.
   * @throws TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE`, naming environment, step and seed.
   */
  step(storage: number, step: number): boolean;

  /**
   * Waits for the step at hand.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_CALLBACK`, `ERR_NOT_FINITE` or `ERR_TIMEOUT`,
   *   naming environment, step and seed.
   */
  settled(): Promise<void>;
}

/**
 * Environments of one thread, one after the other.
 */
export class EnvironmentGroup implements Lockstep {
  readonly #environments: readonly SupervisedEnvironment[];
  readonly #first: number;
  readonly #progress: Int32Array;
  readonly #slot: number;
  #storages: readonly RolloutStorage[] = [];

  /**
   * @param environments - The environments.
   * @param first - Number of the first of them: its column in the storages.
   * @param progress - Where other threads may read which call is running, see {@link runningCall}.
   * @param slot - At which index there.
   */
  constructor(
    environments: readonly Environment[],
    first = 0,
    progress: Int32Array = new Int32Array(1),
    slot = 0,
  ) {
    this.#environments = environments.map(
      (environment, index) => new SupervisedEnvironment(environment, labelOf(first + index)),
    );
    this.#first = first;
    this.#progress = progress;
    this.#slot = slot;
  }

  get count(): number {
    return this.#environments.length;
  }

  open(storages: readonly RolloutStorage[]): void {
    this.#storages = storages;
  }

  /** Whether it was opened with so many storages that there is one of this number. */
  knows(storage: number): boolean {
    return storage < this.#storages.length;
  }

  async begin(seeds: readonly (number | undefined)[], storage: number): Promise<void> {
    this.beginNow(seeds, storage);
  }

  /** As {@link begin}, at once. */
  beginNow(seeds: readonly (number | undefined)[], storage: number): void {
    const { observations, observationSize } = this.#storage(storage);
    this.#environments.forEach((environment, index) => {
      const column = this.#first + index;
      this.#progress[this.#slot] = 2 * column + 1;
      environment.write(environment.begin(seeds[index]), observations, column * observationSize);
    });
  }

  step(storage: number, step: number): boolean {
    const environments = this.#environments;
    const target = this.#storage(storage);
    const { observationSize, actionLength } = target;
    for (let index = 0; index < environments.length; index += 1) {
      const environment = environments[index] as SupervisedEnvironment;
      const column = this.#first + index;
      const row = step * target.environments + column;
      const nextRow = row + target.environments;
      this.#progress[this.#slot] = 2 * column;
      const { observation, reward, terminated, truncated } = environment.step(
        target.actions,
        row * actionLength,
      );
      target.rewards[row] = reward;
      target.terminated[row] = Number(terminated);
      target.truncated[row] = Number(truncated);
      if (terminated || truncated) {
        const { finalObservations } = target;
        environment.write(observation, finalObservations, row * observationSize, terminated);
        this.#progress[this.#slot] = 2 * column + 1;
        environment.write(environment.reset(), target.observations, nextRow * observationSize);
      } else {
        environment.write(observation, target.observations, nextRow * observationSize);
      }
    }
    return true;
  }

  async settled(): Promise<void> {}

  #storage(index: number): RolloutStorage {
    return this.#storages[index] as RolloutStorage;
  }
}

/** What messages call an environment. */
export function labelOf(index: number): string {
  return `environment ${index}`;
}

/** What stands in `progress` while an environment is being made, before its first call. */
export function madeNext(environment: number): number {
  return 2 * environment + 1;
}

/**
 * Reads what an {@link EnvironmentGroup} writes to `progress`: which environment was called last.
 */
export function runningCall(progress: number): {
  readonly environment: number;
  readonly call: 'step()' | 'reset()';
} {
  return {
    environment: Math.floor(progress / 2),
    call: progress % 2 === 0 ? 'step()' : 'reset()',
  };
}
