import type { NativeNormalizerState } from './native.js';

/**
 * Running statistics of the observations a policy was shown by {@link Policy.updateNormalizer}. Its
 * network sees `clamp((x - mean) / standardDeviation, -clip, clip)`; a number that never varied is
 * centred but not divided, and before the second row nothing is normalised.
 */
export interface Normalizer {
  /**
   * Observations seen so far.
   */
  readonly count: number;
  /**
   * Mean of each number of an observation, [observationSize].
   */
  readonly mean: Float64Array;
  /**
   * Standard deviation of each number (of the population: divided by count), [observationSize].
   */
  readonly standardDeviation: Float64Array;
}

/**
 * The public form of the native sums.
 */
export function normalizerOf({
  count,
  mean,
  squaredDeviations,
}: NativeNormalizerState): Normalizer {
  return {
    count,
    mean,
    standardDeviation: squaredDeviations.map((sum) => (count > 0 ? Math.sqrt(sum / count) : 0)),
  };
}
