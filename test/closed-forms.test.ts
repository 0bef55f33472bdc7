import { describe, expect, test } from '@jest/globals';
import type { Batch } from '../lib/batch.js';
import { NaturalPolicyGradient } from '../lib/natural-policy-gradient.js';
import { Policy } from '../lib/policy.js';
import type { ActionSpace } from '../lib/spaces.js';
import { TRPO } from '../lib/trpo.js';
import { dot, numbers, parametersOf, relativeError } from './helpers.js';
import { add, diagonal, identity, inner, scale, solveVector } from './linear-algebra.js';

/*
 * Updates whose result can be written down.
 */

/**
 * A softmax has one direction, all logits alike, in which the Fisher matrix is singular and the
 * gradient is 0. Conjugate gradients from zero never leave the others. Cholesky needs some damping,
 * which moves the step by about itself over the smallest eigenvalue that counts, here above 1e-3.
 */
const solvers = [
  { backend: 'reference', tolerance: 1e-12, solver: { damping: 0, cgTolerance: 1e-13 } },
  { backend: 'reference', tolerance: 1e-7, solver: { damping: 1e-11, solver: 'cholesky' } },
  { backend: 'cpu', tolerance: 1e-5, solver: { damping: 0, cgTolerance: 1e-6 } },
] as const;

/** Every combination of one entry of each array. */
function combinations(lengths: readonly number[]): number[][] {
  return lengths.reduce<number[][]>(
    (found, length) =>
      found.flatMap((each) => Array.from({ length }, (_, index) => [...each, index])),
    [[]],
  );
}

/** p_a exp(alpha A_a), normalised: multiplicative weights. */
function multiplicativeWeights(
  p: readonly number[],
  advantages: readonly number[],
  alpha: number,
): number[] {
  const weights = p.map((each, index) => each * Math.exp(alpha * (advantages[index] ?? NaN)));
  const sum = weights.reduce((total, each) => total + each, 0);
  return weights.map((each) => each / sum);
}

/** All rows of the same observation, 0, and each action as often as the counts say. */
function banditBatch(
  actions: readonly { readonly action: readonly number[]; count: number; advantage: number }[],
): Batch {
  const rows = actions.flatMap((each) => Array.from({ length: each.count }, () => each));
  return {
    observations: new Float64Array(rows.length),
    actions: Int32Array.from(rows.flatMap(({ action }) => action)),
    advantages: Float64Array.from(rows, ({ advantage }) => advantage),
  };
}

/** A policy of biases alone, as observations are 0. */
function banditPolicy<A extends ActionSpace>(
  actions: A,
  logits: readonly number[],
  backend: string,
) {
  const policy = new Policy({ observationSize: 1, actions, hidden: [], backend, threads: 1 });
  policy.setParameters([...logits.map(() => 0), ...logits]);
  return policy;
}

/** pi(a) of each action. */
function probabilities(policy: Policy, actions: readonly (readonly number[])[]): number[] {
  const observations = new Float64Array(actions.length);
  return Array.from(policy.logProbability(observations, actions.flat()), Math.exp);
}

describe.each(solvers)('one natural step of a bandit: $backend $solver', (each) => {
  const { backend, solver, tolerance } = each;
  const alpha = 0.7;
  const options = { learningRate: alpha, normalizeAdvantages: false, ...solver };

  test('a softmax gets multiplicative weights', async () => {
    const counts = [5, 2, 1, 8];
    const advantages = [-0.3, 1.9, 0.4, -2.2];
    const p = counts.map((count) => count / 16);
    const policy = banditPolicy({ kind: 'discrete', count: 4 }, p.map(Math.log), backend);
    const batch = banditBatch(
      counts.map((count, a) => ({ action: [a], count, advantage: advantages[a] ?? NaN })),
    );
    const { accepted } = await new NaturalPolicyGradient(policy, options).update(batch);
    expect(accepted).toBe(true);
    const found = probabilities(policy, [[0], [1], [2], [3]]);
    const expected = multiplicativeWeights(p, advantages, alpha);
    expect(relativeError(found, expected)).toBeLessThan(tolerance);
    expect(relativeError(p, expected)).toBeGreaterThan(0.1); // the step was not small
  });

  test('a bit gets them too', async () => {
    const policy = banditPolicy({ kind: 'binary', size: 1 }, [Math.log(3 / 13)], backend);
    const batch = banditBatch([
      { action: [0], count: 13, advantage: 0.5 },
      { action: [1], count: 3, advantage: 2.5 },
    ]);
    await new NaturalPolicyGradient(policy, options).update(batch);
    const found = probabilities(policy, [[0], [1]]);
    const expected = multiplicativeWeights([13 / 16, 3 / 16], [0.5, 2.5], alpha);
    expect(relativeError(found, expected)).toBeLessThan(tolerance);
  });

  test('independent factors get those of their mean advantages', async () => {
    const counts = [
      [1, 3],
      [2, 1, 4],
    ] as const;
    const [p, q] = counts.map((each) => {
      const sum = each.reduce((total: number, count) => total + count, 0);
      return each.map((count) => count / sum);
    }) as [number[], number[]];
    const advantage = [
      [1.2, -0.4, 0.3],
      [-0.9, 2.1, -0.2],
    ];
    const policy = banditPolicy(
      { kind: 'multiDiscrete', counts: [2, 3] },
      [...p, ...q].map(Math.log),
      backend,
    );
    const batch = banditBatch(
      combinations([2, 3]).map(([i = NaN, j = NaN]) => ({
        action: [i, j],
        count: (counts[0][i] ?? NaN) * (counts[1][j] ?? NaN),
        advantage: advantage[i]?.[j] ?? NaN,
      })),
    );
    await new NaturalPolicyGradient(policy, options).update(batch);
    const first = multiplicativeWeights(
      p,
      advantage.map((row) => inner(row, q)),
      alpha,
    );
    const second = multiplicativeWeights(
      q,
      q.map((_, j) =>
        inner(
          advantage.map((row) => row[j] ?? NaN),
          p,
        ),
      ),
      alpha,
    );
    const found = probabilities(policy, combinations([2, 3]));
    const expected = first.flatMap((one) => second.map((other) => one * other));
    expect(relativeError(found, expected)).toBeLessThan(tolerance);
  });

  test('a table of states gets them in every state, however seldom it is visited', async () => {
    // One-hot observations make a table. Rows: state 0 sixteen times as often as state 1.
    const counts = [
      [5, 1, 2],
      [1, 6, 1],
    ];
    const visits = [16, 1];
    const advantages = [
      [0.5, -1, 1],
      [-2, 0.3, 1.4],
    ];
    const policy = new Policy({
      observationSize: 2,
      actions: { kind: 'discrete', count: 3 },
      hidden: [],
      backend,
      threads: 1,
    });
    const logit = (state: number, action: number) => Math.log((counts[state]?.[action] ?? NaN) / 8);
    policy.setParameters([0, 1, 2].flatMap((a) => [logit(0, a), logit(1, a)]).concat([0, 0, 0]));
    const rows = combinations([2, 3]).flatMap(([s = NaN, a = NaN]) =>
      Array.from({ length: (visits[s] ?? NaN) * (counts[s]?.[a] ?? NaN) }, () => ({ s, a })),
    );
    const batch = {
      observations: Float64Array.from(rows.flatMap(({ s }) => (s === 0 ? [1, 0] : [0, 1]))),
      actions: Int32Array.from(rows, ({ a }) => a),
      advantages: Float64Array.from(rows, ({ s, a }) => advantages[s]?.[a] ?? NaN),
    };
    await new NaturalPolicyGradient(policy, options).update(batch);
    for (const [state, observation] of [
      [0, [1, 0]],
      [1, [0, 1]],
    ] as const) {
      const found = Array.from(
        policy.logProbability([observation, observation, observation].flat(), [0, 1, 2]),
        Math.exp,
      );
      const p = (counts[state] ?? []).map((count) => count / 8);
      const expected = multiplicativeWeights(p, advantages[state] ?? [], alpha);
      expect(relativeError(found, expected)).toBeLessThan(tolerance * 10);
    }
  });

  test('TRPO goes along them to the edge of the trust region', async () => {
    const counts = [5, 2, 1, 8];
    const advantages = [-0.3, 1.9, 0.4, -2.2];
    const p = counts.map((count) => count / 16);
    const policy = banditPolicy({ kind: 'discrete', count: 4 }, p.map(Math.log), backend);
    const batch = banditBatch(
      counts.map((count, a) => ({ action: [a], count, advantage: advantages[a] ?? NaN })),
    );
    const { meanKl, stepScale, stepFraction } = await new TRPO(policy, {
      maxKl: 0.05,
      klTolerance: 1e-3,
      lineSearch: 'boundary',
      normalizeAdvantages: false,
      ...solver,
    }).update(batch);
    const expected = multiplicativeWeights(p, advantages, (stepScale ?? NaN) * stepFraction);
    const found = probabilities(policy, [[0], [1], [2], [3]]);
    expect(relativeError(found, expected)).toBeLessThan(tolerance);
    const kl = p.reduce((sum, each, a) => sum + each * Math.log(each / (expected[a] ?? NaN)), 0);
    expect(Math.abs(meanKl / kl - 1)).toBeLessThan(100 * tolerance);
    expect(kl).toBeLessThanOrEqual(0.05 * (1 + 100 * tolerance));
    expect(kl).toBeGreaterThan(0.05 * (1 - 1e-3) * (1 - 100 * tolerance));
  });
});

describe('a Gaussian policy without hidden layers', () => {
  const observationSize = 3;
  const size = 2;
  const rows = 60;
  const inputs = observationSize + 1; // the last one is 1, for the bias
  const observations = numbers(rows * observationSize, 3);
  const advantages = numbers(rows, 4).map((value) => 3 * value + 0.5);
  const noise = numbers(rows * size, 5);

  function makeProblem(backend: string) {
    const policy = new Policy({
      observationSize,
      actions: { kind: 'continuous', size },
      hidden: [],
      backend,
      threads: 1,
    });
    const weights = Array.from(numbers(size * inputs, 6), (value) => Math.fround(value));
    const logStd = [-0.5, 0.25];
    policy.setParameters([...weights, ...logStd]);
    const mean = policy.forward(observations);
    const deviations = logStd.map(Math.exp);
    const actions = mean.map(
      (value, index) => value + 1.5 * (deviations[index % size] ?? NaN) * (noise[index] ?? NaN),
    );
    /** z of a row and number of the action, and the row's inputs. */
    const z = (row: number, i: number) => 1.5 * (noise[row * size + i] ?? NaN);
    const x = (row: number) => [
      ...observations.subarray(row * observationSize, (row + 1) * observationSize),
      1,
    ];
    return { policy, batch: { observations, actions, advantages }, deviations, z, x };
  }

  /** Numbers of the layer of output i, in the order of the parameters: its weights, its bias. */
  function placeOf(i: number): number[] {
    const weights = Array.from({ length: observationSize }, (_, j) => i * observationSize + j);
    return [...weights, size * observationSize + i];
  }

  function meanOverRows(f: (row: number) => number): number {
    let sum = 0;
    for (let row = 0; row < rows; row += 1) {
      sum += f(row);
    }
    return sum / rows;
  }

  /** (F + damping I)^-1 g with F = S / sigma_i^2 for each output and 2 for each logStd. */
  function exactDirection(problem: ReturnType<typeof makeProblem>, damping: number): number[] {
    const { deviations, z, x } = problem;
    const direction = Array.from({ length: size * inputs + size }, () => NaN);
    const all = [...Array.from({ length: inputs }).keys()];
    for (const [i, sigma] of deviations.entries()) {
      const matrix = all.map((j) =>
        all.map((k) => meanOverRows((row) => (x(row)[j] ?? NaN) * (x(row)[k] ?? NaN)) / sigma ** 2),
      );
      const gradient = all.map((j) =>
        meanOverRows((row) => ((advantages[row] ?? NaN) * z(row, i) * (x(row)[j] ?? NaN)) / sigma),
      );
      const solution = solveVector(add(matrix, scale(damping, identity(inputs))), gradient);
      placeOf(i).forEach((place, j) => {
        direction[place] = solution[j] ?? NaN;
      });
      direction[size * inputs + i] =
        meanOverRows((row) => (advantages[row] ?? NaN) * (z(row, i) ** 2 - 1)) / (2 + damping);
    }
    return direction;
  }

  test.each([
    ['reference', 0, 1e-12],
    ['reference', 0.1, 1e-12],
    ['cpu', 0, 1e-5],
    ['cpu', 0.1, 1e-5],
  ] as const)(
    'the natural step by least squares: %s, damping %d',
    async (backend, damping, tolerance) => {
      const problem = makeProblem(backend);
      const { policy, batch } = problem;
      const expected = exactDirection(problem, damping);
      const { direction } = policy.naturalDirection(batch, { damping, solver: 'cholesky' });
      expect(relativeError(direction, expected)).toBeLessThan(tolerance);

      const epsilon = 0.02;
      const slope = dot(policy.gradient(batch), expected);
      const alpha = Math.sqrt((2 * epsilon) / slope);
      const before = parametersOf(policy);
      const summary = await new NaturalPolicyGradient(policy, {
        epsilon,
        damping,
        solver: 'cholesky',
        normalizeAdvantages: false,
      }).update(batch);
      expect(Math.abs((summary.stepScale ?? NaN) / alpha - 1)).toBeLessThan(tolerance);
      const after = before.map((value, index) => value + alpha * (expected[index] ?? NaN));
      expect(relativeError(parametersOf(policy), after)).toBeLessThan(tolerance);
    },
  );

  test('without damping its mean moves by the regression of A sigma z on the inputs', () => {
    // sigma^2 of the metric cancels that of the score: the covariance of the states is all that is left
    const problem = makeProblem('reference');
    const { policy, batch, deviations, z, x } = problem;
    const { direction } = policy.naturalDirection(batch, { damping: 0, solver: 'cholesky' });
    for (const [i, sigma] of deviations.entries()) {
      const moved = placeOf(i).map((place) => direction[place] ?? NaN);
      const residual = (row: number) =>
        (advantages[row] ?? NaN) * sigma * z(row, i) - inner(moved, x(row));
      for (let j = 0; j < inputs; j += 1) {
        // normal equations: what is left is orthogonal to every input
        expect(Math.abs(meanOverRows((row) => residual(row) * (x(row)[j] ?? NaN)))).toBeLessThan(
          1e-13,
        );
      }
    }
  });

  test.each([
    ['reference', 0, 1e-10],
    ['reference', 0.05, 1e-11],
    ['cpu', 0.05, 1e-4],
  ] as const)(
    'the empirical one is the regression of A on the scores: %s, ridge %d',
    (backend, damping, tolerance) => {
      // Peters and Schaal 2008: compatible function approximation
      const { policy, batch, deviations, z, x } = makeProblem(backend);
      const scores = Array.from({ length: rows }, (_, row) => {
        const score = Array.from({ length: size * inputs + size }, () => NaN);
        for (const [i, sigma] of deviations.entries()) {
          placeOf(i).forEach((place, j) => {
            score[place] = (z(row, i) * (x(row)[j] ?? NaN)) / sigma;
          });
          score[size * inputs + i] = z(row, i) ** 2 - 1;
        }
        return score;
      });
      const all = [...Array.from({ length: size * inputs + size }).keys()];
      const matrix = all.map((j) =>
        all.map((k) =>
          meanOverRows((row) => (scores[row]?.[j] ?? NaN) * (scores[row]?.[k] ?? NaN)),
        ),
      );
      const right = all.map((j) =>
        meanOverRows((row) => (advantages[row] ?? NaN) * (scores[row]?.[j] ?? NaN)),
      );
      const ridge = diagonal(all.map(() => damping));
      const expected = solveVector(add(matrix, ridge), right);
      const { direction } = policy.naturalDirection(batch, {
        damping,
        fisher: 'empirical',
        solver: 'cholesky',
      });
      expect(relativeError(direction, expected)).toBeLessThan(tolerance);
    },
  );
});
