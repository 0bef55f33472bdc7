import { estimatorOptionNames, resolveEstimator } from './advantage-estimator.js';
import type { EstimatorOptions } from './advantage-estimator.js';
import { addon, callNative } from './addon.js';
import { toFlags, toFloatArray } from './arrays.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray } from './native.js';
import {
  describe,
  rejectUnknownOptions,
  requireFinite,
  requireInteger,
  requireLength,
} from './validate.js';

/**
 * Rewards and values of T steps of E parallel environments. All arrays are time-major: entry
 * `step * E + environment`.
 */
export interface AdvantageInputs extends EstimatorOptions {
  /**
   * Rewards, [T x E].
   */
  readonly rewards: ArrayLike<number>;
  /**
   * Values V(s_t) of the observations acted on, [T x E].
   */
  readonly values: ArrayLike<number>;
  /**
   * Whether the task itself ended in this step, [T x E]: booleans, or 0 and 1. Nothing of value
   * lies beyond.
   */
  readonly terminated: ArrayLike<boolean | number>;
  /**
   * Whether the episode was cut off in this step, [T x E]. Life would have gone on with the value in
   * `finalValues`. Where both are true, terminated wins.
   */
  readonly truncated: ArrayLike<boolean | number>;
  /**
   * Value of the final observation where truncated, [T x E]; other entries are not read. May be
   * left out if none is truncated.
   */
  readonly finalValues?: ArrayLike<number>;
  /**
   * Value of the observation after the last step of each environment, [E]; not read where its last
   * step ended the episode, but finite.
   */
  readonly lastValues: ArrayLike<number>;
  /**
   * E, at least 1. Default 1.
   */
  readonly environments?: number;
  /**
   * Discount factor, from 0 to 1; 0.99 is usual. No default here.
   */
  readonly gamma: number;
  /**
   * Needed by `'gae'`, without a default here, and refused by the others: from 0 (one step, least
   * variance, most bias) to 1 (reward to go, least bias); 0.95 to 0.97 are usual.
   */
  readonly lambda?: number;
}

/**
 * Result of {@link computeAdvantages}, both [T x E].
 */
export interface Advantages {
  /**
   * How much better than expected each action turned out; with `'monteCarlo'`, how well its episode
   * went, as there is no expectation. Not normalised.
   */
  readonly advantages: Float64Array;
  /**
   * Targets for a value function: advantages + values; with `'monteCarlo'`, whose advantages are no
   * estimate of V(s_t), the discounted rewards to go G_t.
   */
  readonly returns: Float64Array;
}

const inputNames: readonly (keyof AdvantageInputs)[] = [
  'rewards',
  'values',
  'terminated',
  'truncated',
  'finalValues',
  'lastValues',
  'environments',
  ...estimatorOptionNames,
];
const none = new Float64Array(0);

/**
 * Advantages of the actions of a rollout, by generalised advantage estimation or another
 * {@link AdvantageEstimator}, which says the equations:
 *
 *     A_t = delta_t + gamma lambda A_{t+1},  delta_t = r_t + gamma V(s_{t+1}) - V(s_t)
 *
 * Termination, truncation and the end of the rollout end every sum: nothing is worth anything after
 * termination, and life goes on with the value of the final observation after truncation and with
 * `lastValues` where the rollout ends. Not normalised. Time linear in the rows, in float64.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`,
 *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`, naming the array and index.
 * @example
 * ```ts
 * const { advantages, returns } = computeAdvantages({
 *   rewards: [1, 1, 1],
 *   values: [0, 0, 0],
 *   terminated: [false, false, true],
 *   truncated: [false, false, false],
 *   lastValues: [0],
 *   gamma: 0.5,
 *   lambda: 1,
 * });
 * console.assert(advantages.join() === '1.75,1.5,1');
 * console.assert(returns.join() === '1.75,1.5,1');
 *
 * const whole = computeAdvantages({
 *   estimator: 'monteCarlo',
 *   rewards: [1, 1, 1],
 *   values: [0, 0, 0],
 *   terminated: [false, false, true],
 *   truncated: [false, false, false],
 *   lastValues: [0],
 *   gamma: 0.5,
 * });
 * console.assert(whole.advantages.join() === '1.75,1.75,1.75');
 * ```
 */
export function computeAdvantages(inputs: AdvantageInputs): Advantages {
  rejectUnknownOptions(inputs, inputNames, 'computeAdvantages inputs');
  const environments = requireInteger(inputs.environments ?? 1, 'environments', {
    min: 1,
    max: 2 ** 31,
  });
  const estimator = resolveEstimator(inputs, {});
  // Native code checks that the numbers are finite.
  const rewards = toFloatArray(inputs.rewards, 'rewards');
  const rows = rewards.length;
  const steps = rows / environments;
  if (steps < 1 || !Number.isInteger(steps)) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `rewards must have a length that is a multiple of environments ${environments}, at least one ` +
        `step, got ${describe(inputs.rewards)}`,
    );
  }
  const values = arrayOf(inputs.values, 'values', rows);
  const lastValues = arrayOf(inputs.lastValues, 'lastValues', environments);
  const terminated = toFlags(inputs.terminated, rows, 'terminated');
  const truncated = toFlags(inputs.truncated, rows, 'truncated');
  const finalValues = finalValuesOf(inputs.finalValues, terminated, truncated);

  const advantages = new Float64Array(rows);
  const returns = new Float64Array(rows);
  callNative(() =>
    addon().advantages(
      {
        steps,
        environments,
        rewards,
        values,
        terminated,
        truncated,
        finalValues,
        lastValues,
        ...estimator,
      },
      advantages,
      returns,
    ),
  );
  return { advantages, returns };
}

/**
 * (A - mean) / standard deviation, the population's (divisor n): mean 0, variance 1. What a method
 * does by itself where its option `normalizeAdvantages` is set. Constant advantages become 0.
 *
 * @param advantages - [n]; not changed.
 * @returns [n], a fresh array.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` or `ERR_NOT_FINITE`.
 * @example
 * ```ts
 * console.assert(normalizeAdvantages([1, 3]).join() === '-1,1');
 * console.assert(normalizeAdvantages([5, 5]).join() === '0,0');
 * ```
 */
export function normalizeAdvantages(advantages: ArrayLike<number>): Float64Array {
  const normalized = Float64Array.from(finiteArray(advantages, 'advantages'));
  callNative(() => addon().normalizeAdvantages(normalized));
  return normalized;
}

/**
 * 1 - Var[returns - values] / Var[returns]: 1 for a perfect critic, 0 for a constant one, negative
 * for a harmful one.
 *
 * @param values - Predictions, [n].
 * @param returns - What came, [n].
 * @returns NaN where all returns are equal.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or `ERR_NOT_FINITE`.
 * @example
 * ```ts
 * console.assert(explainedVariance([1, 2, 3], [1, 2, 3]) === 1);
 * console.assert(explainedVariance([2, 2, 2], [1, 2, 3]) === 0);
 * ```
 */
export function explainedVariance(values: ArrayLike<number>, returns: ArrayLike<number>): number {
  const targets = finiteArray(returns, 'returns');
  const predictions = finiteArray(values, 'values');
  requireLength(predictions, targets.length, 'values');
  return callNative(() => addon().explainedVariance(predictions, targets));
}

function arrayOf(value: ArrayLike<number>, name: string, length: number): FloatArray {
  const array = toFloatArray(value, name);
  requireLength(array, length, name);
  return array;
}

function finiteArray(value: ArrayLike<number>, name: string): FloatArray {
  const array = toFloatArray(value, name);
  requireFinite(array, name);
  return array;
}

function finalValuesOf(
  finalValues: ArrayLike<number> | undefined,
  terminated: Uint8Array,
  truncated: Uint8Array,
): FloatArray {
  if (finalValues !== undefined) {
    return arrayOf(finalValues, 'finalValues', truncated.length);
  }
  let index = truncated.indexOf(1);
  while (index >= 0 && terminated[index] === 1) index = truncated.indexOf(1, index + 1);
  if (index >= 0) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `finalValues must be given, because row ${index} is truncated: the value of the final ` +
        'observation of each truncated row',
    );
  }
  return none;
}
