import type { Rollout } from './rollout-batch.js';
import { rejectUnknownOptions, requireInteger, requireNumber } from './validate.js';

/**
 * What {@link RewardScale} has seen: number, mean and sum of squared deviations of running returns.
 */
export interface RewardRecord {
  readonly count: number;
  readonly mean: number;
  readonly squares: number;
}

/**
 * Checks a record.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 */
export function checkRewardRecord(record: RewardRecord, name: string): void {
  rejectUnknownOptions(record, ['count', 'mean', 'squares'], name);
  requireInteger(record.count, `${name}.count`, { min: 0 });
  requireNumber(record.mean, `${name}.mean`);
  requireNumber(record.squares, `${name}.squares`, { min: 0 });
}

/**
 * Divides rewards by the standard deviation, over everything seen so far, of the running return
 *
 *     R_t = gamma R_{t-1} + r_t,    R = 0 before an episode
 *
 * so that returns are of order 1 whatever the unit of the rewards (Engstrom et al. 2020,
 * "Implementation matters in deep policy gradients", section 2, reward scaling). Nothing is subtracted: what
 * is good stays good. A whole rollout is divided by one number, which already knows the rollout; 1 while all
 * running returns were equal.
 */
export class RewardScale {
  readonly #gamma: number;
  /** R_t of each environment. */
  readonly #returns: Float64Array;
  #count: number;
  #mean: number;
  #squares: number;

  /**
   * @param before - What was seen before; episodes that had not ended then start anew.
   */
  constructor(gamma: number, environments: number, before?: RewardRecord) {
    this.#gamma = gamma;
    this.#returns = new Float64Array(environments);
    this.#count = before?.count ?? 0;
    this.#mean = before?.mean ?? 0;
    this.#squares = before?.squares ?? 0;
  }

  /**
   * The scaled rewards of a rollout that follows the last one, a fresh array.
   */
  apply({ storage, steps }: Rollout): Float64Array {
    const { environments, rewards, terminated, truncated } = storage;
    const rows = steps * environments;
    for (let row = 0; row < rows; row += 1) {
      const index = row % environments;
      const value = this.#gamma * (this.#returns[index] ?? 0) + (rewards[row] ?? NaN);
      this.#record(value);
      this.#returns[index] = terminated[row] === 1 || truncated[row] === 1 ? 0 : value;
    }
    const deviation = Math.sqrt(this.#squares / this.#count);
    const scale = deviation > 0 ? 1 / deviation : 1;
    return Float64Array.from(rewards.subarray(0, rows), (reward) => reward * scale);
  }

  /**
   * What it has seen, a copy.
   */
  get known(): RewardRecord {
    return { count: this.#count, mean: this.#mean, squares: this.#squares };
  }

  /** Welford 1962, "Note on a method for calculating corrected sums of squares and products". */
  #record(value: number): void {
    this.#count += 1;
    const difference = value - this.#mean;
    this.#mean += difference / this.#count;
    this.#squares += difference * (value - this.#mean);
  }
}
