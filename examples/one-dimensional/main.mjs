// @ts-check
/*
 * A robot on a line: the vanilla and the natural gradient where everything is known in closed form.
 *
 *   node examples/one-dimensional/main.mjs [--out FOLDER]
 *
 * Prints tables and writes three pictures to the folder, by default runs/one-dimensional.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { RandomGenerator } from 'trustregion';
import { angleToOptimum, distanceToOptimum, trajectory } from './ascent.mjs';
import { drawAll } from './pictures.mjs';
import { fisher, gradient, lectureProblem, optimalFeedback } from './regulator.mjs';
import {
  makePolicy,
  measure,
  quadratureBatch,
  sampleBatch,
  sampledTrajectory,
  setPoint,
  standardErrors,
} from './sampling.mjs';

const { values: options } = parseArgs({
  options: { out: { type: 'string', default: path.join('runs', 'one-dimensional') } },
});

const start = { k: -0.2, sigma: 0.5 };

/**
 * @param {string} title
 * @param {readonly string[]} heads
 * @param {readonly (readonly (string | number)[])[]} rows
 */
function printTable(title, heads, rows) {
  const lines = [heads, ...rows].map((row) => row.map(String));
  const widths = heads.map((_, column) =>
    Math.max(...lines.map((row) => row[column]?.length ?? 0)),
  );
  const texts = lines.map((row) =>
    row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('   '),
  );
  console.log(`${title}\n\n${texts.join('\n')}\n`);
}

/** @param {number} value */
const short = (value) =>
  value === 0 || Math.abs(value) >= 1e-3 ? value.toFixed(4) : value.toExponential(1);

printTable(
  'The best gain k, from the Riccati equation. The best sigma is 0.',
  ['cost of a^2', 'discount', 'k', 'P'],
  [
    [0, 0.9],
    [0, 1],
    [1, 0.5],
    [1, 0.9],
    [1, 0.99],
    [1, 1],
  ].map(([actionCost = 0, discount = 0]) => {
    const { k, curvature } = optimalFeedback({ actionCost, discount });
    return [actionCost, discount, k.toFixed(4), curvature.toFixed(4)];
  }),
);

const run = { maxKl: 0.01, steps: 160 };
for (const startVariance of [0, 1]) {
  const problem = { ...lectureProblem, startVariance };
  const vanilla = trajectory(problem, 'vanilla', start, run);
  const natural = trajectory(problem, 'natural', start, run);
  printTable(
    `Steps of KL ${run.maxKl} in closed form; E s_0^2 = ${startVariance}. Left vanilla, right natural.`,
    ['steps', 'k', 'sigma', 'distance', 'k', 'sigma', 'distance'],
    [0, 5, 10, 20, 40, 80, 160].map((step) => [
      step,
      ...[vanilla, natural].flatMap((points) => {
        const point = points[step] ?? start;
        return [point.k, point.sigma, distanceToOptimum(problem, point)].map(short);
      }),
    ]),
  );
}

printTable(
  'Angle to the direction of the optimum, in degrees. Left vanilla, right natural.',
  ['sigma', 'k = -1.2', 'k = -0.9', 'k = -0.3', 'k = -1.2', 'k = -0.9', 'k = -0.3'],
  [0.8, 0.4, 0.2, 0.1, 0.05, 0.01].map((sigma) => [
    sigma,
    .../** @type {const} */ (['vanilla', 'natural']).flatMap((method) =>
      [-1.2, -0.9, -0.3].map((k) =>
        angleToOptimum(lectureProblem, method, { k, sigma }).toFixed(1),
      ),
    ),
  ]),
);

/** @type {(string | number)[][]} */
const comparisons = [];
const rows = 100_000;
for (const point of [start, { k: -1.2, sigma: 0.1 }, { k: -0.5, sigma: 0.02 }]) {
  const policy = makePolicy(1);
  setPoint(policy, point);
  const batch = sampleBatch(lectureProblem, policy, rows, new RandomGenerator(2));
  const exact = measure(policy, quadratureBatch(lectureProblem, policy));
  const sampled = measure(policy, batch);
  const errors = standardErrors(policy, batch);
  const slope = gradient(lectureProblem, point);
  const metric = fisher(lectureProblem, point);
  const truths = /** @type {const} */ ([
    ['gradientK', 'dJ/dk', slope.k],
    ['gradientSigma', 'dJ/dsigma', slope.sigma],
    ['gradientBias', 'dJ/dbias', 0],
    ['fisherK', 'F of k', metric.k],
    ['fisherSigma', 'F of sigma', metric.sigma],
    ['fisherKBias', 'F of k, bias', 0],
  ]);
  for (const [name, label, truth] of truths) {
    const error = errors[name];
    comparisons.push([
      point.k,
      point.sigma,
      label,
      short(truth),
      short(exact[name]),
      short(sampled[name]),
      error === 0 ? 'none' : short(error),
      error === 0 ? '' : ((sampled[name] - truth) / error).toFixed(1),
    ]);
  }
  policy.close();
}
printTable(
  `The library against the closed form: on 12 rows of quadrature, and on ${rows} sampled rows with\n` +
    'their standard error and how many of them the difference is.',
  ['k', 'sigma', '', 'closed form', 'quadrature', 'samples', 'error', 'errors off'],
  comparisons,
);

const sampledRun = { maxKl: run.maxKl, steps: 80, rows: 5000, seed: 3 };
const closed = trajectory(lectureProblem, 'natural', start, sampledRun);
const sampled = sampledTrajectory(lectureProblem, start, sampledRun);
printTable(
  `Natural steps: left in closed form, right by the library on ${sampledRun.rows} new rows a step.`,
  ['steps', 'k', 'sigma', 'distance', 'k', 'sigma', 'distance'],
  [0, 5, 10, 20, 40, 80].map((step) => [
    step,
    ...[closed, sampled].flatMap((points) => {
      const point = points[step] ?? start;
      return [point.k, point.sigma, distanceToOptimum(lectureProblem, point)].map(short);
    }),
  ]),
);

mkdirSync(options.out, { recursive: true });
for (const [name, picture] of Object.entries(drawAll(lectureProblem))) {
  const file = path.join(options.out, name);
  writeFileSync(file, picture);
  console.log(`wrote ${file}`);
}
