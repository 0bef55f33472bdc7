import { performance } from 'node:perf_hooks';
import type { Batch } from './batch.js';
import { Collector } from './collector.js';
import { EpisodeStatistics } from './episode-statistics.js';
import { learningRateOf } from './fit-options.js';
import type { Method } from './method.js';
import type { Policy } from './policy.js';
import { RewardScale } from './reward-scale.js';
import { makeBatch } from './rollout-batch.js';
import type { Rollout } from './rollout-batch.js';
import { checkSchedule, scheduledAt } from './schedule.js';
import type { Schedule } from './schedule.js';
import { continuedSeed, deriveSeeds } from './seeds.js';
import type { ActionSpace } from './spaces.js';
import { longestRollout, planTraining, rolloutSteps } from './train-plan.js';
import type { TrainOptions, TrainPlan } from './train-plan.js';
import type { TrainState } from './train-state.js';
import { TimeSheet } from './train-timing.js';
import type { TrainTiming } from './train-timing.js';
import { TRPO } from './trpo.js';
import type { UpdateSummary } from './update-summary.js';
import { ValueFunction } from './value-function.js';
import type { FitSummary } from './value-function.js';

export type { TrainOptions } from './train-plan.js';
export type { TrainState } from './train-state.js';
export type { TrainTiming } from './train-timing.js';

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
   * Seconds since the start of the run, apart from what was `untimed`; of one that goes on, its earlier
   * parts included.
   */
  readonly wallSeconds: number;
  /**
   * Where they went.
   */
  readonly timing: TrainTiming;
  /**
   * What the option `from` wants to go on from here.
   */
  readonly state: TrainState;
  /**
   * Runs something that is no part of the run, such as an evaluation: its time counts neither in
   * `wallSeconds` nor in `timing`, that of the rest of `onUpdate` does. To be awaited before `onUpdate`
   * returns.
   *
   * @example
   * ```ts
   * const [environment, trial] = [new CartPole(), new CartPole()];
   * const policy = new Policy({ observationSize: 4, actions: environment.actionSpace, seed: 1 });
   * await train({
   *   policy,
   *   environments: environment,
   *   steps: 10_000,
   *   onUpdate: async ({ steps, untimed }) => {
   *     const { mean } = await untimed(() => evaluate({ policy, environment: trial, seed: 1 }));
   *     console.log(steps, mean);
   *   },
   * });
   * ```
   */
  readonly untimed: <Result>(run: () => Promise<Result>) => Promise<Result>;
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
   * Duration of the run in seconds, apart from what `onUpdate` ran `untimed`; of one that goes on, its
   * earlier parts included.
   */
  readonly wallSeconds: number;
  /**
   * Where they went.
   */
  readonly timing: TrainTiming;
  /**
   * Whether `signal` ended the run early.
   */
  readonly aborted: boolean;
}

/**
 * Improves a policy: collects rollouts and updates on them until `steps` steps are taken. In turn:
 * collect with the policy as it is, estimate advantages, `method.update`, let the policy's observation
 * normaliser learn from the rollout. The critic is fitted to a rollout while the next one is collected,
 * which does not need it yet; then comes `onUpdate`.
 *
 * Environments get continuous actions clipped to their bounds; the update sees what was sampled.
 * The same seed, policy and options give the same bits, whatever the number of threads.
 *
 * @throws TrustRegionError (the promise rejects) before anything changes: for a bad option
 *   `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_OUT_OF_RANGE`, `ERR_NOT_FINITE` or
 *   `ERR_SHAPE_MISMATCH`. During the run, naming the environment, its step and its seed:
 *   `ERR_CALLBACK` if an environment throws, returns something unusable or ends its thread,
 *   `ERR_NOT_FINITE` if it gives a reward or observation that is not finite, `ERR_TIMEOUT` if its thread
 *   does not answer; the rollout at hand is then dropped. `ERR_BUSY` or `ERR_CLOSED` for a vector
 *   environment that is so.
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
  const critic =
    options.valueFunction === undefined
      ? defaultCritic(options.policy, deriveSeeds(plan.seed).valueFunction)
      : options.valueFunction;
  try {
    return await new Training(options, plan, critic).run();
  } finally {
    if (options.valueFunction === undefined) {
      critic?.close();
    }
  }
}

/** An update whose critic may still be being fitted. */
interface Unreported {
  readonly progress: Omit<TrainProgress, 'fit' | 'wallSeconds' | 'timing' | 'state' | 'untimed'>;
  readonly state: Omit<TrainState, 'timing'>;
  readonly fit: Promise<FitSummary> | null;
}

/** One run. */
class Training<Actions extends ActionSpace> {
  readonly #options: TrainOptions<Actions>;
  readonly #plan: TrainPlan;
  readonly #critic: ValueFunction | null;
  readonly #method: Method;
  readonly #schedule: Schedule;
  /** Of the critic's Adam; `undefined` without one. */
  readonly #valueLearningRate: number | undefined;
  readonly #statistics: EpisodeStatistics;
  readonly #rewardScale: RewardScale | null;
  readonly #times: TimeSheet;
  #unreported: Unreported | null = null;
  #updates: number;
  #acceptedUpdates: number;
  #worstMeanKl: number;

  constructor(options: TrainOptions<Actions>, plan: TrainPlan, critic: ValueFunction | null) {
    this.#options = options;
    this.#plan = plan;
    this.#critic = critic;
    this.#method = options.method ?? new TRPO(options.policy);
    this.#valueLearningRate = critic === null ? undefined : learningRateOf(plan.valueFit);
    this.#schedule = checkSchedule(options.schedule ?? {}, this.#method, this.#valueLearningRate);
    this.#times = new TimeSheet(plan.from?.timing);
    this.#statistics = new EpisodeStatistics(plan.environments.count, undefined, plan.from);
    this.#rewardScale = plan.scaleRewards
      ? new RewardScale(plan.estimator.gamma, plan.environments.count, plan.from?.rewards)
      : null;
    this.#updates = plan.from?.updates ?? 0;
    this.#acceptedUpdates = plan.from?.acceptedUpdates ?? 0;
    this.#worstMeanKl = plan.from?.worstMeanKl ?? 0;
  }

  async run(): Promise<TrainResult> {
    const isComplete = this.#options.signal?.aborted !== true && (await this.#learn());
    const { steps, episodes } = this.#statistics;
    const { wallSeconds } = this.#times;
    return {
      steps,
      updates: this.#updates,
      acceptedUpdates: this.#acceptedUpdates,
      worstMeanKl: this.#worstMeanKl,
      episodes,
      wallSeconds,
      timing: this.#times.timing(wallSeconds),
      aborted: !isComplete,
    };
  }

  /** Returns whether all steps were taken. */
  async #learn(): Promise<boolean> {
    const { policy } = this.#options;
    const { environments, seed } = this.#plan;
    const { count } = environments;
    const taken = this.#statistics.steps;
    if (taken >= this.#plan.totalSteps) {
      return true;
    }
    const seeds = deriveSeeds(continuedSeed(seed, taken), count);
    const { lockstep, isShared, release } = environments.open();
    try {
      const capacity = longestRollout(this.#plan, taken) / count;
      const size = { capacity, isShared };
      const collector = new Collector(policy, lockstep, size, this.#statistics, this.#times);
      policy.seed(seeds.sampling);
      await collector.begin(seeds.environments);
      while (this.#statistics.steps < this.#plan.totalSteps) {
        const rollout = await this.#collect(collector);
        if (rollout === null) {
          return false;
        }
        await this.#improve(rollout);
      }
      await this.#report();
      return true;
    } finally {
      release();
    }
  }

  /** Collects a rollout while the critic is being fitted; `null` if the run is to end. */
  async #collect(collector: Collector<Actions>): Promise<Rollout | null> {
    const { signal } = this.#options;
    const steps = rolloutSteps(this.#plan, this.#statistics.steps) / this.#plan.environments.count;
    let rollout: Rollout | null;
    try {
      rollout = await collector.collect(steps, signal);
    } catch (error) {
      await this.#report().catch(() => undefined); // the update before is done; this error says more
      throw error;
    }
    await this.#report();
    return signal?.aborted === true ? null : rollout;
  }

  /** Updates the policy, and starts to fit the critic. */
  async #improve(rollout: Rollout): Promise<void> {
    const { policy } = this.#options;
    const { valueLearningRate, ...stepSizes } = this.#scheduled(rollout);
    const batch = this.#finish(rollout);
    const summary = await this.#times.book('update', () => this.#method.update(batch, stepSizes));
    if (this.#plan.normalizeObservations) {
      policy.updateNormalizer(batch.observations);
    }
    this.#updates += 1;
    if (summary.accepted) {
      this.#acceptedUpdates += 1;
      this.#worstMeanKl = Math.max(this.#worstMeanKl, summary.meanKl);
    }
    const { steps, episodes, meanReturn, meanLength } = this.#statistics;
    const state = {
      ...this.#statistics.known,
      updates: this.#updates,
      acceptedUpdates: this.#acceptedUpdates,
      worstMeanKl: this.#worstMeanKl,
      ...(this.#rewardScale === null ? {} : { rewards: this.#rewardScale.known }),
    };
    const learningRate = valueLearningRate === undefined ? {} : { learningRate: valueLearningRate };
    const fit = this.#critic?.fit(batch, { ...this.#plan.valueFit, ...learningRate }) ?? null;
    fit?.catch(() => undefined); // reported by #report(), which may come long after it
    this.#unreported = {
      progress: {
        update: this.#updates,
        steps,
        totalSteps: this.#plan.totalSteps,
        episodes,
        meanReturn,
        meanLength,
        summary,
      },
      state,
      fit,
    };
  }

  /** The numbers that change during the run, as they are for a rollout just collected. */
  #scheduled({ steps }: Rollout): Schedule {
    const { totalSteps, environments } = this.#plan;
    const before = this.#statistics.steps - steps * environments.count;
    const start = { ...this.#method.options, valueLearningRate: this.#valueLearningRate };
    return scheduledAt(this.#schedule, start, before / totalSteps);
  }

  #finish(rollout: Rollout): Required<Batch> {
    const start = performance.now();
    const batch = makeBatch(
      rollout,
      this.#critic,
      this.#plan.estimator,
      this.#rewardScale?.apply(rollout),
    );
    this.#times.critic += performance.now() - start;
    return batch;
  }

  /** Waits for the fit of the update before, and tells about both. */
  async #report(): Promise<void> {
    if (this.#unreported === null) {
      return;
    }
    const { progress, state, fit } = this.#unreported;
    this.#unreported = null;
    const fitted = fit === null ? null : await this.#times.book('critic', () => fit);
    const { wallSeconds } = this.#times;
    const timing = this.#times.timing(wallSeconds);
    await this.#options.onUpdate?.({
      ...progress,
      fit: fitted,
      wallSeconds,
      timing,
      state: { ...state, timing },
      untimed: (run) => this.#times.untimed(run),
    });
  }
}

function defaultCritic<Actions extends ActionSpace>(
  policy: Policy<Actions>,
  seed: number,
): ValueFunction {
  const { hidden, activation } = policy.options;
  const { observationSize, backend, threads } = policy;
  return new ValueFunction({ observationSize, hidden, activation, seed, backend, threads });
}
