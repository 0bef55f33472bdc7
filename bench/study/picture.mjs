// The study as a picture: efficiency over products on the left, over time on the right.

import { Panel, svgDocument } from '../../examples/svg.mjs';

const colours = {
  none: '#cf222e',
  jacobi: '#9a6700',
  'kronecker, all rows': '#0969da',
};

const style = Object.values(colours)
  .map(
    (colour, i) =>
      `.line-${i} { fill: none; stroke: ${colour}; stroke-width: 2 } ` +
      `.thin-${i} { fill: none; stroke: ${colour}; stroke-width: 1.5; stroke-dasharray: 5 4 } ` +
      `.dot-${i} { fill: ${colour} } .name-${i} { fill: ${colour} }`,
  )
  .join('\n');

/** @param results - Of the study; the picture shows the first rollout. */
export function drawStudy(results) {
  const [{ rollout }] = results;
  const shown = results.filter((result) => result.rollout === rollout && result.variant in colours);
  const latest = Math.max(
    ...shown.flatMap(({ points }) => points.map(({ milliseconds }) => milliseconds)),
  );
  const frame = { top: 78, width: 340, height: 300, y: { low: 0, high: 1 } };
  const panels = [
    {
      of: (point) => point.products,
      panel: new Panel({ ...frame, left: 70, x: { low: 0, high: 20 } }),
      title: 'Fisher products',
      every: 5,
    },
    {
      of: (point) => point.milliseconds,
      panel: new Panel({ ...frame, left: 480, x: { low: 0, high: 5 * Math.ceil(latest / 5) } }),
      title: 'time of the solve in milliseconds, one thread',
      every: 5,
    },
  ];
  const parts = panels.flatMap(({ panel, of, title, every }) => [
    panel.axes({ heading: '', x: title, y: 'efficiency', every, everyY: 0.2 }),
    ...shown.flatMap(({ variant, damping, points }) => {
      const index = Object.keys(colours).indexOf(variant);
      const places = points.map((point) => [of(point), point.efficiency]);
      return [
        panel.line(`${damping === 0.1 ? 'line' : 'thin'}-${index}`, places),
        ...places.map((place) => panel.dot(`dot-${index}`, place, 3)),
      ];
    }),
    panel.frame(),
  ]);
  const legend = Object.keys(colours).map(
    (name, i) =>
      `<text class="name-${i}" x="${90 + 250 * i}" y="56">${name === 'none' ? 'plain conjugate gradients' : name}</text>`,
  );
  return svgDocument({
    width: 860,
    height: 440,
    title: `Part of the possible improvement reached: ${rollout}`,
    description:
      'Efficiency of the direction over Fisher products and over time, for each preconditioner; solid ' +
      'lines at damping 0.1, dashed at 0.01.',
    style,
    parts: [
      ...parts,
      ...legend,
      '<text x="90" y="432">solid: damping 0.1, dashed: damping 0.01</text>',
    ],
  });
}
