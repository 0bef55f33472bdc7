import { rejectUnusedOptions, requireInteger, requireNumber, requireOneOf } from './validate.js';

/**
 * How advantages A_t are estimated. An episode's steps in the rollout are t = 0 ... T-1; V_T is the
 * value behind them: 0 after termination, that of the final observation after truncation, that of
 * the last observation where the rollout ends. With the discounted reward to go
 * G_t = sum_{k<T-t} gamma^k r_{t+k} + gamma^(T-t) V_T:
 *
 * - `'gae'`: generalised advantage estimation (Schulman et al. 2016, "High-dimensional continuous
 *   control using generalized advantage estimation", equation 16),
 *   A_t = sum_{k<T-t} (gamma lambda)^k delta_{t+k} with delta_t = r_t + gamma V(s_{t+1}) - V(s_t).
 * - `'rewardToGo'`: A_t = G_t - V(s_t). The same as `'gae'` with lambda 1.
 * - `'nStep'`: A_t = sum_{k<n} gamma^k r_{t+k} + gamma^n V(s_{t+n}) - V(s_t) with n = `horizon`, cut
 *   to T - t near the end. With n = 1 the same as `'gae'` with lambda 0, with n >= T as
 *   `'rewardToGo'`.
 * - `'monteCarlo'`: A_t = G_0 for every step: the whole discounted return of the episode, from its
 *   start, with no baseline; REINFORCE in its first form (Williams 1992, "Simple statistical
 *   gradient-following algorithms for connectionist reinforcement learning"). An episode that began
 *   before the rollout counts from its first step in the rollout. Unbiased but for gamma and cut
 *   episodes, and the noisiest of all.
 */
export type AdvantageEstimator = 'gae' | 'monteCarlo' | 'rewardToGo' | 'nStep';

/**
 * The names of all estimators.
 */
export const advantageEstimators = [
  'gae',
  'monteCarlo',
  'rewardToGo',
  'nStep',
] as const satisfies readonly AdvantageEstimator[];

/**
 * Which {@link AdvantageEstimator} and its numbers.
 */
export interface EstimatorOptions {
  /**
   * How to estimate. Default `'gae'`.
   */
  readonly estimator?: AdvantageEstimator;
  /**
   * Discount factor, from 0 to 1. Default 0.99.
   */
  readonly gamma?: number;
  /**
   * For `'gae'` only, from 0 (one step, least variance, most bias) to 1 (reward to go, least bias);
   * 0.95 to 0.97 are usual. Default 0.97.
   */
  readonly lambda?: number;
  /**
   * For `'nStep'` only, which needs it: rewards that are summed before the critic takes over, an
   * integer from 1 to 2^31.
   */
  readonly horizon?: number;
}

/**
 * Options checked and complete; holds only what the estimator uses, so that it can be passed on as
 * {@link EstimatorOptions}.
 */
export type ResolvedEstimator = { readonly gamma: number } & (
  | { readonly estimator: 'gae'; readonly lambda: number }
  | { readonly estimator: 'monteCarlo' | 'rewardToGo' }
  | { readonly estimator: 'nStep'; readonly horizon: number }
);

/**
 * The keys of {@link EstimatorOptions}.
 */
export const estimatorOptionNames: readonly (keyof EstimatorOptions)[] = [
  'estimator',
  'gamma',
  'lambda',
  'horizon',
];

/**
 * Checks how to estimate advantages and fills in the defaults.
 *
 * @param options - May hold other keys too.
 * @param defaults - Of gamma and lambda; one left out makes its option required.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (wrong type, missing, or given to an estimator
 *   that does not use it), `ERR_UNKNOWN_OPTION` (no such estimator), `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 * @example
 * ```ts
 * const resolved = resolveEstimator({ estimator: 'nStep', horizon: 5 });
 * console.assert(JSON.stringify(resolved) === '{"estimator":"nStep","gamma":0.99,"horizon":5}');
 * try {
 *   resolveEstimator({ estimator: 'nStep', horizon: 5, lambda: 1 });
 * } catch (error) {
 *   console.assert(String(error).endsWith("lambda must be left out with estimator 'nStep', got 1"));
 * }
 * ```
 */
export function resolveEstimator(
  options: EstimatorOptions,
  defaults: { readonly gamma?: number; readonly lambda?: number } = { gamma: 0.99, lambda: 0.97 },
): ResolvedEstimator {
  const estimator = requireOneOf(options.estimator ?? 'gae', 'estimator', advantageEstimators);
  const choice = `estimator '${estimator}'`;
  if (estimator !== 'gae') {
    rejectUnusedOptions(options, ['lambda'], choice);
  }
  if (estimator !== 'nStep') {
    rejectUnusedOptions(options, ['horizon'], choice);
  }
  const gamma = requireNumber(options.gamma ?? defaults.gamma, 'gamma', { min: 0, max: 1 });
  switch (estimator) {
    case 'gae': {
      const lambda = options.lambda ?? defaults.lambda;
      return { estimator, gamma, lambda: requireNumber(lambda, 'lambda', { min: 0, max: 1 }) };
    }
    case 'nStep': {
      const horizon = requireInteger(options.horizon, 'horizon', { min: 1, max: 2 ** 31 });
      return { estimator, gamma, horizon };
    }
    default:
      return { estimator, gamma };
  }
}
