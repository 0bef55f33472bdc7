import {
  axes,
  coordinate,
  dot,
  escapeXml,
  largest,
  note,
  padded,
  pathOf,
  polyline,
  renderPicture,
  vertical,
} from './drawing.js';
import type { Panel, Place } from './drawing.js';

/** A mean with what lies around it, at one place. */
export interface BandPlace {
  readonly x: number;
  readonly low: number;
  readonly high: number;
}

/** Runs that belong together. */
export interface ChartSeries {
  readonly label: string;
  readonly mean: readonly Place[];
  /** Around the mean; empty for none. */
  readonly band: readonly BandPlace[];
  /** Each run on its own, drawn thin; empty for none. */
  readonly runs: readonly (readonly Place[])[];
}

/** A height to compare with. */
export interface ChartMark {
  readonly label: string;
  readonly value: number;
}

export interface ChartPanel {
  /** Above it; empty for none. */
  readonly heading: string;
  /** At most {@link mostSeries}. */
  readonly series: readonly ChartSeries[];
  readonly marks: readonly ChartMark[];
  /** A height that it shows in any case. */
  readonly floor?: number;
}

/** What {@link renderChart} draws. */
export interface Chart {
  readonly title: string;
  /** What goes upwards: "mean return". */
  readonly quantity: string;
  /** Below each other. */
  readonly panels: readonly ChartPanel[];
}

/** As many colours as can be told apart, for a light and for a dark ground. */
const colours = [
  ['#0969da', '#58a6ff'],
  ['#cf222e', '#ff7b72'],
  ['#1a7f37', '#3fb950'],
  ['#9a6700', '#d29922'],
  ['#8250df', '#bc8cff'],
  ['#bf3989', '#f778ba'],
  ['#0a7d8c', '#39c5cf'],
  ['#57606a', '#8b949e'],
] as const;

/**
 * How many series a panel can have.
 */
export const mostSeries = colours.length;

const left = 78;
const plotWidth = 698;
const panelHeight = 280;
const lineHeight = 18;
const letterWidth = 7; // on average, with some room

const classes = (index: number, colour: string): string =>
  `.mean-${index}, .run-${index} { fill: none; stroke: ${colour} } ` +
  `.dot-${index}, .band-${index} { fill: ${colour} }`;
const style = `
  [class^='mean'] { stroke-width: 2 } [class^='run'] { stroke-width: 1; opacity: 0.3 }
  [class^='band'] { opacity: 0.18 } .heading { font-weight: 600 }
  .mark { stroke: #57606a; stroke-dasharray: 5 4 } .leader { fill: none; stroke: #57606a }
  .mark-text { font-size: 11px }
  ${colours.map(([light], index) => classes(index, light)).join('\n  ')}
  @media (prefers-color-scheme: dark) {
    .mark, .leader { stroke: #8b949e }
    ${colours.map(([, dark], index) => classes(index, dark)).join('\n    ')}
  }`;

/**
 * Draws curves over environment steps: of every series the mean, a band around it and single runs thin,
 * and marks as dashed lines with their names at the right.
 *
 * @returns A stand-alone SVG document.
 */
export function renderChart({ title, quantity, panels }: Chart): string {
  const longest = largest(
    panels.flatMap(({ marks }) => marks.map(({ label }) => label.length)),
    0,
  );
  const right = left + plotWidth;
  const width = right + (longest === 0 ? 24 : 26 + 6.3 * longest);
  const parts: string[] = [];
  let top = 44;
  for (const panel of panels) {
    const { drawn, bottom } = drawPanel(panel, quantity, top);
    parts.push(drawn);
    top = bottom + 34;
  }
  const bottom = top + 4;
  parts.push(
    `<text x="${(left + right) / 2}" y="${bottom}" text-anchor="middle">environment steps</text>`,
  );
  return renderPicture({
    width: Math.ceil(width),
    height: bottom + 14,
    left,
    title,
    description: `${quantity} over environment steps`,
    style,
    parts,
  });
}

function drawPanel(
  { heading, series, marks, floor }: ChartPanel,
  quantity: string,
  start: number,
): { drawn: string; bottom: number } {
  const headingAt = start + (heading === '' ? 0 : lineHeight);
  const legend = drawLegend(series, headingAt);
  const top = legend.bottom + 12;
  const places = series.flatMap(({ mean, runs }) => [...mean, ...runs.flat()]);
  const heights = [
    ...places.map(([, y]) => y),
    ...series.flatMap(({ band }) => band.flatMap(({ low, high }) => [low, high])),
    ...marks.map(({ value }) => value),
    ...(floor === undefined ? [] : [floor]),
  ];
  const panel: Panel = {
    left,
    right: left + plotWidth,
    top,
    bottom: top + panelHeight,
    x: {
      low: 0,
      high: largest(
        places.map(([x]) => x),
        1,
      ),
    },
    y: padded(heights),
  };
  const drawn = [
    heading === ''
      ? ''
      : `<text class="heading" x="${left}" y="${headingAt}">${escapeXml(heading)}</text>`,
    legend.drawn,
    axes(panel, 6, quantity),
    drawMarks(panel, marks),
    ...series.map((each, index) => drawSeries(panel, each, index)),
    places.length === 0 ? note(panel, 'no values yet') : '',
  ];
  return { drawn: drawn.filter((part) => part !== '').join('\n'), bottom: panel.bottom };
}

function drawSeries(panel: Panel, { mean, band, runs }: ChartSeries, index: number): string {
  const last = mean.at(-1);
  const edge = [
    ...band.map(({ x, high }): Place => [x, high]),
    ...band.map(({ x, low }): Place => [x, low]).reverse(),
  ];
  return [
    edge.length === 0 ? '' : `<polygon class="band-${index}" points="${pathOf(panel, edge)}"/>`,
    ...runs.map((places) => polyline(panel, `run-${index}`, places)),
    polyline(panel, `mean-${index}`, mean),
    last === undefined ? '' : dot(panel, `dot-${index}`, last),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** Names with a piece of their lines, in as many rows as they need. */
function drawLegend(
  series: readonly ChartSeries[],
  start: number,
): { drawn: string; bottom: number } {
  let x = left;
  let y = start + lineHeight;
  const entries = series.map(({ label }, index) => {
    const width = 26 + letterWidth * label.length + 18;
    if (x > left && x + width > left + plotWidth) {
      x = left;
      y += lineHeight;
    }
    const entry =
      `<path class="mean-${index}" d="M${x} ${y - 4}h18"/>` +
      `<text x="${x + 24}" y="${y}">${escapeXml(label)}</text>`;
    x += width;
    return entry;
  });
  return { drawn: entries.join('\n'), bottom: y };
}

function drawMarks(panel: Panel, marks: readonly ChartMark[]): string {
  const sorted = [...marks].sort((a, b) => b.value - a.value);
  const heights = sorted.map(({ value }) => vertical(panel, value));
  const labels = spread(heights, 14, panel.bottom);
  const { left: from, right } = panel;
  return sorted
    .map(({ label }, index) => {
      const line = coordinate(heights[index] ?? NaN);
      const text = coordinate(labels[index] ?? NaN);
      return (
        `<line class="mark" x1="${from}" x2="${right}" y1="${line}" y2="${line}"/>` +
        `<path class="leader" d="M${right} ${line}L${right + 12} ${text}h4"/>` +
        `<text class="mark-text" x="${right + 20}" y="${text}" dy="0.35em">${escapeXml(label)}</text>`
      );
    })
    .join('\n');
}

/**
 * Moves heights, which grow, as little apart as it takes for `gap` between any two, none below
 * `bottom` while there is room.
 */
function spread(heights: readonly number[], gap: number, bottom: number): number[] {
  const moved: number[] = [];
  for (const height of heights) {
    moved.push(Math.max(height, (moved.at(-1) ?? -Infinity) + gap));
  }
  let limit = bottom;
  for (let index = moved.length - 1; index >= 0; index -= 1) {
    moved[index] = Math.min(moved[index] ?? NaN, limit);
    limit = (moved[index] ?? NaN) - gap;
  }
  return moved;
}
