// @ts-check
import { direction } from '../ascent.mjs';
import { fisher, klDivergence, objective, optimalFeedback } from '../regulator.mjs';
import { axisTitles, place, twoPanels } from './plane.mjs';
import { numberText, Panel, svgDocument } from '../../svg.mjs';

/** @typedef {import('../ascent.mjs').Method} Method */
/** @typedef {import('../../svg.mjs').Place} Place */
/** @typedef {import('../regulator.mjs').Point} Point */
/** @typedef {import('../regulator.mjs').Problem} Problem */

/** Where the two balls are drawn, and how large. */
export const ballPoint = { k: -0.2, sigma: 0.3 };
export const ballSize = 0.03;

/**
 * The two steps to the edge of their balls: ||d||^2 = epsilon, and d'F d / 2 = epsilon, both straight
 * in (k, sigma).
 *
 * @param {Problem} problem
 * @param {Method} method
 * @returns {Point}
 */
export function ballStep(problem, method) {
  const ahead = direction(problem, method, ballPoint);
  const metric = method === 'vanilla' ? { k: 1, sigma: 1 } : fisher(problem, ballPoint);
  const square = metric.k * ahead.k ** 2 + metric.sigma * ahead.sigma ** 2;
  const length = Math.sqrt((method === 'vanilla' ? 1 : 2) * (ballSize / square));
  return { k: ballPoint.k + length * ahead.k, sigma: ballPoint.sigma + length * ahead.sigma };
}

/**
 * What a step of `ballStep` costs and brings.
 *
 * @param {Problem} problem
 * @param {Method} method
 */
export function ballStepFacts(problem, method) {
  const end = ballStep(problem, method);
  return {
    kl: klDivergence(problem, ballPoint, end),
    gain: objective(problem, end) - objective(problem, ballPoint),
  };
}

/**
 * The shape at whose points a function of the step is `ballSize`, by bisection along 240 rays, which
 * are equally far apart in the coordinates of the KL metric.
 *
 * @param {Problem} problem
 * @param {(step: Point) => number} size - Grows along every ray.
 */
export function contour(problem, size) {
  const metric = fisher(problem, ballPoint);
  return Array.from({ length: 240 }, (_, index) => {
    const angle = (index * Math.PI) / 120;
    const ray = {
      k: Math.cos(angle) / Math.sqrt(metric.k),
      sigma: Math.sin(angle) / Math.sqrt(metric.sigma),
    };
    // No ray leaves sigma > 0.
    let [low, high] = [0, ray.sigma < 0 ? ballPoint.sigma / -ray.sigma : 1];
    for (let step = 0; step < 60; step += 1) {
      const middle = (low + high) / 2;
      if (size({ k: middle * ray.k, sigma: middle * ray.sigma }) <= ballSize) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return { k: ballPoint.k + low * ray.k, sigma: ballPoint.sigma + low * ray.sigma };
  });
}

/**
 * The three contours around `ballPoint`.
 *
 * @param {Problem} problem
 */
export function ballContours(problem) {
  const metric = fisher(problem, ballPoint);
  return {
    vanilla: contour(problem, ({ k, sigma }) => k ** 2 + sigma ** 2),
    natural: contour(
      problem,
      ({ k, sigma }) => (metric.k * k ** 2 + metric.sigma * sigma ** 2) / 2,
    ),
    exact: contour(problem, ({ k, sigma }) =>
      klDivergence(problem, ballPoint, { k: ballPoint.k + k, sigma: ballPoint.sigma + sigma }),
    ),
  };
}

/**
 * The Euclidean ball beside the KL ball at `ballPoint`, each with the step to its edge.
 *
 * @param {Problem} problem
 */
export function drawBalls(problem) {
  const contours = ballContours(problem);
  const shapes = {
    vanilla: contours.vanilla.map(place),
    natural: contours.natural.map(place),
    exact: contours.exact.map(place),
  };
  const best = optimalFeedback(problem);
  const towards = 0.26 / Math.hypot(best.k - ballPoint.k, ballPoint.sigma);
  const names = {
    vanilla: 'Euclidean ball: |d|² = ε',
    natural: 'KL ball: ½ d′F d = ε',
  };
  const parts = twoPanels((left, method) => {
    const panel = new Panel({
      left,
      top: 76,
      x: { low: -0.5, high: 0.06 },
      y: { low: 0.05, high: 0.55 },
      scale: 650,
    });
    const other = method === 'vanilla' ? 'natural' : 'vanilla';
    const { kl, gain } = ballStepFacts(problem, method);
    const corner = /** @type {Place} */ ([-0.5, 0.55]);
    const hint = /** @type {Place} */ ([
      ballPoint.k + towards * (best.k - ballPoint.k),
      ballPoint.sigma - towards * ballPoint.sigma,
    ]);
    return [
      panel.axes({
        ...axisTitles,
        every: 0.1,
        heading: names[method],
        ...(method === 'vanilla' ? {} : { y: undefined }),
      }),
      panel.line('faint', shapes[other], { closed: true }),
      panel.line(`ball ${method}`, shapes[method], { closed: true }),
      panel.line('exact', shapes.exact, { closed: true }),
      panel.line('towards', [place(ballPoint), hint]),
      panel.arrows(
        `step ${method}`,
        [{ from: place(ballPoint), to: place(ballStep(problem, method)) }],
        10,
      ),
      panel.dot('centre', place(ballPoint), 4),
      panel.frame(),
      panel.text(corner, `exact KL of the step: ${digits(kl)} = ${digits(kl / ballSize)} ε`, {
        dx: 10,
        dy: 16,
      }),
      panel.text(corner, `J rises by ${digits(gain)}`, { dx: 10, dy: 36 }),
    ];
  });
  return svgDocument({
    width: 850,
    height: 490,
    title: `Two balls of size ε = ${ballSize} around k = ${numberText(ballPoint.k)}, σ = ${ballPoint.sigma}`,
    description:
      'The Euclidean ball lets sigma change far more than the KL ball does, and its step points ' +
      'to smaller sigma; the step in the KL ball points to the optimum.',
    style: `  .ball { fill-opacity: 0.1; stroke-width: 2 } .faint { fill: none; stroke: #afb8c1; stroke-width: 1.2 }
  .ball.vanilla { fill: #cf222e; stroke: #cf222e } .ball.natural { fill: #0969da; stroke: #0969da }
  .exact { fill: none; stroke: #24292f; stroke-width: 1.5; stroke-dasharray: 2 3 }
  .step { fill: none; stroke-width: 3 } .step.vanilla { stroke: #cf222e } .step.natural { stroke: #0969da }
  .towards { fill: none; stroke: #9a6700; stroke-width: 2; stroke-dasharray: 8 5 } .centre { fill: #24292f }
`,
    parts: [...parts, ballLegend(468)],
  });
}

/** @param {number} value */
const digits = (value) => String(Number(value.toPrecision(2)));

/** @param {number} y */
function ballLegend(y) {
  const entries = /** @type {const} */ ([
    ['exact', 70, 'exact KL = ε'],
    ['towards', 236, 'direction of the optimum'],
    ['step vanilla', 470, 'step along g'],
    ['step natural', 620, 'step along F⁻¹g'],
  ]);
  return entries
    .map(
      ([name, x, text]) =>
        `<path class="${name}" d="M${x} ${y}h30"/><text x="${x + 40}" y="${y}" dy="0.35em">${text}</text>`,
    )
    .join('\n');
}
