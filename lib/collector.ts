import type { Environment } from './environments/environment.js';
import type { EpisodeStatistics } from './episode-statistics.js';
import type { ActionArray, Policy } from './policy.js';
import type { RolloutBuffer } from './rollout-buffer.js';
import type { ActionSpace } from './spaces.js';
import { SupervisedEnvironment } from './supervised-environment.js';
import { TurnTaker } from './turn-taker.js';

/**
 * Lets a policy act in some environments side by side and puts what happens into rollout buffers.
 * Episodes run on from one rollout into the next.
 */
export class Collector<Actions extends ActionSpace> {
  readonly #policy: Policy<Actions>;
  readonly #environments: readonly SupervisedEnvironment[];
  readonly #statistics: EpisodeStatistics;
  readonly #turns = new TurnTaker();

  /** What each environment shows now, one row each. */
  #observations: Float64Array;
  #nextObservations: Float64Array;
  #actions: ActionArray<Actions> | undefined;
  readonly #rewards: Float64Array;
  readonly #terminated: Uint8Array;
  readonly #truncated: Uint8Array;

  /**
   * Resets every environment.
   *
   * @param seeds - One for the first reset of each environment.
   * @throws TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE` if an environment fails.
   */
  constructor(
    policy: Policy<Actions>,
    environments: readonly Environment[],
    seeds: readonly number[],
    statistics: EpisodeStatistics,
  ) {
    const count = environments.length;
    this.#policy = policy;
    this.#statistics = statistics;
    this.#observations = new Float64Array(count * policy.observationSize);
    this.#nextObservations = new Float64Array(count * policy.observationSize);
    this.#rewards = new Float64Array(count);
    this.#terminated = new Uint8Array(count);
    this.#truncated = new Uint8Array(count);
    this.#environments = environments.map(
      (environment, index) =>
        new SupervisedEnvironment(environment, seeds[index], `environment ${index}`),
    );
    this.#environments.forEach((environment, index) => {
      this.#observations.set(environment.reset(seeds[index]), index * policy.observationSize);
    });
  }

  /**
   * Fills `buffer`.
   *
   * @returns Whether it is full: `false` if `signal` was aborted first.
   * @throws TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE` if an environment fails.
   */
  async collect(buffer: RolloutBuffer<Actions>, signal?: AbortSignal): Promise<boolean> {
    while (!buffer.full) {
      if (this.#turns.isDue) {
        await this.#turns.pause();
      }
      if (signal?.aborted === true) {
        return false;
      }
      this.#step(buffer);
    }
    return true;
  }

  /** One time step of all environments. */
  #step(buffer: RolloutBuffer<Actions>): void {
    const observations = this.#observations;
    const actions = this.#policy.act(
      observations,
      this.#actions === undefined ? {} : { out: this.#actions },
    );
    this.#actions = actions;
    const size = this.#policy.observationSize;
    const upcoming = new Float64Array(observations.length);

    this.#environments.forEach((environment, index) => {
      const step = environment.step(actions, index * this.#policy.actionLength);
      const ended = step.terminated || step.truncated;
      this.#rewards[index] = step.reward;
      this.#terminated[index] = Number(step.terminated);
      this.#truncated[index] = Number(step.truncated);
      if (step.terminated) {
        this.#nextObservations.fill(0, index * size, (index + 1) * size); // never read, maybe NaN
      } else {
        this.#nextObservations.set(step.observation, index * size);
      }
      this.#statistics.record(index, step.reward, ended);
      upcoming.set(ended ? environment.reset() : step.observation, index * size);
    });

    buffer.add({
      observations,
      actions,
      rewards: this.#rewards,
      terminated: this.#terminated,
      truncated: this.#truncated,
      nextObservations: this.#nextObservations,
    });
    this.#observations = upcoming;
  }
}
