import { RandomGenerator } from './environments/random.js';

/**
 * Every seed that a run needs, all derived from one.
 */
export interface RunSeeds {
  /**
   * Initial parameters of the policy.
   */
  readonly policy: number;
  /**
   * Initial parameters and shuffling of the value function.
   */
  readonly valueFunction: number;
  /**
   * Actions sampled while training.
   */
  readonly sampling: number;
  /**
   * Environment and actions of an evaluation.
   */
  readonly evaluation: number;
  /**
   * First reset of each environment.
   */
  readonly environments: readonly number[];
}

/**
 * Derives the seeds of a run: integers from 0 to 2^53 - 1, drawn from one generator, so that
 * neighbouring seeds give unrelated runs. Those of the environments come last: environment e has
 * the same seed however many others there are.
 *
 * @param seed - Seed of the run, an integer from 0 to 2^53 - 1.
 * @param environmentCount - How many environments there are.
 */
export function deriveSeeds(seed: number, environmentCount = 1): RunSeeds {
  const random = new RandomGenerator(seed);
  const draw = (): number => Math.floor(random.next() * 2 ** 53);
  return {
    policy: draw(),
    valueFunction: draw(),
    sampling: draw(),
    evaluation: draw(),
    environments: Array.from({ length: environmentCount }, draw),
  };
}
