// @ts-check
/*
 * The same numbers from the library: a linear Gaussian policy, states that it visits, its gradient
 * and its Fisher products.
 *
 * The library's parameters are [k, bias, log sigma]. The lecture's policy has no bias, so it is held
 * at 0; the states are distributed symmetrically around 0, so neither its gradient nor its Fisher
 * product with k differs from 0 by more than sampling error.
 */

import { conjugateGradient, Policy, RandomGenerator } from 'trustregion';
import { advantage, stateVariance } from './regulator.mjs';

/** @typedef {import('./regulator.mjs').Point} Point */
/** @typedef {import('./regulator.mjs').Problem} Problem */
/** @typedef {import('trustregion').Policy<import('trustregion').ContinuousSpace>} LinearPolicy */

const [kIndex, biasIndex, logSigmaIndex] = [0, 1, 2];

/**
 * @param {number} seed
 * @returns {LinearPolicy}
 */
export function makePolicy(seed) {
  return new Policy({
    observationSize: 1,
    actions: { kind: 'continuous', size: 1 },
    hidden: [],
    seed,
  });
}

/**
 * @param {LinearPolicy} policy
 * @param {Point} point
 */
export function setPoint(policy, { k, sigma }) {
  policy.setParameters([k, 0, Math.log(sigma)]);
}

/**
 * @param {LinearPolicy} policy
 * @returns {Point}
 */
export function getPoint(policy) {
  const [k = Number.NaN, , logSigma = Number.NaN] = policy.getParameters();
  return { k, sigma: Math.exp(logSigma) };
}

/**
 * Independent draws from the discounted distribution of states: each runs an episode of its own
 * that ends with probability 1 - g after every state, and is the state in which that happened.
 *
 * @param {Problem} problem
 * @param {LinearPolicy} policy
 * @param {number} rows
 * @param {RandomGenerator} random
 */
export function sampleStates({ discount, startVariance }, policy, rows, random) {
  const states = Float32Array.from({ length: rows }, (_, row) =>
    row % 2 === 0 ? Math.sqrt(startVariance) : -Math.sqrt(startVariance),
  );
  let moving = Array.from(states.keys());
  for (;;) {
    moving = moving.filter(() => random.next() < discount);
    if (moving.length === 0) {
      return states;
    }
    const present = Float32Array.from(moving, (row) => at(states, row));
    const actions = policy.act(present);
    for (const [index, row] of moving.entries()) {
      states[row] = at(present, index) + at(actions, index);
    }
  }
}

/**
 * States, actions and exact advantages of the policy as it is.
 *
 * @param {Problem} problem
 * @param {LinearPolicy} policy
 * @param {number} rows
 * @param {RandomGenerator} random
 */
export function sampleBatch(problem, policy, rows, random) {
  const observations = sampleStates(problem, policy, rows, random);
  return withAdvantages(problem, policy, observations, policy.act(observations));
}

/**
 * Twelve rows that are as good as infinitely many: their moments are those of the states and
 * actions, of the states up to the third and of the actions up to the fifth, and neither the gradient
 * nor the Fisher matrix asks for more. Two states, plus and minus a standard deviation; for each
 * the nodes of the Gauss-Hermite rule, 0 and plus and minus sqrt(3) sigma, with weights 4, 1 and 1.
 *
 * @param {Problem} problem
 * @param {LinearPolicy} policy
 */
export function quadratureBatch(problem, policy) {
  const { k, sigma } = getPoint(policy);
  const deviation = Math.sqrt(stateVariance(problem, { k, sigma }));
  const node = Math.sqrt(3) * sigma;
  const rows = [deviation, -deviation].flatMap((state) =>
    [0, 0, 0, 0, node, -node].map((noise) => [state, k * state + noise]),
  );
  return withAdvantages(
    problem,
    policy,
    Float64Array.from(rows, ([state = 0]) => state),
    Float64Array.from(rows, ([, action = 0]) => action),
  );
}

/**
 * @template {Float32Array | Float64Array} Numbers
 * @param {Problem} problem
 * @param {LinearPolicy} policy
 * @param {Numbers} observations
 * @param {Numbers} actions
 */
function withAdvantages(problem, policy, observations, actions) {
  const point = getPoint(policy);
  const advantages = Float64Array.from(observations, (state, row) =>
    advantage(problem, point, state, at(actions, row)),
  );
  return { observations, actions, advantages };
}

/**
 * What the library says of a batch, in the coordinates (k, sigma): its numbers for log sigma divided
 * by sigma once for each index.
 *
 * @param {LinearPolicy} policy
 * @param {import('trustregion').Batch} batch
 */
export function measure(policy, batch) {
  const { sigma } = getPoint(policy);
  const gradient = policy.gradient(batch);
  const kColumn = policy.fisherVectorProduct(batch.observations, [1, 0, 0]);
  const logSigmaColumn = policy.fisherVectorProduct(batch.observations, [0, 0, 1]);
  return {
    gradientK: at(gradient, kIndex),
    gradientBias: at(gradient, biasIndex),
    gradientSigma: at(gradient, logSigmaIndex) / sigma,
    fisherK: at(kColumn, kIndex),
    fisherKBias: at(kColumn, biasIndex),
    fisherKSigma: at(kColumn, logSigmaIndex) / sigma,
    fisherSigma: at(logSigmaColumn, logSigmaIndex) / sigma ** 2,
  };
}

/**
 * The standard error of each number of `measure`, by the rows' own formulas.
 *
 * @param {LinearPolicy} policy
 * @param {import('trustregion').Batch} batch
 * @returns {ReturnType<typeof measure>}
 */
export function standardErrors(policy, { observations, actions, advantages }) {
  const { k, sigma } = getPoint(policy);
  /** @param {(state: number, noise: number, advantage: number) => number} formula */
  const errorOf = (formula) =>
    standardError(
      Float64Array.from(observations, (state, row) =>
        formula(state, at(actions, row) - k * state, at(advantages, row)),
      ),
    );
  return {
    gradientK: errorOf((s, z, a) => (a * z * s) / sigma ** 2),
    gradientBias: errorOf((_, z, a) => (a * z) / sigma ** 2),
    gradientSigma: errorOf((_, z, a) => (a * ((z / sigma) ** 2 - 1)) / sigma),
    fisherK: errorOf((s) => (s / sigma) ** 2),
    fisherKBias: errorOf((s) => s / sigma ** 2),
    fisherKSigma: 0, // the same in every row
    fisherSigma: 0,
  };
}

/**
 * Natural-gradient steps that know the problem from samples only: F x = g by conjugate gradients on
 * Fisher products, and the step sqrt(2 maxKl / x'g) x. Returns the points after 0, 1, ... steps.
 *
 * @param {Problem} problem
 * @param {Point} start
 * @param {{ maxKl: number, steps: number, rows: number, seed: number }} options
 */
export function sampledTrajectory(problem, start, { maxKl, steps, rows, seed }) {
  const policy = makePolicy(seed);
  try {
    setPoint(policy, start);
    const random = new RandomGenerator(seed);
    const points = [getPoint(policy)];
    for (let step = 0; step < steps; step += 1) {
      const batch = sampleBatch(problem, policy, rows, random);
      const fisher = policy.fisherOperator(batch.observations);
      const gradient = policy.gradient(batch);
      gradient[biasIndex] = 0;
      const { solution } = conjugateGradient((vector, out) => {
        fisher.apply(vector, out);
        out[biasIndex] = at(vector, biasIndex); // F without the bias: its row and column of I
      }, gradient);
      fisher.close();
      const slope = solution.reduce((sum, value, index) => sum + value * at(gradient, index), 0);
      const length = Math.sqrt((2 * maxKl) / slope);
      policy.setParameters(
        policy.getParameters().map((value, index) => value + length * at(solution, index)),
      );
      points.push(getPoint(policy));
    }
    return points;
  } finally {
    policy.close();
  }
}

/**
 * @param {ArrayLike<number>} values
 * @param {number} index
 */
function at(values, index) {
  const value = values[index];
  if (value === undefined) {
    throw new RangeError(`there is no entry ${index}`);
  }
  return value;
}

/** @param {Float64Array} values */
function standardError(values) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}
