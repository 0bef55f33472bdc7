import { TrustRegionError } from './errors.js';
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
 * A schedule whose numbers are checked.
 *
 * @param own - The method, with what the run begins with.
 * @param valueLearningRate - Of the critic; `undefined` if no Adam fits it.
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 */
export function checkSchedule(
  schedule: Schedule,
  own: { readonly name: string; readonly options: object },
  valueLearningRate: number | undefined,
): Schedule {
  rejectUnknownOptions(schedule, [...updateOptionNames, 'valueLearningRate'], 'schedule');
  const { valueLearningRate: end, ...steps } = schedule;
  requireOwnOptions(steps, own.options, own.name, 'schedule');
  if (end !== undefined && valueLearningRate === undefined) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `valueLearningRate must be left out of the schedule: no Adam fits the critic, got ${end}`,
    );
  }
  for (const [name, value] of Object.entries(schedule)) {
    if (value !== undefined) {
      requireNumber(value, `schedule.${name}`, { min: 0 });
      const start = (own.options as Readonly<Record<string, unknown>>)[name];
      requireNumber(start ?? valueLearningRate, `the ${name} that a schedule begins with`);
    }
  }
  return Object.freeze({ ...schedule });
}

/**
 * The numbers of a schedule on the way.
 *
 * @param from - The values at the start, all names of the schedule among them.
 * @param fraction - How much of the way is gone, from 0 to below 1: a positive number stays one on
 *   its way to 0.
 */
export function scheduledAt(schedule: Schedule, from: object, fraction: number): Schedule {
  const entries = Object.entries(schedule) as [keyof Schedule, number | undefined][];
  const starts = from as Schedule;
  return Object.fromEntries(
    entries
      .filter(([, end]) => end !== undefined)
      .map(([name, end = NaN]) => {
        const start = starts[name] ?? NaN;
        return [name, start + fraction * (end - start)];
      }),
  );
}
