// The sweep as a picture: GFLOP/s of a Fisher product over rows on the left, over widths on the right.

import { coordinate, Panel, svgDocument } from '../../examples/svg.mjs';

const colours = ['#0969da', '#cf222e', '#9a6700', '#8250df'];
const sides = [
  { over: 'rows', left: 80, title: 'rows, 17-64-64-6', ticks: [100, 1000, 1e4, 1e5, 1e6] },
  {
    ...{ over: 'widths', left: 540, title: 'width, 4,096 rows of 17-width-width-6' },
    ticks: [8, 16, 32, 64, 128, 256, 512, 1024],
  },
];

const style = colours
  .map(
    (colour, index) =>
      `.line-${index} { fill: none; stroke: ${colour}; stroke-width: 2 } ` +
      `.peak-${index} { fill: none; stroke: ${colour}; stroke-dasharray: 5 4 } ` +
      `.dot-${index}, .name-${index} { fill: ${colour} }`,
  )
  .join('\n');

/** Short names of large numbers. */
const label = (value) =>
  value >= 1e6 ? `${value / 1e6}M` : value >= 1e4 ? `${value / 1e3}k` : value;

function drawSide({ over, left, title, ticks }, points, threadCounts, highest) {
  const shown = points.filter((point) => point.over === over);
  const ends = [...ticks, ...shown.map(({ at }) => at)].map(Math.log2);
  const panel = new Panel({
    ...{ left, top: 84, width: 380, height: 300, y: { low: 0, high: highest } },
    x: { low: Math.min(...ends), high: Math.max(...ends) },
  });
  const grid = ticks.map((tick) => {
    const place = coordinate(panel.across(Math.log2(tick)));
    return (
      `<line class="grid" x1="${place}" x2="${place}" y1="${panel.top}" y2="${panel.bottom}"/>` +
      `<text x="${place}" y="${panel.bottom + 18}" text-anchor="middle">${label(tick)}</text>`
    );
  });
  const lines = threadCounts.flatMap((threads, index) => {
    const own = shown.filter((point) => point.threads === threads);
    const places = own.map(({ at, gflops }) => [Math.log2(at), gflops]);
    const peak = Math.max(...own.map(({ peakGflops }) => peakGflops));
    const { low, high } = panel.x;
    return [
      panel.line(`peak-${index}`, [
        [low, peak],
        [high, peak],
      ]),
      panel.line(`line-${index}`, places),
      ...places.map((place) => panel.dot(`dot-${index}`, place, 3)),
    ];
  });
  // The axis has no grid of its own: a step beyond its range draws none.
  const axes = panel.axes({ heading: '', x: title, y: 'Gflop/s', every: 1e9, everyY: 50 });
  return [axes, ...grid, ...lines, panel.frame()];
}

/** @param points - As sweep.mjs writes them. */
export function drawSweep(points) {
  const threadCounts = [...new Set(points.map(({ threads }) => threads))];
  const peak = Math.max(...points.map(({ peakGflops }) => peakGflops));
  const highest = 50 * Math.ceil(peak / 50);
  const legend = threadCounts.map(
    (threads, index) =>
      `<text class="name-${index}" x="${90 + 170 * index}" y="60">` +
      `${threads} thread${threads === 1 ? '' : 's'}</text>`,
  );
  return svgDocument({
    ...{ width: 960, height: 440, style },
    title: 'Fisher product: Gflop/s against size',
    description:
      'Gflop/s of a Fisher product over the rows of the batch and over the width of the hidden layers, ' +
      'for each number of threads; dashed: the multiply-add peak of the same run.',
    parts: [
      ...sides.flatMap((side) => drawSide(side, points, threadCounts, highest)),
      ...legend,
      `<text x="${90 + 170 * threadCounts.length}" y="60">dashed: the multiply-add peak</text>`,
    ],
  });
}
