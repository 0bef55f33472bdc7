import { describe, expect, test } from '@jest/globals';
import type { Batch } from '../lib/batch.js';
import { makeMethod, methodNames } from '../lib/methods.js';
import type { OptionsOf } from '../lib/methods.js';
import type { Policy } from '../lib/policy.js';
import {
  bitsOf,
  expectError,
  expectRejection,
  makeBatch,
  numbers,
  parametersOf,
  smallPolicy,
} from './helpers.js';

/*
 * What all methods promise, whichever it is. What is special to one is tested in a file of its own.
 */

/** Steps that are large enough to see on small problems. */
const bold: OptionsOf = {
  VanillaPolicyGradient: { epsilon: 0.02 },
  NaturalPolicyGradient: { epsilon: 0.02 },
  TRPO: { maxKl: 0.02 },
  DualGradientDescent: { maxKl: 0.02, innerLearningRate: 0.02 },
  PPO: { maxKl: 0.02, learningRate: 0.01, minibatchSize: 50 },
};

/** A batch whose advantages say that larger actions are better. */
function uphill(policy: Policy, rows = 400, seed = 1): Batch {
  const observations = Float32Array.from(numbers(rows * policy.observationSize, seed));
  const actions = policy.act(observations);
  const advantages = Float32Array.from(
    { length: rows },
    (_, row) => actions[row * policy.actionLength] ?? NaN,
  );
  return { observations, actions, advantages, policyVersion: policy.version };
}

describe.each(methodNames)('%s', (name) => {
  const make = (policy: Policy, options: object = {}) =>
    makeMethod(name, policy, { ...bold[name], ...options });
  const continuous = (options: object = {}) =>
    smallPolicy({ kind: 'continuous', size: 2 }, options);

  test('has a name, its policy, and options that make one like it', () => {
    const policy = continuous();
    const method = makeMethod(name, policy, {});
    expect(method.name).toBe(name);
    expect(method.policy).toBe(policy);
    expect(method.options).toMatchObject({ normalizeAdvantages: true, diagnostics: false });
    expect(Object.isFrozen(method.options)).toBe(true);
    expect(makeMethod(name, policy, method.options).options).toEqual(method.options);
    const undefinedOptions = Object.fromEntries(
      Object.keys(method.options).map((option) => [option, undefined]),
    );
    expect(makeMethod(name, policy, undefinedOptions).options).toEqual(method.options);
  });

  test.each(['reference', 'cpu'])('improves a policy on the backend %s', async (backend) => {
    const policy = continuous({ backend });
    const before = parametersOf(policy);
    const batch = uphill(policy);
    const judge = continuous({ backend: 'reference' });
    judge.setParameters(before);
    const summary = await make(policy, { normalizeAdvantages: false }).update(batch);
    expect(summary).toMatchObject({ method: name, accepted: true, reason: 'accepted', version: 1 });
    expect(policy.version).toBe(1);
    const after = parametersOf(policy);
    expect(bitsOf(after)).not.toBe(bitsOf(before));
    expect(summary.surrogateAfter).toBeGreaterThan(summary.surrogateBefore);
    expect(summary.message).toMatch(
      /^accepted: mean KL [\d.e-]+(, which has no bound| of at most)/,
    );
    expect(summary.message).not.toMatch(/NaN|undefined|null/);
    const { surrogate, meanKl, maxKl, entropy, effectiveSampleSize } = judge.evaluate(batch, after);
    const digits = backend === 'reference' ? 12 : 4;
    expect(summary.surrogateAfter).toBeCloseTo(surrogate, digits);
    expect(summary.meanKl).toBeCloseTo(meanKl, digits);
    expect(summary.maxKl).toBeCloseTo(maxKl, digits);
    expect(summary.entropyAfter).toBeCloseTo(entropy, digits);
    expect(summary.effectiveSampleSize / effectiveSampleSize).toBeCloseTo(1, digits);
    expect(summary.effectiveSampleSize).toBeLessThan(400);
    expect(summary.gradientNorm).toBeCloseTo(Math.hypot(...judge.gradient(batch)), digits);
    expect(summary.candidates.length).toBeGreaterThan(0);
    expect(summary.backtracks).toBe(summary.candidates.length - 1);
  });

  test('has null for what the method does not have', async () => {
    const policy = continuous();
    const summary = await make(policy).update(uphill(policy));
    const isNatural = name === 'NaturalPolicyGradient' || name === 'TRPO';
    const isInner = name === 'DualGradientDescent' || name === 'PPO';
    const number = expect.any(Number) as unknown;
    expect(summary).toMatchObject({
      naturalDirection: isNatural ? { damping: 0.1, fisherRows: 400 } : null,
      stepScale: isInner ? null : number,
      gradientSteps: isInner ? number : null,
      epochs: name === 'PPO' ? number : null,
      multiplier: name === 'DualGradientDescent' ? number : null,
      clipFraction: name === 'PPO' ? number : null,
      klPenalty: null,
      diagnostics: null,
    });
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary); // goes into any log
  });

  test('learns a bandit', async () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const method = make(policy);
    const observations = numbers(3 * 300);
    for (let update = 0; update < 60; update += 1) {
      const actions = policy.act(observations);
      const advantages = Float32Array.from(actions, (action) => Number(action === 2));
      await method.update({ observations, actions, advantages, policyVersion: policy.version });
    }
    const best = policy.logProbability(observations, new Int32Array(300).fill(2));
    const mean = best.reduce((sum, each) => sum + Math.exp(each), 0) / 300;
    expect(mean).toBeGreaterThan(0.8);
  });

  test.each<[string, string, (batch: Batch) => object]>([
    ['zeroGradient', 'equal', ({ advantages }) => advantages.fill(3)],
    ['notFinite', 'huge', ({ advantages }) => advantages.fill(1e300).fill(-1e300, 0, 1)],
  ])('an update that ends by %s changes no bit', async (reason, _, spoil) => {
    const policy = continuous();
    const before = bitsOf(policy.getParameters());
    const batch = { ...uphill(policy), advantages: new Float64Array(400) };
    spoil(batch);
    const summary = await make(policy, { normalizeAdvantages: reason === 'zeroGradient' }).update(
      batch,
    );
    expect(summary).toMatchObject({ accepted: false, reason, version: 0 });
    expect(summary).toMatchObject({ meanKl: 0, maxKl: 0, stepFraction: 0, stepNorm: 0 });
    expect(summary).toMatchObject({ actualImprovement: 0, effectiveSampleSize: 400 });
    expect(summary.message).toMatch(/^rejected: /);
    expect(bitsOf(policy.getParameters())).toBe(before);
  });

  test('an update that fails leaves policy and method as they were', async () => {
    const run = async (fails: boolean): Promise<string> => {
      const policy = continuous();
      const method = make(policy);
      for (let update = 0; update < 3; update += 1) {
        const batch = uphill(policy, 100, update + 1);
        if (fails) {
          const bad = { ...batch, advantages: batch.advantages.map(() => NaN) };
          await expectRejection(method.update(bad), 'ERR_NOT_FINITE', /^advantages\[0\]/);
          expect(policy.busy).toBe(false);
        }
        await method.update(batch);
      }
      return bitsOf(policy.getParameters());
    };
    expect(await run(true)).toBe(await run(false));
  });

  test('1 and 3 threads give the same policy, bit for bit', async () => {
    const [one, three] = await Promise.all(
      [1, 3].map(async (threads) => {
        const policy = continuous({ threads, hidden: [16, 17] });
        const method = make(policy);
        const messages = [];
        for (let update = 0; update < 3; update += 1) {
          messages.push((await method.update(uphill(policy, 1000, update + 1))).message);
        }
        return { messages, bits: bitsOf(policy.getParameters()) };
      }),
    );
    expect(three).toEqual(one);
  });

  test('one update at a time', async () => {
    const policy = continuous({ hidden: [64, 64] });
    const method = make(policy);
    const batch = uphill(policy, 4000);
    const copies = structuredClone(batch);
    const update = method.update(batch);
    expect(policy.busy).toBe(true);
    await expectRejection(method.update(batch), 'ERR_BUSY', /update\(\) must wait/);
    await expectRejection(make(policy).update(batch), 'ERR_BUSY', /update\(\) must wait/);
    expectError(() => policy.close(), 'ERR_BUSY', /busy/);
    expect((await update).accepted).toBe(true);
    expect(batch).toEqual(copies);
    expect(policy.busy).toBe(false);
  });

  test('a batch of another version, and a closed policy, are refused', async () => {
    const policy = continuous();
    const method = make(policy);
    const batch = uphill(policy, 50);
    policy.setParameters(policy.getParameters());
    await expectRejection(
      method.update(batch),
      'ERR_STALE_BATCH',
      'batch must come from version 1 of the policy, got version 0',
    );
    policy.close();
    await expectRejection(method.update(batch), 'ERR_CLOSED', 'policy was used after close()');
    expectError(() => make(policy), 'ERR_CLOSED', 'policy was used after close()');
  });

  test('diagnostics tell about every row', async () => {
    const policy = continuous({ backend: 'reference' });
    const batch = uphill(policy);
    const judge = continuous({ backend: 'reference' });
    const summary = await make(policy, { diagnostics: { gamma: 0.9 } }).update(batch);
    const { diagnostics } = summary;
    const { kl, logRatio } = judge.compare(batch, parametersOf(policy));
    const { edges, counts } = diagnostics?.klHistogram ?? { edges: [], counts: [] };
    expect(edges).toHaveLength(counts.length + 1);
    counts.forEach((count, bin) => {
      const low = bin === 0 ? -Infinity : (edges[bin] ?? NaN);
      const high = bin === counts.length - 1 ? Infinity : (edges[bin + 1] ?? NaN);
      expect(kl.filter((each) => each >= low && each < high)).toHaveLength(count);
    });
    const { maxKl, effectiveSampleSize, expectedImprovement, actualImprovement } = summary;
    expect(diagnostics).toMatchObject({
      maxKl,
      effectiveSampleSize,
      expectedImprovement,
      actualImprovement,
      improvementRatio: actualImprovement / expectedImprovement,
    });
    const advantages = Array.from(batch.advantages);
    const gain =
      advantages.reduce((sum, each, row) => sum + Math.exp(logRatio[row] ?? NaN) * each, 0) / 400;
    const largest = Math.max(...advantages.map(Math.abs));
    expect(diagnostics?.lowerBound).toBeCloseTo(
      gain / 0.1 - ((4 * 0.9 * largest) / 0.01) * Math.max(...kl),
      9,
    );
    expect((await make(judge, { diagnostics: true }).update(batch)).diagnostics).toMatchObject({
      lowerBound: null,
      klHistogram: { counts },
    });
  });
});

test('another method is another line', async () => {
  const policy = smallPolicy({ kind: 'binary', size: 2 });
  for (const name of methodNames) {
    const batch = { ...makeBatch(policy, 100), policyVersion: policy.version };
    const { accepted } = await makeMethod(name, policy, {}).update(batch);
    expect(accepted).toBe(true);
  }
  expect(policy.version).toBe(methodNames.length);
});
