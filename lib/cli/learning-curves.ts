import { mean } from '../episode-statistics.js';
import type { ChartSeries } from './chart.js';
import type { Place } from './drawing.js';

/**
 * One quantity of a run: its values at growing numbers of environment steps, all of them finite.
 */
export type Trace = readonly Place[];

/** The mean over some runs at one number of environment steps. */
export interface CurveMean {
  readonly steps: number;
  readonly mean: number;
  /** NaN for a single run. */
  readonly standardError: number;
}

/**
 * Numbers of steps to compare runs at: those at which any of them has a value, every so many left out
 * if they are more than `most`; the first and the last always remain.
 *
 * @param most - At least 2.
 */
export function commonSteps(traces: readonly Trace[], most: number): number[] {
  const all = [...new Set(traces.flatMap((trace) => trace.map(([steps]) => steps)))].sort(
    (a, b) => a - b,
  );
  const stride = Math.max(1, Math.ceil((all.length - 1) / (most - 1)));
  return all.filter((_, index) => (all.length - 1 - index) % stride === 0 || index === 0);
}

/**
 * The value of a run at some number of steps, on the straight line between its neighbours; NaN before
 * the first and after the last.
 */
export function valueAt(trace: Trace, steps: number): number {
  const next = trace.findIndex((place) => place[0] >= steps);
  const [stepsAfter, valueAfter] = trace[next] ?? [NaN, NaN];
  const [stepsBefore, valueBefore] = trace[next - 1] ?? [NaN, NaN];
  return stepsAfter === steps
    ? valueAfter
    : valueBefore +
        ((valueAfter - valueBefore) * (steps - stepsBefore)) / (stepsAfter - stepsBefore);
}

/**
 * The mean and its standard error, s / sqrt(n) with s^2 = sum (x - mean)^2 / (n - 1); NaN of one number.
 */
export function meanAndError(values: readonly number[]): {
  readonly mean: number;
  readonly standardError: number;
} {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const count = values.length;
  return { mean: centre, standardError: Math.sqrt(squares / (count - 1) / count) };
}

/**
 * The mean over runs, where all of them have a value: it must not jump where a run begins or ends.
 */
export function meanCurve(traces: readonly Trace[], steps: readonly number[]): CurveMean[] {
  return steps
    .map((at) => ({ steps: at, ...meanAndError(traces.map((trace) => valueAt(trace, at))) }))
    .filter((place) => Number.isFinite(place.mean));
}

/** So many places of a curve are enough for a picture. */
const mostPlaces = 250;

/**
 * What a picture shows of runs that differ in nothing but the seed: their mean, a band of one standard
 * error on each side, and the runs themselves if there are several.
 */
export function seriesOf(
  label: string,
  traces: readonly Trace[],
  { withRuns = true }: { readonly withRuns?: boolean } = {},
): ChartSeries {
  const steps = commonSteps(traces, mostPlaces);
  const means = meanCurve(traces, steps);
  const isAlone = traces.length === 1;
  return {
    label,
    mean: means.map((place) => [place.steps, place.mean]),
    band: isAlone
      ? []
      : means.map((place) => ({
          x: place.steps,
          low: place.mean - place.standardError,
          high: place.mean + place.standardError,
        })),
    runs:
      isAlone || !withRuns
        ? []
        : traces.map((trace) =>
            steps
              .map((at): Place => [at, valueAt(trace, at)])
              .filter(([, value]) => Number.isFinite(value)),
          ),
  };
}
