import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DualGradientDescent } from '../lib/dual-gradient-descent.js';
import { NaturalPolicyGradient } from '../lib/natural-policy-gradient.js';
import { Policy } from '../lib/policy.js';
import { PPO } from '../lib/ppo.js';
import { TRPO } from '../lib/trpo.js';
import type { UpdateSummary } from '../lib/update-summary.js';
import { VanillaPolicyGradient } from '../lib/vanilla-policy-gradient.js';
import { bitsOf, parametersOf } from './helpers.js';
import { logUniform, randomProblem, realize } from './random-problems.js';
import type { RandomProblem } from './random-problems.js';

/*
 * What must hold of every update on every problem. A failure prints the problem and the seed that
 * repeats it.
 */

/** A policy of the same numbers that computes in float64, the oracle of every KL here. */
function oracleOf(problem: RandomProblem, parameters: Float64Array): Policy {
  const { observationSize, hidden, activation, actions } = problem;
  const oracle = new Policy({ observationSize, hidden, activation, actions, backend: 'reference' });
  oracle.setParameters(parameters);
  return oracle;
}

function checkNumbers(summary: UpdateSummary): void {
  const { surrogateBefore, surrogateAfter, actualImprovement, meanKl, maxKl } = summary;
  const { stepNorm, entropyBefore, entropyAfter, effectiveSampleSize } = summary;
  const surrogates = [surrogateBefore, surrogateAfter, actualImprovement];
  const others = [meanKl, maxKl, stepNorm, entropyBefore, entropyAfter, effectiveSampleSize];
  expect([...surrogates, ...others].filter((number) => !Number.isFinite(number))).toEqual([]);
  // The mean of equal numbers may come out a rounding error above them.
  expect(maxKl * (1 + 1e-12)).toBeGreaterThanOrEqual(meanKl);
  expect(actualImprovement).toBe(surrogateAfter - surrogateBefore);
}

const trpoOptions = fc.record({
  maxKl: logUniform(1e-6, 1),
  damping: logUniform(1e-6, 1),
  lineSearch: fc.constantFrom('backtracking' as const, 'boundary' as const),
  stepLength: fc.constantFrom('fisher' as const, 'damped' as const),
  fisher: fc.constantFrom('exact' as const, 'empirical' as const),
  fisherFraction: fc.constantFrom(1, 1, 0.4),
  preconditioner: fc.constantFrom('none' as const, 'jacobi' as const, 'kronecker' as const),
});

describe('10,000 random problems', () => {
  test('an accepted TRPO step is inside the trust region, a rejected one changes no bit', async () => {
    const seen = { accepted: 0, rejected: 0 };
    await fc.assert(
      fc.asyncProperty(randomProblem, trpoOptions, async (problem, options) => {
        const { policy, batch } = realize(problem, 'cpu');
        const before = parametersOf(policy);
        const oracle = oracleOf(problem, before);
        const { normalizeAdvantages } = problem;
        const summary = await new TRPO(policy, { ...options, normalizeAdvantages }).update(batch);
        const after = parametersOf(policy);
        checkNumbers(summary);
        if (summary.accepted) {
          seen.accepted += 1;
          expect(after.every(Number.isFinite)).toBe(true);
          const exact = oracle.evaluate(batch, after);
          expect(exact.meanKl).toBeLessThanOrEqual(options.maxKl * (1 + 1e-4));
          expect(summary.meanKl).toBeLessThanOrEqual(options.maxKl);
          expect(summary.surrogateAfter).toBeGreaterThan(summary.surrogateBefore);
          expect(summary.version).toBe(1);
          expect(summary.reason).toBe('accepted');
        } else {
          seen.rejected += 1;
          expect(bitsOf(after)).toBe(bitsOf(before));
          expect(summary).toMatchObject({ version: 0, meanKl: 0, maxKl: 0, stepNorm: 0 });
          expect(summary.reason).not.toBe('accepted');
        }
        policy.close();
        oracle.close();
      }),
      { numRuns: 10_000 },
    );
    // Not true of nothing.
    expect(seen.accepted).toBeGreaterThan(5000);
    expect(seen.rejected).toBeGreaterThan(500);
  }, 300_000);
});

const otherMethods = fc.oneof(
  logUniform(1e-6, 1e3).map((epsilon) => (policy: Policy, normalizeAdvantages: boolean) => ({
    limit: Infinity,
    method: new VanillaPolicyGradient(policy, { epsilon, normalizeAdvantages }),
  })),
  logUniform(1e-6, 1e6).map((learningRate) => (policy: Policy, normalizeAdvantages: boolean) => ({
    limit: Infinity,
    method: new VanillaPolicyGradient(policy, { learningRate, normalizeAdvantages }),
  })),
  fc
    .tuple(logUniform(1e-6, 1e3), logUniform(1e-6, 1))
    .map(([epsilon, damping]) => (policy: Policy, normalizeAdvantages: boolean) => ({
      limit: Infinity,
      method: new NaturalPolicyGradient(policy, { epsilon, damping, normalizeAdvantages }),
    })),
  fc
    .tuple(logUniform(1e-6, 1), logUniform(1e-5, 10))
    .map(([maxKl, innerLearningRate]) => (policy: Policy, normalizeAdvantages: boolean) => ({
      limit: maxKl,
      method: new DualGradientDescent(policy, {
        maxKl,
        innerLearningRate,
        innerSteps: 5,
        normalizeAdvantages,
      }),
    })),
  fc
    .tuple(logUniform(1e-6, 1), logUniform(1e-5, 10), fc.constantFrom('clip', 'klPenalty'))
    .map(([maxKl, learningRate, variant]) => (policy: Policy, normalizeAdvantages: boolean) => ({
      limit: maxKl,
      method: new PPO(policy, {
        variant: variant as 'clip' | 'klPenalty',
        maxKl,
        learningRate,
        epochs: 3,
        minibatchSize: 16,
        normalizeAdvantages,
      }),
    })),
);

test('2,000 random problems: no NaN leaves the other methods, and limits hold', async () => {
  const seen = { accepted: 0, rejected: 0 };
  await fc.assert(
    fc.asyncProperty(randomProblem, otherMethods, async (problem, make) => {
      const { policy, batch } = realize(problem, 'cpu');
      const { method, limit } = make(policy, problem.normalizeAdvantages);
      let before = parametersOf(policy);
      for (let update = 0; update < 2; update += 1) {
        const oracle = oracleOf(problem, before);
        const summary = await method.update(batch);
        const after = parametersOf(policy);
        checkNumbers(summary);
        if (summary.accepted) {
          seen.accepted += 1;
          expect(after.every(Number.isFinite)).toBe(true);
          expect(summary.meanKl).toBeLessThanOrEqual(limit);
          if (limit < Infinity) {
            expect(oracle.evaluate(batch, after).meanKl).toBeLessThanOrEqual(limit * (1 + 1e-4));
          }
        } else {
          seen.rejected += 1;
          expect(bitsOf(after)).toBe(bitsOf(before));
        }
        oracle.close();
        before = after;
      }
      policy.close();
    }),
    { numRuns: 2000 },
  );
  expect(seen.accepted).toBeGreaterThan(1000);
  expect(seen.rejected).toBeGreaterThan(100);
}, 120_000);
