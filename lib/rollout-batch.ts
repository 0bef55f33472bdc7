import type { ResolvedEstimator } from './advantage-estimator.js';
import { computeAdvantages } from './advantages.js';
import type { Batch } from './batch.js';
import type { FloatArray } from './native.js';
import type { RolloutStorage } from './rollout-storage.js';
import type { ValueFunction } from './value-function.js';

/**
 * A rollout as it lies in its storage.
 */
export interface Rollout {
  readonly storage: RolloutStorage;
  /** Time steps taken, from the first of the storage. */
  readonly steps: number;
  /** Of the policy that took them. */
  readonly policyVersion: number;
}

/**
 * Estimates advantages and returns ({@link computeAdvantages}). Observations and actions of the batch
 * are the storage's own memory, not copies.
 *
 * @param critic - `null`: all values are 0.
 * @param rewards - Of all rows, in place of the storage's.
 */
export function makeBatch(
  { storage, steps, policyVersion }: Rollout,
  critic: ValueFunction | null,
  estimator: ResolvedEstimator,
  rewards: FloatArray = storage.rewards.subarray(0, steps * storage.environments),
): Required<Batch> {
  const { environments, observationSize, actionLength } = storage;
  const rows = steps * environments;
  const withNext = storage.observations.subarray(0, (rows + environments) * observationSize);
  const terminated = storage.terminated.subarray(0, rows);
  const truncated = storage.truncated.subarray(0, rows);
  const allValues = critic?.predict(withNext) ?? new Float64Array(rows + environments);
  const values = allValues.subarray(0, rows);
  const { advantages, returns } = computeAdvantages({
    rewards,
    values,
    terminated,
    truncated,
    finalValues: finalValues(storage, rows, critic),
    // Read only where an episode goes on.
    lastValues: allValues.subarray(rows),
    environments,
    ...estimator,
  });
  return {
    observations: withNext.subarray(0, rows * observationSize),
    actions: storage.actions.subarray(0, rows * actionLength),
    advantages,
    returns,
    values,
    policyVersion,
  };
}

/**
 * Values of the final observations where an episode was cut off, 0 elsewhere.
 */
function finalValues(
  { terminated, truncated, finalObservations, observationSize: size }: RolloutStorage,
  rows: number,
  critic: ValueFunction | null,
): Float64Array {
  const values = new Float64Array(rows);
  const cut: number[] = [];
  for (let row = 0; row < rows; row += 1) {
    if (truncated[row] === 1 && terminated[row] === 0) {
      cut.push(row);
    }
  }
  if (critic === null || cut.length === 0) {
    return values;
  }
  const observations: FloatArray = new Float64Array(cut.length * size);
  cut.forEach((row, index) => {
    observations.set(finalObservations.subarray(row * size, (row + 1) * size), index * size);
  });
  critic.predict(observations).forEach((value, index) => {
    values[cut[index] ?? 0] = value;
  });
  return values;
}
