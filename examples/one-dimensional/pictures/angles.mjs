// @ts-check
import { angleToOptimum } from '../ascent.mjs';
import { axisTitles, headings, optimumMark, plane, twoPanels } from './plane.mjs';
import { coordinate, Panel, svgDocument } from '../../svg.mjs';

/** @typedef {import('../regulator.mjs').Problem} Problem */

const bandColours = [
  '#fde725',
  '#addc30',
  '#5ec962',
  '#28ae80',
  '#21918c',
  '#2c728e',
  '#3b528b',
  '#472d7b',
  '#440154',
];
const bandDegrees = 10;

/**
 * The angle between each field and the direction of the optimum, in bands of ten degrees.
 *
 * @param {Problem} problem
 */
export function drawAngles(problem) {
  const cell = 0.0125;
  const columns = 112;
  const rows = 80;
  const parts = twoPanels((left, method) => {
    const panel = new Panel({ left, top: 76, ...plane });
    const size = coordinate(cell * panel.scale);
    const paths = bandColours.map(() => '');
    for (let row = 0; row < rows; row += 1) {
      const sigma = (row + 0.5) * cell;
      const bands = Array.from({ length: columns }, (_, column) => {
        const k = plane.x.low + (column + 0.5) * cell;
        const angle = angleToOptimum(problem, method, { k, sigma });
        return Math.min(Math.floor(angle / bandDegrees), bandColours.length - 1);
      });
      const top = coordinate(panel.down((row + 1) * cell));
      for (let from = 0; from < columns; ) {
        const band = bands[from] ?? 0;
        const end = bands.findIndex((other, column) => column > from && other !== band);
        const to = end < 0 ? columns : end;
        const x = coordinate(panel.across(plane.x.low + from * cell));
        const width = coordinate((to - from) * cell * panel.scale);
        paths[band] += `M${x} ${top}h${width}v${size}h-${width}z`;
        from = to;
      }
    }
    return [
      ...paths.map((path, band) =>
        path === '' ? '' : `<path class="cells" fill="${bandColours[band]}" d="${path}"/>`,
      ),
      panel.axes({
        ...axisTitles,
        heading: headings[method],
        ...(method === 'vanilla' ? {} : { y: undefined }),
      }),
      panel.frame(),
      optimumMark(panel, problem),
    ];
  });
  return svgDocument({
    width: 850,
    height: 440,
    title: 'Angle between the gradient and the direction of the optimum',
    description:
      'Two maps over k and sigma. The vanilla angle grows to 90 degrees as sigma shrinks; the ' +
      'natural angle shrinks to 0.',
    style: `  .cells { shape-rendering: crispEdges } .grid { stroke-opacity: 0.25 }
  .optimum { fill: #ffffff; stroke: #24292f }
`,
    parts: [
      ...parts,
      angleLegend(404),
      '<polygon class="optimum" points="700,390 708,398 700,406 692,398"/>',
      '<text x="716" y="398" dy="0.35em">optimum</text>',
    ],
  });
}

/** @param {number} y */
function angleLegend(y) {
  const width = 46;
  const left = 218;
  const boxes = bandColours.map(
    (colour, band) =>
      `<rect class="cells" fill="${colour}" x="${left + band * width}" y="${y - 12}" width="${width}" height="12"/>`,
  );
  const labels = Array.from(
    { length: bandColours.length + 1 },
    (_, band) =>
      `<text x="${left + band * width}" y="${y + 16}" text-anchor="middle">${band * bandDegrees}°</text>`,
  );
  return [...boxes, ...labels].join('\n');
}
