import { performance } from 'node:perf_hooks';
import { Collector } from './collector.js';
import type { Environment } from './environments/environment.js';
import { EpisodeStatistics } from './episode-statistics.js';
import { TrustRegionError } from './errors.js';
import type { Policy } from './policy.js';
import { RolloutBuffer } from './rollout-buffer.js';
import { deriveSeeds } from './seeds.js';
import type { ActionSpace } from './spaces.js';
import { requireMatch } from './supervised-environment.js';
import { TRPO } from './trpo.js';
import type { UpdateSummary } from './trpo.js';
import { describe, rejectUnknownOptions, requireBoolean, requireFunction, requireInteger,
  requireNumber } from './validate.js';
import { ValueFunction } from './value-function.js';
import type { FitOptions, FitSummary } from './value-function.js';

/**
 * What {@link train} needs and may be told.
 */
export interface TrainOptions<Actions extends ActionSpace = ActionSpace> {
  /**
   * The policy to improve.
   */
  readonly policy: Policy<Actions>;
  /**
   * The critic, fitted to the returns after every update and used as the baseline of the
   * advantages. Default: a `ValueFunction` with the policy's `hidden`, `activation`, `backend` and
   * `threads`, closed at the end. `null`: none; every value is then taken as 0.
   */
  readonly valueFunction?: ValueFunction | null;
  /**
   * Where to collect experience: one environment, or several of the same task, which take their
   * steps side by side. They are reset at the start, and neither reset nor closed at the end.
   */
  readonly environments: Environment | readonly Environment[];
  /**
   * How to update; must have been made for `policy`. Default `new TRPO(policy)`.
   */
  readonly method?: TRPO;
  /**
   * Environment steps to take, over all environments; rounded up to a whole number for each.
   */
  readonly steps: number;
  /**
   * Steps per rollout and so per update, over all environments; a multiple of their number. Default
   * 2048, rounded up to such a multiple. The last rollout takes what is left: from half to one and
   * a half times as many steps, so that no update rests on a handful.
   */
  readonly stepsPerUpdate?: number;
  /**
   * Discount factor, from 0 to 1. Default 0.99.
   */
  readonly gamma?: number;
  /**
   * The lambda of generalised advantage estimation, from 0 to 1. Default 0.97.
   */
  readonly lambda?: number;
  /**
   * Whether the policy standardises observations by the running mean and variance of those that it
   * was updated on. Default `true`. It learns from a rollout only after the update on that rollout:
   * otherwise the policy would no longer be the one that acted. The critic has its own statistics.
   */
  readonly normalizeObservations?: boolean;
  /**
   * How to fit the critic, see `ValueFunction.fit`.
   */
  readonly valueFit?: FitOptions;
  /**
   * Seed of the sampled actions, the environments and the default critic: an integer from 0 to
   * 2^53 - 1. Default 0. The policy's own seed decides its initial parameters.
   */
  readonly seed?: number;
  /**
   * Ends the run cleanly after the step or update at hand. A rollout not yet complete is dropped.
   */
  readonly signal?: AbortSignal;
  /**
   * Called after every update, and awaited. What it throws ends the run and reaches the caller.
   */
  readonly onUpdate?: (progress: TrainProgress) => void | Promise<void>;
}

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

const optionNames: readonly (keyof TrainOptions)[] = ['policy', 'valueFunction', 'environments',
  'method', 'steps', 'stepsPerUpdate', 'gamma', 'lambda', 'normalizeObservations', 'valueFit', 'seed',
  'signal', 'onUpdate'];

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
 * const policy = new Policy({ observationSize: 4, actions: { kind: 'discrete', count: 2 }, seed: 1 });
 * const result = await train({
 *   policy,
 *   environments: environment,
 *   steps: 50_000,
 *   onUpdate: ({ steps, meanReturn }) => console.log(steps, meanReturn),
 * });
 * ```
 */
export async function train<Actions extends ActionSpace>(
  options: TrainOptions<Actions>): Promise<TrainResult> {
  const plan = makePlan(options);
  const { policy, signal, onUpdate } = options;
  const method = options.method ?? new TRPO(policy);
  const seeds = deriveSeeds(plan.seed, plan.environments.length);
  const statistics = new EpisodeStatistics(plan.environments.length);
  const start = performance.now();
  const seconds = (): number => (performance.now() - start) / 1000;
  const critic = options.valueFunction === undefined
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
      if (!await collector.collect(buffer, signal)) {
        aborted = true;
        break;
      }
      const { gamma, lambda } = plan;
      const batch = buffer.finish(critic === null
        ? { gamma, lambda }
        : { gamma, lambda, valueFunction: critic });
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
  return { steps, updates, acceptedUpdates, worstMeanKl, episodes, wallSeconds: seconds(), aborted };
}

interface Plan {
  readonly environments: readonly Environment[];
  readonly totalSteps: number;
  readonly stepsPerUpdate: number;
  readonly gamma: number;
  readonly lambda: number;
  readonly normalizeObservations: boolean;
  readonly valueFit: FitOptions;
  readonly seed: number;
}

function makePlan<Actions extends ActionSpace>(options: TrainOptions<Actions>): Plan {
  rejectUnknownOptions(options, optionNames, 'train options');
  const { policy, valueFunction, method, signal, onUpdate } = options;
  requireObject(policy, 'policy', 'a Policy');
  if (valueFunction !== undefined && valueFunction !== null) {
    requireObject(valueFunction, 'valueFunction', 'a ValueFunction or null');
  }
  if (method !== undefined) {
    requireObject(method, 'method', 'a TRPO');
    if (method.policy !== policy) {
      throw new TrustRegionError('ERR_INVALID_ARGUMENT',
        'method must have been made for the policy to be trained, got one of another policy');
    }
  }
  if (signal !== undefined) {
    requireObject(signal, 'signal', 'an AbortSignal');
  }
  if (onUpdate !== undefined) {
    requireFunction(onUpdate, 'onUpdate');
  }
  const environments = Array.isArray(options.environments)
    ? options.environments as readonly Environment[]
    : [options.environments as Environment];
  if (environments.length === 0) {
    throw new TrustRegionError('ERR_INVALID_ARGUMENT',
      'environments must be an environment or several, got an empty array');
  }
  environments.forEach((environment, index) => {
    requireMatch(policy, environment, `environment ${index}`);
    if (environments.indexOf(environment) !== index) {
      throw new TrustRegionError('ERR_INVALID_ARGUMENT',
        `environments must be different objects, but number ${index} is number ${environments.indexOf(environment)}`);
    }
  });

  const { length } = environments;
  const stepsPerUpdate = requireInteger(options.stepsPerUpdate ?? Math.ceil(2048 / length) * length,
    'stepsPerUpdate', { min: 1 });
  if (stepsPerUpdate % length !== 0) {
    throw new TrustRegionError('ERR_OUT_OF_RANGE',
      `stepsPerUpdate must be a multiple of the ${length} environments, got ${stepsPerUpdate}`);
  }
  return {
    environments,
    totalSteps: Math.ceil(requireInteger(options.steps, 'steps', { min: 1 }) / length) * length,
    stepsPerUpdate,
    gamma: requireNumber(options.gamma ?? 0.99, 'gamma', { min: 0, max: 1 }),
    lambda: requireNumber(options.lambda ?? 0.97, 'lambda', { min: 0, max: 1 }),
    normalizeObservations: requireBoolean(options.normalizeObservations ?? true, 'normalizeObservations'),
    valueFit: options.valueFit ?? {},
    seed: requireInteger(options.seed ?? 0, 'seed', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}

function requireObject(value: unknown, name: string, expected: string): void {
  if (typeof value !== 'object' || value === null) {
    throw new TrustRegionError('ERR_INVALID_ARGUMENT', `${name} must be ${expected}, got ${describe(value)}`);
  }
}

/** Steps of the next rollout; see `stepsPerUpdate`. */
function rolloutSteps({ totalSteps, stepsPerUpdate }: Plan, taken: number): number {
  const left = totalSteps - taken;
  return left < 1.5 * stepsPerUpdate ? left : stepsPerUpdate;
}

function defaultCritic<Actions extends ActionSpace>(policy: Policy<Actions>, seed: number): ValueFunction {
  const { hidden, activation } = policy.options;
  const { observationSize, backend, threads } = policy;
  return new ValueFunction({ observationSize, hidden, activation, seed, backend, threads });
}
