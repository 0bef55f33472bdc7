import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { settingsOf } from '../lib/cli/run-table.js';
import { expectSound } from './svg.js';

const program = join(process.cwd(), 'dist/esm/cli/main.js');
let folder: string;

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
}

interface RunOptions {
  readonly task?: string;
  readonly method?: string;
  readonly seed?: number;
  readonly maxKl?: number;
  readonly threads?: number;
  readonly schedule?: object;
  readonly table?: string;
}

const header = 'update,steps,meanReturn,accepted,reason,meanKl\n';

/** A run folder as `trustregion train` would leave it, with just enough in it. */
function makeRun(name: string, options: RunOptions = {}): void {
  const { task = 'CartPole-v1', method = 'TRPO', seed = 0, maxKl = 0.01, threads = 1 } = options;
  const config = {
    format: 'trustregion run',
    formatVersion: 1,
    ...{ task, method, seed },
    train: { steps: 3000, gamma: 0.99, schedule: options.schedule ?? {} },
    methodOptions: { maxKl, seed },
    policy: { hidden: [64, 64], activation: 'tanh', parameterCount: 9, seed },
    valueFunction: { hidden: [64, 64], activation: 'tanh', fit: { epochs: 10 }, seed },
    evaluation: { episodes: 10, seed: seed + 1 },
    compute: { backend: 'cpu-avx2', threads },
  };
  const table =
    options.table ??
    `${header}1,1000,,true,accepted,0.009\n2,2000,${20 + seed},false,klExceeded,0\n3,3000,${40 + seed},true,accepted,0.0099\n`;
  mkdirSync(join(folder, name));
  writeFileSync(join(folder, name, 'config.json'), JSON.stringify(config));
  writeFileSync(join(folder, name, 'progress.csv'), table);
}

const picture = (name = 'plot.svg'): string => readFileSync(join(folder, name), 'utf8');
const count = (svg: string, pattern: RegExp): number => [...svg.matchAll(pattern)].length;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trustregion-plot-'));
  for (const seed of [0, 1, 2]) {
    makeRun(`a${seed}`, { seed, threads: seed + 1 });
  }
  makeRun('wide', { seed: 0, maxKl: 0.02 });
  makeRun('falling', { seed: 0, maxKl: 0.05, schedule: { maxKl: 0 } });
  makeRun('ppo', { seed: 0, method: 'PPO', maxKl: 0.03 });
  makeRun('pendulum', { task: 'Pendulum-v1' });
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('trustregion plot', () => {
  test('runs that differ in seed and machine are one curve with a band', () => {
    expect(run('plot', 'a0', 'a1', 'a2')).toEqual({
      code: 0,
      stdout: 'plot.svg: 3 runs, 1 curve, 1 task\n',
      stderr: '',
    });
    const svg = picture();
    expectSound(svg);
    expect(svg).toContain('>CartPole-v1: mean return</text>');
    expect(svg).toContain('>TRPO, 3 seeds</text>');
    expect(count(svg, /<polygon class="band-0"/g)).toBe(1);
    expect(count(svg, /<polyline class="run-0"/g)).toBe(3);
    // The first update had no finished episode; the mean of the last one is 41.
    const [, places = ''] = /<polyline class="mean-0" points="([^"]*)"/.exec(svg) ?? [];
    expect(places.split(' ')).toHaveLength(2);
    expect(svg).toContain('<title>41</title>');
  });

  test('other settings are other curves, named by what differs; other tasks other panels', () => {
    const outcome = run(
      ...['plot', 'a0', 'a1', 'wide', 'ppo', 'pendulum'],
      ...['--out', 'all.svg', '--title', 'a < b'],
    );
    expect(outcome).toEqual({
      code: 0,
      stdout: 'all.svg: 5 runs, 4 curves, 2 tasks\n',
      stderr: '',
    });
    const svg = picture('all.svg');
    expectSound(svg);
    for (const text of [
      'a &lt; b',
      'TRPO, maxKl 0.01, 2 seeds',
      'TRPO, maxKl 0.02, seed 0',
      'PPO, seed 0',
      'TRPO, seed 0',
    ]) {
      expect(svg).toContain(`>${text}</text>`);
    }
    expect(count(svg, /class="heading" x=/g)).toBe(2);
  });

  test('other columns: KL with its bounds, and any that holds numbers', () => {
    expect(run('plot', 'a0', 'wide', '--metric', 'kl', '--out', 'kl.svg').code).toBe(0);
    const svg = picture('kl.svg');
    expectSound(svg);
    expect(svg).toContain('>bound 0.01</text>');
    expect(svg).toContain('>bound 0.02</text>');
    expect(run('plot', 'falling', '--metric', 'kl', '--out', 'falling.svg').code).toBe(0);
    expect(picture('falling.svg')).toContain('>first bound 0.05</text>');
    expect(run('plot', 'a0', '--metric', 'update', '--out', 'update.svg').code).toBe(0);
    expect(picture('update.svg')).toContain('>CartPole-v1: update</text>');
  });

  test('a last line that was not written to its end is left out', () => {
    makeRun('killed', { table: `${header}1,1000,20,true,accepted,0.009\n2,2000,3` });
    expect(run('plot', 'killed', '--out', 'killed.svg').code).toBe(0);
    expect(picture('killed.svg')).toContain('<title>20</title>');
  });

  test.each<[string, number, RegExp]>([
    ['', 2, /at least one run folder is needed/],
    ['nowhere', 1, /nowhere is not the folder of a run: .*there is no such file/],
    ['a0 a0', 2, /a0 and a0 are runs with the same settings and seed 0: name one of them/],
    ['a0 --metric meanReturns', 2, /has no column 'meanReturns'; did you mean 'meanReturn'\?/],
    ['a0 --metric reason', 1, /column reason of .* must hold numbers, got 'accepted'/],
    ['a0 --metrik kl', 2, /unknown option --metrik; did you mean --metric\?/],
    ['no-table', 1, /no-table.progress.csv cannot be read: /],
    ['empty', 1, /has no rows yet/],
    ['short', 1, /line 3 of .* must have 6 fields, got 5/],
    ['headless', 1, /must begin with a line of column names/],
    ['a0 --out missing/plot.svg', 1, /missing/],
  ])('plot %s is refused', (line, code, message) => {
    if (line === 'no-table') {
      makeRun('no-table');
      rmSync(join(folder, 'no-table', 'progress.csv'));
    } else if (line === 'empty') {
      makeRun('empty', { table: header });
    } else if (line === 'short') {
      makeRun('short', { table: `${header}1,1000,20,true,accepted,0.009\n2,2000,30,true,a\n` });
    } else if (line === 'headless') {
      makeRun('headless', { table: '1,1000\n' });
    }
    const outcome = run('plot', ...line.split(' ').filter((word) => word !== ''));
    expect(outcome).toMatchObject({ code, stdout: '' });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(code);
  });

  test('more configurations than can be told apart are refused', () => {
    const names = Array.from({ length: 9 }, (_, index) => `many${index}`);
    for (const [index, name] of names.entries()) {
      makeRun(name, { maxKl: 0.1 + index });
    }
    const outcome = run('plot', ...names);
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toMatch(/at most 8 configurations, but the runs of CartPole-v1 have 9/);
    expect(run('plot', ...names.slice(0, 8)).code).toBe(0);
  });

  test('--help', () => {
    const { code, stdout } = run('plot', '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: trustregion plot <runs...>/);
    expect(Math.max(...stdout.split('\n').map((row) => row.length))).toBeLessThanOrEqual(110);
  });
});

test('settings are those that decide what is learned, by the names of the command line', () => {
  expect(
    settingsOf({
      task: 'x',
      train: { steps: 5, estimator: 'gae' },
      sampling: { environments: 4, workers: 2 },
      methodOptions: { maxKl: 'Infinity', adaptiveDamping: { factor: 1.5 }, seed: 3 },
      policy: { hidden: [8, 4], activation: 'tanh', seed: 1, parameterCount: 7 },
      valueFunction: { hidden: [8, 4], activation: 'relu', fit: { epochs: 2 }, seed: 2 },
      compute: { threads: 2 },
    }),
  ).toEqual({
    steps: '5',
    estimator: 'gae',
    environments: '4',
    maxKl: 'Infinity',
    adaptiveDamping: '{"factor":1.5}',
    hidden: '8,4',
    activation: 'tanh',
    valueEpochs: '2',
    valueActivation: 'relu',
  });
  // A configuration that comes from no file has the number itself.
  const methodOptions = { maxKl: Infinity, adaptiveDamping: { max: Infinity } };
  expect(settingsOf({ methodOptions })).toEqual({
    maxKl: 'Infinity',
    adaptiveDamping: '{"max":"Infinity"}',
  });
});
