import type { EpisodeRecord } from './episode-statistics.js';
import { TrustRegionError } from './errors.js';
import { checkRewardRecord } from './reward-scale.js';
import type { RewardRecord } from './reward-scale.js';
import type { TrainTiming } from './train-timing.js';
import { rejectUnknownOptions, requireFinite, requireInteger, requireNumber } from './validate.js';

/**
 * What a run has come to, for another one to go on from there: plain data that JSON keeps.
 */
export interface TrainState extends EpisodeRecord {
  /**
   * Environment steps that updates were made of, over all environments.
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
   * Largest mean KL divergence of any of them.
   */
  readonly worstMeanKl: number;
  /**
   * Episodes finished.
   */
  readonly episodes: number;
  /**
   * Returns of the latest of them, at most 100.
   */
  readonly returns: readonly number[];
  /**
   * Their lengths.
   */
  readonly lengths: readonly number[];
  /**
   * What the option `scaleRewards` goes on from; absent without it.
   */
  readonly rewards?: RewardRecord;
  /**
   * Where the time went.
   */
  readonly timing: TrainTiming;
}

const counts = ['steps', 'updates', 'acceptedUpdates', 'episodes'] as const;
const times = ['physics', 'inference', 'update', 'critic', 'rest'] as const;

/**
 * Checks the option `from` of a run in `environments` environments.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE`,
 *   `ERR_OUT_OF_RANGE` or `ERR_SHAPE_MISMATCH`.
 */
export function checkTrainState(state: TrainState, environments: number): TrainState {
  const others = ['worstMeanKl', 'returns', 'lengths', 'rewards', 'timing'];
  rejectUnknownOptions(state, [...counts, ...others], 'from');
  for (const name of counts) {
    requireInteger(state[name], `from.${name}`, { min: 0 });
  }
  if (state.steps % environments !== 0) {
    throw new TrustRegionError(
      'ERR_OUT_OF_RANGE',
      `from.steps must be a multiple of the ${environments} environments, got ${state.steps}`,
    );
  }
  requireNumber(state.worstMeanKl, 'from.worstMeanKl', { min: 0 });
  requireFinite(state.returns, 'from.returns');
  requireFinite(state.lengths, 'from.lengths');
  if (state.returns.length !== state.lengths.length) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `from.lengths must have the length ${state.returns.length} of from.returns, got ` +
        state.lengths.length,
    );
  }
  if (state.rewards !== undefined) {
    checkRewardRecord(state.rewards, 'from.rewards');
  }
  rejectUnknownOptions(state.timing, times, 'from.timing');
  for (const name of times) {
    requireNumber(state.timing[name], `from.timing.${name}`, { min: 0 });
  }
  return state;
}
