// Rounds of trials as one table: medians, ranges, and ratios to ours within each round.

import { median, spread } from './statistics.mjs';

/**
 * @param rounds - For each contender its results, ours first (`takeTurns`).
 * @param field - Which time is compared, `'ms'` by default.
 * @returns For each contender its last result with `times` and `timesOurs`, each a median and a range.
 */
export function compare(rounds, field = 'ms') {
  return rounds.map((results) => {
    if (results[0].absent !== undefined) {
      return { peer: results[0].peer, absent: results[0].absent };
    }
    const times = results.map((result) => result[field]);
    const ratios = times.map((time, round) => time / rounds[0][round][field]);
    return {
      ...results.at(-1),
      [field]: median(times),
      times: spread(times),
      timesOurs: spread(ratios),
    };
  });
}

/** Whether two updates took the same step: KL and length to three digits. */
export function isSameStep(a, b) {
  const isNear = (x, y) => Math.abs(x - y) <= 1e-3 * Math.abs(y);
  return isNear(a.meanKl, b.meanKl) && isNear(a.stepNorm, b.stepNorm);
}

/** `12.3 ms (12.1 to 13.0)` */
export function timeText({ median: middle, least, most }) {
  const digits = middle < 10 ? 3 : middle < 1000 ? 2 : 0;
  return `${middle.toFixed(digits)} ms (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
}

/** `12.3 MB`, or that it is not known. */
export function memoryText(megabytes) {
  return typeof megabytes === 'number' ? `${megabytes.toFixed(1)} MB` : 'not available';
}
