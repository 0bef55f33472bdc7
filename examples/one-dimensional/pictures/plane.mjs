// @ts-check
/*
 * What the pictures of the plane of k and sigma have in common.
 */

import { methods } from '../ascent.mjs';
import { optimalFeedback } from '../regulator.mjs';
import { coordinate } from '../../svg.mjs';

/** @typedef {import('../ascent.mjs').Method} Method */
/** @typedef {import('../../svg.mjs').Place} Place */
/** @typedef {import('../regulator.mjs').Point} Point */
/** @typedef {import('../regulator.mjs').Problem} Problem */
/** @typedef {import('../../svg.mjs').Panel} Panel */

export const plane = { x: { low: -1.4, high: 0 }, y: { low: 0, high: 1 } };
export const axisTitles = { x: 'feedback gain k', y: 'standard deviation σ', every: 0.2 };
export const headings = { vanilla: 'vanilla gradient', natural: 'natural gradient' };

/** @param {Point} point */
export const place = ({ k, sigma }) => /** @type {Place} */ ([k, sigma]);

/**
 * @param {Panel} panel
 * @param {Problem} problem
 */
export function optimumMark(panel, problem) {
  const [x, y] = [panel.across(optimalFeedback(problem).k), panel.down(0)];
  const corners = [
    [0, -8],
    [8, 0],
    [0, 8],
    [-8, 0],
  ].map(([dx = 0, dy = 0]) => `${coordinate(x + dx)},${coordinate(y + dy)}`);
  return `<polygon class="optimum" points="${corners.join(' ')}"/>`;
}

/** @param {(left: number, method: Method) => string[]} draw */
export function twoPanels(draw) {
  return methods.flatMap((method, index) => draw(64 + index * 400, method));
}
