import { significant } from './progress-bar.js';

/** One update in a learning curve. */
export interface CurvePoint {
  /** Environment steps so far. */
  readonly steps: number;
  /** Mean return; NaN (no episode has ended yet) is left out. */
  readonly meanReturn: number;
  /** Exact mean KL divergence of the update, if it was accepted. */
  readonly meanKl: number;
  readonly accepted: boolean;
}

/** What a learning curve shows. */
export interface Curve {
  readonly title: string;
  readonly points: readonly CurvePoint[];
  /** The bound on the mean KL divergence; `null` for none. */
  readonly maxKl: number | null;
}

/** Where a panel lies, and the numbers at its edges. */
interface Panel {
  readonly top: number;
  readonly bottom: number;
  readonly x: Range;
  readonly y: Range;
}

interface Range {
  readonly low: number;
  readonly high: number;
}

const width = 800;
const height = 520;
const left = 78;
const right = width - 24;

/*
 * The ground is painted too, so that the picture is readable wherever it is put; a viewer that
 * prefers dark gets dark.
 */
const style = `
  .ground { fill: #ffffff } text { fill: #24292f; font: 13px system-ui, sans-serif }
  .title { font-size: 16px; font-weight: 600 } .axis { stroke: #57606a } .grid { stroke: #d8dee4 }
  .return { fill: none; stroke: #0969da; stroke-width: 2 }
  .kl { fill: none; stroke: #1a7f37; stroke-width: 1.5 }
  .dot-return { fill: #0969da } .dot-kl { fill: #1a7f37 }
  .bound { stroke: #cf222e; stroke-dasharray: 6 4 } .bound-text { fill: #cf222e }
  .rejected { fill: none; stroke: #cf222e }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 }
    .axis { stroke: #8b949e } .grid { stroke: #30363d }
    .return { stroke: #58a6ff } .dot-return { fill: #58a6ff }
    .kl { stroke: #3fb950 } .dot-kl { fill: #3fb950 }
    .bound, .rejected { stroke: #ff7b72 } .bound-text { fill: #ff7b72 }
  }
`;

/**
 * Draws a learning curve: above the mean return, below the mean KL divergence of every update and
 * its bound, if it has one, both over environment steps. Updates that were rejected are rings on the zero line.
 *
 * @returns A stand-alone SVG document.
 */
export function renderCurve({ title, points, maxKl }: Curve): string {
  const finite = points.filter(({ meanReturn }) => Number.isFinite(meanReturn));
  const returns = finite.map(({ meanReturn }) => meanReturn);
  const divergences = points.map(({ meanKl }) => meanKl);
  const x = {
    low: 0,
    high: largest(
      points.map(({ steps }) => steps),
      1,
    ),
  };
  const returnPanel = { top: 52, bottom: 330, x, y: padded(returns) };
  const klPanel = {
    top: 376,
    bottom: 462,
    x,
    y: { low: 0, high: 1.2 * largest(divergences, maxKl ?? 0) || 1 },
  };

  const accepted = points.filter((point) => point.accepted);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeXml(title)}: mean return and KL divergence over environment steps</title>
<style>${style}</style>
<rect class="ground" width="${width}" height="${height}"/>
<text class="title" x="${left}" y="30">${escapeXml(title)}</text>
${axes(returnPanel, 6, 'mean return')}
${line(
  returnPanel,
  'return',
  finite.map(({ steps, meanReturn }) => [steps, meanReturn]),
)}
${finite.length === 0 ? note(returnPanel, 'no episode has ended yet') : ''}
${axes(klPanel, 3, 'mean KL')}
${maxKl === null ? '' : bound(klPanel, maxKl)}
${line(
  klPanel,
  'kl',
  accepted.map(({ steps, meanKl }) => [steps, meanKl]),
)}
${points
  .filter((point) => !point.accepted)
  .map(
    ({ steps }) =>
      `<circle class="rejected" ` +
      `cx="${coordinate(horizontal(klPanel, steps))}" cy="${klPanel.bottom}" r="4"/>`,
  )
  .join('\n')}
<text x="${(left + right) / 2}" y="${height - 12}" text-anchor="middle">environment steps</text>
</svg>
`;
}

function axes(panel: Panel, tickCount: number, label: string): string {
  const { top, bottom, x, y } = panel;
  const horizontalGrid = ticks(y, tickCount).map((value) => {
    const at = coordinate(vertical(panel, value));
    return (
      `<line class="grid" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>` +
      `<text x="${left - 8}" y="${at}" dy="0.35em" text-anchor="end">${tickText(value)}</text>`
    );
  });
  const verticalGrid = ticks(x, 6).map((value) => {
    const at = coordinate(horizontal(panel, value));
    return (
      `<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${bottom}"/>` +
      `<text x="${at}" y="${bottom + 18}" text-anchor="middle">${tickText(value)}</text>`
    );
  });
  const middle = (top + bottom) / 2;
  return [
    ...horizontalGrid,
    ...verticalGrid,
    `<path class="axis" fill="none" d="M${left} ${top}V${bottom}H${right}"/>`,
    `<text x="18" y="${middle}" text-anchor="middle" transform="rotate(-90 18 ${middle})">${label}</text>`,
  ].join('\n');
}

function bound(panel: Panel, maxKl: number): string {
  const y = vertical(panel, maxKl);
  const at = coordinate(y);
  return (
    `<line class="bound" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>` +
    `<text class="bound-text" x="${right}" y="${coordinate(y - 5)}" text-anchor="end">bound ${maxKl}</text>`
  );
}

/** A line through the points, the last one marked with its value. */
function line(panel: Panel, name: string, points: readonly (readonly [number, number])[]): string {
  const last = points.at(-1);
  if (last === undefined) {
    return '';
  }
  const path = points
    .map(([x, y]) => `${coordinate(horizontal(panel, x))},${coordinate(vertical(panel, y))}`)
    .join(' ');
  const x = coordinate(horizontal(panel, last[0]));
  const y = coordinate(vertical(panel, last[1]));
  return (
    `<polyline class="${name}" points="${path}"/>` +
    `<circle class="dot-${name}" cx="${x}" cy="${y}" r="3"><title>${significant(last[1], 4)}</title></circle>`
  );
}

function note({ top, bottom }: Panel, text: string): string {
  return `<text x="${(left + right) / 2}" y="${(top + bottom) / 2}" text-anchor="middle">${text}</text>`;
}

function horizontal({ x }: Panel, value: number): number {
  return left + ((value - x.low) / (x.high - x.low)) * (right - left);
}

function vertical({ top, bottom, y }: Panel, value: number): number {
  return bottom - ((value - y.low) / (y.high - y.low)) * (bottom - top);
}

function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** The largest of some numbers and `floor`; there may be more than a call can have arguments. */
function largest(values: readonly number[], floor: number): number {
  return values.reduce((most, value) => Math.max(most, value), floor);
}

/** The range of some numbers with a little room on both sides; never empty. */
function padded(values: readonly number[]): Range {
  if (values.length === 0) {
    return { low: 0, high: 1 };
  }
  const high = largest(values, -Infinity);
  const low = -largest(
    values.map((value) => -value),
    -Infinity,
  );
  const room = high > low ? 0.05 * (high - low) : Math.max(0.1 * Math.abs(high), 1);
  return { low: low - room, high: high + room };
}

/**
 * Round numbers in a range: multiples of 1, 2, 2.5 or 5 times a power of ten, about `count` of them.
 */
export function ticks({ low, high }: Range, count: number): number[] {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const length = Math.floor(high / step) - first + 1;
  return Array.from({ length }, (_, index) => (first + index) * step);
}

/** 20000 as 20k; rounding errors of the multiplication are rounded away. */
export function tickText(value: number): string {
  if (value === 0) {
    return '0';
  }
  for (const [unit, suffix] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e4, 'k'],
  ] as const) {
    if (Math.abs(value) >= unit) {
      return `${significant(value / (unit === 1e4 ? 1e3 : unit), 6)}${suffix}`;
    }
  }
  return significant(value, 6);
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
