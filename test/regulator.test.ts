import { describe, expect, test } from '@jest/globals';
import type { Batch } from '../lib/batch.js';
import { RandomGenerator } from '../lib/environments/random.js';
import { NaturalPolicyGradient } from '../lib/natural-policy-gradient.js';
import { Policy } from '../lib/policy.js';
import { TRPO } from '../lib/trpo.js';
import { parametersOf } from './helpers.js';
import {
  add,
  choleskyFactor,
  diagonal,
  distance,
  identity,
  inner,
  multiply,
  scale,
  solve,
  transpose,
} from './linear-algebra.js';
import type { Matrix } from './linear-algebra.js';

/*
 * The discounted linear-quadratic regulator: s' = A s + B a, reward -(s'Q s + a'R a), policy
 * a ~ N(K s, diag(sigma^2)). The state's last number is always 1, so that the last column of K is the
 * policy's bias; the best one is 0.
 */
const discount = 0.9;
const dynamics: Matrix = [
  [1, 0.3, 0],
  [-0.1, 0.9, 0],
  [0, 0, 1],
];
const control: Matrix = [
  [0.3, 0.1],
  [0, 0.6],
  [0, 0],
];
const stateCost = diagonal([1, 0.5, 0]);
const actionCost: Matrix = [
  [0.5, 0.1],
  [0.1, 0.8],
];
/** E[s s'] at the start: N(0, I), and the 1. */
const startMoment = identity(3);

interface Regulator {
  readonly control: Matrix;
  readonly actionCost: Matrix;
}

const full: Regulator = { control, actionCost };
/** With the first number of the action alone. */
const scalar: Regulator = {
  control: control.map((row) => row.slice(0, 1)),
  actionCost: [[actionCost[0]?.[0] ?? NaN]],
};

const square = (left: Matrix, middle: Matrix) => multiply(transpose(left), middle, left);

/** The sum of g^t (M^t)'C M^t over all t, by doubling: 2^16 terms. */
function discountedSum(start: Matrix, cost: Matrix): number[][] {
  let sum = scale(1, cost);
  let power = scale(Math.sqrt(discount), start);
  for (let doubling = 0; doubling < 16; doubling += 1) {
    sum = add(sum, square(power, sum));
    power = multiply(power, power);
  }
  return sum;
}

/** P of V(s) = -(s'P s + constant): P = Q + K'R K + g (A + B K)'P (A + B K). */
function valueMatrix({ control: b, actionCost: r }: Regulator, gain: Matrix): number[][] {
  const closed = add(dynamics, multiply(b, gain));
  return discountedSum(closed, add(stateCost, square(gain, r)));
}

/**
 * A(s, a) = -(2 z'E s + z'H z - its mean) for a = K s + z, with H = R + g B'P B and
 * E = R K + g B'P (A + B K) = H (K - improved), improved = -H^-1 g B'P A (Kleinman 1968).
 */
function advantageMatrices(regulator: Regulator, gain: Matrix) {
  const { control: b, actionCost: r } = regulator;
  const value = valueMatrix(regulator, gain);
  const priced = scale(discount, multiply(transpose(b), value));
  const bend = add(r, multiply(priced, b));
  const slope = add(multiply(r, gain), multiply(priced, add(dynamics, multiply(b, gain))));
  const improved = scale(-1, solve(bend, multiply(priced, dynamics)));
  return { bend, slope, improved };
}

/** The best gain, by the Riccati iteration. */
function riccatiGain({ control: b, actionCost: r }: Regulator): number[][] {
  const gainOf = (value: Matrix): number[][] => {
    const priced = scale(discount, multiply(transpose(b), value));
    return scale(-1, solve(add(r, multiply(priced, b)), multiply(priced, dynamics)));
  };
  // P = Q + g A'P (A + B K), from P = Q
  let value: Matrix = stateCost;
  for (let step = 0; step < 500; step += 1) {
    const closed = add(dynamics, multiply(b, gainOf(value)));
    value = add(stateCost, scale(discount, multiply(transpose(dynamics), value, closed)));
  }
  return gainOf(value);
}

/** E[s s'] under the discounted distribution of states. */
function stateMoment(
  { control: b }: Regulator,
  gain: Matrix,
  deviations: readonly number[],
): number[][] {
  const closed = transpose(add(dynamics, multiply(b, gain)));
  const noise = square(transpose(b), diagonal(deviations.map((sigma) => sigma ** 2)));
  const fresh = add(scale(1 - discount, startMoment), scale(discount, noise));
  return discountedSum(closed, fresh);
}

function makePolicy(regulator: Regulator, backend: string, logStd: number): Policy {
  const size = regulator.actionCost.length;
  const actions = { kind: 'continuous', size } as const;
  const options = { observationSize: 2, actions, hidden: [], backend, threads: 1, seed: 5 };
  const policy = new Policy(options);
  policy.setParameters([...Array.from({ length: 3 * size }, () => 0), ...actionsOf(size, logStd)]);
  return policy;
}

const actionsOf = (size: number, value: number) => Array.from({ length: size }, () => value);

/** The gain (the last column is the bias) and the standard deviations. */
function read(policy: Policy): { gain: number[][]; deviations: number[] } {
  const size = policy.actionLength;
  const parameters = [...parametersOf(policy)];
  return {
    gain: Array.from({ length: size }, (_, i) => [
      ...parameters.slice(2 * i, 2 * i + 2),
      parameters[2 * size + i] ?? NaN,
    ]),
    deviations: parameters.slice(3 * size).map(Math.exp),
  };
}

/** Rows of states and of noise z in units of sigma, with exact advantages. */
function makeBatch(
  regulator: Regulator,
  policy: Policy,
  rows: readonly { readonly state: readonly number[]; readonly unitNoise: readonly number[] }[],
): Batch {
  const { gain, deviations } = read(policy);
  const { bend, slope } = advantageMatrices(regulator, gain);
  const meanCost = inner(
    deviations.map((sigma) => sigma ** 2),
    bend.map((row, i) => row[i] ?? NaN),
  );
  const actions: number[] = [];
  const advantages = rows.map(({ state, unitNoise }) => {
    const noise = unitNoise.map((each, i) => each * (deviations[i] ?? NaN));
    const column = noise.map((each) => [each]);
    actions.push(...gain.map((row, i) => inner(row, state) + (noise[i] ?? NaN)));
    const bent = square(column, bend)[0]?.[0] ?? NaN;
    const turned = slope.map((row) => inner(row, state));
    return meanCost - bent - 2 * inner(noise, turned);
  });
  return {
    observations: Float64Array.from(rows.flatMap(({ state }) => state.slice(0, 2))),
    actions: Float64Array.from(actions),
    advantages: Float64Array.from(advantages),
  };
}

/** A standard normal variable on six equally likely points, exact up to the fifth degree. */
const normalPoints = [0, 0, 0, 0, Math.sqrt(3), -Math.sqrt(3)];

function quadratureBatch(regulator: Regulator, policy: Policy): Batch {
  const { gain, deviations } = read(policy);
  const moment = stateMoment(regulator, gain, deviations);
  const factor = choleskyFactor(moment.slice(0, 2).map((row) => row.slice(0, 2)));
  const product = (length: number): number[][] =>
    length === 0
      ? [[]]
      : product(length - 1).flatMap((each) => normalPoints.map((point) => [...each, point]));
  const rows = product(2 + policy.actionLength).map((point) => ({
    state: [...factor.map((row) => inner(row, point.slice(0, 2))), 1],
    unitNoise: point.slice(2),
  }));
  return makeBatch(regulator, policy, rows);
}

/** What is known of the test's own formulas. */
describe('the closed form', () => {
  test('the Riccati gain is the one that Kleinman cannot improve', () => {
    for (const regulator of [full, scalar]) {
      const best = riccatiGain(regulator);
      expect(distance(advantageMatrices(regulator, best).improved, best)).toBeLessThan(1e-13);
      expect(distance(best, scale(0, best))).toBeGreaterThan(0.5);
    }
  });

  test('advantages obey the Bellman equation', () => {
    const gain = [
      [-0.4, 0.1, 0.2],
      [0, -0.5, -0.1],
    ];
    const value = valueMatrix(full, gain);
    const policy = makePolicy(full, 'reference', -0.7);
    policy.setParameters([-0.4, 0.1, 0, -0.5, 0.2, -0.1, -0.7, -0.7]);
    const sigma = Math.exp(-0.7);
    const state = [0.6, -1.1, 1];
    const nextValue = (action: readonly number[]) => {
      const next = add(
        multiply(dynamics, transpose([state])),
        multiply(control, transpose([action])),
      );
      const cost = (vector: readonly number[], matrix: Matrix) =>
        inner(
          vector,
          matrix.map((row) => inner(row, vector)),
        );
      const reached = next.map(([each = NaN]) => each);
      return -cost(state, stateCost) - cost(action, actionCost) - discount * cost(reached, value);
    };
    const points = [
      [0, 0],
      [1, -0.5],
      [-2, 0.3],
    ];
    const batch = makeBatch(
      full,
      policy,
      points.map((unitNoise) => ({ state, unitNoise })),
    );
    const { bend } = advantageMatrices(full, gain);
    const trace = sigma ** 2 * ((bend[0]?.[0] ?? NaN) + (bend[1]?.[1] ?? NaN));
    const mean = -inner(
      state,
      value.map((row) => inner(row, state)),
    );
    points.forEach((_, row) => {
      const action = [...batch.actions.subarray(2 * row, 2 * row + 2)];
      expect(batch.advantages[row]).toBeCloseTo(nextValue(action) - mean + trace, 12);
    });
  });
});

/** The alpha with 2 alpha sigma^2 tr H = 1: short enough for every direction. */
function shortRate(bend: Matrix, sigma: number): number {
  const trace = bend.reduce((sum, row, i) => sum + (row[i] ?? NaN), 0);
  return 1 / (2 * sigma ** 2 * trace);
}

/** The policy with its standard deviations put back to sigma. */
function widen(policy: Policy, sigma: number): void {
  const parameters = parametersOf(policy);
  policy.setParameters(parameters.fill(Math.log(sigma), -policy.actionLength));
}

const plain = { damping: 0, solver: 'cholesky', normalizeAdvantages: false } as const;

describe.each([
  ['reference', 1e-9],
  ['cpu', 1e-5],
] as const)('%s, on quadrature', (backend, tolerance) => {
  test('natural steps at a fixed width converge to the Riccati gain', async () => {
    const sigma = 0.5;
    const policy = makePolicy(full, backend, Math.log(sigma));
    const best = riccatiGain(full);
    for (let update = 0; update < 60; update += 1) {
      const { gain } = read(policy);
      const { slope, bend } = advantageMatrices(full, gain);
      const learningRate = shortRate(bend, sigma);
      const natural = new NaturalPolicyGradient(policy, { learningRate, ...plain });
      await natural.update(quadratureBatch(full, policy));
      // K - 2 alpha sigma^2 E: the covariance of the states cancels (Fazel et al. 2018)
      const expected = add(gain, scale(-2 * learningRate * sigma ** 2, slope));
      expect(distance(read(policy).gain, expected)).toBeLessThan(tolerance / 10);
      widen(policy, sigma);
    }
    expect(distance(read(policy).gain, best)).toBeLessThan(tolerance);
  });

  test('one number of action: steps of the right length are policy iteration', async () => {
    const sigma = 0.4;
    const policy = makePolicy(scalar, backend, Math.log(sigma));
    const best = riccatiGain(scalar);
    for (let update = 0; update < 6; update += 1) {
      const { improved, bend } = advantageMatrices(scalar, read(policy).gain);
      const learningRate = 1 / (2 * sigma ** 2 * (bend[0]?.[0] ?? NaN));
      await new NaturalPolicyGradient(policy, { learningRate, ...plain }).update(
        quadratureBatch(scalar, policy),
      );
      expect(distance(read(policy).gain, improved)).toBeLessThan(tolerance);
      widen(policy, sigma);
    }
    expect(distance(read(policy).gain, best)).toBeLessThan(tolerance); // quadratic convergence
  });

  test('TRPO converges to it while it learns the width too', async () => {
    const policy = makePolicy(full, backend, Math.log(0.5));
    const trpo = new TRPO(policy, { maxKl: 0.05, damping: 0, solver: 'cholesky' });
    const best = riccatiGain(full);
    for (let update = 0; update < 60; update += 1) {
      const { accepted, meanKl } = await trpo.update(quadratureBatch(full, policy));
      expect(accepted).toBe(true);
      expect(meanKl).toBeLessThanOrEqual(0.05);
    }
    // The best width is 0. A KL of maxKl to second order shrinks both widths by exp(-sqrt(maxKl / 2))
    // at most; gains are learnt in units of the width, and at least as fast.
    expect(distance(read(policy).gain, best)).toBeLessThan(Math.exp(-60 * Math.sqrt(0.05 / 2)));
    expect(Math.max(...read(policy).deviations)).toBeLessThan(1e-3);
  });
});

/** The rows' states one step later; starts anew with probability 1 - discount. */
function nextStates(
  states: readonly number[][],
  actions: ArrayLike<number>,
  random: RandomGenerator,
) {
  return states.map((state, row) => {
    if (random.next() > discount) {
      return [random.normal(), random.normal(), 1];
    }
    const action = [actions[2 * row] ?? NaN, actions[2 * row + 1] ?? NaN];
    return dynamics.map((each, i) => inner(each, state) + inner(control[i] ?? [], action));
  });
}

test('from samples: natural steps stay as near to the Riccati gain as their noise allows', async () => {
  const sigma = 0.5;
  const rows = 1000;
  const policy = makePolicy(full, 'cpu', Math.log(sigma));
  const best = riccatiGain(full);
  const { bend } = advantageMatrices(full, best);
  const random = new RandomGenerator(4);
  let states = Array.from({ length: rows }, () => [random.normal(), random.normal(), 1]);
  let sum = scale(0, best);
  let noiseMoment = scale(0, bend); // E[A^2 z z']
  const kept = 80;
  for (let update = 0; update < 20 + kept; update += 1) {
    const { gain } = read(policy);
    const actions = policy.act(states.flatMap((state) => state.slice(0, 2)));
    const noise = states.map((state, row) =>
      gain.map((each, i) => (actions[2 * row + i] ?? NaN) - inner(each, state)),
    );
    const batch = makeBatch(
      full,
      policy,
      states.map((state, row) => ({
        state,
        unitNoise: (noise[row] ?? []).map((each) => each / sigma),
      })),
    );
    const learningRate = shortRate(advantageMatrices(full, gain).bend, sigma);
    await new NaturalPolicyGradient(policy, { learningRate, ...plain }).update(batch);
    widen(policy, sigma);
    if (update >= 20) {
      sum = add(sum, read(policy).gain);
      const weighted = noise.map((z, row) =>
        z.map((each) => (batch.advantages[row] ?? NaN) * each),
      );
      noiseMoment = add(noiseMoment, multiply(transpose(weighted), weighted));
    }
    states = nextStates(states, actions, random);
  }
  // A step is -alpha x with x = 2 sigma^2 H (K - best) + e. At the best gain the advantages do not
  // depend on the state, so e has the covariance E[A^2 z z'] (x) E[s s']^-1 / rows, and the mean of
  // the gains differs from the best one by the mean of (2 sigma^2 H)^-1 e.
  const solved = solve(scale(2 * sigma ** 2, bend), identity(2));
  const covariance = square(transpose(solved), scale(1 / (kept * rows), noiseMoment));
  const inverseMoment = solve(stateMoment(full, best, [sigma, sigma]), identity(3));
  const mean = scale(1 / kept, sum);
  best.forEach((row, i) => {
    row.forEach((expected, j) => {
      const variance =
        ((covariance[i]?.[i] ?? NaN) * (inverseMoment[j]?.[j] ?? NaN)) / (kept * rows);
      expect(Math.abs((mean[i]?.[j] ?? NaN) - expected)).toBeLessThan(4 * Math.sqrt(variance));
      expect(Math.sqrt(variance)).toBeLessThan(0.01); // or this would not mean much
    });
  });
});
