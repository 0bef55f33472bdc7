// @ts-check
import { direction, trajectory } from '../ascent.mjs';
import { optimalFeedback } from '../regulator.mjs';
import { axisTitles, headings, optimumMark, place, plane, twoPanels } from './plane.mjs';
import { numberText, Panel, svgDocument } from '../../svg.mjs';

/** @typedef {import('../../svg.mjs').Place} Place */
/** @typedef {import('../regulator.mjs').Problem} Problem */

/** Where trajectories start. */
export const starts = [
  { k: -0.15, sigma: 0.5 },
  { k: -0.1, sigma: 0.2 },
  { k: -0.35, sigma: 0.9 },
  { k: -1, sigma: 0.9 },
  { k: -1.25, sigma: 0.6 },
  { k: -1.1, sigma: 0.25 },
];

/**
 * Directions all over the plane, drawn equally long, and trajectories from the same starts.
 *
 * @param {Problem} problem
 */
export function drawFields(problem) {
  const every = 0.1;
  const length = 0.07;
  const parts = twoPanels((left, method) => {
    const panel = new Panel({ left, top: 76, ...plane });
    const arrows = [];
    for (let row = 0; row < 10; row += 1) {
      for (let column = 0; column < 14; column += 1) {
        const [k, sigma] = [-1.35 + column * every, 0.05 + row * every];
        const ahead = direction(problem, method, { k, sigma });
        const half = length / 2 / Math.hypot(ahead.k, ahead.sigma);
        const [dk, dsigma] = [half * ahead.k, half * ahead.sigma];
        arrows.push({
          from: /** @type {Place} */ ([k - dk, sigma - dsigma]),
          to: /** @type {Place} */ ([k + dk, sigma + dsigma]),
        });
      }
    }
    const lines = starts.map((start) =>
      trajectory(problem, method, start, { maxKl: 0.0025, steps: 140 }).map(place),
    );
    return [
      panel.axes({
        ...axisTitles,
        heading: headings[method],
        ...(method === 'vanilla' ? {} : { y: undefined }),
      }),
      panel.arrows('field', arrows, 5),
      panel.frame(),
      optimumMark(panel, problem),
      ...lines.map((line) => panel.line(`path ${method}`, line)),
      ...lines.flatMap((line) => [
        panel.dot(`start ${method}`, line[0] ?? [0, 0], 4),
        panel.dot(`end ${method}`, line.at(-1) ?? [0, 0], 4),
      ]),
    ];
  });
  return svgDocument({
    width: 850,
    height: 420,
    title: 'Where the two gradients lead',
    description:
      'Two vector fields over k and sigma. Vanilla trajectories sink to sigma = 0 away from the ' +
      'optimum; natural ones all end in it.',
    style: `  .field { fill: none; stroke: #8c959f; stroke-width: 1.1 }
  .path { fill: none; stroke-width: 2.2; stroke-linejoin: round }
  .path.vanilla, .start.vanilla { stroke: #cf222e } .path.natural, .start.natural { stroke: #0969da }
  .start { fill: #ffffff; stroke-width: 2 } .end.vanilla { fill: #cf222e } .end.natural { fill: #0969da }
  .optimum { fill: #f2c744; stroke: #24292f }
`,
    parts: [...parts, fieldLegend(problem, 398)],
  });
}

/**
 * @param {Problem} problem
 * @param {number} y
 */
function fieldLegend(problem, y) {
  const best = numberText(optimalFeedback(problem).k);
  return [
    `<circle class="start vanilla" cx="150" cy="${y}" r="4"/><circle class="start natural" cx="164" cy="${y}" r="4"/>`,
    `<text x="176" y="${y}" dy="0.35em">start</text>`,
    `<circle class="end vanilla" cx="236" cy="${y}" r="4"/><circle class="end natural" cx="250" cy="${y}" r="4"/>`,
    `<text x="262" y="${y}" dy="0.35em">after 140 steps of KL 0.0025</text>`,
    `<polygon class="optimum" points="500,${y - 8} 508,${y} 500,${y + 8} 492,${y}"/>`,
    `<text x="516" y="${y}" dy="0.35em">optimum: k = ${best}, σ = 0</text>`,
  ].join('\n');
}
