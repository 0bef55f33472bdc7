// @ts-check
/*
 * The two directions in the plane of k and sigma, and where they lead.
 */

import { fisher, gradient, optimalFeedback } from './regulator.mjs';

/** @typedef {import('./regulator.mjs').Point} Point */
/** @typedef {import('./regulator.mjs').Problem} Problem */
/** @typedef {'vanilla' | 'natural'} Method */

/** @type {readonly Method[]} */
export const methods = ['vanilla', 'natural'];

/**
 * g, or F^-1 g.
 *
 * @param {Problem} problem
 * @param {Method} method
 * @param {Point} point
 * @returns {Point}
 */
export function direction(problem, method, point) {
  const slope = gradient(problem, point);
  if (method === 'vanilla') {
    return slope;
  }
  const metric = fisher(problem, point);
  return { k: slope.k / metric.k, sigma: slope.sigma / metric.sigma };
}

/**
 * One step along a direction, as long as d'F d / 2 = maxKl allows: both methods spend the same budget, and
 * only the direction differs. sigma becomes sigma exp(d_sigma / sigma), which is a straight step in
 * log sigma (the library's parameter), agrees with sigma + d_sigma to first order and stays
 * positive.
 *
 * @param {Problem} problem
 * @param {Method} method
 * @param {Point} point
 * @param {number} maxKl
 * @returns {Point}
 */
export function takeStep(problem, method, point, maxKl) {
  const ahead = direction(problem, method, point);
  const metric = fisher(problem, point);
  const curvature = metric.k * ahead.k ** 2 + metric.sigma * ahead.sigma ** 2;
  const length = Math.sqrt((2 * maxKl) / curvature);
  return {
    k: point.k + length * ahead.k,
    sigma: point.sigma * Math.exp((length * ahead.sigma) / point.sigma),
  };
}

/**
 * The points after 0, 1, ... `steps` steps.
 *
 * @param {Problem} problem
 * @param {Method} method
 * @param {Point} start
 * @param {{ maxKl: number, steps: number }} options
 */
export function trajectory(problem, method, start, { maxKl, steps }) {
  const points = [start];
  let point = start;
  for (let step = 0; step < steps; step += 1) {
    point = takeStep(problem, method, point, maxKl);
    points.push(point);
  }
  return points;
}

/**
 * The Euclidean distance to the optimum in the plane.
 *
 * @param {Problem} problem
 * @param {Point} point
 */
export function distanceToOptimum(problem, { k, sigma }) {
  return Math.hypot(k - optimalFeedback(problem).k, sigma);
}

/**
 * The angle, in degrees, between a method's direction and the straight line to the optimum.
 *
 * @param {Problem} problem
 * @param {Method} method
 * @param {Point} point
 */
export function angleToOptimum(problem, method, point) {
  const ahead = direction(problem, method, point);
  const there = { k: optimalFeedback(problem).k - point.k, sigma: -point.sigma };
  const along = ahead.k * there.k + ahead.sigma * there.sigma;
  const across = ahead.k * there.sigma - ahead.sigma * there.k;
  return (Math.atan2(Math.abs(across), along) * 180) / Math.PI;
}
