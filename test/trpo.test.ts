import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { naturalDirectionDefaults } from '../lib/natural-direction-options.js';
import { Policy } from '../lib/policy.js';
import { defaultLineSearch, TRPO } from '../lib/trpo.js';
import {
  batchOfCase,
  bitsOf,
  expectError,
  expectRejection,
  makeBatch,
  mathCases,
  moved,
  numbers,
  parametersOf,
  policyOfCase,
  relativeError,
  smallPolicy,
  spaces,
} from './helpers.js';

test('fills in the defaults and freezes them', () => {
  const trpo = new TRPO(smallPolicy({ kind: 'binary', size: 1 }));
  expect(trpo.options).toEqual({
    maxKl: 0.01,
    stepLength: 'fisher',
    lineSearch: defaultLineSearch,
    maxRowKl: Infinity,
    backtrackFactor: 0.8,
    maxBacktracks: 15,
    acceptRatio: 0.1,
    klTolerance: 0.01,
    damping: 0.1,
    relativeDamping: 0,
    adaptiveDamping: false,
    fisher: 'exact',
    fisherFraction: 1,
    solver: 'conjugateGradient',
    cgTolerance: 0,
    cgProgressTolerance: 0,
    cgReorthogonalize: true,
    warmStart: false,
    preconditionerPeriod: 1,
    ...naturalDirectionDefaults,
    normalizeAdvantages: true,
    diagnostics: false,
  });
  expect(Object.isFrozen(trpo.options)).toBe(true);
});

describe.each(['reference', 'cpu'])('%s backend against PyTorch in float64', (backend) => {
  test.each(mathCases.map((reference) => [reference.name, reference] as const))(
    '%s',
    async (_name, reference) => {
      const policy = policyOfCase(reference, backend);
      const expected = reference.trpo;
      // PyTorch's conjugate gradients were plain, whose rounding errors grow on this matrix.
      const exact = reference.name === 'gaussian-relu' ? 1e-4 : 1e-8;
      const tolerance = backend === 'cpu' ? 2e-3 : exact;
      const last = expected.candidates[expected.acceptedIndex];
      const trpo = new TRPO(policy, {
        maxKl: expected.maxKl,
        damping: reference.damping,
        preconditioner: 'none',
        cgIterations: expected.cgIterations,
        lineSearch: 'backtracking',
        stepLength: 'damped',
        backtrackFactor: expected.backtrackCoefficient,
        acceptRatio: 0,
        normalizeAdvantages: false,
      });
      const summary = await trpo.update(batchOfCase(reference));
      expect(summary).toMatchObject({ method: 'TRPO', accepted: true, reason: 'accepted' });
      expect(summary.backtracks).toBe(expected.acceptedIndex);
      expect(summary.stepFraction).toBeCloseTo(last?.fraction ?? NaN, 14);
      const close = (found: number | null, wanted: number | undefined) =>
        expect(relativeError([found ?? NaN], [wanted ?? NaN])).toBeLessThan(tolerance);
      close(summary.stepScale, expected.stepScale);
      close(summary.surrogateBefore, expected.surrogateBefore);
      close(summary.surrogateAfter, last?.surrogate);
      close(summary.meanKl, last?.meanKl);
      close(summary.maxKl, last?.maxKl);
      expect(relativeError(parametersOf(policy), expected.parametersAfter)).toBeLessThan(tolerance);
    },
  );
});

test('the summary belongs together', async () => {
  const policy = smallPolicy({ kind: 'continuous', size: 2 }, { backend: 'reference' });
  const before = parametersOf(policy);
  const batch = makeBatch(policy, 200);
  const entropyBefore = policy.entropy(batch.observations)[0] ?? NaN;
  const trpo = new TRPO(policy, { normalizeAdvantages: false });
  const gradient = policy.gradient(batch);
  const evaluationOf = new Policy(policy.options); // the policy as it was
  const summary = await trpo.update(batch);
  const after = parametersOf(policy);
  expect(summary.accepted).toBe(true);
  expect(summary.gradientNorm).toBeCloseTo(Math.hypot(...gradient), 12);
  expect(summary.actualImprovement).toBe(summary.surrogateAfter - summary.surrogateBefore);
  expect(summary.surrogateBefore).toBeCloseTo(evaluationOf.surrogate(batch), 14);
  const { surrogate, meanKl, maxKl, entropy } = evaluationOf.evaluate(batch, after);
  expect(summary).toMatchObject({ surrogateAfter: surrogate, meanKl, maxKl });
  expect(summary.entropyAfter).toBeCloseTo(entropy, 14);
  expect(summary.entropyBefore).toBeCloseTo(entropyBefore, 14);
  expect(summary.stepNorm).toBeCloseTo(Math.hypot(...moved(after, -1, before)), 14);
  expect(summary.candidates).toHaveLength(summary.backtracks + 1);
  expect(summary.candidates.at(-1)).toMatchObject({ fraction: summary.stepFraction, meanKl });
  expect(summary.naturalDirection).toMatchObject({
    solver: 'conjugateGradient',
    preconditioner: trpo.options.preconditioner,
    damping: 0.1,
    fisherRows: 200,
    conjugateGradient: { iterations: trpo.options.cgIterations, stop: 'iterations' },
  });
  expect(summary).toMatchObject({
    gradientSteps: null,
    epochs: null,
    multiplier: null,
    klPenalty: null,
    clipFraction: null,
    diagnostics: null,
  });
  expect(summary.version).toBe(1);
  expect(policy.version).toBe(1);
  const { timing } = summary;
  expect(timing.total).toBeGreaterThanOrEqual(
    timing.prepare + timing.gradient + timing.solve + timing.lineSearch - 1e-9,
  );
  expect(summary.message).toMatch(
    /^accepted: mean KL 0\.\d+ of at most 0\.01, surrogate improved by .* after \d+ candidates?$/,
  );
});

test('an accepted step stays in the trust region, a rejected one changes no bit', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        actions: fc.constantFrom(...spaces),
        seed: fc.nat(1000),
        rows: fc.integer({ min: 1, max: 40 }),
        backend: fc.constantFrom('reference', 'cpu'),
        maxKl: fc.constantFrom(1e-4, 0.01, 0.5),
        maxRowKl: fc.constantFrom(Infinity, 1e-3, 0.1, 1),
        damping: fc.constantFrom(0, 1e-3, 0.1),
        maxBacktracks: fc.integer({ min: 0, max: 5 }),
        acceptRatio: fc.constantFrom(0, 0.1, 0.9),
        stepLength: fc.constantFrom('fisher' as const, 'damped' as const),
        lineSearch: fc.constantFrom('backtracking' as const, 'boundary' as const),
        preconditioner: fc.constantFrom('none' as const, 'jacobi' as const, 'kronecker' as const),
      }),
      async ({ actions, seed, rows, backend, ...options }) => {
        const policy = smallPolicy(actions, { seed, backend });
        const batch = makeBatch(policy, rows, seed);
        const before = parametersOf(policy);
        const summary = await new TRPO(policy, options).update(batch);
        const after = parametersOf(policy);
        seen.add(summary.reason);
        if (summary.accepted) {
          const judge = smallPolicy(actions, { backend: 'reference' });
          judge.setParameters(before);
          const { mean, max } = judge.kl(batch.observations, after);
          expect(mean).toBeLessThanOrEqual(options.maxKl);
          expect(max).toBeLessThanOrEqual(options.maxRowKl);
          expect(summary.surrogateAfter).toBeGreaterThan(summary.surrogateBefore);
          expect(policy.version).toBe(1);
          judge.close();
        } else {
          expect(bitsOf(after)).toBe(bitsOf(before));
          expect(policy.version).toBe(0);
          expect(summary).toMatchObject({ meanKl: 0, maxKl: 0, stepFraction: 0, stepNorm: 0 });
          expect(summary.message).toMatch(/^rejected: /);
        }
        expect(summary.version).toBe(policy.version);
        policy.close();
      },
    ),
    { numRuns: 150 },
  );
  expect(seen.has('accepted')).toBe(true);
  expect(seen.size).toBeGreaterThan(1);
});

test.each(['reference', 'cpu'])('a row may hold the step back: %s', async (backend) => {
  const updated = async (maxRowKl: number) => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 }, { backend });
    const batch = makeBatch(policy, 100);
    const before = parametersOf(policy);
    // One state that is far from the others, and matters much.
    batch.observations.set([9, -9, 9], 3 * 7);
    const advantages = batch.advantages.map((value, index) => (index === 7 ? 8 : value));
    const summary = await new TRPO(policy, { maxKl: 0.02, maxRowKl, acceptRatio: 0 }).update({
      ...batch,
      advantages,
    });
    const judge = smallPolicy({ kind: 'continuous', size: 2 }, { backend: 'reference' });
    judge.setParameters(before);
    return { summary, ...judge.kl(batch.observations, parametersOf(policy)) };
  };
  const free = await updated(Infinity);
  expect(free.summary.meanKl).toBeGreaterThan(0.0198);
  expect(free.max).toBeGreaterThan(0.2);
  const held = await updated(0.1);
  expect(held.summary.accepted).toBe(true);
  expect(held.max).toBeLessThanOrEqual(0.1);
  expect(held.max).toBeGreaterThanOrEqual(0.099);
  expect(held.summary.maxKl).toBeCloseTo(held.max, 12);
  expect(held.summary.meanKl).toBeLessThan(0.5 * free.summary.meanKl);
  // A bound that no row reaches changes nothing.
  const loose = await updated(2 * free.max);
  expect(loose.summary.stepFraction).toBe(free.summary.stepFraction);
});

describe('rejections say why', () => {
  test('zeroGradient', async () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const batch = { ...makeBatch(policy, 10), advantages: new Float32Array(10).fill(3) };
    const summary = await new TRPO(policy).update(batch);
    expect(summary).toMatchObject({ accepted: false, reason: 'zeroGradient', candidates: [] });
    expect(summary.message).toMatch(/the gradient of the surrogate is zero/);
  });

  test('klExceeded', async () => {
    // One Newton step in a strongly curved place, and no second try.
    const policy = smallPolicy({ kind: 'continuous', size: 2 }, { initialLogStd: -1 });
    const batch = makeBatch(policy, 30);
    const summary = await new TRPO(policy, {
      maxKl: 5,
      maxBacktracks: 0,
      lineSearch: 'backtracking',
    }).update(batch);
    expect(summary.reason).toBe('klExceeded');
    expect(summary.message).toMatch(
      /^rejected: mean KL [\d.e+]+ of the last candidate is still above 5 after 1 candidate$/,
    );
  });

  test('klExceeded, of a row', async () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 }, { initialLogStd: -1 });
    const summary = await new TRPO(policy, {
      maxKl: 5,
      maxRowKl: 1e-9,
      maxBacktracks: 2,
      lineSearch: 'backtracking',
    }).update(makeBatch(policy, 30));
    expect(summary.reason).toBe('klExceeded');
    expect(summary.message).toMatch(
      /^rejected: KL [\d.e+]+ of a row of the last candidate is still above 1e-9 after 3 candidates$/,
    );
  });

  test('noImprovement', async () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const batch = makeBatch(policy, 30);
    const trpo = new TRPO(policy, {
      maxKl: 0.3,
      acceptRatio: 0.999,
      maxBacktracks: 1,
      lineSearch: 'backtracking',
    });
    const summary = await trpo.update(batch);
    expect(summary.reason).toBe('noImprovement');
    expect(summary.message).toMatch(
      /improved the surrogate by [-\d.e]+ where more than [\d.e-]+ was needed, after 2 candidates$/,
    );
  });

  test('notFinite', async () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 });
    const batch = makeBatch(policy, 10);
    batch.advantages.fill(1e300);
    batch.advantages[0] = -1e300;
    const before = bitsOf(policy.getParameters());
    const summary = await new TRPO(policy, { normalizeAdvantages: false }).update(batch);
    expect(summary.accepted).toBe(false);
    expect(summary.reason).toBe('notFinite');
    expect(summary.message).toMatch(/^rejected: .*(Infinity|NaN|not finite)/);
    expect(bitsOf(policy.getParameters())).toBe(before);
  });
});

describe('while an update runs', () => {
  test('act goes on with the old parameters, and changes are refused', async () => {
    const policy = smallPolicy({ kind: 'continuous', size: 2 }, { hidden: [64, 64] });
    const trpo = new TRPO(policy);
    const batch = makeBatch(policy, 4000);
    const copies = Object.values(batch).map((array) => array.slice());
    const observation = [0.1, 0.2, 0.3];
    const before = policy.act(observation, { deterministic: true });
    const update = trpo.update(batch);
    expect(policy.busy).toBe(true);
    expect(policy.version).toBe(0);
    expect(bitsOf(policy.act(observation, { deterministic: true }))).toBe(bitsOf(before));
    await expectRejection(trpo.update(batch), 'ERR_BUSY', /update\(\) must wait/);
    await expectRejection(new TRPO(policy).update(batch), 'ERR_BUSY', /update\(\) must wait/);
    expectError(() => policy.setParameters(policy.getParameters()), 'ERR_BUSY', 'setParameters');
    expectError(() => policy.updateNormalizer([1, 2, 3]), 'ERR_BUSY', 'updateNormalizer()');
    expectError(() => policy.close(), 'ERR_BUSY', /busy/);
    expect(policy.closed).toBe(false);
    const summary = await update;
    expect(summary.accepted).toBe(true);
    expect(policy.busy).toBe(false);
    expect(policy.version).toBe(1);
    expect(bitsOf(policy.act(observation, { deterministic: true }))).not.toBe(bitsOf(before));
    expect(Object.values(batch)).toEqual(copies);
  });

  test('a failed update leaves the policy usable', async () => {
    const policy = smallPolicy({ kind: 'discrete', count: 3 });
    const trpo = new TRPO(policy);
    const batch = makeBatch(policy, 10);
    const bad = { ...batch, actions: new Int32Array(10).fill(3) };
    await expectRejection(trpo.update(bad), 'ERR_OUT_OF_RANGE', /actions\[0\]/);
    expect(policy.busy).toBe(false);
    expect((await trpo.update(batch)).version).toBeLessThanOrEqual(1);
  });
});

test('a batch of another version is refused', async () => {
  const policy = smallPolicy({ kind: 'discrete', count: 3 });
  const trpo = new TRPO(policy);
  const batch = { ...makeBatch(policy, 50), policyVersion: policy.version };
  const { accepted } = await trpo.update(batch);
  expect(accepted).toBe(true);
  await expectRejection(
    trpo.update(batch),
    'ERR_STALE_BATCH',
    'batch must come from version 1 of the policy, got version 0',
  );
  expect(policy.version).toBe(1);
});

test('1 and 2 threads give the same policy, bit for bit', async () => {
  const results = await Promise.all(
    [1, 2].map(async (threads) => {
      const policy = smallPolicy({ kind: 'continuous', size: 2 }, { threads, hidden: [16, 17] });
      const trpo = new TRPO(policy);
      for (let update = 0; update < 3; update += 1) {
        const observations = Float32Array.from(numbers(3000, update + 1));
        const actions = policy.act(observations);
        const advantages = Float32Array.from(
          { length: 1000 },
          (_, row) => -((actions[2 * row] ?? NaN) ** 2),
        );
        await trpo.update({ observations, actions, advantages });
      }
      return bitsOf(policy.getParameters());
    }),
  );
  expect(results[1]).toBe(results[0]);
});

test('learns a bandit', async () => {
  const policy = smallPolicy({ kind: 'discrete', count: 3 });
  const trpo = new TRPO(policy, { maxKl: 0.05 });
  const observations = numbers(3 * 300);
  for (let update = 0; update < 20; update += 1) {
    const actions = policy.act(observations);
    const advantages = Float32Array.from(actions, (action) => Number(action === 2));
    await trpo.update({ observations, actions, advantages, policyVersion: policy.version });
  }
  const best = policy.logProbability(observations, new Int32Array(300).fill(2));
  expect(Math.exp(Math.min(...best))).toBeGreaterThan(0.8);
});
