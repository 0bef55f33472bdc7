import { countRows, toFloatArray, toNumberArray } from './arrays.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray, NativeBatch, NumberArray } from './native.js';
import { describe, requireLength } from './validate.js';

/**
 * Rollouts to learn from: n rows, each one observation, the action taken there, and how much better
 * than expected it turned out. {@link RolloutBuffer.finish} makes one; any typed arrays will do.
 *
 * A running update refers to these arrays: do not change them before its promise settles. It never
 * changes them, and does not keep them.
 *
 * @example
 * ```ts
 * const batch: Batch = {
 *   observations: Float32Array.of(0.1, 0.2, 0.3, 0.4), // two rows of observationSize 2
 *   actions: Int32Array.of(0, 1),
 *   advantages: Float32Array.of(1, -1),
 * };
 * console.assert(batch.advantages.length === 2);
 * ```
 */
export interface Batch {
  /**
   * Observations, row-major [n x observationSize], as the policy saw them (not normalised).
   */
  readonly observations: FloatArray;
  /**
   * Actions as the policy returned them (not clipped), row-major [n x actionLength].
   */
  readonly actions: NumberArray;
  /**
   * Advantages [n].
   */
  readonly advantages: FloatArray;
  /**
   * Targets for a value function [n]; not used by policy updates.
   */
  readonly returns?: FloatArray;
  /**
   * What the value function had expected [n]; not used by policy updates.
   */
  readonly values?: FloatArray;
  /**
   * `policy.version` while the actions were chosen. An update then refuses a policy of another
   * version.
   */
  readonly policyVersion?: number;
}

/**
 * Checks the types and lengths of a batch, whose values native code checks.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` or `ERR_SHAPE_MISMATCH`.
 */
export function checkBatch(
  batch: Batch,
  observationSize: number,
  actionLength: number,
): NativeBatch {
  if (typeof batch !== 'object' || batch === null) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `batch must be an object with observations, actions and advantages, got ${describe(batch)}`,
    );
  }
  const observations = toFloatArray(batch.observations, 'observations');
  const rows = countRows(observations, observationSize, 'observations');
  const actions = toNumberArray(batch.actions, 'actions');
  requireLength(actions, rows * actionLength, 'actions');
  const advantages = toFloatArray(batch.advantages, 'advantages');
  requireLength(advantages, rows, 'advantages');
  return { observations, actions, advantages };
}
