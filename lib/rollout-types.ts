import type { EstimatorOptions } from './advantage-estimator.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import type { ValueFunction } from './value-function.js';

/**
 * Size of a {@link RolloutBuffer}.
 */
export interface RolloutBufferOptions<A extends ActionSpace = ActionSpace> {
  /**
   * The policy that chooses the actions.
   */
  readonly policy: Policy<A>;
  /**
   * Time steps to hold, T, at least 1.
   */
  readonly steps: number;
  /**
   * Environments that step side by side, E, at least 1. Default 1.
   */
  readonly environments?: number;
}

/**
 * One time step of all E environments. For one environment a plain number or boolean stands for an
 * array of length 1.
 */
export interface RolloutStep {
  /**
   * What the policy acted on, [E x observationSize].
   */
  readonly observations: ArrayLike<number>;
  /**
   * What it did, as `policy.act` returned it, not clipped, [E x actionLength].
   */
  readonly actions: ArrayLike<number> | number;
  /**
   * What that was rewarded with, [E].
   */
  readonly rewards: ArrayLike<number> | number;
  /**
   * Whether the task itself ended, [E].
   */
  readonly terminated: ArrayLike<boolean | number> | boolean;
  /**
   * Whether the episode was cut off, [E].
   */
  readonly truncated: ArrayLike<boolean | number> | boolean;
  /**
   * What the environments showed after the step, [E x observationSize]; where an episode ended, its
   * final observation and not the first of the next. Its value is needed where an environment was
   * truncated, and after the last step where it goes on; otherwise it may be left out. Rows of
   * terminated environments are not read.
   */
  readonly nextObservations?: ArrayLike<number>;
}

/**
 * How {@link RolloutBuffer.finish} estimates advantages.
 */
export interface FinishOptions extends EstimatorOptions {
  /**
   * The baseline, and the value of what lies beyond a cut. Without one all values are 0: with
   * `'rewardToGo'` the advantages are then the discounted sums of the rewards in the rollout.
   */
  readonly valueFunction?: ValueFunction;
}
