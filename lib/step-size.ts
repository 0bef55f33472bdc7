import { rejectUnusedOptions, requireNumber } from './validate.js';

/**
 * How far a method steps along its direction: one of two, never both. {@link VanillaPolicyGradient}
 * and {@link NaturalPolicyGradient} say what each means for them.
 */
export interface StepSizeOptions {
  /**
   * What the direction is multiplied by, greater than 0; takes the place of `epsilon`.
   */
  readonly learningRate?: number;
  /**
   * What the length of the step is measured to, greater than 0. Default 0.01.
   */
  readonly epsilon?: number;
}

export const stepSizeOptionNames: readonly (keyof StepSizeOptions)[] = ['learningRate', 'epsilon'];

/**
 * Checks the options and fills in the default.
 *
 * @returns One of the two.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
 */
export function resolveStepSize(options: StepSizeOptions): Readonly<StepSizeOptions> {
  const { learningRate, epsilon = 0.01 } = options;
  if (learningRate === undefined) {
    return { epsilon: requireNumber(epsilon, 'epsilon', { exclusiveMin: 0 }) };
  }
  rejectUnusedOptions(options, ['epsilon'], 'learningRate');
  return { learningRate: requireNumber(learningRate, 'learningRate', { exclusiveMin: 0 }) };
}
