import { describe, expect, test } from '@jest/globals';
import { backends } from '../lib/backends.js';
import type { Policy } from '../lib/policy.js';
import type { ActionSpace } from '../lib/spaces.js';
import { dot, makeBatch, moved, numbers, parametersOf, smallPolicy, spaces } from './helpers.js';

/*
 * What the KL divergence is by its definition, on policies with a hidden layer.
 */

const mean = (values: Float64Array) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Parameters a good way off: every number moves by up to `distance`. */
function movedAtRandom(policy: Policy, distance: number, seed: number): Float64Array {
  return moved(parametersOf(policy), distance, numbers(policy.parameterCount, seed));
}

const kinds = spaces.map((actions) => [actions.kind, actions] as const);

describe.each(backends())('%s', (backend) => {
  const isDouble = backend === 'reference';
  const tolerance = isDouble ? 1e-12 : 1e-5;

  test.each(kinds)('KL(p || p) is 0, bit for bit: %s', (_, actions) => {
    const policy = smallPolicy(actions, { backend, outputGain: 3 });
    const batch = makeBatch(policy, 37);
    const same = parametersOf(policy);
    expect(policy.kl(batch.observations, same)).toEqual({ mean: 0, max: 0 });
    const { kl, logRatio } = policy.compare(batch, same);
    expect(kl).toEqual(new Float64Array(37));
    expect(logRatio).toEqual(new Float64Array(37));
    const { meanKl, maxKl, surrogate } = policy.evaluate(batch, same);
    expect([meanKl, maxKl]).toEqual([0, 0]);
    expect(Math.abs(surrogate - mean(batch.advantages))).toBeLessThan(1e-15);
  });

  test.each(kinds)('rows make up the means: %s', (_, actions) => {
    const policy = smallPolicy(actions, { backend });
    const batch = makeBatch(policy, 53);
    const other = movedAtRandom(policy, 0.3, 9);
    const { kl, logRatio } = policy.compare(batch, other);
    const { meanKl, maxKl, surrogate, effectiveSampleSize } = policy.evaluate(batch, other);
    const ratio = logRatio.map(Math.exp);
    const gains = ratio.map((each, row) => each * (batch.advantages[row] ?? NaN));
    expect(Math.abs(mean(kl) / meanKl - 1)).toBeLessThan(1e-14);
    expect(Math.max(...kl)).toBe(maxKl);
    expect(Math.abs(mean(gains) / surrogate - 1)).toBeLessThan(tolerance / 100);
    const size = dot(ratio, new Float64Array(53).fill(1)) ** 2 / dot(ratio, ratio);
    expect(Math.abs(effectiveSampleSize / size - 1)).toBeLessThan(1e-12);

    const evaluation = policy.kl(batch.observations, other);
    expect(evaluation).toEqual({ mean: meanKl, max: maxKl });
    const stranger = smallPolicy(actions, { backend });
    stranger.setParameters(other);
    const logProbability = [policy, stranger].map((each) =>
      each.logProbability(batch.observations, batch.actions),
    );
    logRatio.forEach((each, row) => {
      const difference = (logProbability[1]?.[row] ?? NaN) - (logProbability[0]?.[row] ?? NaN);
      expect(Math.abs(each - difference)).toBeLessThan(tolerance);
    });
  });

  test.each(kinds)('it is never negative: %s', (_, actions) => {
    const policy = smallPolicy(actions, { backend, outputGain: 2 });
    const observations = numbers(40 * policy.observationSize, 4);
    const actions_ = policy.act(observations);
    for (const [index, distance] of [1e-9, 1e-6, 1e-3, 0.1, 1, 10].entries()) {
      const other = movedAtRandom(policy, distance, index + 20);
      const { kl } = policy.compare({ observations, actions: actions_ }, other);
      expect(Math.min(...kl)).toBeGreaterThanOrEqual(0);
    }
  });

  /** The parameters of one factor of a policy: its rows of the last layer, its logStd. */
  function parametersOfFactor(
    policy: Policy,
    parameters: Float64Array,
    [first, count]: readonly [number, number],
  ): number[] {
    const hidden = 5;
    const { headSize, observationSize } = policy;
    const inner = hidden * (observationSize + 1);
    const weights = inner + hidden * first;
    const bias = inner + hidden * headSize + first;
    const logStd = inner + (hidden + 1) * headSize + first;
    return [
      ...parameters.subarray(0, inner),
      ...parameters.subarray(weights, weights + hidden * count),
      ...parameters.subarray(bias, bias + count),
      ...(policy.options.actions.kind === 'continuous'
        ? parameters.subarray(logStd, logStd + count)
        : []),
    ];
  }

  interface Factors {
    readonly whole: ActionSpace;
    /** Of each factor its space, its first output, how many. */
    readonly factors: readonly (readonly [ActionSpace, number, number])[];
  }
  const independent: readonly Factors[] = [
    {
      whole: { kind: 'multiDiscrete', counts: [3, 2, 4] },
      factors: [
        [{ kind: 'discrete', count: 3 }, 0, 3],
        [{ kind: 'discrete', count: 2 }, 3, 2],
        [{ kind: 'discrete', count: 4 }, 5, 4],
      ],
    },
    {
      whole: { kind: 'continuous', size: 3 },
      factors: [
        [{ kind: 'continuous', size: 2 }, 0, 2],
        [{ kind: 'continuous', size: 1 }, 2, 1],
      ],
    },
    {
      whole: { kind: 'binary', size: 3 },
      factors: [
        [{ kind: 'binary', size: 1 }, 0, 1],
        [{ kind: 'binary', size: 2 }, 1, 2],
      ],
    },
  ];

  test.each(independent)('independent factors add up: $whole.kind', ({ whole, factors }) => {
    const policy = smallPolicy(whole, { backend });
    const batch = makeBatch(policy, 31);
    const old = parametersOf(policy);
    const other = movedAtRandom(policy, 0.4, 7);
    const joint = policy.compare(batch, other);
    const entropy = policy.entropy(batch.observations);
    const sums = [new Float64Array(31), new Float64Array(31), new Float64Array(31)] as const;
    let column = 0;
    for (const [actions, first, count] of factors) {
      const part = smallPolicy(actions, { backend });
      part.setParameters(parametersOfFactor(policy, old, [first, count]));
      const { actionLength } = part;
      const chosen = Array.from({ length: 31 * actionLength }, (_, index) => {
        const row = Math.floor(index / actionLength);
        return batch.actions[row * policy.actionLength + column + (index % actionLength)] ?? NaN;
      });
      const rows = { observations: batch.observations, actions: chosen };
      const alone = part.compare(rows, parametersOfFactor(policy, other, [first, count]));
      [alone.kl, alone.logRatio, part.entropy(batch.observations)].forEach((values, quantity) => {
        values.forEach((value, row) => {
          const sum = sums[quantity] ?? new Float64Array();
          sum[row] = (sum[row] ?? NaN) + value;
        });
      });
      column += actionLength;
    }
    [joint.kl, joint.logRatio, entropy].forEach((values, quantity) => {
      values.forEach((value, row) => {
        expect(Math.abs(value - (sums[quantity]?.[row] ?? NaN))).toBeLessThan(tolerance);
      });
    });
    expect(mean(joint.kl)).toBeGreaterThan(0.01);
  });

  test('the closed form of two Gaussians', () => {
    const actions = { kind: 'continuous', size: 2 } as const;
    const policy = smallPolicy(actions, { backend, initialLogStd: -0.4 });
    const batch = makeBatch(policy, 29);
    const other = movedAtRandom(policy, 0.5, 8);
    const stranger = smallPolicy(actions, { backend });
    stranger.setParameters(other);
    const means = [policy, stranger].map((each) => each.forward(batch.observations));
    const deviations = [policy, stranger].map((each) => parametersOf(each).slice(-2).map(Math.exp));
    const { kl } = policy.compare(batch, other);
    kl.forEach((value, row) => {
      let expected = 0;
      for (let i = 0; i < 2; i += 1) {
        const shift = (means[0]?.[2 * row + i] ?? NaN) - (means[1]?.[2 * row + i] ?? NaN);
        const [s = NaN, t = NaN] = deviations.map((each) => each[i]);
        expected += Math.log(t / s) + (s ** 2 + shift ** 2) / (2 * t ** 2) - 0.5;
      }
      expect(Math.abs(value / expected - 1)).toBeLessThan(10 * tolerance);
    });
  });

  test.each(kinds)('it is d F d / 2 to second order: %s', (_, actions) => {
    const policy = smallPolicy(actions, { backend });
    const observations = numbers(40 * policy.observationSize, 4);
    const theta = parametersOf(policy);
    const direction = numbers(policy.parameterCount, 5);
    const curvature = dot(direction, policy.fisherVectorProduct(observations, direction));
    /** What the quadratic model misses at theta + d direction. */
    const miss = (d: number) =>
      policy.kl(observations, moved(theta, d, direction)).mean - (d ** 2 * curvature) / 2;
    if (isDouble) {
      // The next term is of third order: half the step, an eighth of the error.
      const order = (d: number) => Math.log2(miss(d) / miss(d / 2));
      expect(Math.abs(order(0.02) - 3)).toBeLessThan(0.1);
      expect(Math.abs(order(0.002) - 3)).toBeLessThan(0.01);
    }
    expect(Math.abs(miss(1e-3))).toBeLessThan(0.01 * (1e-6 * curvature));
  });
});
