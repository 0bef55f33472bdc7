import { TrustRegionError } from './errors.js';
import type { Method } from './method.js';

/**
 * The numbers that say how far a method steps. They may differ from one update to the next: given to
 * `update`, they count for that update alone, in place of the method's options of the same names and
 * within the same ranges. A method takes those that it has.
 */
export interface UpdateOptions {
  /**
   * Largest mean KL(old || new), of {@link TRPO}, {@link DualGradientDescent} and {@link PPO}.
   */
  readonly maxKl?: number;
  /**
   * Size of the step, of {@link VanillaPolicyGradient} and {@link NaturalPolicyGradient} made with
   * `epsilon`.
   */
  readonly epsilon?: number;
  /**
   * Learning rate, of the same two made with `learningRate`, and of {@link PPO}.
   */
  readonly learningRate?: number;
  /**
   * Learning rate of the inner steps of {@link DualGradientDescent}.
   */
  readonly innerLearningRate?: number;
  /**
   * How far from 1 a ratio pays, of {@link PPO} with clipping.
   */
  readonly clipRange?: number;
  /**
   * The KL that {@link PPO} with a KL penalty steers to.
   */
  readonly targetKl?: number;
  /**
   * What the mean entropy is worth to {@link PPO}.
   */
  readonly entropyBonus?: number;
}

/**
 * The keys of {@link UpdateOptions}.
 */
export const updateOptionNames: readonly (keyof UpdateOptions)[] = [
  'maxKl',
  'epsilon',
  'learningRate',
  'innerLearningRate',
  'clipRange',
  'targetKl',
  'entropyBonus',
];

/**
 * Makes sure that every option given is one that a method has. Unknown ones are the caller's business.
 *
 * @param where - What messages call the options.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` for one of another method.
 */
export function requireOwnOptions(
  options: UpdateOptions,
  method: Pick<Method, 'name' | 'options'>,
  where: string,
): void {
  for (const name of updateOptionNames) {
    if (options[name] !== undefined && !(name in method.options)) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${name} must be left out of the ${where}: this ${method.name} has no such option, ` +
          `got ${String(options[name])}`,
      );
    }
  }
}
