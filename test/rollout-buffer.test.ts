import { describe, expect, test } from '@jest/globals';
import { computeAdvantages, explainedVariance, normalizeAdvantages } from '../lib/advantages.js';
import { RolloutBuffer } from '../lib/rollout-buffer.js';
import type { RolloutStep } from '../lib/rollout-buffer.js';
import { TRPO } from '../lib/trpo.js';
import { ValueFunction } from '../lib/value-function.js';
import {
  expectError,
  fixture,
  makeBatch,
  numbers,
  relativeError,
  smallPolicy,
  spaces,
} from './helpers.js';

interface AdvantageCase {
  readonly environments: number;
  readonly gamma: number;
  readonly lambda: number;
  readonly rewards: number[];
  readonly values: number[];
  readonly terminated: number[];
  readonly truncated: number[];
  readonly finalValues: number[];
  readonly lastValues: number[];
  readonly advantages: number[];
  readonly returns: number[];
}

describe('computeAdvantages', () => {
  test.each(
    fixture<AdvantageCase[]>('math/advantages.json').map((entry, index) => [index, entry] as const),
  )('against the reference, case %i', (_index, { advantages, returns, ...entry }) => {
    const { rows: _rows, ...inputs } = entry as typeof entry & { rows: number };
    const result = computeAdvantages(inputs);
    expect(relativeError(result.advantages, advantages)).toBeLessThan(1e-13);
    expect(relativeError(result.returns, returns)).toBeLessThan(1e-13);
  });

  test('a row that is both terminated and truncated counts as terminated', () => {
    const { returns } = computeAdvantages({
      rewards: [1, 1],
      values: [0, 0],
      terminated: [true, false],
      truncated: [true, true],
      finalValues: [NaN, 10],
      lastValues: [99],
      gamma: 0.5,
      lambda: 1,
    });
    expect(Array.from(returns)).toEqual([1, 6]);
  });
});

test('normalizeAdvantages leaves mean 0 and variance 1, and its input alone', () => {
  const advantages = numbers(1000).map((value) => 1e6 + value);
  const copy = advantages.slice();
  const normalized = normalizeAdvantages(advantages);
  const mean = normalized.reduce((sum, value) => sum + value, 0) / 1000;
  const square = normalized.reduce((sum, value) => sum + value ** 2, 0) / 1000;
  expect(Math.abs(mean)).toBeLessThan(1e-6);
  expect(square).toBeCloseTo(1, 6);
  expect(advantages).toEqual(copy);
});

test('explainedVariance', () => {
  expect(explainedVariance([0, 0, 4], [1, 2, 3])).toBeCloseTo(1 - 14 / 9 / (2 / 3), 12);
  expect(explainedVariance([1, 2], [5, 5])).toBeNaN();
});

/** Steps of two environments: A goes on throughout, B is cut at step 1 and ends at step 2. */
const twoSteps: readonly RolloutStep[] = [
  step([1, 1, 1, 2, 2, 2], 0, [0, 0], [0, 0], undefined),
  step([3, 3, 3, 4, 4, 4], 1, [0, 0], [0, 1], [5, 5, 5, 6, 6, 6]),
  step([5, 5, 5, 7, 7, 7], 2, [0, 1], [0, 0], [8, 8, 8, NaN, NaN, NaN]),
];

function step(
  observations: number[],
  reward: number,
  terminated: number[],
  truncated: number[],
  nextObservations: number[] | undefined,
): RolloutStep {
  return {
    observations,
    actions: [0, 1],
    rewards: [reward, 10 + reward],
    terminated,
    truncated,
    ...(nextObservations === undefined ? {} : { nextObservations }),
  };
}

describe('RolloutBuffer', () => {
  test('makes a time-major batch whose values come from the right observations', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 }, { backend: 'reference' });
    const valueFunction = new ValueFunction({ observationSize: 3, hidden: [4], seed: 9 });
    const rollouts = new RolloutBuffer({ policy, steps: 3, environments: 2 });
    expect(rollouts.size).toBe(0);
    for (const each of twoSteps) {
      expect(rollouts.full).toBe(false);
      rollouts.add(each);
    }
    expect(rollouts.full).toBe(true);
    const batch = rollouts.finish({ valueFunction, gamma: 0.9, lambda: 0.8 });

    const observations = twoSteps.flatMap((each) => Array.from(each.observations));
    const value = (x: number) => valueFunction.predict([x, x, x])[0] ?? NaN;
    const expected = computeAdvantages({
      rewards: [0, 10, 1, 11, 2, 12],
      values: [1, 2, 3, 4, 5, 7].map(value),
      terminated: [0, 0, 0, 0, 0, 1],
      truncated: [0, 0, 0, 1, 0, 0],
      finalValues: [0, 0, 0, value(6), 0, 0],
      lastValues: [value(8), 0],
      environments: 2,
      gamma: 0.9,
      lambda: 0.8,
    });
    expect(batch).toEqual({
      observations: Float64Array.from(observations),
      actions: Int32Array.of(0, 1, 0, 1, 0, 1),
      values: Float64Array.from([1, 2, 3, 4, 5, 7].map(value)),
      ...expected,
      policyVersion: 0,
    });
  });

  test('without a value function values are 0, and numbers stand for one environment', () => {
    const policy = smallPolicy({ kind: 'continuous', size: 1 }, { backend: 'cpu' });
    const rollouts = new RolloutBuffer({ policy, steps: 3 });
    for (const reward of [1, 2, 4]) {
      rollouts.add({
        observations: [reward, 0, 0],
        actions: 0.1 * reward,
        rewards: reward,
        terminated: reward === 4,
        truncated: false,
      });
    }
    const whole = rollouts.finish({ estimator: 'monteCarlo', gamma: 0.5 });
    expect(Array.from(whole.advantages)).toEqual([3, 3, 3]);
    expect(Array.from(whole.returns ?? [])).toEqual([3, 4, 4]);
    const batch = rollouts.finish({ gamma: 0.5, lambda: 1 });
    expect(Array.from(batch.returns ?? [])).toEqual([3, 4, 4]);
    expect(Array.from(batch.advantages)).toEqual([3, 4, 4]);
    expect(Array.from(batch.values ?? [])).toEqual([0, 0, 0]);
    expect(batch.actions).toEqual(Float32Array.of(0.1, 0.2, 0.4));
    expect(batch.observations).toEqual(Float32Array.of(1, 0, 0, 2, 0, 0, 4, 0, 0));
  });

  test.each(spaces.map((actions) => [actions.kind, actions] as const))(
    'its batches suit updates (%s)',
    async (_kind, actions) => {
      const policy = smallPolicy(actions);
      const rollouts = new RolloutBuffer({ policy, steps: 20, environments: 2 });
      const trpo = new TRPO(policy);
      for (let update = 0; update < 2; update += 1) {
        for (let time = 0; time < 20; time += 1) {
          const observations = numbers(6, time + 1);
          rollouts.add({
            observations,
            actions: policy.act(observations),
            rewards: numbers(2, time + 50),
            terminated: [time % 5 === 4, false],
            truncated: [false, time === 19],
            nextObservations: observations,
          });
        }
        const batch = rollouts.finish();
        expect(batch.policyVersion).toBe(policy.version);
        await trpo.update(batch);
        rollouts.reset();
        expect(rollouts.size).toBe(0);
      }
    },
  );

  test('finish gives fresh arrays and may be called early', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const rollouts = new RolloutBuffer({ policy, steps: 3, environments: 2 });
    rollouts.add(twoSteps[0] as RolloutStep);
    expectError(
      () => rollouts.finish(),
      'ERR_STATE',
      'environment 0 goes on after the last step, which must come with nextObservations',
    );
    rollouts.add(twoSteps[1] as RolloutStep);
    const first = rollouts.finish();
    expect(first.advantages).toHaveLength(4);
    const copy = first.observations.slice();
    rollouts.reset();
    rollouts.add(twoSteps[2] as RolloutStep);
    expect(first.observations).toEqual(copy);
    expect(rollouts.finish().observations).not.toBe(rollouts.finish().observations);
  });

  test('a full buffer, an empty one, and a policy that changed', async () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const rollouts = new RolloutBuffer({ policy, steps: 1, environments: 2 });
    expectError(() => rollouts.finish(), 'ERR_STATE', 'the rollout buffer is empty');
    rollouts.add(twoSteps[2] as RolloutStep);
    expectError(
      () => rollouts.add(twoSteps[2] as RolloutStep),
      'ERR_STATE',
      'the rollout buffer holds all of its 1 steps',
    );
    const batch = rollouts.finish();
    await new TRPO(policy).update(makeBatch(policy, 20));
    expect(policy.version).toBe(1);
    expect(batch.policyVersion).toBe(0);

    const longer = new RolloutBuffer({ policy, steps: 2, environments: 2 });
    longer.add(twoSteps[0] as RolloutStep);
    policy.setParameters(policy.getParameters());
    expectError(
      () => longer.add(twoSteps[1] as RolloutStep),
      'ERR_STALE_BATCH',
      /got version 2 after version 1/,
    );
    longer.reset();
    longer.add(twoSteps[1] as RolloutStep);
    expect(longer.size).toBe(1);
  });

  test('a refused step leaves the buffer as it was', () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const rollouts = new RolloutBuffer({ policy, steps: 2, environments: 2 });
    const good = twoSteps[0] as RolloutStep;
    const bad: [Partial<RolloutStep>, Parameters<typeof expectError>[1], RegExp][] = [
      [{ observations: [1, 2, 3] }, 'ERR_SHAPE_MISMATCH', /observations must be .* length 6/],
      [{ observations: [1, 2, 3, 4, NaN, 6] }, 'ERR_NOT_FINITE', /observations\[4\]/],
      [{ actions: [0, 3] }, 'ERR_OUT_OF_RANGE', /actions\[1\] must be an integer from 0 to 2/],
      [{ actions: [0] }, 'ERR_SHAPE_MISMATCH', /actions must be an array of length 2/],
      [{ actions: 0 }, 'ERR_INVALID_ARGUMENT', /actions must be an array of length 2, got 0/],
      [{ rewards: [0, Infinity] }, 'ERR_NOT_FINITE', /rewards\[1\]/],
      [{ rewards: 1 }, 'ERR_INVALID_ARGUMENT', /rewards must be an array/],
      [{ terminated: [0, 2] }, 'ERR_INVALID_ARGUMENT', /terminated\[1\] must be true, false/],
      [{ terminated: true }, 'ERR_INVALID_ARGUMENT', /terminated must be an array of length 2/],
      [
        { truncated: [0, 1] },
        'ERR_INVALID_ARGUMENT',
        /nextObservations .* environment 1 was trunc/,
      ],
      [{ nextObservations: [1] }, 'ERR_SHAPE_MISMATCH', /nextObservations must be .* length 6/],
      [
        { nextObservations: [1, 2, 3, 4, 5, NaN] },
        'ERR_NOT_FINITE',
        /nextObservations\[5\] must be a finite number, got NaN/,
      ],
    ];
    for (const [change, code, sentence] of bad) {
      expectError(() => rollouts.add({ ...good, ...change }), code, sentence);
      expect(rollouts.size).toBe(0);
    }
    rollouts.add(good);
    expectError(
      () => rollouts.add(good),
      'ERR_INVALID_ARGUMENT',
      /nextObservations must be given, because environment 0 goes on after the last step/,
    );
    rollouts.add({ ...good, terminated: [1, 1] });
    expect(rollouts.full).toBe(true);
  });
});
