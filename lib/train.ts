import { performance } from 'node:perf_hooks';
import { Collector } from './collector.js';
import { EpisodeStatistics } from './episode-statistics.js';
import type { Policy } from './policy.js';
import { RolloutBuffer } from './rollout-buffer.js';
import { deriveSeeds } from './seeds.js';
import type { ActionSpace } from './spaces.js';
import { planTraining, rolloutSteps } from './train-plan.js';
import type { TrainOptions } from './train-plan.js';
import { TRPO } from './trpo.js';
import type { UpdateSummary } from './update-summary.js';
import { ValueFunction } from './value-function.js';
import type { FitSummary } from './value-function.js';

export type { TrainOptions } from './train-plan.js';

/**
 * The state of a run after an update.
 */
export interface TrainProgress {
  /**
   * Number of this update, from 1.
   */
  readonly update: number;
  /**
   * Environment steps so far, over all environments.
   */
  readonly steps: number;
  /**
   * Environment steps of the whole run.
   */
  readonly totalSteps: number;
  /**
   * Episodes finished so far.
   */
  readonly episodes: number;
  /**
   * Mean return, the plain sum of rewards, of the last 100 finished episodes (or all, while there
   * are fewer); NaN before the first.
   */
  readonly meanReturn: number;
  /**
   * Mean length of the same episodes in steps.
   */
  readonly meanLength: number;
  /**
   * What the method did.
   */
  readonly summary: UpdateSummary;
  /**
   * How the critic was fitted; `null` without one.
   */
  readonly fit: FitSummary | null;
  /**
   * Seconds since the start of the run.
   */
  readonly wallSeconds: number;
}

/**
 * What a run came to.
 */
export interface TrainResult {
  /**
   * Environment steps taken, over all environments, those of a dropped rollout included.
   */
  readonly steps: number;
  /**
   * Updates tried.
   */
  readonly updates: number;
  /**
   * Updates that changed the policy.
   */
  readonly acceptedUpdates: number;
  /**
   * Largest mean KL divergence of any accepted update; 0 if there was none.
   */
  readonly worstMeanKl: number;
  /**
   * Episodes finished.
   */
  readonly episodes: number;
  /**
   * Duration of the run in seconds.
   */
  readonly wallSeconds: number;
  /**
   * Whether `signal` ended the run early.
   */
  readonly aborted: boolean;
}

/**
 * Improves a policy: collects rollouts and updates on them until `steps` steps are taken. In turn:
 * collect with the policy as it is, estimate advantages, `method.update`, fit the critic, let the
 * policy's observation normaliser learn from the rollout, `onUpdate`.
 *
 * Environments get continuous actions clipped to their bounds; the update sees what was sampled.
 * The same seed, policy and options give the same bits, whatever the number of threads.
 *
 * @throws TrustRegionError (the promise rejects) before anything changes: for a bad option
 *   `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`, `ERR_NOT_FINITE` or
 *   `ERR_SHAPE_MISMATCH`. During the run, naming the environment, its step and its seed:
 *   `ERR_CALLBACK` if an environment throws or returns something unusable, `ERR_NOT_FINITE` if it
 *   gives a reward or observation that is not finite; the rollout at hand is then dropped.
 *   `ERR_STALE_BATCH` if something else changes the policy meanwhile.
 * @example
 * ```ts
 * const environment = await makeEnvironment('CartPole-v1');
 * const policy = new Policy({ observationSize: 4, actions: environment.actionSpace, seed: 1 });
 * const result = await train({
 *   policy,
 *   environments: environment,
 *   steps: 50_000,
 *   onUpdate: ({ steps, meanReturn }) => console.log(steps, meanReturn),
 * });
 * ```
 */
export async function train<Actions extends ActionSpace>(
  options: TrainOptions<Actions>,
): Promise<TrainResult> {
  const plan = planTraining(options);
  const { policy, signal, onUpdate } = options;
  const method = options.method ?? new TRPO(policy);
  const seeds = deriveSeeds(plan.seed, plan.environments.length);
  const statistics = new EpisodeStatistics(plan.environments.length);
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const critic =
    options.valueFunction === undefined
      ? defaultCritic(policy, seeds.valueFunction)
      : options.valueFunction;

  let updates = 0;
  let acceptedUpdates = 0;
  let worstMeanKl = 0;
  let aborted = signal?.aborted === true;
  try {
    policy.seed(seeds.sampling);
    const collector = new Collector(policy, plan.environments, seeds.environments, statistics);
    while (!aborted && statistics.steps < plan.totalSteps) {
      const buffer = new RolloutBuffer({
        policy,
        steps: rolloutSteps(plan, statistics.steps) / plan.environments.length,
        environments: plan.environments.length,
      });
      if (!(await collector.collect(buffer, signal))) {
        aborted = true;
        break;
      }
      const batch = buffer.finish({
        ...plan.estimator,
        ...(critic === null ? {} : { valueFunction: critic }),
      });
      const summary = await method.update(batch);
      const fit = critic === null ? null : await critic.fit(batch, plan.valueFit);
      if (plan.normalizeObservations) {
        policy.updateNormalizer(batch.observations);
      }

      updates += 1;
      if (summary.accepted) {
        acceptedUpdates += 1;
        worstMeanKl = Math.max(worstMeanKl, summary.meanKl);
      }
      await onUpdate?.({
        update: updates,
        steps: statistics.steps,
        totalSteps: plan.totalSteps,
        episodes: statistics.episodes,
        meanReturn: statistics.meanReturn,
        meanLength: statistics.meanLength,
        summary,
        fit,
        wallSeconds: seconds(),
      });
      aborted = signal?.aborted === true && statistics.steps < plan.totalSteps;
    }
  } finally {
    if (options.valueFunction === undefined) {
      critic?.close();
    }
  }
  const { steps, episodes } = statistics;
  return {
    steps,
    updates,
    acceptedUpdates,
    worstMeanKl,
    episodes,
    wallSeconds: seconds(),
    aborted,
  };
}

function defaultCritic<Actions extends ActionSpace>(
  policy: Policy<Actions>,
  seed: number,
): ValueFunction {
  const { hidden, activation } = policy.options;
  const { observationSize, backend, threads } = policy;
  return new ValueFunction({ observationSize, hidden, activation, seed, backend, threads });
}
