import { describe, expect, test } from '@jest/globals';
import type { ObjectiveOptions } from '../lib/policy-types.js';
import {
  dot,
  makeBatch,
  moved,
  numbers,
  parametersOf,
  relativeError,
  smallPolicy,
  spaces,
} from './helpers.js';

/*
 * Other parameters against the present ones: row by row, as an objective with its gradient, and the
 * empirical Fisher matrix. In float64 on the reference backend; the cpu backend against it.
 */

describe.each(spaces.map((actions) => [actions.kind, actions] as const))('%s', (_, actions) => {
  const policy = smallPolicy(actions, { backend: 'reference' });
  const batch = makeBatch(policy, 20);
  const theta = parametersOf(policy);
  const elsewhere = moved(theta, 0.3, numbers(theta.length, 7));

  test('compare is what logProbability and kl say', () => {
    const { kl, logRatio } = policy.compare(batch, elsewhere);
    const other = smallPolicy(actions, { backend: 'reference' });
    other.setParameters(elsewhere);
    const before = policy.logProbability(batch.observations, batch.actions);
    const after = other.logProbability(batch.observations, batch.actions);
    expect(
      relativeError(
        logRatio,
        after.map((each, row) => each - (before[row] ?? NaN)),
      ),
    ).toBeLessThan(1e-12);
    const { mean, max } = policy.kl(batch.observations, elsewhere);
    expect(kl.reduce((sum, each) => sum + each) / 20).toBeCloseTo(mean, 13);
    expect(Math.max(...kl)).toBeCloseTo(max, 13);
    const { effectiveSampleSize, klUncertainty } = policy.evaluate(batch, elsewhere);
    const ratios = logRatio.map(Math.exp);
    const sum = ratios.reduce((total, each) => total + each);
    expect(effectiveSampleSize).toBeCloseTo(sum ** 2 / dot(ratios, ratios), 9);
    expect(klUncertainty).toBe(0);
    const same = policy.compare(batch, theta);
    expect([...same.kl, ...same.logRatio].every((each) => Math.abs(each) < 1e-15)).toBe(true);
  });

  test.each<[string, ObjectiveOptions]>([
    ['the surrogate', {}],
    ['clipped', { clipRange: 0.1 }],
    ['with a KL penalty', { klPenalty: 2 }],
    ['with an entropy bonus', { entropyBonus: 0.5 }],
    ['of everything', { clipRange: 0.3, klPenalty: 0.7, entropyBonus: 0.2 }],
  ])('objective %s', (_name, options) => {
    const { clipRange = Infinity, klPenalty = 0, entropyBonus = 0 } = options;
    const at = (parameters: Float64Array) => policy.objective(batch, { ...options, parameters });
    const found = at(elsewhere);

    const { kl, logRatio } = policy.compare(batch, elsewhere);
    const terms = Array.from(logRatio, (each, row) => {
      const [ratio, advantage] = [Math.exp(each), batch.advantages[row] ?? NaN];
      const clipped = Math.min(Math.max(ratio, 1 - clipRange), 1 + clipRange);
      return { value: Math.min(ratio * advantage, clipped * advantage), ratio, advantage };
    });
    const surrogate = terms.reduce((sum, { value }) => sum + value, 0) / 20;
    const meanKl = kl.reduce((sum, each) => sum + each) / 20;
    const { entropy } = policy.evaluate(batch, elsewhere);
    expect(found.surrogate).toBeCloseTo(surrogate, 12);
    expect(found.meanKl).toBeCloseTo(meanKl, 12);
    expect(found.entropy).toBeCloseTo(entropy, 12);
    expect(found.value).toBeCloseTo(surrogate - klPenalty * meanKl + entropyBonus * entropy, 12);
    const clipped = terms.filter(({ value, ratio, advantage }) => value < ratio * advantage);
    expect(found.clipFraction).toBeCloseTo(clipped.length / 20, 12);

    const direction = numbers(theta.length, 11);
    const step = 1e-6; // central differences
    const difference =
      at(moved(elsewhere, step, direction)).value - at(moved(elsewhere, -step, direction)).value;
    expect(dot(found.gradient, direction)).toBeCloseTo(difference / (2 * step), 6);

    const single = smallPolicy(actions, { backend: 'cpu' });
    single.setParameters(theta);
    const rough = single.objective(batch, { ...options, parameters: elsewhere });
    expect(rough.value).toBeCloseTo(found.value, 4);
    expect(relativeError(rough.gradient, found.gradient)).toBeLessThan(1e-3);
  });

  test('the objective starts at the present parameters', () => {
    const { value, gradient, clipFraction } = policy.objective(batch, { clipRange: 0.2 });
    expect(value).toBeCloseTo(policy.surrogate(batch), 14);
    expect(relativeError(gradient, policy.gradient(batch))).toBeLessThan(1e-12);
    expect(clipFraction).toBe(0);
  });

  test('the empirical Fisher matrix is the mean of s s’', () => {
    const { observations, actions: taken } = batch;
    const vector = numbers(theta.length, 5);
    const expected = new Float64Array(theta.length);
    const { observationSize, actionLength } = policy;
    for (let row = 0; row < 20; row += 1) {
      const score = policy.gradient({
        observations: observations.slice(row * observationSize, (row + 1) * observationSize),
        actions: taken.slice(row * actionLength, (row + 1) * actionLength),
        advantages: Float64Array.of(1),
      });
      const along = dot(score, vector) / 20;
      score.forEach((each, index) => {
        expected[index] = (expected[index] ?? NaN) + along * each;
      });
    }
    const fisher = policy.fisherOperator(observations, { estimator: 'empirical', actions: taken });
    expect(fisher.estimator).toBe('empirical');
    expect(relativeError(fisher.apply(vector), expected)).toBeLessThan(1e-12);
    const options = { estimator: 'empirical', actions: taken } as const;
    expect(
      relativeError(policy.fisherVectorProduct(observations, vector, options), expected),
    ).toBeLessThan(1e-12);
  });
});
