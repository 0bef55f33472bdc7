import { describe, expect, test } from '@jest/globals';
import { conjugateGradient } from '../lib/conjugate-gradient.js';
import type { NaturalDirectionOptions } from '../lib/natural-direction-options.js';
import { NaturalPolicyGradient } from '../lib/natural-policy-gradient.js';
import { TRPO } from '../lib/trpo.js';
import {
  dot,
  expectError,
  makeBatch,
  moved,
  parametersOf,
  relativeError,
  smallPolicy,
} from './helpers.js';

/*
 * The natural direction x = (F + damping I)^-1 g as methods and the low-level door find it, against
 * conjugate gradients on the policy's Fisher operator. Reference backend.
 */

const makePolicy = () => smallPolicy({ kind: 'continuous', size: 2 }, { backend: 'reference' });
const asGiven = { normalizeAdvantages: false };

/** The direction to rounding. */
function solve(
  policy: ReturnType<typeof makePolicy>,
  batch: ReturnType<typeof makeBatch>,
  damping: number,
  estimator: 'exact' | 'empirical' = 'exact',
): Float64Array {
  const { observations, actions } = batch;
  const fisher = policy.fisherOperator(
    observations,
    estimator === 'exact' ? {} : { estimator, actions },
  );
  const options = { damping, iterations: 200, residualTolerance: 1e-13 };
  return conjugateGradient(fisher, policy.gradient(batch), options).solution;
}

describe('NaturalPolicyGradient', () => {
  test('defaults', () => {
    const { options } = new NaturalPolicyGradient(makePolicy());
    expect(options).toMatchObject({ epsilon: 0.01, damping: 0.1, solver: 'conjugateGradient' });
    expect(options).not.toHaveProperty('learningRate');
    expect(options).not.toHaveProperty('maxKl');
  });

  test('steps by epsilon or by learning rate along the natural direction', async () => {
    for (const [options, scaleOf] of [
      [{}, (slope: number) => Math.sqrt(0.02 / slope)],
      [{ epsilon: 0.001 }, (slope: number) => Math.sqrt(0.002 / slope)],
      [{ learningRate: 0.3 }, () => 0.3],
    ] as const) {
      const policy = makePolicy();
      const batch = makeBatch(policy, 60);
      const direction = solve(policy, batch, 0.05);
      const scale = scaleOf(dot(policy.gradient(batch), direction));
      const expected = moved(parametersOf(policy), scale, direction);
      const natural = new NaturalPolicyGradient(policy, {
        ...options,
        damping: 0.05,
        cgIterations: 200,
        ...asGiven,
      });
      const summary = await natural.update(batch);
      expect(relativeError(parametersOf(policy), expected)).toBeLessThan(1e-9);
      expect(summary.stepScale).toBeCloseTo(scale, 9);
      expect(summary.message).toMatch(/^accepted: mean KL .*, a step of length [\d.]+$/);
    }
  });

  test('the KL comes out about as large as epsilon', async () => {
    const policy = makePolicy();
    const natural = new NaturalPolicyGradient(policy, { epsilon: 1e-6, damping: 1e-4 });
    const { meanKl } = await natural.update(makeBatch(policy, 200));
    expect(meanKl / 1e-6).toBeGreaterThan(0.9);
    expect(meanKl / 1e-6).toBeLessThan(1.1);
  });
});

describe('the direction', () => {
  test.each<[string, NaturalDirectionOptions]>([
    ['conjugate gradients', {}],
    ['Cholesky', { solver: 'cholesky' }],
    ['automatic', { solver: 'auto' }],
    ['Jacobi', { preconditioner: 'jacobi' }],
    ['Kronecker', { preconditioner: 'kronecker' }],
    ['Kronecker factors from a part', { preconditioner: 'kronecker', preconditionerFraction: 0.5 }],
    ['the empirical matrix', { fisher: 'empirical' }],
    ['the empirical matrix densely', { fisher: 'empirical', solver: 'cholesky' }],
  ])('%s', async (_, options) => {
    const policy = makePolicy();
    const batch = makeBatch(policy, 60);
    const { fisher = 'exact', solver = 'conjugateGradient' } = options;
    const iterative = solver === 'cholesky' ? {} : { cgIterations: 200 };
    const expected = solve(policy, batch, 0.1, fisher);
    const found = policy.naturalDirection(batch, { ...options, ...iterative });
    expect(relativeError(found.direction, expected)).toBeLessThan(1e-9);
    expect(found).toMatchObject({ usable: true, damping: 0.1, fisherRows: 60 });
    expect(found.slope).toBeCloseTo(dot(policy.gradient(batch), expected), 9);
    const product = policy.fisherVectorProduct(
      batch.observations,
      expected,
      fisher === 'exact' ? {} : { estimator: fisher, actions: batch.actions },
    );
    expect(found.curvature).toBeCloseTo(dot(expected, product), 9);

    const before = parametersOf(policy);
    const natural = new NaturalPolicyGradient(policy, {
      ...options,
      ...iterative,
      learningRate: 0.1,
      ...asGiven,
    });
    const { naturalDirection } = await natural.update(batch);
    expect(relativeError(parametersOf(policy), moved(before, 0.1, expected))).toBeLessThan(1e-9);
    expect(naturalDirection?.conjugateGradient.relativeResidual).toBeLessThan(1e-9);
    expect(naturalDirection).toMatchObject({
      solver: solver === 'conjugateGradient' ? solver : 'cholesky',
      preconditioner: options.preconditioner ?? expect.any(String),
    });
  });

  test('an earlier one is a good start', () => {
    const policy = makePolicy();
    const batch = makeBatch(policy, 60);
    const { direction } = policy.naturalDirection(batch, { cgIterations: 200 });
    const cold = policy.naturalDirection(batch, { cgIterations: 2 });
    const warm = policy.naturalDirection(batch, { cgIterations: 2, start: direction });
    expect([cold.warmStarted, warm.warmStarted]).toEqual([false, true]);
    expect(warm.conjugateGradient.relativeResidual).toBeLessThan(
      1e-6 * cold.conjugateGradient.relativeResidual,
    );
  });
});

describe('TRPO keeps from update to update', () => {
  /** The summaries of some updates with a method made by `make`. */
  async function run(options: NaturalDirectionOptions, updates = 4) {
    const policy = makePolicy();
    const trpo = new TRPO(policy, options);
    const summaries = [];
    for (let update = 1; update <= updates; update += 1) {
      const { naturalDirection } = await trpo.update(makeBatch(policy, 80, update));
      summaries.push(naturalDirection);
    }
    return summaries;
  }

  test('its direction, as a warm start', async () => {
    const warm = await run({ warmStart: true });
    expect(warm.map((summary) => summary?.warmStarted)).toEqual([false, true, true, true]);
    const cold = await run({});
    expect(cold.map((summary) => summary?.warmStarted)).toEqual([false, false, false, false]);
  });

  test.each(['jacobi', 'kronecker'] as const)('its preconditioner %s', async (preconditioner) => {
    const kept = await run({ preconditioner, preconditionerPeriod: 2 });
    expect(kept.map((summary) => summary?.preconditionerRefreshed)).toEqual([
      true,
      false,
      true,
      false,
    ]);
    const fresh = await run({ preconditioner });
    expect(fresh.every((summary) => summary?.preconditionerRefreshed)).toBe(true);
  });

  test('its damping, which follows how well promises are kept', async () => {
    const rule = { minimum: 0.08, maximum: 0.4, factor: 2 };
    const policy = makePolicy();
    const trpo = new TRPO(policy, { adaptiveDamping: rule, damping: 0.2, maxKl: 1e-4 });
    expect(trpo.options.adaptiveDamping).toEqual(rule);
    let expected = 0.2;
    for (let update = 1; update <= 4; update += 1) {
      const summary = await trpo.update(makeBatch(policy, 80, update));
      expect(summary.naturalDirection?.damping).toBeCloseTo(expected, 12);
      const ratio = summary.actualImprovement / summary.expectedImprovement;
      const next = ratio > 0.75 ? expected / 2 : ratio < 0.25 ? 2 * expected : expected;
      expected = Math.min(Math.max(next, rule.minimum), rule.maximum);
    }
    expect(expected).toBe(0.08); // such short steps keep every promise
    const equal = { ...makeBatch(policy, 80, 9), advantages: new Float32Array(80) };
    await trpo.update(equal); // nothing was promised
    expect((await trpo.update(makeBatch(policy, 80, 5))).naturalDirection?.damping).toBe(0.08);
  });

  test('damping relative to the Fisher matrix, which follows exploration', async () => {
    for (const logStd of [0, -2]) {
      const policy = smallPolicy({ kind: 'continuous', size: 2 });
      const parameters = policy.getParameters();
      parameters.fill(logStd, -2);
      policy.setParameters(parameters);
      const batch = makeBatch(policy, 100);
      const diagonal = policy.fisherOperator(batch.observations).diagonal();
      const trace = diagonal.reduce((sum, value) => sum + value, 0);
      const options = { damping: 0.01, relativeDamping: 2, maxKl: 1e-3 };
      const summary = await new TRPO(policy, options).update(batch);
      const expected = 0.01 + (2 * trace) / 100;
      expect(summary.naturalDirection?.damping).toBeCloseTo(expected, 6);
      expect(trace > 100).toBe(logStd < 0);
    }
    expectError(
      () => new TRPO(makePolicy(), { adaptiveDamping: true, relativeDamping: 1 }),
      'ERR_INVALID_ARGUMENT',
      'relativeDamping must be left out with adaptiveDamping, got 1',
    );
  });

  test('the Fisher matrix may be a mean over fewer rows', async () => {
    const [first] = await run({ fisherFraction: 0.25 }, 1);
    expect(first?.fisherRows).toBe(20);
  });
});

test('the boundary search uses up the trust region', async () => {
  const policy = makePolicy();
  for (let update = 1; update <= 5; update += 1) {
    const batch = makeBatch(policy, 200, update);
    const summary = await new TRPO(policy, { maxKl: 0.003, lineSearch: 'boundary' }).update(batch);
    expect(summary.accepted).toBe(true);
    expect(summary.meanKl).toBeLessThanOrEqual(0.003);
    expect(summary.meanKl).toBeGreaterThanOrEqual(0.99 * 0.003);
    expect(summary.candidates.length).toBeLessThanOrEqual(5);
  }
});
