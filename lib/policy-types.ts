import type { PolicyOptions } from './policy-options.js';
import type { ActionSpace, ContinuousSpace } from './spaces.js';

/**
 * The array that holds actions of a space: Float32Array for continuous ones, Int32Array for the
 * other kinds.
 */
export type ActionArray<A extends ActionSpace> = A extends ContinuousSpace
  ? Float32Array
  : Int32Array;

/**
 * How {@link Policy.act} chooses.
 */
export interface ActOptions<A extends ActionSpace = ActionSpace> {
  /**
   * The most likely action (mean, largest logit) instead of a random one. Default `false`.
   */
  readonly deterministic?: boolean;
  /**
   * Where the actions go, [n x actionLength]; a fresh array by default. With it, `act` allocates
   * nothing.
   */
  readonly out?: ActionArray<A>;
}

/**
 * What a candidate's distributions are like next to the policy's present ones; means over rows.
 */
export interface PolicyEvaluation {
  /**
   * mean of pi_new(a|s) / pi_old(a|s) A
   */
  readonly surrogate: number;
  /**
   * mean of KL(old || new)
   */
  readonly meanKl: number;
  /**
   * The largest KL(old || new) of a row.
   */
  readonly maxKl: number;
  /**
   * Mean entropy of the candidate.
   */
  readonly entropy: number;
  /**
   * False if any of these, in any row, is NaN or infinite.
   */
  readonly finite: boolean;
}

/**
 * Where a loaded policy runs; by default as it was saved, on the default number of threads.
 */
export type MachineOptions = Pick<PolicyOptions, 'backend' | 'threads'>;
