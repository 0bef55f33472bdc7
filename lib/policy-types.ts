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
   * (sum r)^2 / sum r^2 of the importance ratios r = pi_new(a|s) / pi_old(a|s), from 1 to the number
   * of rows: as many equally weighted rows would estimate as well (Kish 1965).
   */
  readonly effectiveSampleSize: number;
  /**
   * How far rounding may have moved meanKl from that of the very same parameters in float64; 0 for
   * the reference backend.
   */
  readonly klUncertainty: number;
  /**
   * False if any of these, in any row, is NaN or infinite.
   */
  readonly finite: boolean;
}

/**
 * What {@link Policy.objective} evaluates.
 */
export interface ObjectiveOptions {
  /**
   * New parameters [parameterCount]. Default: the present ones.
   */
  readonly parameters?: ArrayLike<number>;
  /**
   * c of the clipped surrogate, greater than 0. Default `Infinity`: no clipping.
   */
  readonly clipRange?: number;
  /**
   * What a unit of mean KL costs, at least 0. Default 0.
   */
  readonly klPenalty?: number;
  /**
   * What a unit of mean entropy is worth, at least 0. Default 0.
   */
  readonly entropyBonus?: number;
}

/**
 * An objective, its parts, and its gradient; means over rows.
 */
export interface ObjectiveValue {
  /**
   * The whole.
   */
  readonly value: number;
  /**
   * Its first term, clipped where there is a clip range.
   */
  readonly surrogate: number;
  /**
   * mean of KL(present || new), not multiplied by the penalty
   */
  readonly meanKl: number;
  /**
   * Mean entropy of the new policy, not multiplied by the bonus.
   */
  readonly entropy: number;
  /**
   * Part of the rows whose gradient the clipping takes away.
   */
  readonly clipFraction: number;
  /**
   * Gradient of the value in the new parameters, [parameterCount], a fresh array.
   */
  readonly gradient: Float64Array;
}

/**
 * Where a loaded policy runs; by default as it was saved, on the default number of threads.
 */
export type MachineOptions = Pick<PolicyOptions, 'backend' | 'threads' | 'memoryBudget'>;
