import {
  axes,
  bound,
  coordinate,
  dot,
  horizontal,
  largest,
  movingBound,
  note,
  padded,
  polyline,
  renderPicture,
} from './drawing.js';
import type { Panel, Place } from './drawing.js';

/** One update in a learning curve. */
export interface CurvePoint {
  /** Environment steps so far. */
  readonly steps: number;
  /** Mean return; NaN (no episode has ended yet) is left out. */
  readonly meanReturn: number;
  /** Exact mean KL divergence of the update, if it was accepted. */
  readonly meanKl: number;
  /** What that had to stay within; `null` without a bound. */
  readonly klBound: number | null;
  readonly accepted: boolean;
}

/** What a learning curve shows. */
export interface Curve {
  readonly title: string;
  readonly points: readonly CurvePoint[];
}

const width = 800;
const height = 520;
const left = 78;
const right = width - 24;

const style = `
  .return { fill: none; stroke: #0969da; stroke-width: 2 }
  .kl { fill: none; stroke: #1a7f37; stroke-width: 1.5 }
  .dot-return { fill: #0969da } .dot-kl { fill: #1a7f37 }
  .bound { fill: none; stroke: #cf222e; stroke-dasharray: 6 4 } .bound-text { fill: #cf222e }
  .rejected { fill: none; stroke: #cf222e }
  @media (prefers-color-scheme: dark) {
    .return { stroke: #58a6ff } .dot-return { fill: #58a6ff }
    .kl { stroke: #3fb950 } .dot-kl { fill: #3fb950 }
    .bound, .rejected { stroke: #ff7b72 } .bound-text { fill: #ff7b72 }
  }`;

/**
 * Draws a learning curve: above the mean return, below the mean KL divergence of every update and
 * its bound, if it has one, both over environment steps. Updates that were rejected are rings on the zero line.
 *
 * @returns A stand-alone SVG document.
 */
export function renderCurve({ title, points }: Curve): string {
  const finite = points.filter(({ meanReturn }) => Number.isFinite(meanReturn));
  const accepted = points.filter((point) => point.accepted);
  const divergences = points.map(({ meanKl }) => meanKl);
  const bounds = points.flatMap(({ steps: at, klBound }): Place[] =>
    klBound === null ? [] : [[at, klBound]],
  );
  const steps = points.map((point) => point.steps);
  const x = { low: 0, high: largest(steps, 1) };
  const y = padded(finite.map(({ meanReturn }) => meanReturn));
  const returnPanel = { left, right, top: 52, bottom: 330, x, y };
  const highestKl = 1.2 * largest([...divergences, ...bounds.map(([, value]) => value)], 0) || 1;
  const klPanel = { left, right, top: 376, bottom: 462, x, y: { low: 0, high: highestKl } };
  return renderPicture({
    width,
    height,
    left,
    title,
    description: 'mean return and KL divergence over environment steps',
    style,
    parts: [
      axes(returnPanel, 6, 'mean return'),
      line(
        returnPanel,
        'return',
        finite.map((point) => [point.steps, point.meanReturn]),
      ),
      finite.length === 0 ? note(returnPanel, 'no episode has ended yet') : '',
      axes(klPanel, 3, 'mean KL'),
      boundLine(klPanel, bounds),
      line(
        klPanel,
        'kl',
        accepted.map((point) => [point.steps, point.meanKl]),
      ),
      ...points
        .filter((point) => !point.accepted)
        .map((point) => {
          const across = coordinate(horizontal(klPanel, point.steps));
          return `<circle class="rejected" cx="${across}" cy="${klPanel.bottom}" r="4"/>`;
        }),
      `<text x="${(left + right) / 2}" y="${height - 12}" text-anchor="middle">environment steps</text>`,
    ],
  });
}

/** A bound that is the same throughout is drawn across; one that moves, from update to update. */
function boundLine(panel: Panel, bounds: readonly Place[]): string {
  const [first, ...others] = bounds;
  if (first === undefined) {
    return '';
  }
  return others.every(([, value]) => value === first[1])
    ? bound(panel, first[1])
    : movingBound(panel, [first, ...others]);
}

/** A line through the points, the last one marked with its value. */
function line(panel: Panel, name: string, places: readonly Place[]): string {
  const last = places.at(-1);
  return last === undefined ? '' : polyline(panel, name, places) + dot(panel, `dot-${name}`, last);
}
