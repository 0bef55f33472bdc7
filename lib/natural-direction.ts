import { naturalDirectionOptionNames } from './natural-direction-options.js';
import type { NaturalDirectionOptions } from './natural-direction-options.js';
import type { NaturalDirectionSummary } from './update-summary.js';

const optionsOfManyUpdates = ['adaptiveDamping', 'preconditionerPeriod', 'warmStart'] as const;

/**
 * How {@link Policy.naturalDirection} solves: {@link NaturalDirectionOptions} without those that
 * only mean something from update to update.
 */
export interface NaturalDirectionSolveOptions
  extends Omit<NaturalDirectionOptions, (typeof optionsOfManyUpdates)[number]> {
  /**
   * Where conjugate gradients start, [parameterCount]: an earlier direction. Default: at 0.
   */
  readonly start?: ArrayLike<number>;
}

/**
 * A natural direction and how it was found.
 */
export interface NaturalDirection extends NaturalDirectionSummary {
  /**
   * x, [parameterCount], a fresh array.
   */
  readonly direction: Float64Array;
  /**
   * Whether it can be followed: finite, and uphill.
   */
  readonly usable: boolean;
  /**
   * g'x
   */
  readonly slope: number;
  /**
   * x'F x, not damped.
   */
  readonly curvature: number;
  /**
   * What the solve took.
   */
  readonly seconds: number;
}

export const naturalDirectionSolveNames: readonly string[] = [
  ...naturalDirectionOptionNames.filter(
    (name) => !(optionsOfManyUpdates as readonly string[]).includes(name),
  ),
  'start',
];
