import { describe, expect, test } from '@jest/globals';
import { renderCurve } from '../lib/cli/curve.js';
import type { CurvePoint } from '../lib/cli/curve.js';
import { tickText, ticks } from '../lib/cli/drawing.js';
import { ProgressBar, progressLine } from '../lib/cli/progress-bar.js';
import type { TrainProgress } from '../lib/train.js';
import { expectSound } from './svg.js';

const count = (svg: string, pattern: RegExp): number => [...svg.matchAll(pattern)].length;

const points: CurvePoint[] = Array.from({ length: 20 }, (_, index) => ({
  steps: (index + 1) * 1000,
  meanReturn: index === 0 ? NaN : 25 * index,
  meanKl: index % 5 === 4 ? 0 : 0.009,
  klBound: 0.01,
  accepted: index % 5 !== 4,
}));

describe('ticks', () => {
  test.each<[number, number, number, number[]]>([
    [0, 100, 5, [0, 20, 40, 60, 80, 100]],
    [0, 0.012, 3, [0, 0.005, 0.01]],
    [-1600, -120, 6, [-1500, -1250, -1000, -750, -500, -250]],
    [-0.5, 0.5, 2, [-0.5, 0, 0.5]],
  ])('from %p to %p, about %p', (low, high, about, expected) => {
    const found = ticks({ low, high }, about);
    expect(found).toHaveLength(expected.length);
    found.forEach((tick, index) => expect(tick).toBeCloseTo(expected[index] ?? NaN, 12));
  });

  test.each([
    [0, '0'],
    [0.1 + 0.2, '0.3'],
    [2500, '2500'],
    [20_000, '20k'],
    [150_000, '150k'],
    [2_500_000, '2.5M'],
    [-12_000, '-12k'],
    [3e9, '3G'],
  ])('%p reads %p', (value, text) => {
    expect(tickText(value)).toBe(text);
  });
});

describe('renderCurve', () => {
  test('draws returns and divergences with their bound, for light and dark', () => {
    const svg = renderCurve({ title: 'CartPole-v1, TRPO, seed 0', points });
    expectSound(svg);
    expect(svg).toContain('>CartPole-v1, TRPO, seed 0</text>');
    expect(svg).toContain('prefers-color-scheme: dark');
    expect(svg).toContain('>bound 0.01</text>');
    const lines = [...svg.matchAll(/<polyline class="(\w+)" points="([^"]*)"/g)];
    expect(lines.map(([, name, drawn = '']) => [name, drawn.split(' ').length])).toEqual([
      ['return', 19],
      ['kl', 16],
    ]);
    expect(count(svg, /class="rejected"/g)).toBe(4);
    expect(svg).toContain('>20k</text>');
  });

  test('draws a bound that moves', () => {
    const moving = points.map((point, index) => ({ ...point, klBound: 0.02 - index / 1000 }));
    const svg = renderCurve({ title: 'to 0', points: moving });
    expectSound(svg);
    const [, drawn = ''] = /<polyline class="bound" points="([^"]*)"/.exec(svg) ?? [];
    const heights = drawn.split(' ').map((place) => Number(place.split(',')[1]));
    expect(heights).toHaveLength(20);
    expect(
      heights.every((height, index) => index === 0 || height > (heights[index - 1] ?? 0)),
    ).toBe(true);
    expect(svg).toContain('>bound 0.02</text>');
  });

  test('draws no bound for a method without one', () => {
    const free = points.map((point) => ({ ...point, klBound: null }));
    const svg = renderCurve({ title: 'free', points: free });
    expectSound(svg);
    expect(svg).not.toContain('>bound ');
    expectSound(renderCurve({ title: 'nothing yet', points: [] }));
  });

  test.each<[string, CurvePoint[]]>([
    ['nothing', []],
    ['one update', points.slice(0, 1)],
    ['one finished episode', points.slice(1, 2)],
    ['equal returns', points.map((point) => ({ ...point, meanReturn: 0 }))],
    ['only rejected updates', points.map((point) => ({ ...point, accepted: false, meanKl: 0 }))],
  ])('copes with %s', (_, few) => {
    const svg = renderCurve({ title: 'a < b & "c"', points: few });
    expectSound(svg);
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
  });
});

describe('ProgressBar', () => {
  const progress = {
    update: 10,
    steps: 51_200,
    totalSteps: 102_400,
    meanReturn: 213.44,
    wallSeconds: 2,
    summary: { accepted: true, meanKl: 0.00871, klBound: 0.01, reason: 'accepted' },
  } as TrainProgress;

  test('says where a run stands', () => {
    const numbers = '51,200/102,400 steps  return 213.4  KL 0.0087/0.01  5 updates/s';
    expect(progressLine(progress, 77)).toBe(`[#####-----]  ${numbers}`);
    expect(progressLine(progress, 200)).toBe(`[${'#'.repeat(15)}${'-'.repeat(15)}]  ${numbers}`);
    const free = { ...progress, summary: { ...progress.summary, klBound: null } };
    expect(progressLine(free, 77)).toContain('  KL 0.0087  5 updates/s');
    expect(progressLine(progress, 30)).toBe('[###--]  51,200/102,400 steps ');
    const rejected = {
      ...progress,
      meanReturn: NaN,
      summary: { ...progress.summary, accepted: false, reason: 'klExceeded' },
    };
    expect(progressLine(rejected as TrainProgress, 200)).toMatch(
      /return - {2}KL rejected \(klExceeded\)\/0.01/,
    );
  });

  test('is drawn on a terminal only, and not too often', () => {
    const written: string[] = [];
    const write = (text: string): unknown => written.push(text);
    const bar = new ProgressBar({ isTTY: true, columns: 40, write });
    bar.update(progress);
    bar.update(progress);
    bar.end();
    bar.end();
    expect(written).toEqual([expect.stringMatching(/^\r.{3,4}\[#/), '\n']);
    const silent = new ProgressBar({ write });
    silent.update(progress);
    silent.end();
    expect(written).toHaveLength(2);
  });
});
