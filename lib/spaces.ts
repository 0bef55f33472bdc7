import { requireFinite, requireInteger, requireLength } from './validate.js';

/**
 * Actions are vectors of real numbers. A policy over this space is a Gaussian with a diagonal
 * covariance matrix, so a sampled action may lie outside `low` and `high`: the environment clips.
 */
export interface ContinuousSpace {
  readonly kind: 'continuous';
  /**
   * Numbers in one action, at least 1.
   */
  readonly size: number;
  /**
   * Smallest meaningful value of each number, `-Infinity` where there is none.
   */
  readonly low?: readonly number[];
  /**
   * Largest meaningful value of each number, `Infinity` where there is none.
   */
  readonly high?: readonly number[];
}

/**
 * An action is one choice, an integer from 0 to `count - 1`. A policy over this space is one
 * categorical distribution.
 */
export interface DiscreteSpace {
  readonly kind: 'discrete';
  /**
   * Number of choices, at least 2.
   */
  readonly count: number;
}

/**
 * An action is several choices made at once, the i-th an integer from 0 to `counts[i] - 1`. A policy
 * over this space is a product of independent categorical distributions.
 */
export interface MultiDiscreteSpace {
  readonly kind: 'multiDiscrete';
  /**
   * Number of choices of each factor, each at least 2.
   */
  readonly counts: readonly number[];
}

/**
 * An action is a vector of bits, each 0 or 1. A policy over this space is a product of independent
 * Bernoulli distributions.
 */
export interface BinarySpace {
  readonly kind: 'binary';
  /**
   * Number of bits, at least 1.
   */
  readonly size: number;
}

/**
 * What an action may be. The kind decides the policy's distribution: continuous - diagonal
 * Gaussian, discrete - categorical, multiDiscrete - several independent categoricals, binary -
 * independent Bernoulli bits.
 *
 * @example
 * ```ts
 * const legs: ActionSpace = { kind: 'continuous', size: 3, low: [-1, -1, -1], high: [1, 1, 1] };
 * const buttons: ActionSpace = { kind: 'binary', size: 4 };
 * ```
 */
export type ActionSpace = ContinuousSpace | DiscreteSpace | MultiDiscreteSpace | BinarySpace;

/**
 * What an observation may be: a vector of `size` real numbers. The bounds are information for the
 * user; nothing enforces them.
 */
export interface ObservationSpace {
  /**
   * Numbers in one observation, at least 1.
   */
  readonly size: number;
  /**
   * Smallest possible value of each number, `-Infinity` where there is none.
   */
  readonly low?: readonly number[];
  /**
   * Largest possible value of each number, `Infinity` where there is none.
   */
  readonly high?: readonly number[];
}

/**
 * Number of values in one action of `space`: its `size` (continuous, binary), 1 (discrete), or the
 * number of factors (multiDiscrete).
 *
 * @example
 * ```ts
 * actionLength({ kind: 'multiDiscrete', counts: [3, 2] }); // 2
 * ```
 */
export function actionLength(space: ActionSpace): number {
  switch (space.kind) {
    case 'continuous':
    case 'binary':
      return space.size;
    case 'discrete':
      return 1;
    case 'multiDiscrete':
      return space.counts.length;
  }
}

/**
 * Checks that `action` belongs to `space`: right length; finite numbers (continuous, which need not
 * lie within the bounds); or integers of the right range (the other kinds).
 *
 * @param name - What the message calls the action.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`, `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`, naming the index.
 */
export function requireAction(
  space: ActionSpace,
  action: ArrayLike<number>,
  name = 'action',
): void {
  const length = actionLength(space);
  requireLength(action, length, name);
  if (space.kind === 'continuous') {
    requireFinite(action, name);
    return;
  }
  for (let index = 0; index < length; index += 1) {
    requireInteger(action[index], `${name}[${index}]`, { min: 0, max: choices(space, index) - 1 });
  }
}

function choices(space: DiscreteSpace | MultiDiscreteSpace | BinarySpace, index: number): number {
  switch (space.kind) {
    case 'discrete':
      return space.count;
    case 'multiDiscrete':
      return space.counts[index] ?? 0;
    case 'binary':
      return 2;
  }
}
