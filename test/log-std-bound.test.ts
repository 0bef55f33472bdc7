import { describe, expect, test } from '@jest/globals';
import { makeMethod, methodNames } from '../lib/methods.js';
import { Policy } from '../lib/policy.js';
import { bitsOf, expectError, numbers, parametersOf, smallPolicy } from './helpers.js';

const actions = { kind: 'continuous', size: 2 } as const;

const logStdOf = (policy: Policy) => policy.getParameters().slice(-2);

/** A batch whose advantages punish every deviation from the mean. */
function narrowing(policy: Policy, rows = 300) {
  const observations = Float32Array.from(numbers(rows * policy.observationSize));
  const sampled = policy.act(observations);
  const advantages = Float32Array.from(
    { length: rows },
    (_, row) => -((sampled[2 * row] ?? NaN) ** 2) - (sampled[2 * row + 1] ?? NaN) ** 2,
  );
  return { observations, actions: sampled, advantages };
}

describe('minLogStd', () => {
  test.each(methodNames)('%s never goes below it', async (name) => {
    const options = { initialLogStd: -0.5, seed: 3 };
    const policy = smallPolicy(actions, { ...options, minLogStd: -0.6 });
    const free = smallPolicy(actions, options);
    const isPpo = name === 'PPO';
    for (const each of [policy, free]) {
      const method = makeMethod(name, each, isPpo ? { learningRate: 0.02, maxKl: 1 } : {});
      for (let update = 0; update < 40; update += 1) {
        await method.update(narrowing(each));
        if (each === policy) {
          expect(Math.min(...logStdOf(policy))).toBeGreaterThanOrEqual(Math.fround(-0.6));
        }
      }
    }
    expect(logStdOf(policy)).toEqual(Float32Array.of(-0.6, -0.6));
    expect(Math.max(...logStdOf(free))).toBeLessThan(-0.6); // what the bound was for
  });

  test('the KL bound holds on the way to it and along it, and is used', async () => {
    const policy = smallPolicy(actions, { initialLogStd: -0.5, minLogStd: -0.6 });
    const trpo = makeMethod('TRPO', policy, { maxKl: 0.05 });
    for (let update = 0; update < 5; update += 1) {
      const { accepted, meanKl } = await trpo.update(narrowing(policy));
      expect(accepted).toBe(true);
      expect(meanKl).toBeLessThanOrEqual(0.05);
      expect(meanKl).toBeGreaterThan(0.049);
    }
    expect(logStdOf(policy)).toEqual(Float32Array.of(-0.6, -0.6));
  });

  test('is saved with the policy', () => {
    const policy = smallPolicy(actions, { minLogStd: -0.7, initialLogStd: -0.7 });
    const twin = Policy.fromBytes(policy.toBytes());
    expect(twin.options.minLogStd).toBe(-0.7);
    expect(bitsOf(twin.getParameters())).toBe(bitsOf(policy.getParameters()));
    expect(smallPolicy(actions).options).not.toHaveProperty('minLogStd');
  });

  test('parameters below it are refused, and nothing is changed', () => {
    const policy = smallPolicy(actions, { minLogStd: -1 });
    const before = bitsOf(policy.getParameters());
    const below = parametersOf(policy);
    below[below.length - 1] = -1.01;
    expectError(
      () => policy.setParameters(below),
      'ERR_OUT_OF_RANGE',
      /^parameters\[\d+\], a logStd, must be at least minLogStd = -1\.0+, got -1\.010+$/,
    );
    expect(bitsOf(policy.getParameters())).toBe(before);
    expect(policy.version).toBe(0);
  });
});
