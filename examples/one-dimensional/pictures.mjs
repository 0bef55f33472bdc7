// @ts-check
/*
 * The three pictures, from the closed forms alone: the same bytes on every machine.
 */

import { drawAngles } from './pictures/angles.mjs';
import { drawBalls } from './pictures/balls.mjs';
import { drawFields } from './pictures/fields.mjs';

/**
 * All pictures, by the names of their files.
 *
 * @param {import('./regulator.mjs').Problem} problem
 * @returns {Record<string, string>}
 */
export function drawAll(problem) {
  return {
    'one-dimensional-fields.svg': drawFields(problem),
    'one-dimensional-balls.svg': drawBalls(problem),
    'one-dimensional-angles.svg': drawAngles(problem),
  };
}
