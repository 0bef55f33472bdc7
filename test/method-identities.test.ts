import { describe, expect, test } from '@jest/globals';
import { DualGradientDescent } from '../lib/dual-gradient-descent.js';
import type { NaturalDirectionSolveOptions } from '../lib/natural-direction.js';
import { Policy } from '../lib/policy.js';
import { TRPO } from '../lib/trpo.js';
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
 * What must hold between the parts of an update, whatever the numbers are.
 */

const kinds = spaces.map((actions) => [actions.kind, actions] as const);
const precisions = [
  ['reference', 1e-12],
  ['cpu', 2e-6],
] as const;

describe.each(precisions)('%s: objectives', (backend, tolerance) => {
  test.each(kinds)('at theta the gradient is the policy gradient: %s', (_, actions) => {
    const policy = smallPolicy(actions, { backend });
    const batch = makeBatch(policy, 45);
    const gradient = policy.gradient(batch);
    for (const options of [{}, { clipRange: 0.2 }, { klPenalty: 3 }]) {
      // No ratio is outside the range, and the KL has neither value nor slope.
      const objective = policy.objective(batch, options);
      expect(relativeError(objective.gradient, gradient)).toBeLessThan(tolerance);
      expect(objective.value).toBeCloseTo(policy.surrogate(batch), 14);
      expect(objective).toMatchObject({ meanKl: 0, clipFraction: 0 });
    }
  });

  test.each(kinds)('clipping changes nothing until a ratio is outside: %s', (_, actions) => {
    const policy = smallPolicy(actions, { backend });
    const batch = makeBatch(policy, 45);
    const parameters = moved(parametersOf(policy), 0.1, numbers(policy.parameterCount, 7));
    const ratios = policy.compare(batch, parameters).logRatio.map(Math.exp);
    const paying = ratios.map((ratio, row) => (ratio - 1) * Math.sign(batch.advantages[row] ?? 0));
    const furthest = Math.max(...paying);
    expect(furthest).toBeGreaterThan(0.02);

    const plain = policy.objective(batch, { parameters });
    const wide = policy.objective(batch, { parameters, clipRange: furthest * 1.001 });
    expect(wide).toEqual(plain); // every bit
    const narrow = policy.objective(batch, { parameters, clipRange: furthest / 2 });
    const clipped = paying.filter((each) => each > furthest / 2).length;
    expect(narrow.clipFraction).toBeCloseTo(clipped / 45, 14);
    expect(narrow.value).toBeLessThan(plain.value);
    expect(relativeError(narrow.gradient, plain.gradient)).toBeGreaterThan(1e-3);
  });
});

test.each(kinds)('a gradient is what the value changes by: %s', (_, actions) => {
  const policy = smallPolicy(actions, { backend: 'reference' });
  const batch = makeBatch(policy, 45);
  const elsewhere = moved(parametersOf(policy), 0.2, numbers(policy.parameterCount, 7));
  const direction = numbers(policy.parameterCount, 8);
  for (const options of [
    {},
    { clipRange: 0.1 },
    { klPenalty: 3 },
    { entropyBonus: 2 },
    { clipRange: 0.1, klPenalty: 0.5, entropyBonus: 0.1 },
  ]) {
    const at = (step: number) =>
      policy.objective(batch, { parameters: moved(elsewhere, step, direction), ...options });
    const difference = (at(1e-5).value - at(-1e-5).value) / 2e-5;
    expect(Math.abs(dot(at(0).gradient, direction) / difference - 1)).toBeLessThan(1e-7);
    const { value, surrogate, meanKl, entropy } = at(0);
    const { klPenalty = 0, entropyBonus = 0 } = options as Record<string, number>;
    expect(value).toBeCloseTo(surrogate - klPenalty * meanKl + entropyBonus * entropy, 14);
  }
});

test.each(kinds)(
  'the empirical Fisher matrix is the exact one in expectation: %s',
  (_, actions) => {
    const rows = 3000;
    const policy = smallPolicy(actions, { backend: 'reference' });
    const batch = makeBatch(policy, rows);
    const { observationSize, actionLength, parameterCount } = policy;
    const vector = numbers(parameterCount, 6);
    const sums = new Float64Array(parameterCount);
    const squares = new Float64Array(parameterCount);
    for (let row = 0; row < rows; row += 1) {
      const observations = batch.observations.subarray(
        row * observationSize,
        (row + 1) * observationSize,
      );
      const chosen = batch.actions.slice(row * actionLength, (row + 1) * actionLength);
      const score = policy.gradient({
        observations,
        actions: chosen,
        advantages: Float64Array.of(1),
      });
      const along = dot(score, vector);
      policy.fisherVectorProduct(observations, vector).forEach((exact, index) => {
        const difference = (score[index] ?? NaN) * along - exact;
        sums[index] = (sums[index] ?? NaN) + difference;
        squares[index] = (squares[index] ?? NaN) + difference ** 2;
      });
    }
    const { observations } = batch;
    const exact = policy.fisherVectorProduct(observations, vector);
    const empirical = policy.fisherVectorProduct(observations, vector, {
      estimator: 'empirical',
      actions: batch.actions,
    });
    // The products are the means of those of the rows ...
    const differences = empirical.map((value, index) => value - (exact[index] ?? NaN));
    expect(
      relativeError(
        differences,
        sums.map((sum) => sum / rows),
      ),
    ).toBeLessThan(1e-10);
    // ... which differ by chance alone: in standard errors, about one.
    const errors = squares.map((square) => Math.sqrt(square) / rows);
    const deviations = differences.map((each, index) => each / (errors[index] ?? NaN));
    expect(Math.max(...deviations.map(Math.abs))).toBeLessThan(4.5);
    expect(dot(deviations, deviations) / parameterCount).toBeLessThan(2.5);
    expect(dot(errors, errors) / dot(exact, exact)).toBeLessThan(0.15 ** 2); // it means something
  },
);

describe.each(precisions)('%s: the step length of TRPO', (backend, tolerance) => {
  test.each(kinds)('both rules: %s', async (_, actions) => {
    for (const damping of [0.03, 0.5]) {
      const options = { damping, solver: 'cholesky' } as const;
      for (const stepLength of ['fisher', 'damped'] as const) {
        const policy = smallPolicy(actions, { backend });
        const batch = makeBatch(policy, 60);
        const { direction, slope, curvature } = policy.naturalDirection(batch, options);
        const product = policy.fisherVectorProduct(batch.observations, direction);
        const bare = dot(direction, product);
        const damped = bare + damping * dot(direction, direction);
        expect(Math.abs(curvature / bare - 1)).toBeLessThan(tolerance * 10);
        expect(Math.abs(slope / dot(policy.gradient(batch), direction) - 1)).toBeLessThan(1e-14);
        expect(Math.abs(slope / damped - 1)).toBeLessThan(tolerance * 10); // x'(F + damping I) x = g'x

        const maxKl = 1e-4;
        const before = parametersOf(policy);
        const summary = await new TRPO(policy, {
          ...options,
          maxKl,
          stepLength,
          lineSearch: 'backtracking',
          normalizeAdvantages: false,
        }).update(batch);
        const stepScale = summary.stepScale ?? NaN;
        const ruler = stepLength === 'fisher' ? bare : damped;
        expect(Math.abs((stepScale ** 2 * ruler) / (2 * maxKl) - 1)).toBeLessThan(tolerance * 10);
        expect(summary.accepted).toBe(true);
        const length = summary.stepFraction * stepScale;
        const step = moved(parametersOf(policy), -1, before);
        expect(Math.abs(summary.expectedImprovement / (length * slope) - 1)).toBeLessThan(1e-14);
        expect(
          relativeError(
            step,
            direction.map((value) => length * value),
          ),
        ).toBeLessThan(backend === 'reference' ? 1e-11 : 1e-3); // float32: of parameters, not of steps
        // The KL of the whole step is that of the quadratic model, up to the third order.
        const whole = summary.candidates[0]?.meanKl ?? NaN;
        expect(Math.abs(whole / ((stepScale ** 2 * bare) / 2) - 1)).toBeLessThan(0.1);
        expect(stepLength === 'fisher' || whole < 0.95 * maxKl).toBe(true);
        policy.close();
      }
    }
  });
});

describe.each([
  ['reference', 1e-10],
  ['cpu', 1e-5],
] as const)('%s: every way to solve gives the same direction', (backend, tolerance) => {
  test.each(kinds)('%s', (_, actions) => {
    const policy = smallPolicy(actions, { backend });
    const batch = makeBatch(policy, 60);
    const damping = 0.01;
    for (const fisher of ['exact', 'empirical'] as const) {
      const solveBy = (options: NaturalDirectionSolveOptions) =>
        policy.naturalDirection(batch, { damping, fisher, ...options });
      const exact = solveBy({ solver: 'cholesky' });
      for (const preconditioner of ['none', 'jacobi', 'kronecker'] as const) {
        const iterative = {
          solver: 'conjugateGradient',
          preconditioner,
          cgIterations: 60,
        } as const;
        const found = solveBy(iterative);
        expect(found).toMatchObject({ solver: 'conjugateGradient', preconditioner });
        expect(relativeError(found.direction, exact.direction)).toBeLessThan(tolerance);
        expect(Math.abs(found.slope / exact.slope - 1)).toBeLessThan(tolerance);
        expect(Math.abs(found.curvature / exact.curvature - 1)).toBeLessThan(tolerance);
        // From somewhere else it leads there too.
        const start = numbers(policy.parameterCount, 12);
        const warm = solveBy({ ...iterative, start });
        expect(warm.warmStarted).toBe(true);
        expect(relativeError(warm.direction, exact.direction)).toBeLessThan(tolerance);
      }
      expect(solveBy({ cgIterations: 2 }).direction).not.toEqual(exact.direction);
    }
  });
});

test.each(['reference', 'cpu'])('%s: the multiplier settles where theory says', async (backend) => {
  const policy = new Policy({
    observationSize: 2,
    actions: { kind: 'continuous', size: 2 },
    hidden: [],
    outputGain: 1,
    backend,
    threads: 1,
  });
  const batch = makeBatch(policy, 200, 3);
  const theta = parametersOf(policy);
  const maxKl = 1e-6;
  const { slope, direction } = policy.naturalDirection(batch, { damping: 0, solver: 'cholesky' });
  const optimal = Math.sqrt(slope / (2 * maxKl));

  // Adam moves each parameter by about the learning rate: a hundred such steps make the whole step.
  const step = direction.map((value) => value / optimal);
  const innerLearningRate = 0.01 * Math.hypot(...step);
  const dual = new DualGradientDescent(policy, {
    maxKl,
    innerSteps: 400,
    innerLearningRate,
    initialMultiplier: optimal / 2,
    // KL = slope / (2 lambda^2), so this is half a Newton step at the optimum.
    multiplierLearningRate: optimal / (4 * maxKl),
    normalizeAdvantages: false,
  });
  let multiplier = NaN;
  for (let update = 0; update < 25; update += 1) {
    multiplier = (await dual.update(batch)).multiplier ?? NaN;
    policy.setParameters(theta);
  }

  // To second order the optimal multiplier has KL = maxKl. With L = g'd + d'H d / 2 and
  // KL = d'F d / 2 + T d^3 / 6 the maximum of L - lambda KL moves, and with it that multiplier, by the
  // part (d'H d / lambda - T d^3 / 3) / (2 maxKl), d the step above: of the order of |d| ~ sqrt(maxKl).
  const twin = new Policy({ ...policy.options, backend: 'reference' });
  twin.setParameters(theta);
  const far = 100; // differences of larger steps round less: they scale as the powers of the step
  const there = twin.evaluate(batch, moved(theta, far, step));
  const back = twin.evaluate(batch, moved(theta, -far, step));
  const bend = (there.surrogate + back.surrogate - 2 * twin.surrogate(batch)) / far ** 2;
  const skew = (3 * (there.meanKl - back.meanKl)) / far ** 3;
  const correction = (bend / optimal - skew / 3) / (2 * maxKl);
  const found = multiplier / optimal - 1;
  expect(Math.abs(found)).toBeLessThan(1e-3);
  expect(Math.abs(found - correction)).toBeLessThan(1e-4);
  expect(Math.abs(correction)).toBeGreaterThan(3e-4);
});
