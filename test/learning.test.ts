import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectSound } from './svg.js';

const program = path.resolve('bench/learning.mjs');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'trustregion-learning-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (data) => {
      text[name] += data;
    });
  }
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...text }));
  });
  return { child, outcome };
}

const run = (...args: string[]): Promise<Outcome> => start(...args).outcome;
const read = (...name: string[]): string => readFileSync(path.join(folder, ...name), 'utf8');
const table = (...name: string[]): string[][] =>
  read(...name)
    .trimEnd()
    .split('\n')
    .map((row) => row.split(','));

const tiny = ['--tasks', 'CartPole-v1,Pendulum-v1', '--seeds', '2', '--steps', '1200'];

describe('bench:learning', () => {
  const places = ['--out', 'out', '--runs', 'runs'];
  const set = ['--label', 'small', '--set', 'stepsPerUpdate=400,hidden=8,8,evaluationEpisodes=2'];

  test('runs every task with every seed and writes tables and pictures', async () => {
    const outcome = await run(...tiny, ...places, ...set);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^4 runs, 0 of them finished before\n/);
    expect(readdirSync(path.join(folder, 'out')).sort()).toEqual([
      'CartPole-v1.csv',
      'CartPole-v1.svg',
      'Pendulum-v1.csv',
      'Pendulum-v1.svg',
      'README.md',
      'summary.csv',
    ]);

    const [header = [], ...rows] = table('out', 'summary.csv');
    expect(rows.map((row) => row.slice(0, 5))).toEqual([
      ['small', 'CartPole-v1', '0', '1200', '3'],
      ['small', 'CartPole-v1', '1', '1200', '3'],
      ['small', 'Pendulum-v1', '0', '1200', '3'],
      ['small', 'Pendulum-v1', '1', '1200', '3'],
    ]);
    // Against the run's own files.
    const [row = []] = rows;
    const summary = (name: string): number => Number(row[header.indexOf(name)]);
    const inRun = (name: string) => path.join('runs', 'small', 'CartPole-v1', 'seed0', name);
    const { report } = JSON.parse(read(inRun('result.json')));
    const [columns = [], ...progress] = table(inRun('progress.csv'));
    const returns = progress.map((each) => Number(each[columns.indexOf('meanReturn')]));
    expect(summary('last')).toBeCloseTo(returns.at(-1) ?? NaN, 3);
    expect(summary('best')).toBeCloseTo(Math.max(...returns), 3);
    const [a = NaN, b = NaN, c = NaN] = returns;
    expect(summary('average')).toBeCloseTo((a + 2 * b + c) / 4, 3);
    expect(summary('evaluation')).toBeCloseTo(report.evaluation.mean, 3);
    expect(summary('acceptedShare')).toBeCloseTo(report.acceptedUpdates / 3, 5);
    expect(summary('worstMeanKl')).toBeCloseTo(report.worstMeanKl, 7);
    expect(summary('worstMeanKl')).toBeLessThanOrEqual(summary('maxKl'));
    expect(JSON.parse(read(inRun('config.json')))).toMatchObject({
      compute: { threads: 1 },
      policy: { hidden: [8, 8] },
    });

    expect(table('out', 'CartPole-v1.csv').map((each) => each[0])).toEqual([
      'steps',
      '400',
      '800',
      '1200',
    ]);
    expect(table('out', 'CartPole-v1.csv')[0]).toEqual(['steps', 'seed 0', 'seed 1']);
    expectSound(read('out', 'CartPole-v1.svg'));
    expect(read('out', 'CartPole-v1.svg')).toContain('rl-zoo TRPO, 100k steps: 500');
    const readme = read('out', 'README.md');
    expect(readme).toContain('| CartPole-v1 |');
    expect(readme).toContain('--hidden=8,8');
    expect(readme).not.toMatch(/NaN|undefined|Infinity/);
    expect(readme).not.toContain('have not finished');
  }, 60_000);

  test('a finished run is not run again, an unfinished one is', async () => {
    const cell = path.join(folder, 'runs', 'small', 'CartPole-v1');
    const result = (seed: number) => path.join(cell, `seed${seed}`, 'result.json');
    const before = [statSync(result(0)).mtimeMs, statSync(result(1)).mtimeMs];
    const rowsBefore = table('out', 'summary.csv');
    rmSync(result(1)); // as if it had been interrupted before anything was saved
    rmSync(path.join(cell, 'seed1', 'training.safetensors'));
    writeFileSync(path.join(cell, 'seed1', 'progress.csv'), 'update,steps\n1,');
    const outcome = await run(...tiny, ...places, ...set);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^4 runs, 3 of them finished before\n1\/1 {2}small, CartPole/);
    expect(statSync(result(0)).mtimeMs).toBe(before[0]);
    expect(statSync(result(1)).mtimeMs).not.toBe(before[1]);
    // The same seed learns the same.
    const times = rowsBefore[0]?.indexOf('wallSeconds');
    const untimed = (rows: string[][]) => rows.map((row) => row.slice(0, times));
    expect(untimed(table('out', 'summary.csv'))).toEqual(untimed(rowsBefore));

    // Interrupted in the evaluation, say: it goes on, and its updates are those of before, times and all.
    const progress = () => readFileSync(path.join(cell, 'seed1', 'progress.csv'), 'utf8');
    const progressBefore = progress();
    rmSync(result(1));
    const resumed = await run(...tiny, ...places, ...set);
    expect(resumed).toMatchObject({ code: 0, stderr: '' });
    expect(progress()).toBe(progressBefore);
    expect(untimed(table('out', 'summary.csv'))).toEqual(untimed(rowsBefore));

    // With other settings it does not go on.
    const steps = tiny.map((text) => (text === '1200' ? '800' : text));
    const elsewhere = ['--out', 'out', '--runs', 'runs-of-800'];
    const target = path.join(folder, 'runs-of-800', 'small', 'CartPole-v1', 'seed1');
    cpSync(path.join(cell, 'seed1'), target, { recursive: true });
    rmSync(path.join(target, 'result.json'));
    const anew = await run(...steps, ...elsewhere, ...set, '--tasks', 'CartPole-v1');
    expect(anew).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(path.join(target, 'progress.csv'), 'utf8').split('\n')).toHaveLength(4);
    expect(existsSync(path.join(target, 'result.json'))).toBe(true);
    expect((await run(...tiny, ...places, ...set)).code).toBe(0); // the tables as they were

    rmSync(result(1));
    const report = await run(...tiny, ...places, ...set, '--report-only');
    expect(report).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(result(1))).toBe(false);
    expect(read('out', 'README.md')).toContain('**1 runs of this plan have not finished');
    expect(table('out', 'summary.csv')).toHaveLength(4);
  }, 60_000);

  test('a finished run of other settings is not taken for one of these', async () => {
    const changed = set.map((text) => text.replace('hidden=8,8', 'hidden=8,4'));
    const outcome = await run(...tiny, ...places, ...changed);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/seed0 holds a finished run with hidden 8,8, .* have 8,4: /);
  }, 60_000);

  test('evaluations in the course of the runs, --evaluate-every', async () => {
    const task = ['--tasks', 'CartPole-v1', '--seeds', '2', '--steps', '1200', ...set];
    const evaluated = ['--out', 'evaluated', '--runs', 'evaluated-runs', '--evaluate-every', '500'];
    const outcome = await run(...task, ...evaluated);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const [header = [], ...rows] = table('evaluated', 'summary.csv');
    const of = (row: string[] | undefined, name: string) => row?.[header.indexOf(name)];
    rows.forEach((row, seed) => {
      const inRun = ['evaluated-runs', 'small', 'CartPole-v1', `seed${seed}`, 'evaluations.csv'];
      const means = table(...inRun)
        .slice(1)
        .map((each) => Number(each[3]));
      expect(means).toHaveLength(2);
      expect(Number(of(row, 'bestEvaluation'))).toBeCloseTo(Math.max(...means), 3);
    });
    // Besides that they are the runs without.
    const [policy, plain] = ['evaluated-runs', 'runs'].map((runs) =>
      readFileSync(path.join(folder, runs, 'small/CartPole-v1/seed0/policy.safetensors')),
    );
    expect(policy?.equals(plain ?? Buffer.alloc(0))).toBe(true);
    expect(read('evaluated', 'README.md')).toContain('| best evaluation |');
    expect(read('out', 'README.md')).not.toContain('best evaluation');

    const again = await run(...task, ...evaluated);
    expect(again.stdout).toMatch(/^2 runs, 2 of them finished before\n/);
    const without = await run(...task, ...evaluated.slice(0, 4));
    expect(without).toMatchObject({ code: 2, stdout: '' });
    expect(without.stderr).toMatch(
      /seed0 holds a finished run with evaluateEvery 500, .* have none: /,
    );
  }, 60_000);

  test('a study compares configurations', async () => {
    const study = {
      title: 'Small or wide',
      tasks: ['CartPole-v1', 'Pendulum-v1'],
      seeds: 2,
      steps: { 'CartPole-v1': 800, 'Pendulum-v1': 800 },
      score: 'evaluation',
      configurations: {
        small: { stepsPerUpdate: 400, hidden: [8], evaluationEpisodes: 1 },
        'wide, cold': {
          ...{ stepsPerUpdate: 400, hidden: [16], evaluationEpisodes: 1, initialLogStd: -1 },
          byTask: { 'CartPole-v1': { initialLogStd: null } },
        },
      },
    };
    writeFileSync(path.join(folder, 'widths.json'), JSON.stringify(study));
    const outcome = await run('--study', 'widths.json', '--out', 'study', '--runs', 'study-runs');
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const readme = read('study', 'README.md');
    expect(readme).toMatch(/^# Small or wide\n/);
    expect(readme).toContain('Best first by evaluation');
    expect(readme).toMatch(/\| wide, cold +\|/);
    expect(readme).toContain('wide, cold (Pendulum-v1): `--steps=800');
    expect(readme).not.toMatch(/NaN|undefined|Infinity/);
    expectSound(read('study', 'Pendulum-v1.svg'));
    const config = (...name: string[]) =>
      JSON.parse(read('study-runs', 'wide, cold', ...name, 'seed1', 'config.json'));
    expect(config('Pendulum-v1').policy).toMatchObject({ initialLogStd: -1, hidden: [16] });
    expect(config('CartPole-v1').policy).toMatchObject({ initialLogStd: null, hidden: [16] });
    // A label with a comma is one field of the table.
    expect(read('study', 'summary.csv')).toContain('\n"wide, cold",CartPole-v1,0,800,2,');
  }, 60_000);

  test('failed runs are named with their last words and do not stop the others', async () => {
    mkdirSync(path.join(folder, 'broken', 'some'), { recursive: true });
    writeFileSync(path.join(folder, 'broken', 'some', 'CartPole-v1'), 'a file, not a folder');
    const outcome = await run(
      ...['--tasks', 'CartPole-v1,Pendulum-v1', '--seeds', '1', '--jobs', '1', '--label', 'some'],
      ...['--steps', '400', '--set', 'stepsPerUpdate=400,hidden=8,evaluationEpisodes=1'],
      ...['--out', 'broken-out', '--runs', 'broken'],
    );
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/1\/2 {2}some, CartPole-v1, seed 0: FAILED: .+/);
    expect(outcome.stderr).toMatch(/failed: some, CartPole-v1, seed 0\n$/);
    expect(table('broken-out', 'summary.csv').map((row) => row[1])).toEqual([
      'task',
      'Pendulum-v1',
    ]);

    const large = 'stepsPerUpdate=4000000000';
    const child = await run(
      ...['--tasks', 'CartPole-v1', '--seeds', '1', '--steps', '4000000000', '--label', 'large'],
      ...['--set', large, '--out', 'none', '--runs', 'broken'],
    );
    expect(child.code).toBe(1);
    expect(child.stderr).toMatch(/FAILED: exit code 1\n {4}trustregion: .*\w/);
    expect(existsSync(path.join(folder, 'none'))).toBe(false);
  }, 60_000);

  test('Ctrl-C stops the runs at work', async () => {
    const { child, outcome } = start(
      ...['--tasks', 'CartPole-v1', '--seeds', '3', '--jobs', '2', '--steps', '100000000'],
      ...['--out', 'stopped', '--runs', 'stopped-runs'],
    );
    const progress = (seed: number) =>
      path.join(folder, 'stopped-runs', 'defaults', 'CartPole-v1', `seed${seed}`, 'progress.csv');
    const hasBegun = (seed: number) =>
      existsSync(progress(seed)) && readFileSync(progress(seed), 'utf8').split('\n').length > 3;
    for (const end = Date.now() + 30_000; !hasBegun(0) || !hasBegun(1); await delay(20)) {
      expect(Date.now()).toBeLessThan(end);
    }
    const second = await run('--tasks', 'CartPole-v1', '--seeds', '1', '--runs', 'stopped-runs');
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/process \d+ is at work in .*stopped-runs/);
    const copies = () => readdirSync('.').filter((name) => name.startsWith('build-learning-'));
    const whileAtWork = copies().length;
    child.kill('SIGINT');
    const { code, stderr } = await outcome;
    expect(code).toBe(130);
    expect(stderr).toBe('stopping the runs at work; once more kills them\n');
    expect(existsSync(progress(2))).toBe(false);
    expect(copies()).toHaveLength(whileAtWork - 1); // the program's copy is gone
    expect(existsSync(path.join(folder, 'stopped-runs', 'lock'))).toBe(false);
    // The children ended by themselves: the rows do not grow any more.
    const sizes = () => [0, 1].map((seed) => statSync(progress(seed)).size);
    const atEnd = sizes();
    await delay(300);
    expect(sizes()).toEqual(atEnd);
  }, 60_000);

  test('an option that the command line refuses is refused before anything runs', async () => {
    const outcome = await run('--label', 'a', '--set', 'initialLogStd=0', '--runs', 'refused');
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/a, CartPole-v1: initialLogStd must be left out for discrete/);
    expect(existsSync(path.join(folder, 'refused'))).toBe(false);
  });
});
