import { TrustRegionError } from './errors.js';
import type { Method } from './method.js';
import { requireOwnOptions, updateOptionNames } from './update-options.js';
import type { UpdateOptions } from './update-options.js';
import { rejectUnknownOptions, requireNumber } from './validate.js';

/**
 * Values at the end of a run, towards which {@link train} moves linearly.
 */
export interface Schedule extends UpdateOptions {
  /**
   * Learning rate of the critic's Adam.
   */
  readonly valueLearningRate?: number;
}

/**
 * Checks a schedule.
 *
 * @param method - What has the numbers that the run begins with.
 * @param valueLearningRate - Of the critic; `undefined` if no Adam fits it.
 * @returns What was given of it.
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 */
export function checkSchedule(
  schedule: Schedule,
  method: Pick<Method, 'name' | 'options'>,
  valueLearningRate: number | undefined,
): Schedule {
  rejectUnknownOptions(schedule, [...updateOptionNames, 'valueLearningRate'], 'schedule');
  requireOwnOptions(schedule, method, 'schedule');
  const { valueLearningRate: end } = schedule;
  if (end !== undefined && valueLearningRate === undefined) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `valueLearningRate must be left out of the schedule: no Adam fits the critic, got ${end}`,
    );
  }
  const starts: object = { ...method.options, valueLearningRate };
  const given = Object.entries(schedule).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    requireNumber(value, `schedule.${name}`, { min: 0 });
    const start = (starts as Readonly<Record<string, unknown>>)[name];
    requireNumber(start, `the ${name} that a schedule begins with`);
  }
  return Object.fromEntries(given);
}

/**
 * The numbers of a schedule on the way.
 *
 * @param schedule - Checked.
 * @param from - The values at the start, all names of the schedule among them.
 * @param fraction - How much of the way is gone, from 0 to below 1: a positive number stays one on
 *   its way to 0.
 */
export function scheduledAt(schedule: Schedule, from: object, fraction: number): Schedule {
  const ends = Object.entries(schedule) as [keyof Schedule, number][];
  const starts = from as Schedule;
  return Object.fromEntries(
    ends.map(([name, end]) => {
      const start = starts[name] ?? NaN;
      return [name, start + fraction * (end - start)];
    }),
  );
}
