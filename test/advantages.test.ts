import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { computeAdvantages } from '../lib/advantages.js';
import type { AdvantageInputs } from '../lib/advantages.js';
import { expectError, relativeError } from './helpers.js';

/** A rollout of one or several environments whose episodes end in every way. */
const rollouts = fc
  .record({ steps: fc.integer({ min: 1, max: 30 }), environments: fc.integer({ min: 1, max: 3 }) })
  .chain(({ steps, environments }) => {
    const array = <Value>(entry: fc.Arbitrary<Value>, length = steps * environments) =>
      fc.array(entry, { minLength: length, maxLength: length });
    const number = fc.double({ min: -10, max: 10, noNaN: true });
    const rarely = fc.integer({ min: 0, max: 7 }).map((draw) => draw === 0);
    return fc.record({
      rewards: array(number),
      values: array(number),
      terminated: array(rarely),
      truncated: array(rarely),
      finalValues: array(number),
      lastValues: array(number, environments),
      environments: fc.constant(environments),
      gamma: fc.double({ min: 0, max: 1, noNaN: true }),
    });
  });

type Rollout = Omit<AdvantageInputs, 'lambda'>;

/** Equal but for the rounding of sums of some 30 numbers of size up to 300. */
function expectEqual(first: AdvantageInputs, second: AdvantageInputs): void {
  const [one, other] = [computeAdvantages(first), computeAdvantages(second)];
  for (const key of ['advantages', 'returns'] as const) {
    one[key].forEach((value, row) => {
      expect(Math.abs(value - (other[key][row] ?? NaN))).toBeLessThan(1e-10);
    });
  }
}

describe('one estimator as a case of another', () => {
  const property = (check: (rollout: Rollout) => void) =>
    fc.assert(fc.property(rollouts, check), { numRuns: 200 });

  test('n steps with n beyond the rollout are rewards to go', () => {
    property((rollout) => {
      const horizon = rollout.rewards.length + 1;
      expectEqual(
        { ...rollout, estimator: 'nStep', horizon },
        { ...rollout, estimator: 'rewardToGo' },
      );
    });
  });

  test('one step is generalised advantage estimation with lambda 0', () => {
    property((rollout) => {
      expectEqual(
        { ...rollout, estimator: 'nStep', horizon: 1 },
        { ...rollout, estimator: 'gae', lambda: 0 },
      );
    });
  });

  test('rewards to go are generalised advantage estimation with lambda 1', () => {
    property((rollout) => {
      expectEqual({ ...rollout, estimator: 'rewardToGo' }, { ...rollout, lambda: 1 });
    });
  });

  test('whole-episode returns have the same targets as rewards to go, and none of its baseline', () => {
    property((rollout) => {
      const monteCarlo = computeAdvantages({ ...rollout, estimator: 'monteCarlo' });
      const { returns } = computeAdvantages({ ...rollout, estimator: 'rewardToGo' });
      expect(monteCarlo.returns).toEqual(returns);
      // An episode's first step has its whole return, and so have all others.
      const environments = rollout.environments ?? 1;
      monteCarlo.advantages.forEach((advantage, row) => {
        const before = row - environments;
        const goesOn =
          before >= 0 && rollout.terminated[before] !== true && rollout.truncated[before] !== true;
        expect(advantage).toBe(goesOn ? monteCarlo.advantages[before] : returns[row]);
      });
    });
  });
});

test('a truncated episode is continued with the value of its final observation, whichever', () => {
  const rollout = {
    rewards: [1, 1, 1, 1],
    values: [2, 2, 2, 2],
    terminated: [0, 0, 0, 1],
    truncated: [0, 1, 0, 0],
    finalValues: [NaN, 4, NaN, NaN],
    lastValues: [100],
    gamma: 0.5,
  };
  const run = (how: Partial<AdvantageInputs>) => {
    const { advantages, returns } = computeAdvantages({ ...rollout, ...how });
    return [Array.from(advantages), Array.from(returns)];
  };
  expect(run({ estimator: 'monteCarlo' })).toEqual([
    [2.5, 2.5, 1.5, 1.5],
    [2.5, 3, 1.5, 1],
  ]);
  expect(run({ estimator: 'rewardToGo' })).toEqual([
    [0.5, 1, -0.5, -1],
    [2.5, 3, 1.5, 1],
  ]);
  expect(run({ estimator: 'nStep', horizon: 1 })).toEqual([
    [0, 1, 0, -1],
    [2, 3, 2, 1],
  ]);
});

test('n steps of a long rollout take no longer for a long n', () => {
  const rows = 200_000;
  const ones = new Float64Array(rows).fill(1);
  const flags = new Uint8Array(rows);
  const { returns } = computeAdvantages({
    estimator: 'nStep',
    horizon: rows / 2,
    rewards: ones,
    values: ones,
    terminated: flags,
    truncated: flags,
    lastValues: [0],
    gamma: 1,
  });
  // Steps left, but never more than the horizon, whose end is worth 1 except behind the rollout.
  const expected = returns.map((_, row) => (row + rows / 2 < rows ? rows / 2 + 1 : rows - row));
  expect(relativeError(returns, expected)).toBe(0);
});

test('flags are bytes, booleans or numbers alike, and not changed', () => {
  const inputs = { rewards: [1, 1, 1], values: [0, 0, 0], lastValues: [0], gamma: 1, lambda: 1 };
  const none = [false, false, false];
  const expected = computeAdvantages({
    ...inputs,
    terminated: [false, true, false],
    truncated: none,
  });
  expect([...expected.advantages]).toEqual([2, 1, 1]);
  const bytes = Uint8Array.of(0, 1, 0);
  for (const terminated of [bytes, [0, 1, 0]]) {
    expect(computeAdvantages({ ...inputs, terminated, truncated: none })).toEqual(expected);
  }
  expect([...bytes]).toEqual([0, 1, 0]);
  expectError(
    () => computeAdvantages({ ...inputs, terminated: Uint8Array.of(0, 1, 2), truncated: none }),
    'ERR_INVALID_ARGUMENT',
    'terminated[2] must be true, false, 0 or 1, got 2',
  );
});
