import { describe, expect, test } from '@jest/globals';
import { DualGradientDescent } from '../lib/dual-gradient-descent.js';
import type { Policy } from '../lib/policy.js';
import { PPO } from '../lib/ppo.js';
import { VanillaPolicyGradient } from '../lib/vanilla-policy-gradient.js';
import { makeBatch, moved, parametersOf, relativeError, smallPolicy } from './helpers.js';

/*
 * The methods that need no Fisher matrix, against their equations written out here. Reference
 * backend, so float64 throughout.
 */

const makePolicy = () => smallPolicy({ kind: 'continuous', size: 2 }, { backend: 'reference' });
const asGiven = { normalizeAdvantages: false };

/** Where a step of Adam from nothing goes: upwards by the sign of the gradient. */
function adamStep(theta: Float64Array, gradient: Float64Array, learningRate: number): Float64Array {
  return moved(
    theta,
    learningRate,
    gradient.map((each) => each / (Math.abs(each) + 1e-8)),
  );
}

describe('VanillaPolicyGradient', () => {
  test('steps by epsilon or by learning rate', async () => {
    for (const [options, scaleOf] of [
      [{}, (norm: number) => 0.1 / norm],
      [{ epsilon: 4e-4 }, (norm: number) => 0.02 / norm],
      [{ learningRate: 0.05 }, () => 0.05],
    ] as const) {
      const policy = makePolicy();
      const batch = makeBatch(policy, 60);
      const gradient = policy.gradient(batch);
      const norm = Math.hypot(...gradient);
      const expected = moved(parametersOf(policy), scaleOf(norm), gradient);
      const vanilla = new VanillaPolicyGradient(policy, { ...options, ...asGiven });
      const summary = await vanilla.update(batch);
      expect(relativeError(parametersOf(policy), expected)).toBeLessThan(1e-14);
      expect(summary.stepScale).toBeCloseTo(scaleOf(norm), 12);
      expect(summary.stepNorm).toBeCloseTo(scaleOf(norm) * norm, 12);
      expect(summary.expectedImprovement).toBeCloseTo(scaleOf(norm) * norm ** 2, 12);
      expect(summary.message).toMatch(
        /^accepted: mean KL [\d.e-]+, which has no bound, surrogate improved by .*, a step of length [\d.]+$/,
      );
    }
  });

  test('takes a step that is too long all the same, and says so', async () => {
    const policy = makePolicy();
    const batch = makeBatch(policy, 60);
    const positive = { ...batch, advantages: batch.advantages.map((each) => each + 2) };
    const vanilla = new VanillaPolicyGradient(policy, { epsilon: 400, ...asGiven });
    const summary = await vanilla.update(positive); // all ratios become about 0
    expect(summary).toMatchObject({ accepted: true, stepFraction: 1 });
    expect(summary.actualImprovement).toBeLessThan(0);
    expect(summary.message).toMatch(/surrogate worsened by [\d.]+ where [\d.]+ was expected/);
  });

  test('has one of two options', () => {
    const policy = makePolicy();
    expect(new VanillaPolicyGradient(policy).options).toEqual({
      epsilon: 0.01,
      normalizeAdvantages: true,
      diagnostics: false,
    });
    expect(new VanillaPolicyGradient(policy, { learningRate: 2 }).options).toEqual({
      learningRate: 2,
      normalizeAdvantages: true,
      diagnostics: false,
    });
  });
});

describe('DualGradientDescent', () => {
  test('defaults', () => {
    expect(new DualGradientDescent(makePolicy()).options).toEqual({
      maxKl: 0.01,
      innerSteps: 20,
      innerLearningRate: 1e-3,
      initialMultiplier: 1,
      multiplierLearningRate: 30,
      normalizeAdvantages: true,
      diagnostics: false,
    });
  });

  test('its inner steps ascend the Lagrangian', async () => {
    const policy = makePolicy();
    const theta = parametersOf(policy);
    const batch = makeBatch(policy, 60);
    const dual = new DualGradientDescent(policy, {
      innerSteps: 1,
      innerLearningRate: 1e-3,
      ...asGiven,
    });
    const first = adamStep(theta, policy.gradient(batch), 1e-3); // the KL has no gradient at theta
    const { mean } = policy.kl(batch.observations, first);
    const summary = await dual.update(batch);
    expect(relativeError(parametersOf(policy), first)).toBeLessThan(1e-12);
    expect(summary.gradientSteps).toBe(1);
    expect(summary.multiplier).toBeCloseTo(1 + 30 * (mean - 0.01), 12);

    // With a huge multiplier the next one walks back towards theta.
    const twin = makePolicy();
    const kept = new DualGradientDescent(twin, {
      innerSteps: 200,
      innerLearningRate: 1e-2,
      initialMultiplier: 1e6,
      ...asGiven,
    });
    expect((await kept.update(batch)).meanKl).toBeLessThan(1e-6);
  });

  test('keeps the multiplier, which never falls below 0', async () => {
    const policy = makePolicy();
    const dual = new DualGradientDescent(policy, {
      innerSteps: 2,
      innerLearningRate: 1e-4,
      multiplierLearningRate: 100,
    });
    const multipliers = [];
    for (let update = 0; update < 3; update += 1) {
      const { multiplier, meanKl } = await dual.update(makeBatch(policy, 60, update + 1));
      expect(meanKl).toBeLessThan(1e-4);
      multipliers.push(multiplier);
    }
    expect(multipliers[0]).toBeCloseTo(0, 2); // 1 - 100 x 0.01
    expect(multipliers.slice(1)).toEqual([0, 0]);
  });

  test('shortens what left the trust region, and asks for more restraint', async () => {
    const policy = makePolicy();
    const dual = new DualGradientDescent(policy, { maxKl: 0.005, innerLearningRate: 0.05 });
    const summary = await dual.update(makeBatch(policy, 60));
    expect(summary).toMatchObject({ accepted: true, gradientSteps: 20 });
    expect(summary.stepFraction).toBeLessThan(1);
    expect(summary.candidates[0]?.meanKl).toBeGreaterThan(0.005);
    expect(summary.meanKl).toBeLessThanOrEqual(0.005);
    expect(summary.meanKl).toBeGreaterThan(0.98 * 0.005);
    expect(summary.multiplier).toBeCloseTo(
      1 + 30 * ((summary.candidates[0]?.meanKl ?? NaN) - 0.005),
      9,
    );
    expect(summary.message).toMatch(
      /, 20 gradient steps shortened to 0\.\d+, multiplier [\d.]+ from now on$/,
    );
  });
});

describe('PPO', () => {
  const whole = { minibatchSize: 1000, epochs: 1, ...asGiven };

  test('defaults of both variants', () => {
    const common = {
      epochs: 10,
      minibatchSize: 64,
      learningRate: 3e-4,
      entropyBonus: 0,
      maxKl: 0.02,
      seed: 0,
      normalizeAdvantages: true,
      diagnostics: false,
    };
    const policy = makePolicy();
    expect(new PPO(policy).options).toEqual({ variant: 'clip', clipRange: 0.2, ...common });
    expect(new PPO(policy, { variant: 'klPenalty', maxKl: Infinity }).options).toEqual({
      ...common,
      variant: 'klPenalty',
      targetKl: 0.01,
      initialKlPenalty: 1,
      maxKl: Infinity,
    });
  });

  test('ascends its objective by Adam, whose moments are kept', async () => {
    const policy = makePolicy();
    const ppo = new PPO(policy, { ...whole, entropyBonus: 0.1, learningRate: 0.002 });
    let mean = new Float64Array(policy.parameterCount);
    let square = new Float64Array(policy.parameterCount);
    for (let update = 1; update <= 3; update += 1) {
      const batch = makeBatch(policy, 60, update);
      const { gradient } = policy.objective(batch, { clipRange: 0.2, entropyBonus: 0.1 });
      mean = mean.map((each, i) => 0.9 * each + 0.1 * (gradient[i] ?? NaN));
      square = square.map((each, i) => 0.999 * each + 0.001 * (gradient[i] ?? NaN) ** 2);
      const direction = mean.map(
        (each, i) =>
          each /
          (1 - 0.9 ** update) /
          (Math.sqrt((square[i] ?? NaN) / (1 - 0.999 ** update)) + 1e-8),
      );
      const expected = moved(parametersOf(policy), 0.002, direction);
      const summary = await ppo.update(batch);
      expect(summary).toMatchObject({ accepted: true, epochs: 1, gradientSteps: 1 });
      expect(relativeError(parametersOf(policy), expected)).toBeLessThan(1e-12);
    }
  });

  test('reports what was clipped', async () => {
    const policy = makePolicy();
    const options = { ...whole, epochs: 30, clipRange: 0.02, learningRate: 0.01, maxKl: Infinity };
    const batch = makeBatch(policy, 60);
    const summary = await new PPO(policy, options).update(batch);
    expect(summary.clipFraction).toBeGreaterThan(0.2);
    expect(summary.klPenalty).toBeNull();
    expect(summary.message).toMatch(
      /^accepted: mean KL [\d.e-]+, which has no bound, .*, 30 of 30 epochs \(30 gradient steps\), [\d.]+ % of the rows clipped$/,
    );
  });

  test('ends before an epoch that leaves the bound, or shortens the first one', async () => {
    const policy = makePolicy();
    const options = { epochs: 50, minibatchSize: 20, learningRate: 0.003, maxKl: 0.005 };
    const early = await new PPO(policy, options).update(makeBatch(policy, 60));
    expect(early.epochs).toBeGreaterThan(0);
    expect(early.epochs).toBeLessThan(50);
    expect(early.gradientSteps).toBe(3 * ((early.epochs ?? NaN) + 1)); // the last one was undone
    expect(early).toMatchObject({ stepFraction: 1 });
    expect(early.meanKl).toBeLessThanOrEqual(0.005);

    const short = await new PPO(policy, { ...options, learningRate: 0.2 }).update(
      makeBatch(policy, 60),
    );
    expect(short).toMatchObject({ accepted: true, epochs: 1 });
    expect(short.stepFraction).toBeLessThan(1);
    expect(short.meanKl).toBeLessThanOrEqual(0.005);
    expect(short.message).toMatch(/1 of 50 epochs \(3 gradient steps\) shortened to 0\.\d+, /);
  });

  test.each([
    ['doubles', 1e-9, 2],
    ['halves', 10, 0.5],
  ])('%s the KL penalty and keeps it', async (_, targetKl, factor) => {
    const policy = makePolicy();
    const ppo = new PPO(policy, { variant: 'klPenalty', targetKl, maxKl: Infinity, epochs: 2 });
    for (let update = 1; update <= 3; update += 1) {
      const summary = await ppo.update(makeBatch(policy, 60, update));
      expect(summary).toMatchObject({ klPenalty: factor ** update, clipFraction: null });
      expect(summary.message).toMatch(new RegExp(`KL penalty ${factor ** update} from now on$`));
    }
  });

  test('the seed decides the minibatches', async () => {
    const run = async (seed: number): Promise<string> => {
      const policy: Policy = makePolicy();
      await new PPO(policy, { seed, minibatchSize: 7 }).update(makeBatch(policy, 60));
      return parametersOf(policy).join();
    };
    expect(await run(1)).toBe(await run(1));
    expect(await run(2)).not.toBe(await run(1));
  });
});
