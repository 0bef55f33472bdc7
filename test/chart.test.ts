import { describe, expect, test } from '@jest/globals';
import { renderChart } from '../lib/cli/chart.js';
import type { Place } from '../lib/cli/drawing.js';
import {
  commonSteps,
  meanAndError,
  meanCurve,
  seriesOf,
  valueAt,
} from '../lib/cli/learning-curves.js';
import { expectSound } from './svg.js';

const rising: Place[] = [
  [100, 1],
  [200, 3],
  [400, 7],
];

describe('learning curves', () => {
  test('values between two updates lie on the straight line, outside there are none', () => {
    expect([100, 150, 200, 250, 400].map((steps) => valueAt(rising, steps))).toEqual([
      1, 2, 3, 4, 7,
    ]);
    expect([99, 401].map((steps) => valueAt(rising, steps))).toEqual([NaN, NaN]);
    expect(valueAt([], 1)).toBe(NaN);
  });

  test('common steps are those of the runs, thinned, the ends kept', () => {
    const other: Place[] = [
      [200, 0],
      [300, 0],
    ];
    expect(commonSteps([rising, other], 10)).toEqual([100, 200, 300, 400]);
    const long = Array.from({ length: 1000 }, (_, index): Place => [index + 1, 0]);
    const thin = commonSteps([long], 100);
    expect(thin.length).toBeLessThanOrEqual(101);
    expect(thin.length).toBeGreaterThan(80);
    expect([thin[0], thin.at(-1)]).toEqual([1, 1000]);
    expect(commonSteps([], 10)).toEqual([]);
  });

  test('mean and standard error, against numbers by hand', () => {
    // Squares about 5: 9 + 1 + 1 + 9 = 20; s^2 = 20/3; s / sqrt(4) = sqrt(5/3).
    const { mean, standardError } = meanAndError([2, 4, 6, 8]);
    expect(mean).toBe(5);
    expect(standardError).toBeCloseTo(Math.sqrt(5 / 3), 14);
    expect(meanAndError([3])).toEqual({ mean: 3, standardError: NaN });
  });

  test('a mean reaches as far as all of its runs do', () => {
    const late: Place[] = [
      [200, 5],
      [300, 5],
    ];
    const means = meanCurve([rising, late], [100, 200, 300, 400]);
    expect(means).toEqual([
      { steps: 200, mean: 4, standardError: 1 },
      { steps: 300, mean: 5, standardError: 0 },
    ]);
  });

  test('a run alone has neither band nor thin line', () => {
    expect(seriesOf('one', [rising])).toEqual({ label: 'one', mean: rising, band: [], runs: [] });
    const two = seriesOf('two', [rising, rising]);
    expect(two.runs).toEqual([rising, rising]);
    expect(two.band.map(({ low, high }) => high - low)).toEqual([0, 0, 0]);
    expect(seriesOf('two', [rising, rising], { withRuns: false }).runs).toEqual([]);
  });
});

describe('renderChart', () => {
  const other: Place[] = [
    [100, 2],
    [200, 2],
    [400, 5],
  ];
  const series = [seriesOf('a < b', [rising, other]), seriesOf('alone', [other])];
  const count = (svg: string, pattern: RegExp): number => [...svg.matchAll(pattern)].length;

  test('draws means, bands, single runs, marks and a legend', () => {
    const marks = [
      { label: 'first & best', value: 9 },
      { label: 'second', value: 8.99 },
      { label: 'third', value: 8.98 },
    ];
    const svg = renderChart({
      title: 'Task',
      quantity: 'mean return',
      panels: [{ heading: '', series, marks }],
    });
    expectSound(svg);
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain('>a &lt; b</text>');
    expect(count(svg, /<polyline class="mean-0"/g)).toBe(1);
    expect(count(svg, /<polyline class="mean-1"/g)).toBe(1);
    expect(count(svg, /<polyline class="run-0"/g)).toBe(2);
    expect(count(svg, /<polyline class="run-1"/g)).toBe(0);
    expect(count(svg, /<polygon class="band-0"/g)).toBe(1);
    expect(count(svg, /<line class="mark"/g)).toBe(3);
    // Lines lie where their values are, names where they can be read.
    const heights = (pattern: RegExp) =>
      [...svg.matchAll(pattern)].map((match) => Number(match[1]));
    const lines = heights(/class="mark" [^>]*y1="([^"]*)"/g);
    const names = heights(/class="mark-text" x="[^"]*" y="([^"]*)"/g);
    expect(Math.max(...lines) - Math.min(...lines)).toBeLessThan(3);
    expect(names.map((y, index) => y - (names[index - 1] ?? y - 14))).toEqual([14, 14, 14]);
  });

  test('names of marks at the lower edge stay above it', () => {
    const marks = [0, 0.001, 0.002].map((value) => ({ label: `at ${value}`, value }));
    const svg = renderChart({ title: '', quantity: '', panels: [{ heading: '', series, marks }] });
    const frame = /class="axis" fill="none" d="M[\d.]+ [\d.]+V([\d.]+)/.exec(svg);
    const names = [...svg.matchAll(/class="mark-text" x="[^"]*" y="([^"]*)"/g)];
    expect(names).toHaveLength(3);
    for (const [, y] of names) {
      expect(Number(y)).toBeLessThanOrEqual(Number(frame?.[1]));
    }
  });

  test('panels lie below each other, each with its own range', () => {
    const svg = renderChart({
      title: 'two',
      quantity: 'mean KL',
      panels: [
        { heading: 'upper', series: series.slice(0, 1), marks: [] },
        { heading: 'lower', series: [{ ...seriesOf('none', []) }], marks: [], floor: 0 },
      ],
    });
    expectSound(svg);
    const tops = [...svg.matchAll(/class="axis" fill="none" d="M78 ([\d.]+)V([\d.]+)/g)];
    expect(tops).toHaveLength(2);
    expect(Number(tops[1]?.[1])).toBeGreaterThan(Number(tops[0]?.[2]));
    expect(svg).toContain('>no values yet</text>');
  });

  test('a legend that is too long goes on in the next row', () => {
    const long = Array.from({ length: 8 }, (_, index) =>
      seriesOf(`a configuration with a long name, number ${index}`, [rising]),
    );
    const svg = renderChart({
      title: 'long',
      quantity: 'mean return',
      panels: [{ heading: '', series: long, marks: [] }],
    });
    expectSound(svg);
    const names = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)">a configuration/g)];
    expect(new Set(names.map(([, , y]) => y)).size).toBeGreaterThan(1);
    expect(new Set(names.map(([, x, y]) => `${x} ${y}`)).size).toBe(8);
  });
});
