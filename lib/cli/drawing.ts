import { significant } from './progress-bar.js';

/*
 * What the pictures of the command line are made of: panels with axes, lines, round ticks, and the
 * SVG document around them.
 */

/** Numbers from `low` to `high`, which is greater. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Where a panel lies, in pixels, and the numbers at its edges. */
export interface Panel {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly x: Range;
  readonly y: Range;
}

/** A place in a panel's own numbers. */
export type Place = readonly [x: number, y: number];

/*
 * The ground is painted too, so that the picture is readable wherever it is put; a viewer that
 * prefers dark gets dark.
 */
const baseStyle = `
  .ground { fill: #ffffff } text { fill: #24292f; font: 13px system-ui, sans-serif }
  .title { font-size: 16px; font-weight: 600 } .axis { stroke: #57606a } .grid { stroke: #d8dee4 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 }
    .axis { stroke: #8b949e } .grid { stroke: #30363d }
  }`;

/** What a picture is. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  /** What a screen reader says after the title: "mean return over environment steps". */
  readonly description: string;
  /** Of the classes that `parts` use. */
  readonly style: string;
  readonly parts: readonly string[];
  /** Where the title begins. */
  readonly left: number;
}

/**
 * A stand-alone SVG document.
 */
export function renderPicture(picture: Picture): string {
  const { width, height, title, description, style, parts, left } = picture;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escapeXml(title)}: ${escapeXml(description)}</title>
<style>${baseStyle}
${style}
</style>
<rect class="ground" width="${width}" height="${height}"/>
<text class="title" x="${left}" y="30">${escapeXml(title)}</text>
${parts.filter((part) => part !== '').join('\n')}
</svg>
`;
}

/** Grid, axes and their numbers, and what stands beside the upward one. */
export function axes(panel: Panel, tickCount: number, label: string): string {
  const { left, right, top, bottom, x, y } = panel;
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
    `<text x="18" y="${middle}" text-anchor="middle" transform="rotate(-90 18 ${middle})">${escapeXml(label)}</text>`,
  ].join('\n');
}

/** A dashed line at a height, its name above its right end. */
export function bound(panel: Panel, value: number): string {
  const { left, right } = panel;
  const y = vertical(panel, value);
  const at = coordinate(y);
  return (
    `<line class="bound" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>` +
    boundText(right, y, 'end', value)
  );
}

/** A dashed line along heights that differ, its name above the first. */
export function movingBound(panel: Panel, places: readonly [Place, ...Place[]]): string {
  const [[x, value]] = places;
  return (
    polyline(panel, 'bound', places) +
    boundText(horizontal(panel, x), vertical(panel, value), 'start', value)
  );
}

function boundText(x: number, y: number, anchor: 'start' | 'end', value: number): string {
  const at = `x="${coordinate(x)}" y="${coordinate(y - 5)}"`;
  return `<text class="bound-text" ${at} text-anchor="${anchor}">bound ${value}</text>`;
}

/** A line through the places; nothing without any. */
export function polyline(panel: Panel, name: string, places: readonly Place[]): string {
  return places.length === 0 ? '' : `<polyline class="${name}" points="${pathOf(panel, places)}"/>`;
}

/** The places of a line, as a path's points. */
export function pathOf(panel: Panel, places: readonly Place[]): string {
  return places
    .map(([x, y]) => `${coordinate(horizontal(panel, x))},${coordinate(vertical(panel, y))}`)
    .join(' ');
}

/** A point that tells its value when it is pointed at. */
export function dot(panel: Panel, name: string, [x, y]: Place): string {
  const across = coordinate(horizontal(panel, x));
  const down = coordinate(vertical(panel, y));
  return `<circle class="${name}" cx="${across}" cy="${down}" r="3"><title>${significant(y, 4)}</title></circle>`;
}

/** A word in the middle of a panel. */
export function note({ left, right, top, bottom }: Panel, text: string): string {
  return `<text x="${(left + right) / 2}" y="${(top + bottom) / 2}" text-anchor="middle">${escapeXml(text)}</text>`;
}

export function horizontal({ left, right, x }: Panel, value: number): number {
  return left + ((value - x.low) / (x.high - x.low)) * (right - left);
}

export function vertical({ top, bottom, y }: Panel, value: number): number {
  return bottom - ((value - y.low) / (y.high - y.low)) * (bottom - top);
}

export function coordinate(value: number): string {
  return String(Number(value.toFixed(2)));
}

/** The largest of some numbers and `floor`; there may be more than a call can have arguments. */
export function largest(values: readonly number[], floor: number): number {
  return values.reduce((most, value) => Math.max(most, value), floor);
}

/** The range of some numbers with a little room on both sides; never empty. */
export function padded(values: readonly number[]): Range {
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

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
