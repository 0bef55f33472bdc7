import type { Environment } from './environments/environment.js';
import { mean, standardDeviation } from './episode-statistics.js';
import { openPolicy } from './policy-geometry.js';
import { requireSeed } from './policy-options.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import {
  requireEnvironment,
  requireMatch,
  SupervisedEnvironment,
} from './supervised-environment.js';
import { TurnTaker } from './turn-taker.js';
import { rejectUnknownOptions, requireBoolean, requireInteger } from './validate.js';

/**
 * What {@link evaluate} needs and may be told.
 */
export interface EvaluateOptions<Actions extends ActionSpace = ActionSpace> {
  /**
   * The policy to try; it does not change, apart from its stream of random numbers where
   * `deterministic` is false.
   */
  readonly policy: Policy<Actions>;
  /**
   * Where to try it. An episode must end sometime, by itself or by a step limit.
   */
  readonly environment: Environment;
  /**
   * Number of episodes, at least 1. Default 10.
   */
  readonly episodes?: number;
  /**
   * Seed of the environment, and of the sampled actions where `deterministic` is false: an integer
   * from 0 to 2^53 - 1. Default: the environment's random generator goes on.
   */
  readonly seed?: number;
  /**
   * Whether the policy takes its most likely action instead of sampling. Default `true`.
   */
  readonly deterministic?: boolean;
  /**
   * Ends the evaluation early: the promise rejects with the signal's reason.
   */
  readonly signal?: AbortSignal;
}

/**
 * How a policy did.
 */
export interface Evaluation {
  /**
   * Number of episodes.
   */
  readonly episodes: number;
  /**
   * Mean return. A return is the plain sum of an episode's rewards.
   */
  readonly mean: number;
  /**
   * Population standard deviation of the returns.
   */
  readonly std: number;
  /**
   * Return of each episode.
   */
  readonly returns: readonly number[];
  /**
   * Steps of each episode.
   */
  readonly lengths: readonly number[];
}

const optionNames: readonly (keyof EvaluateOptions)[] = [
  'policy',
  'environment',
  'episodes',
  'seed',
  'deterministic',
  'signal',
];

/**
 * Lets a policy play some whole episodes.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`,
 *   `ERR_OUT_OF_RANGE`, `ERR_NOT_FINITE` or `ERR_SHAPE_MISMATCH` for a bad option; `ERR_CLOSED`;
 *   `ERR_CALLBACK` or `ERR_NOT_FINITE` if the environment fails.
 * @example
 * ```ts
 * const environment = new CartPole();
 * const policy = new Policy({ observationSize: 4, actions: environment.actionSpace, seed: 1 });
 * const { returns, mean } = await evaluate({ policy, environment, episodes: 10, seed: 7 });
 * console.assert(returns.length === 10 && mean >= Math.min(...returns));
 * ```
 */
export async function evaluate<Actions extends ActionSpace>(
  options: EvaluateOptions<Actions>,
): Promise<Evaluation> {
  rejectUnknownOptions(options, optionNames, 'evaluate options');
  const { policy, environment, seed, signal } = options;
  const episodes = requireInteger(options.episodes ?? 10, 'episodes', { min: 1 });
  const deterministic = requireBoolean(options.deterministic ?? true, 'deterministic');
  openPolicy(policy);
  requireEnvironment(environment, 'environment');
  requireMatch(policy, environment, 'environment');
  if (seed !== undefined) {
    requireSeed(seed);
    if (!deterministic) {
      policy.seed(seed);
    }
  }

  const supervised = new SupervisedEnvironment(environment, 'environment');
  const observation = new Float64Array(policy.observationSize);
  const turns = new TurnTaker();
  const returns: number[] = [];
  const lengths: number[] = [];
  while (returns.length < episodes) {
    const first = returns.length === 0 ? supervised.begin(seed) : supervised.reset();
    supervised.write(first, observation, 0);
    let episodeReturn = 0;
    let length = 0;
    for (let ended = false; !ended; ) {
      if (turns.isDue()) {
        await turns.pause();
      }
      signal?.throwIfAborted();
      const step = supervised.step(policy.act(observation, { deterministic }));
      supervised.write(step.observation, observation, 0, step.terminated);
      episodeReturn += step.reward;
      length += 1;
      ended = step.terminated || step.truncated;
    }
    returns.push(episodeReturn);
    lengths.push(length);
  }
  return { episodes, mean: mean(returns), std: standardDeviation(returns), returns, lengths };
}
