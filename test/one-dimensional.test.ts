import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  angleToOptimum,
  direction,
  distanceToOptimum,
  methods,
  trajectory,
} from '../examples/one-dimensional/ascent.mjs';
import {
  ballContours,
  ballPoint,
  ballSize,
  ballStep,
} from '../examples/one-dimensional/pictures/balls.mjs';
import { starts } from '../examples/one-dimensional/pictures/fields.mjs';
import { drawAll } from '../examples/one-dimensional/pictures.mjs';
import {
  advantage,
  advantageCoefficients,
  fisher,
  gradient,
  klDivergence,
  lectureProblem,
  objective,
  optimalFeedback,
  stateVariance,
  valueCurvature,
} from '../examples/one-dimensional/regulator.mjs';
import type { Point, Problem } from '../examples/one-dimensional/regulator.mjs';

const problems: Problem[] = [
  lectureProblem,
  { discount: 0.9, actionCost: 1, startVariance: 1 },
  { discount: 0.97, actionCost: 0.3, startVariance: 0.2 },
];
const points: Point[] = [
  { k: -0.2, sigma: 0.5 },
  { k: -1.2, sigma: 0.1 },
  { k: -0.6, sigma: 1.1 },
];
const cases = problems.flatMap((problem) => points.map((point) => ({ problem, point })));

/** Nodes and weights of a standard normal variable, exact for polynomials up to the fifth degree. */
const normalNodes = [
  [0, 2 / 3],
  [Math.sqrt(3), 1 / 6],
  [-Math.sqrt(3), 1 / 6],
] as const;

function normalMean(f: (value: number) => number): number {
  return normalNodes.reduce((sum, [value, weight]) => sum + weight * f(value), 0);
}

describe('the closed form', () => {
  test.each(cases)('the objective is the discounted sum of rewards: %j', ({ problem, point }) => {
    const { discount, actionCost, startVariance } = problem;
    let [sum, weight, variance] = [0, 1 - discount, startVariance];
    for (let step = 0; step < 3000; step += 1) {
      const actionVariance = point.k ** 2 * variance + point.sigma ** 2;
      sum -= weight * (variance + actionCost * actionVariance);
      variance = (1 + point.k) ** 2 * variance + point.sigma ** 2;
      weight *= discount;
    }
    expect(objective(problem, point)).toBeCloseTo(sum, 10);
  });

  test.each(cases)('the gradient is its finite difference: %j', ({ problem, point }) => {
    const step = 1e-5;
    const difference = (k: number, sigma: number) =>
      (objective(problem, { k: point.k + k, sigma: point.sigma + sigma }) -
        objective(problem, { k: point.k - k, sigma: point.sigma - sigma })) /
      (2 * step);
    expect(gradient(problem, point).k).toBeCloseTo(difference(step, 0), 7);
    expect(gradient(problem, point).sigma).toBeCloseTo(difference(0, step), 7);
  });

  test.each(cases)('the gradient is the policy gradient: %j', ({ problem, point }) => {
    const { k, sigma } = point;
    const deviation = Math.sqrt(stateVariance(problem, point));
    const mean = (score: (state: number, noise: number) => number) =>
      normalMean((state) =>
        normalMean(
          (noise) =>
            advantage(problem, point, deviation * state, k * deviation * state + sigma * noise) *
            score(deviation * state, sigma * noise),
        ),
      );
    const expected = gradient(problem, point);
    expect(mean((state, noise) => (state * noise) / sigma ** 2)).toBeCloseTo(expected.k, 9);
    expect(mean((_, noise) => (noise ** 2 / sigma ** 2 - 1) / sigma)).toBeCloseTo(
      expected.sigma,
      9,
    );
    expect(mean(() => 1)).toBeCloseTo(0, 12);
  });

  test.each(cases)('the advantage obeys the Bellman equation: %j', ({ problem, point }) => {
    const { discount, actionCost } = problem;
    const { bend } = advantageCoefficients(problem, point.k);
    const value = (state: number) =>
      -valueCurvature(problem, point.k) * state ** 2 - (point.sigma ** 2 * bend) / (1 - discount);
    for (const [state, action] of [
      [0.7, -0.4],
      [-1.3, 2],
    ] as const) {
      const reward = -(state ** 2) - actionCost * action ** 2;
      const expected = reward + discount * value(state + action) - value(state);
      expect(advantage(problem, point, state, action)).toBeCloseTo(expected, 9);
    }
  });

  test.each(cases)('the Fisher matrix is the curvature of the KL divergence: %j', (each) => {
    const { problem, point } = each;
    const metric = fisher(problem, point);
    const curvature = (k: number, sigma: number) => {
      const kl = (sign: number) =>
        klDivergence(problem, point, { k: point.k + sign * k, sigma: point.sigma + sign * sigma });
      return (kl(1) + kl(-1)) / Math.hypot(k, sigma) ** 2;
    };
    const step = 1e-3 * point.sigma;
    expect(curvature(step, 0) / metric.k).toBeCloseTo(1, 4);
    expect(curvature(0, step) / metric.sigma).toBeCloseTo(1, 4);
    const mixed = (curvature(step, step) - curvature(step, -step)) / metric.sigma;
    expect(mixed).toBeCloseTo(0, 9);
  });

  test.each([
    [0, 0.9, -1],
    [0, 1, -1],
    [1, 0.5, 1 - Math.SQRT2],
    [1, 1, (1 - Math.sqrt(5)) / 2],
    [1, 0.9, Number.NaN],
    [0.3, 0.97, Number.NaN],
  ])(
    'the best gain, cost %d, discount %d: iterating the Riccati equation leads there',
    (cost, g, k) => {
      let curvature = 0;
      for (let step = 0; step < 500; step += 1) {
        curvature = 1 + (cost * g * curvature) / (cost + g * curvature || 1);
      }
      const best = optimalFeedback({ actionCost: cost, discount: g });
      expect(best.curvature).toBeCloseTo(curvature, 12);
      expect(best.k).toBeCloseTo((-g * curvature) / (cost + g * curvature), 12);
      if (!Number.isNaN(k)) {
        expect(best.k).toBeCloseTo(k, 12);
      }
    },
  );

  test.each(problems)('no gain is better than the best: %j', (problem) => {
    const { k } = optimalFeedback(problem);
    const best = objective(problem, { k, sigma: 0.3 });
    expect(gradient(problem, { k, sigma: 0.3 }).k).toBeCloseTo(0, 12);
    for (const other of [-1.3, k - 0.01, k + 0.01, -0.1]) {
      expect(objective(problem, { k: other, sigma: 0.3 })).toBeLessThan(best);
    }
  });

  test('an unstable gain is refused', () => {
    expect(() => objective(lectureProblem, { k: 0.1, sigma: 0.3 })).toThrow(RangeError);
  });
});

describe('the two gradients', () => {
  const run = { maxKl: 0.01, steps: 160 };
  const last = (path: Point[]) => path.at(-1) ?? { k: Number.NaN, sigma: Number.NaN };

  test.each(starts)('natural steps reach the optimum and vanilla ones do not: %j', (start) => {
    const natural = last(trajectory(lectureProblem, 'natural', start, run));
    const vanilla = last(trajectory(lectureProblem, 'vanilla', start, run));
    expect(distanceToOptimum(lectureProblem, natural)).toBeLessThan(1e-6);
    expect(distanceToOptimum(lectureProblem, vanilla)).toBeGreaterThan(0.1);
    expect(vanilla.sigma).toBeLessThan(1e-6); // it has stalled, not just fallen behind
  });

  test('where the start moves the state, vanilla steps are late', () => {
    const problem = { ...lectureProblem, startVariance: 1 };
    const start = { k: -0.2, sigma: 0.5 };
    const natural = last(trajectory(problem, 'natural', start, run));
    const vanilla = last(trajectory(problem, 'vanilla', start, run));
    expect(distanceToOptimum(problem, natural)).toBeLessThan(1e-6);
    expect(distanceToOptimum(problem, vanilla)).toBeGreaterThan(0.05);
  });

  test('where vanilla steps stall hardly depends on their length', () => {
    const start = { k: -0.2, sigma: 0.5 };
    const coarse = last(trajectory(lectureProblem, 'vanilla', start, run));
    const fine = last(trajectory(lectureProblem, 'vanilla', start, { maxKl: 0.0001, steps: 1600 }));
    expect(Math.abs(coarse.k - fine.k)).toBeLessThan(0.02);
  });

  test('the natural direction is the same in log sigma, the vanilla one is not', () => {
    const point = { k: -0.3, sigma: 0.2 };
    const { k, sigma } = gradient(lectureProblem, point);
    const metric = fisher(lectureProblem, point);
    // In log sigma a derivative is multiplied by sigma, a metric by sigma^2, a step divided by it.
    const inLogSigma = {
      vanilla: { k, logSigma: sigma * point.sigma },
      natural: {
        k: k / metric.k,
        logSigma: (sigma * point.sigma) / (metric.sigma * point.sigma ** 2),
      },
    };
    const slopes = methods.map((method) => {
      const ahead = direction(lectureProblem, method, point);
      const other = inLogSigma[method];
      return (other.logSigma * point.sigma) / other.k / (ahead.sigma / ahead.k);
    });
    expect(slopes[0]).toBeCloseTo(0.04, 12); // sigma^2
    expect(slopes[1]).toBeCloseTo(1, 12);
  });

  test('as sigma shrinks the vanilla gradient turns away from the optimum, the natural one to it', () => {
    for (const k of [-1.2, -0.9, -0.3]) {
      expect(angleToOptimum(lectureProblem, 'vanilla', { k, sigma: 0.01 })).toBeGreaterThan(85);
      expect(angleToOptimum(lectureProblem, 'natural', { k, sigma: 0.01 })).toBeLessThan(2);
    }
  });

  test('the steps and contours of the balls lie on their edges', () => {
    const metric = fisher(lectureProblem, ballPoint);
    const sizes = {
      vanilla: (k: number, sigma: number) => k ** 2 + sigma ** 2,
      natural: (k: number, sigma: number) => (metric.k * k ** 2 + metric.sigma * sigma ** 2) / 2,
      exact: (k: number, sigma: number) =>
        klDivergence(lectureProblem, ballPoint, {
          k: ballPoint.k + k,
          sigma: ballPoint.sigma + sigma,
        }),
    };
    const contours = ballContours(lectureProblem);
    for (const shape of ['vanilla', 'natural', 'exact'] as const) {
      expect(contours[shape].length).toBeGreaterThan(100);
      for (const { k, sigma } of contours[shape]) {
        expect(sizes[shape](k - ballPoint.k, sigma - ballPoint.sigma)).toBeCloseTo(ballSize, 9);
      }
    }
    for (const method of methods) {
      const end = ballStep(lectureProblem, method);
      const [dk, dsigma] = [end.k - ballPoint.k, end.sigma - ballPoint.sigma];
      expect(sizes[method](dk, dsigma)).toBeCloseTo(ballSize, 12);
      // No other point of the same edge promises more.
      const slope = gradient(lectureProblem, ballPoint);
      const promise = (k: number, sigma: number) => slope.k * k + slope.sigma * sigma;
      for (const { k, sigma } of contours[method]) {
        expect(promise(k - ballPoint.k, sigma - ballPoint.sigma)).toBeLessThanOrEqual(
          promise(dk, dsigma) + 1e-9,
        );
      }
    }
  });
});

describe('the library', () => {
  const sampling = () => import('../examples/one-dimensional/sampling.mjs');
  const truthOf = (problem: Problem, point: Point) => {
    const slope = gradient(problem, point);
    const metric = fisher(problem, point);
    return {
      gradientK: slope.k,
      gradientSigma: slope.sigma,
      gradientBias: 0,
      fisherK: metric.k,
      fisherSigma: metric.sigma,
      fisherKBias: 0,
      fisherKSigma: 0,
    };
  };
  const names = Object.keys(truthOf(lectureProblem, ballPoint)) as (keyof ReturnType<
    typeof truthOf
  >)[];

  test.each(cases)('agrees with the closed form on quadrature: %j', async ({ problem, point }) => {
    const { makePolicy, measure, quadratureBatch, setPoint } = await sampling();
    const policy = makePolicy(1);
    setPoint(policy, point);
    const measured = measure(policy, quadratureBatch(problem, policy));
    const truth = truthOf(problem, point);
    for (const name of names) {
      const scale = name.startsWith('fisher')
        ? truth.fisherK
        : Math.hypot(truth.gradientK, truth.gradientSigma);
      expect(Math.abs(measured[name] - truth[name])).toBeLessThan(
        1e-5 * Math.max(scale, Math.abs(truth[name])),
      );
    }
    policy.close();
  });

  test.each(cases.slice(0, 6))('agrees with it on samples: %j', async ({ problem, point }) => {
    const { makePolicy, measure, sampleBatch, setPoint, standardErrors } = await sampling();
    const { RandomGenerator } = await import('trustregion');
    const policy = makePolicy(1);
    setPoint(policy, point);
    const batch = sampleBatch(problem, policy, 40_000, new RandomGenerator(2));
    const measured = measure(policy, batch);
    const errors = standardErrors(policy, batch);
    const truth = truthOf(problem, point);
    for (const name of names) {
      expect(Math.abs(measured[name] - truth[name])).toBeLessThanOrEqual(
        4 * errors[name] + 1e-6 * Math.abs(truth[name]),
      );
    }
    // The errors are small enough for the comparison to mean something.
    expect(errors.gradientSigma / Math.abs(truth.gradientSigma)).toBeLessThan(0.04);
    expect(errors.fisherK / truth.fisherK).toBeLessThan(0.02);
    policy.close();
  });

  test('reaches the optimum by natural steps from samples', async () => {
    const { sampledTrajectory } = await sampling();
    const path = sampledTrajectory(
      lectureProblem,
      { k: -0.2, sigma: 0.5 },
      { maxKl: 0.01, steps: 40, rows: 2000, seed: 3 },
    );
    expect(path).toHaveLength(41);
    const end = path.at(-1) ?? { k: Number.NaN, sigma: Number.NaN };
    expect(distanceToOptimum(lectureProblem, end)).toBeLessThan(0.04);
  });
});

describe('the program', () => {
  const root = process.cwd();
  let folder: string;
  let output: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'trustregion-one-dimensional-'));
    const main = path.join(root, 'examples', 'one-dimensional', 'main.mjs');
    ({ stdout: output } = await promisify(execFile)(process.execPath, [main, '--out', folder]));
  }, 60_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('writes the pictures that docs/ shows, byte for byte', async () => {
    const pictures = drawAll(lectureProblem);
    expect((await readdir(folder)).sort()).toEqual(Object.keys(pictures).sort());
    for (const [name, picture] of Object.entries(pictures)) {
      expect(await readFile(path.join(folder, name), 'utf8')).toBe(picture);
      expect(await readFile(path.join(root, 'docs', 'pictures', name), 'utf8')).toBe(picture);
    }
  });

  test.each(Object.entries(drawAll(lectureProblem)))('%s is well-formed', (_, picture) => {
    const open: string[] = [];
    for (const [tag, name = ''] of picture.matchAll(/<\/?(\w+)[^<>]*>/g)) {
      if (tag.startsWith('</')) {
        expect(open.pop()).toBe(name);
      } else if (!tag.endsWith('/>')) {
        open.push(name);
      }
    }
    expect(open).toEqual([]);
    expect(picture).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 850 /);
    expect(picture).not.toMatch(/NaN|Infinity|undefined|&(?!amp;|lt;|gt;)/);
    expect(picture.match(/<text/g)?.length).toBeGreaterThan(20);
  });

  test('prints where both arrive', () => {
    expect(output).toContain('-0.5884');
    const row = /^ *160 +(.*)$/m.exec(output)?.[1]?.split(/ +/).map(Number);
    expect(row?.[2]).toBeGreaterThan(0.2);
    expect(row?.[5]).toBeLessThan(1e-6);
  });
});
