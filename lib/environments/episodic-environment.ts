import { TrustRegionError } from '../errors.js';
import { requireAction } from '../spaces.js';
import type { ActionSpace, ObservationSpace } from '../spaces.js';
import { requireInteger, requireString } from '../validate.js';
import type { Environment, StepResult } from './environment.js';
import { RandomGenerator } from './random.js';

/**
 * A step without the step limit, which {@link EpisodicEnvironment} adds.
 */
export type Transition = Omit<StepResult, 'truncated'>;

/**
 * Base class of environments: it keeps the rules of {@link Environment} so that a task only has to
 * say how an episode starts and how it goes on. It checks actions, counts steps, truncates, owns
 * the random generator, and refuses `step()` before `reset()`, after the end, and after `close()`.
 *
 * @example
 * ```ts
 * class Drift extends EpisodicEnvironment {
 *   readonly observationSpace = { size: 1 };
 *   readonly actionSpace = { kind: 'continuous', size: 1 } as const;
 *   #place = 0;
 *   constructor() {
 *     super('Drift', 100);
 *   }
 *   protected start(random: RandomGenerator): Float64Array {
 *     this.#place = random.uniform(-1, 1);
 *     return Float64Array.of(this.#place);
 *   }
 *   protected advance(action: ArrayLike<number>): Transition {
 *     this.#place += 0.1 * (action[0] ?? 0);
 *     const reward = -(this.#place ** 2);
 *     return { observation: Float64Array.of(this.#place), reward, terminated: false };
 *   }
 * }
 * ```
 */
export abstract class EpisodicEnvironment implements Environment {
  /**
   * Name for messages and logs.
   */
  readonly name: string;
  /**
   * Steps after which an episode is truncated; `Infinity` means never.
   */
  readonly maxEpisodeSteps: number;
  /**
   * What an observation looks like; constant.
   */
  abstract readonly observationSpace: ObservationSpace;
  /**
   * What an action looks like; constant.
   */
  abstract readonly actionSpace: ActionSpace;

  #random = new RandomGenerator();
  #phase: 'created' | 'running' | 'ended' | 'closed' = 'created';
  #steps = 0;

  /**
   * @param name - Name for messages and logs.
   * @param maxEpisodeSteps - Steps after which an episode is truncated: an integer of at least 1,
   *   or `Infinity`.
   * @throws TrustRegionError `ERR_INVALID_ARGUMENT` or `ERR_OUT_OF_RANGE`.
   */
  constructor(name: string, maxEpisodeSteps: number) {
    this.name = requireString(name, 'name');
    this.maxEpisodeSteps =
      maxEpisodeSteps === Infinity
        ? Infinity
        : requireInteger(maxEpisodeSteps, 'maxEpisodeSteps', { min: 1 });
  }

  /**
   * Starts a new episode; see {@link Environment.reset}.
   *
   * @throws TrustRegionError `ERR_CLOSED`, or for a bad seed `ERR_INVALID_ARGUMENT`,
   *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
   */
  reset(seed?: number): Float64Array {
    return this.restart(() => {
      if (seed !== undefined) {
        this.#random = new RandomGenerator(seed);
      }
      return this.start(this.#random);
    });
  }

  /**
   * Takes one action; see {@link Environment.step}.
   *
   * @throws TrustRegionError `ERR_CLOSED`; `ERR_STATE` before `reset()` and after the end of the
   *   episode; `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`, `ERR_NOT_FINITE` or
   *   `ERR_OUT_OF_RANGE` for an action outside `actionSpace`, which leaves the episode as it was.
   */
  step(action: ArrayLike<number>): StepResult {
    this.#requireRunning();
    requireAction(this.actionSpace, action);
    this.#phase = 'ended'; // stays so if advance() throws half-way: its state is then unknown
    const transition = this.advance(action);
    this.#steps += 1;
    const truncated = this.#steps >= this.maxEpisodeSteps;
    if (!transition.terminated && !truncated) {
      this.#phase = 'running';
    }
    const { observation, reward, terminated } = transition;
    return { observation, reward, terminated, truncated };
  }

  /**
   * Frees what the environment holds. Calling it again does nothing; other calls then throw.
   */
  close(): void {
    if (this.#phase !== 'closed') {
      this.#phase = 'closed';
      this.release();
    }
  }

  /**
   * Starts an episode in some other way than `reset()`, for example from a given state.
   *
   * @param place - Puts the task into its first state and returns the first observation.
   * @throws TrustRegionError `ERR_CLOSED`.
   */
  protected restart(place: () => Float64Array): Float64Array {
    this.requireOpen();
    this.#phase = 'created'; // stays so if place() throws
    const observation = place();
    this.#phase = 'running';
    this.#steps = 0;
    return observation;
  }

  /**
   * @throws TrustRegionError `ERR_CLOSED` after `close()`.
   */
  protected requireOpen(): void {
    if (this.#phase === 'closed') {
      throw new TrustRegionError('ERR_CLOSED', `environment ${this.name} was used after close()`);
    }
  }

  /**
   * Draws the first state of an episode and returns its observation, a fresh array.
   */
  protected abstract start(random: RandomGenerator): Float64Array;

  /**
   * Moves the task on by one step. The action was checked against `actionSpace`.
   */
  protected abstract advance(action: ArrayLike<number>): Transition;

  /**
   * Frees resources; called once, by the first `close()`.
   */
  protected release(): void {}

  #requireRunning(): void {
    this.requireOpen();
    if (this.#phase === 'created') {
      throw new TrustRegionError(
        'ERR_STATE',
        `environment ${this.name} must be reset() before the first step()`,
      );
    }
    if (this.#phase === 'ended') {
      throw new TrustRegionError(
        'ERR_STATE',
        `the episode of environment ${this.name} has ended: call reset() before the next step()`,
      );
    }
  }
}
