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

/**
 * The seed of a run that goes on after `steps` steps: another one for each number of them, so that
 * environments and actions do not begin with what they began with before.
 */
export function continuedSeed(seed: number, steps: number): number {
  if (steps === 0) {
    return seed;
  }
  const [first, second] = [seed, steps].map((each) => new RandomGenerator(each).next());
  return Math.floor((((first ?? 0) + (second ?? 0)) % 1) * 2 ** 53);
}
