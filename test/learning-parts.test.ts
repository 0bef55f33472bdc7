import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { locked } from '../bench/learning/lock.mjs';
import { readPlan } from '../bench/learning/plan.mjs';
import { runPool } from '../bench/learning/pool.mjs';
import { writeReport } from '../bench/learning/report.mjs';
import {
  meanOverTasks,
  meanRanks,
  normalized,
  peers,
  statisticsOf,
} from '../bench/learning/results.mjs';
import { argumentsOf, parseSet } from '../bench/learning/settings.mjs';
import { csv, markdownTable, meanText, number } from '../bench/learning/text.mjs';
import { environmentNames } from '../lib/environments/registry.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'trustregion-learning-parts-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the plan', () => {
  test('has every configuration on every task, and defaults', () => {
    const plan = readPlan(['--seeds', '3', '--first-seed', '5']);
    expect(plan?.seeds).toEqual([5, 6, 7]);
    expect(plan?.cells.map(({ task }: { task: string }) => task)).toEqual([...environmentNames]);
    expect(plan?.cells[0]).toMatchObject({ label: 'defaults', options: [] });
    expect(readPlan(['--help'])).toBeNull();
  });

  test('evaluations in the course of the runs are an option of all runs', () => {
    const optionsOf = (...args: string[]) => readPlan(args)?.cells[0]?.options;
    expect(optionsOf('--evaluate-every', '500', '--steps', '1000')).toEqual([
      '--steps=1000',
      '--evaluate-every=500',
    ]);
    const file = path.join(folder, 'evaluated.json');
    const study = { evaluateEvery: 300, score: 'bestEvaluation', configurations: { a: {} } };
    writeFileSync(file, JSON.stringify(study));
    expect(optionsOf('--study', file)).toEqual(['--evaluate-every=300']);
    expect(optionsOf('--study', file, '--evaluate-every', '400')).toEqual(['--evaluate-every=400']);
    expect(readPlan(['--study', file])?.score).toBe('bestEvaluation');
  });

  test.each<[string[], RegExp]>([
    [['--tasks', 'Hoppper-v5'], /no task 'Hoppper-v5'; there are CartPole-v1, /],
    [['--seeds', '0'], /seeds must be an integer of at least 1, got '0'/],
    [['--jobs', 'two'], /--jobs must be an integer of at least 1, got 'two'/],
    [['--steps', '1e3.5'], /steps of CartPole-v1 must be an integer/],
    [['--set', 'maxKl=1'], /--set needs a --label/],
    [['--set', 'fast', '--label', 'a'], /--set must be name=value/],
    [['--set', 'seed=1', '--label', 'a'], /seed cannot be a setting; use --seeds/],
    [['--set', 'warmStart=very', '--label', 'a'], /warmStart must be true or false, got 'very'/],
    [['--label', '../a'], /a label must consist of/],
    [
      ['--score', 'first'],
      /--score must be one of last, evaluation, best, bestEvaluation, average/,
    ],
    [['--score', 'bestEvaluation'], /--score bestEvaluation needs --evaluate-every/],
    [['--evaluate-every', '0'], /--evaluate-every must be an integer of at least 1, got '0'/],
    [
      ['--set', 'evaluateEvery=5', '--label', 'a'],
      /evaluateEvery cannot be a setting; use --evaluate-every/,
    ],
    [['--study', 'no-such.json'], /no-such.json cannot be read/],
    [['--study', 'x.json', '--label', 'a'], /leave out --set and --label/],
    [['--tusks', 'a'], /--tusks/],
  ])('%j is refused', (args, message) => {
    expect(() => readPlan(args)).toThrow(message);
  });

  test.each<[unknown, RegExp]>([
    [[], /must hold an object with "configurations"/],
    [{ configurations: {} }, /has no configurations/],
    [{ configurations: { a: 1 } }, /must hold an object with "configurations"/],
    [{ configurations: { a: {} }, sed: 3 }, /unknown entry 'sed'/],
    [{ configurations: { a: { byTask: { Ant: {} } } } }, /byTask of 'a': no task 'Ant'/],
    [{ configurations: { '.': {} } }, /a label must consist of/],
  ])('a study %j is refused', (study, message) => {
    const file = path.join(folder, 'refused.json');
    writeFileSync(file, JSON.stringify(study));
    expect(() => readPlan(['--study', file])).toThrow(message);
  });

  test('settings become options', () => {
    expect(parseSet('maxKl=0.02, hidden=64,64,warm-start=true')).toEqual({
      maxKl: '0.02',
      hidden: '64,64',
      'warm-start': 'true',
    });
    expect(
      argumentsOf({
        maxKl: 0.02,
        hidden: [64, 64],
        initialLogStd: -0.5,
        warmStart: true,
        cgReorthogonalize: false,
        adaptiveDamping: false,
        damping: null,
      }),
    ).toEqual([
      '--maxKl=0.02',
      '--hidden=64,64',
      '--initialLogStd=-0.5',
      '--warmStart',
      '--no-cgReorthogonalize',
    ]);
  });
});

describe('scores', () => {
  const cell = (task: string, ...last: number[]) => ({
    task,
    runs: last.map((value) => ({ row: { last: value } })),
  });

  test('every task has what its scores are normalised with, and marks of known peers', () => {
    for (const task of environmentNames) {
      expect(peers.tasks).toHaveProperty([task]);
    }
    for (const { random, aim, marks } of Object.values(peers.tasks) as {
      random: number;
      aim: number;
      marks: { source: string; method: string; steps: number; value: number }[];
    }[]) {
      expect(aim).toBeGreaterThan(random);
      expect(marks.length).toBeGreaterThan(0);
      for (const mark of marks) {
        expect(peers.sources).toHaveProperty(mark.source);
        expect([typeof mark.method, typeof mark.steps, typeof mark.value]).toEqual([
          'string',
          'number',
          'number',
        ]);
      }
    }
  });

  test('normalised scores and their mean over tasks, by hand', () => {
    const { random, aim } = peers.tasks['InvertedPendulum-v5'];
    const pole = cell('InvertedPendulum-v5', random, aim);
    // Scores 0 and 1: mean 1/2, s^2 = 1/2, error 1/2.
    expect(statisticsOf(pole, 'last')).toMatchObject({ mean: (random + aim) / 2, count: 2 });
    expect(normalized(pole, 'last')?.mean).toBeCloseTo(0.5, 12);
    expect(normalized(pole, 'last')?.standardError).toBeCloseTo(0.5, 12);
    const sure = cell(
      'CartPole-v1',
      peers.tasks['CartPole-v1'].aim,
      peers.tasks['CartPole-v1'].aim,
    );
    const both = meanOverTasks([pole, sure], 'last');
    expect(both?.mean).toBeCloseTo(0.75, 12);
    expect(both?.standardError).toBeCloseTo(0.25, 12);
    expect(meanOverTasks([pole, cell('CartPole-v1')], 'last')).toBeUndefined();
    expect(normalized(cell('Unheard-of-v1', 1), 'last')).toBeUndefined();
  });

  test('mean ranks, by hand', () => {
    const tasks = [
      [cell('A', 5), cell('A', 7), cell('A', 5)], // 2.5, 1, 2.5
      [cell('B', 3), cell('B', 2), cell('B', 1)], // 1, 2, 3
    ];
    expect(meanRanks(tasks, 'last')).toEqual([1.75, 1.5, 2.75]);
    expect(meanRanks([[cell('A', 1), cell('A')]], 'last')).toBeUndefined();
  });
});

describe('the report', () => {
  const row = (seed: number, last: number, worstMeanKl: number) => ({
    ...{
      label: 'defaults',
      task: 'CartPole-v1',
      seed,
      steps: 1000,
      updates: 4,
      last,
      evaluation: 500,
    },
    ...{ evaluationStd: 0, best: 500, average: 50, acceptedShare: 0.75, worstMeanKl, maxKl: 0.01 },
    ...{ wallSeconds: 2, physics: 1, inference: 0.5, update: 0.25, critic: 0.2, rest: 0.05 },
  });
  type Row = ReturnType<typeof row> & { readonly bestEvaluation?: number };
  const report = (...rows: Row[]): string => {
    const out = path.join(folder, 'report');
    const runs = rows.map((own) => ({ row: own, trace: [[1000, own.last]], commit: 'abc' }));
    const cells = [{ label: 'defaults', task: 'CartPole-v1', options: [], runs }];
    const plan = { title: 'T', command: 'c', seeds: [0, 1], tasks: ['CartPole-v1'] };
    writeReport({ ...plan, out, labels: ['defaults'] }, cells);
    return readFileSync(path.join(out, 'README.md'), 'utf8').replace(/ +/g, ' ');
  };

  test('says what was reached, by which metric, and what it cost', () => {
    const text = report(row(0, 100, 0.0099), row(1, 200, 0.0095));
    expect(text).toContain(
      '| CartPole-v1 | 2 | 1,000 | 150 ± 50 | 500 ± 0 | 500 ± 0 | 500 | evaluation, best in training |',
    );
    expect(text).toContain(
      '| CartPole-v1 | 2 ± 0 s | 500 | 50 / 25 / 13 / 10 / 3 | 75.00 % | 0.009900 | 0.01 |',
    );
    expect(text).toContain('| CartPole-v1 | rl-zoo TRPO, 100k steps | CartPole-v1 | 100,000 | 1 |');
    expect(text).toContain('commit abc.');
    expect(text).not.toContain('have not finished');
    expect(report(row(0, 500, 0.01))).toContain('| 500 | yes |');
    expect(report(row(0, 500, 0.01))).toContain('**1 runs of this plan have not finished');
  });

  test('has a column for the best evaluation where there is one', () => {
    const summary = () => readFileSync(path.join(folder, 'report', 'summary.csv'), 'utf8');
    const without = report(row(0, 100, 0.0099), row(1, 200, 0.0095));
    expect(without).not.toContain('best evaluation');
    expect(without).toContain("nearest\n to Tianshou's metric");
    expect(summary()).toContain(',best,bestEvaluation,average,');
    expect(summary()).toContain(',500,0,500,,50,');

    const evaluated = (seed: number, bestEvaluation: number) => ({
      ...row(seed, 100, 0.0099),
      ...{ evaluation: 300, best: 200, bestEvaluation },
    });
    const text = report(evaluated(0, 490), evaluated(1, 530));
    expect(text).toContain('| best in training | best evaluation | aim | reached |');
    expect(text).toContain('| 100 ± 0 | 300 ± 0 | 200 ± 0 | 510 ± 20 | 500 | best evaluation |');
    expect(text).toContain("It is Tianshou's metric");
    expect(text).not.toMatch(/nearest\n to Tianshou/);
    expect(summary()).toContain(',300,0,200,490,50,');
    expect(report(evaluated(0, 400), evaluated(1, 500))).toContain('| 450 ± 50 | 500 | no |');

    // Of earlier runs there is none: nothing is said of them, and no score is lost.
    const mixed = report(row(0, 500, 0.0099), evaluated(1, 500));
    expect(mixed).toContain('| 350 ± 150 | – | 500 | no |');
    expect(mixed).not.toMatch(/NaN|undefined/);
    const reached = { ...row(0, 500, 0.0099), bestEvaluation: Number.NaN };
    expect(report(reached)).toContain('| 500 | 500 | 500 | 500 | yes |');
  });

  test('a study has the best evaluation among its scores where there is one', () => {
    const study = (best: object) => {
      const cells = ['a', 'b'].map((label, index) => ({
        ...{ label, task: 'CartPole-v1', options: [] },
        runs: [0, 1].map((seed) => ({
          row: { ...row(seed, 100, 0.0099), label, ...(index === 0 ? best : {}) },
          ...{ trace: [[1000, 100]], commit: 'abc' },
        })),
      }));
      const out = path.join(folder, 'study-report');
      const plan = { title: 'T', command: 'c', seeds: [0, 1], tasks: ['CartPole-v1'] };
      writeReport({ ...plan, out, score: 'last', labels: ['a', 'b'] }, cells);
      return readFileSync(path.join(out, 'README.md'), 'utf8').replace(/ +/g, ' ');
    };
    expect(study({})).not.toContain('best evaluation');
    const text = study({ bestEvaluation: 450 });
    expect(text).toContain('| best in training | best evaluation | average over training |');
    const [, table = ''] = text.split('## Returns, best evaluation');
    expect(table).toMatch(/^\n\n.*\n.*\n\| a \| 450 ± 0 \|\n\| b \| – \|\n/);
    expect(text).not.toMatch(/NaN|undefined/);
  });

  test('a bound that was left is shown, however little', () => {
    expect(report(row(0, 1, 0.0099), row(1, 1, 0.010000001))).toContain('| 0.01000 **over** |');
  });
});

describe('text', () => {
  test('numbers keep the digits that mean something', () => {
    expect([1234.5, 12.345, 0.012345, NaN, null].map((value) => number(value))).toEqual([
      '1235',
      '12.35',
      '0.01235',
      '–',
      '–',
    ]);
    expect(meanText({ mean: 4471.23, standardError: 80.4 })).toBe('4471 ± 80');
    expect(meanText({ mean: -3.7123, standardError: 0.0412 })).toBe('-3.712 ± 0.041');
    expect(meanText({ mean: 1000, standardError: 0 })).toBe('1000 ± 0');
    expect(meanText({ mean: 12.5, standardError: NaN })).toBe('12.5');
    expect(meanText(undefined)).toBe('–');
  });

  test('tables', () => {
    expect(
      csv([
        ['a,b', 'c"'],
        [1.23456789, NaN],
      ]),
    ).toBe('"a,b","c"""\n1.23457,\n');
    expect(
      markdownTable([
        ['name', 'x'],
        ['a|b', 1],
      ]),
    ).toBe(['| name |   x |', '| ---- | --: |', '| a\\|b |   1 |'].join('\n'));
  });
});

describe('the pool', () => {
  test('keeps so many at work and starts in order', async () => {
    const events: string[] = [];
    let working = 0;
    let most = 0;
    const begin = (index: number) => {
      events.push(`start ${index}`);
      working += 1;
      most = Math.max(most, working);
      const done = delay(index === 0 ? 60 : 10).then(() => {
        working -= 1;
        return index;
      });
      return { stop: () => undefined, done };
    };
    const stopped = await runPool(4, 2, begin, (index: number, outcome: number) => {
      expect(outcome).toBe(index);
      events.push(`done ${index}`);
    });
    expect(stopped).toBe(false);
    expect(most).toBe(2);
    expect(events.filter((event) => event.startsWith('start'))).toEqual([
      'start 0',
      'start 1',
      'start 2',
      'start 3',
    ]);
    expect(events.filter((event) => event.startsWith('done'))).toHaveLength(4);
  });

  test('a lock whose process is gone counts for nothing', async () => {
    const place = path.join(folder, 'locks');
    mkdirSync(place);
    writeFileSync(path.join(place, 'lock'), '999999999');
    expect(await locked(place, async () => readdirSync(place))).toEqual(['lock']);
    expect(readdirSync(place)).toEqual([]);
    await locked(place, async () => {
      await expect(locked(place, async () => 1)).rejects.toThrow(
        `process ${process.pid} is at work`,
      );
    });
  });
});
