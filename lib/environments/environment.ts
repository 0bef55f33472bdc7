import type { ActionSpace, ObservationSpace } from '../spaces.js';

/**
 * What one step of an environment gives.
 */
export interface StepResult {
  /**
   * Observation after the step, `observationSpace.size` numbers; a fresh array that the caller may
   * keep. On the last step it is the final observation of the episode, not the first of the next.
   */
  readonly observation: Float64Array;
  /**
   * Reward of the step, finite.
   */
  readonly reward: number;
  /**
   * The task itself ended (fell over, reached the goal): nothing of value lies beyond, so a return
   * counts 0 from here on.
   */
  readonly terminated: boolean;
  /**
   * The episode was cut off from outside, usually by a step limit: life would have gone on, so a
   * return continues with the value of `observation`. Both flags may be true at once; `terminated`
   * then wins.
   */
  readonly truncated: boolean;
}

/**
 * A task to be learnt, in Gymnasium's convention. Everything in this package that collects
 * experience asks for this interface only, so implement it for a task of your own, in any way that
 * keeps these rules; {@link EpisodicEnvironment} keeps them for you.
 *
 * - `reset()` starts an episode, `step()` continues it until `terminated` or `truncated`; then
 *   `reset()` again. There is no automatic reset.
 * - `reset(seed)` restarts the environment's own random generator, `reset()` lets it go on: one
 *   seed at the start makes a whole run repeatable, while its episodes still differ.
 * - Returned arrays are fresh; arrays passed in are neither kept nor changed.
 * - Both calls are synchronous.
 *
 * @example
 * ```ts
 * class Walk implements Environment {
 *   readonly name = 'Walk';
 *   readonly observationSpace = { size: 1 };
 *   readonly actionSpace = { kind: 'discrete', count: 2 } as const;
 *   #place = 0;
 *   reset(): Float64Array {
 *     this.#place = 0;
 *     return Float64Array.of(0);
 *   }
 *   step(action: ArrayLike<number>): StepResult {
 *     this.#place += action[0] === 1 ? 1 : -1;
 *     const terminated = Math.abs(this.#place) === 10;
 *     const reward = this.#place === 10 ? 1 : 0;
 *     return { observation: Float64Array.of(this.#place), reward, terminated, truncated: false };
 *   }
 *   close(): void {}
 * }
 * ```
 */
export interface Environment {
  /**
   * Name for messages and logs, such as `'CartPole-v1'`.
   */
  readonly name: string;
  /**
   * What an observation looks like; constant.
   */
  readonly observationSpace: ObservationSpace;
  /**
   * What an action looks like; constant.
   */
  readonly actionSpace: ActionSpace;

  /**
   * Starts a new episode.
   *
   * @param seed - Integer from 0 to 2^53 - 1 that restarts the random generator. Without it the
   *   generator goes on; before the first seed it is seeded at random.
   * @returns The first observation, a fresh array of `observationSpace.size` numbers.
   */
  reset(seed?: number): Float64Array;

  /**
   * Takes one action.
   *
   * @param action - One action of `actionSpace`: its numbers, choices or bits.
   */
  step(action: ArrayLike<number>): StepResult;

  /**
   * Frees what the environment holds. Calling it again does nothing; other calls then throw. An
   * environment from plain JavaScript may do without it.
   */
  close(): void;
}
