import { TrustRegionError } from './errors.js';
import type { NativePolicyConfig } from './native.js';
import type { ActionSpace } from './spaces.js';
import { describe, rejectUnknownOptions, requireInteger, requireOneOf } from './validate.js';

/*
 * What an action space means for a policy: which distribution, how many head outputs, how many
 * parameters beside the network's. The equations are in native/core/distribution.h.
 */

const mostFactors = 4096;
const kinds = ['continuous', 'discrete', 'multiDiscrete', 'binary'] as const;

/**
 * Checks a space of actions and copies it, so that later changes of the caller's object change no
 * policy.
 *
 * @returns A frozen copy.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_UNKNOWN_OPTION`, `ERR_OUT_OF_RANGE`,
 *   `ERR_NOT_FINITE` or `ERR_SHAPE_MISMATCH`.
 */
export function copyActionSpace<A extends ActionSpace>(space: A): A {
  if (typeof space !== 'object' || space === null) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `actions must be a space such as { kind: 'continuous', size: 3 }, got ${describe(space)}`,
    );
  }
  requireOneOf(space.kind, 'actions.kind', kinds);
  return Object.freeze(copyOf(space)) as A; // the same kind with the same keys
}

function copyOf(space: ActionSpace): ActionSpace {
  const { kind } = space;
  const where = `a space of ${kind} actions`;
  switch (kind) {
    case 'continuous': {
      rejectUnknownOptions(space, ['kind', 'size', 'low', 'high'], where);
      const size = requireCount(space.size, 'actions.size', 1);
      const { low, high } = space;
      return {
        kind,
        size,
        ...(low === undefined ? {} : { low: copyBounds(low, size, 'actions.low') }),
        ...(high === undefined ? {} : { high: copyBounds(high, size, 'actions.high') }),
      };
    }
    case 'binary':
      rejectUnknownOptions(space, ['kind', 'size'], where);
      return { kind, size: requireCount(space.size, 'actions.size', 1) };
    case 'discrete':
      rejectUnknownOptions(space, ['kind', 'count'], where);
      return { kind, count: requireCount(space.count, 'actions.count', 2) };
    case 'multiDiscrete':
      rejectUnknownOptions(space, ['kind', 'counts'], where);
      return { kind, counts: copyCounts(space.counts) };
  }
}

function requireCount(value: number, name: string, min: number): number {
  return requireInteger(value, name, { min, max: 1_000_000 });
}

function copyCounts(counts: readonly number[]): readonly number[] {
  if (!Array.isArray(counts) || counts.length === 0 || counts.length > mostFactors) {
    throw new TrustRegionError(
      Array.isArray(counts) ? 'ERR_SHAPE_MISMATCH' : 'ERR_INVALID_ARGUMENT',
      `actions.counts must be an array of 1 to ${mostFactors} numbers, got ${describe(counts)}`,
    );
  }
  return Object.freeze(
    counts.map((count: number, index) => requireCount(count, `actions.counts[${index}]`, 2)),
  );
}

function copyBounds(bounds: readonly number[], size: number, name: string): readonly number[] {
  if (!Array.isArray(bounds) || bounds.length !== size) {
    throw new TrustRegionError(
      Array.isArray(bounds) ? 'ERR_SHAPE_MISMATCH' : 'ERR_INVALID_ARGUMENT',
      `${name} must be an array of length ${size}, got ${describe(bounds)}`,
    );
  }
  bounds.forEach((bound: unknown, index) => {
    if (typeof bound !== 'number' || Number.isNaN(bound)) {
      throw new TrustRegionError(
        typeof bound === 'number' ? 'ERR_NOT_FINITE' : 'ERR_INVALID_ARGUMENT',
        `${name}[${index}] must be a number, -Infinity or Infinity, got ${describe(bound)}`,
      );
    }
  });
  return Object.freeze([...bounds]);
}

/**
 * How native code calls the distribution over `space`.
 */
export function nativeDistribution(
  space: ActionSpace,
): Pick<NativePolicyConfig, 'distribution' | 'actionCounts'> {
  switch (space.kind) {
    case 'continuous':
      return { distribution: 'gaussian', actionCounts: [space.size] };
    case 'discrete':
      return { distribution: 'categorical', actionCounts: [space.count] };
    case 'multiDiscrete':
      return { distribution: 'categorical', actionCounts: space.counts };
    case 'binary':
      return { distribution: 'bernoulli', actionCounts: [space.size] };
  }
}

/**
 * Outputs of a policy's network: means, or logits of every choice or bit.
 */
export function headSizeOf(space: ActionSpace): number {
  return nativeDistribution(space).actionCounts.reduce((sum, count) => sum + count, 0);
}

/**
 * How many values each number of an action has: it is an integer from 0 to below that. Empty for
 * continuous actions, which are any finite numbers.
 */
export function choiceCounts(space: ActionSpace): readonly number[] {
  switch (space.kind) {
    case 'continuous':
      return [];
    case 'discrete':
      return [space.count];
    case 'multiDiscrete':
      return space.counts;
    case 'binary':
      return Array.from({ length: space.size }, () => 2);
  }
}
