// @ts-check
/*
 * The table as bars: a panel for each quantity, a bar for each method.
 */

import { coordinate, svgDocument } from '../svg.mjs';

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {number} kl
 * @property {number} improvement
 * @property {number} cosine
 * @property {number} milliseconds
 */

const style = `
  .bar { fill: #0969da } .beyond { fill: #cf222e } .limit { stroke: #cf222e; stroke-dasharray: 5 4 }
`;
const rowHeight = 30;
const top = 84;
const left = 170;
const panelWidth = 138;
const gap = 30;

/**
 * @param {readonly Step[]} steps
 * @param {number} maxKl
 */
export function drawSteps(steps, maxKl) {
  const bottom = top + rowHeight * steps.length;
  const panels = [
    { title: 'mean KL', value: (/** @type {Step} */ step) => step.kl, limit: maxKl, digits: 2 },
    { title: 'improvement', value: (/** @type {Step} */ step) => step.improvement, digits: 2 },
    {
      title: 'cosine to F⁻¹g',
      value: (/** @type {Step} */ step) => step.cosine,
      full: 1,
      digits: 2,
    },
    { title: 'milliseconds', value: (/** @type {Step} */ step) => step.milliseconds, digits: 2 },
  ];
  const names = steps.map(
    ({ name }, row) =>
      `<text x="${left - 12}" y="${top + rowHeight * (row + 0.5)}" dy="0.35em" text-anchor="end">${name}</text>`,
  );
  const bars = panels.flatMap(({ title, value, limit, full, digits }, column) => {
    const start = left + column * (panelWidth + gap);
    // Room for the number behind the longest bar.
    const largest = full ?? Math.max(...steps.map(value), limit ?? 0);
    const scale = (panelWidth - 44) / largest;
    return [
      `<text class="heading" x="${start}" y="${top - 14}">${title}</text>`,
      ...steps.flatMap((step, row) => {
        const number = value(step);
        const length = Math.max(0, number * scale);
        const y = top + rowHeight * row;
        const name = limit !== undefined && number > limit ? 'beyond' : 'bar';
        return [
          `<rect class="${name}" x="${start}" y="${coordinate(y + 6)}" width="${coordinate(length)}" height="${rowHeight - 12}"/>`,
          `<text x="${coordinate(start + length + 5)}" y="${coordinate(y + rowHeight / 2)}" dy="0.35em">${short(number, digits)}</text>`,
        ];
      }),
      `<path class="axis" d="M${start} ${top}V${bottom}"/>`,
      limit === undefined
        ? ''
        : `<line class="limit" x1="${coordinate(start + limit * scale)}" x2="${coordinate(start + limit * scale)}" y1="${top}" y2="${bottom}"/>`,
    ];
  });
  return svgDocument({
    width: left + panels.length * (panelWidth + gap),
    height: bottom + 40,
    title: 'One rollout, one step of each method',
    description: 'Mean KL, improvement of the surrogate, cosine to the natural direction and time.',
    style,
    parts: [
      ...names,
      ...bars,
      `<text x="${left}" y="${bottom + 24}">dashed: the KL limit; red: beyond it</text>`,
    ],
  });
}

/**
 * @param {number} value
 * @param {number} digits - Significant.
 */
function short(value, digits) {
  return String(Number(value.toPrecision(digits))).replace('-', '\u2212');
}
