import { appendFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { loadTraining } from '../lib/cli/training-file.js';
import {
  folder,
  parseOnly,
  read,
  rows,
  run,
  small,
  start,
  waitFor,
  withoutTimes,
} from './cli-helpers.js';

const file = (...name: string[]) => join(folder, ...name);
const bytesOf = (...name: string[]) => readFileSync(file(...name)).toString('hex');
const copy = (from: string, to: string) => cpSync(file(from), file(to), { recursive: true });

/** A run that has to succeed; what it reports. */
async function report(...args: string[]): Promise<Record<string, unknown>> {
  const outcome = await run(...args, '--json');
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  return parseOnly(outcome.stdout);
}

interface Row {
  readonly update: number;
  readonly steps: number;
  readonly episodes: number;
  readonly mean: number;
  readonly std: number;
}

function evaluations(name: string): Row[] {
  const [header, ...table] = rows(name, 'evaluations.csv');
  expect(header).toBe('update,steps,episodes,mean,std');
  return table.map((row) => {
    const [update = NaN, steps = NaN, episodes = NaN, mean = NaN, std = NaN] = row
      .split(',')
      .map(Number);
    return { update, steps, episodes, mean, std };
  });
}

/** What `evaluate --best` finds must be the best row; returns that. */
async function expectBest(name: string): Promise<Row> {
  const table = evaluations(name);
  const [best] = [...table].sort((a, b) => b.mean - a.mean);
  expect(best).toBeDefined();
  const { evaluation } = await report(
    ...['evaluate', name, '--best', '--episodes', `${best?.episodes}`],
  );
  expect(evaluation).toMatchObject({ mean: best?.mean, std: best?.std });
  return best as Row;
}

/** Three updates of 500 steps, with the same numbers on every machine. */
const base = [...small, '--backend', 'reference'];

/** Evaluated after the second, which is the first to reach 700, and at the end. */
const evaluated = [...base, '--evaluate-every', '700'];

beforeAll(async () => {
  // The best is that of the end with one seed, and an earlier one with the other.
  await report(...evaluated, '--seed', '4', '--out', 'late');
  await report(...evaluated, '--seed', '9', '--out', 'early');
}, 30_000);

describe('trustregion train --evaluate-every', () => {
  test.each([
    ['CartPole-v1', ['--environments', '2', '--hidden', '16']],
    ['InvertedPendulum-v5', ['--hidden', '16']],
  ])(
    'changes nothing about training, %s',
    async (task, options) => {
      const shared = ['train', task, '--steps', '2000', '--steps-per-update', '400', ...options];
      const [plain, other] = [`plain-${task}`, `evaluated-${task}`];
      const before = await report(...shared, '--out', plain);
      const after = await report(...shared, '--out', other, '--evaluate-every', '500');
      expect(withoutTimes(other)).toEqual(withoutTimes(plain));
      expect(bytesOf(other, 'policy.safetensors')).toBe(bytesOf(plain, 'policy.safetensors'));
      expect(after['evaluation']).toEqual(before['evaluation']);
      expect(before['best']).toBeNull();
      expect(existsSync(file(plain, 'evaluations.csv'))).toBe(false);
      expect(existsSync(file(plain, 'best.safetensors'))).toBe(false);
      const [without, with_] = [plain, other].map((name) => JSON.parse(read(name, 'config.json')));
      expect(with_).toEqual({ ...without, evaluation: { ...without.evaluation, every: 500 } });
      // After the first update that reaches 500, 1000 and 1500, and at the end.
      expect(evaluations(other).map(({ steps }) => steps)).toEqual([800, 1200, 1600, 2000]);
    },
    30_000,
  );

  test('records what an evaluation at the end of a shorter run finds', async () => {
    const [first, end, ...others] = evaluations('late');
    expect(others).toEqual([]);
    const shorter = await report(
      ...[...base, '--steps', '1000', '--seed', '4', '--out', 'shorter'],
    );
    expect(first).toEqual({ update: 2, steps: 1000, ...(shorter['evaluation'] as object) });
    const whole = await report(...[...base, '--seed', '4', '--out', 'whole']);
    expect(end).toEqual({ update: 3, steps: 1500, ...(whole['evaluation'] as object) });
  }, 30_000);

  test('keeps the best policy, reports it, and evaluate --best repeats it', async () => {
    expect(await expectBest('late')).toMatchObject({ update: 3 });
    expect(bytesOf('late', 'best.safetensors')).toBe(bytesOf('late', 'policy.safetensors'));
    const best = await expectBest('early');
    expect(best.update).toBe(2);
    expect(bytesOf('early', 'best.safetensors')).not.toBe(bytesOf('early', 'policy.safetensors'));
    const end = evaluations('early').at(-1);
    expect(best.mean).toBeGreaterThan(end?.mean ?? NaN);

    const inWords = await run(...evaluated, '--seed', '9', '--out', 'in-words');
    expect(inWords.stdout).toMatch(
      /\nevaluation {2}return .*\nbest {8}return \d.* \+- \d.* after 1,000 steps\nrun folder/,
    );
    const { mean, std } = best;
    const again = await report(...evaluated, '--seed', '9', '--out', 'in-json');
    expect(again['best']).toEqual({ steps: 1000, mean, std });
    expect(Object.keys(again).slice(9, 11)).toEqual(['evaluation', 'best']);
  }, 30_000);

  test('evaluations are no part of the time of the run', async () => {
    const start = performance.now();
    const { wallSeconds, timing } = await report(
      ...[...base, '--steps', '1000', '--seed', '4', '--out', 'timed'],
      ...['--evaluate-every', '500', '--evaluation-episodes', '6000'],
    );
    // Two evaluations, which take almost all of the time.
    const whole = (performance.now() - start) / 1000;
    expect(wallSeconds).toBeLessThan(whole / 6);
    const sum = Object.values(timing as object).reduce((total, seconds) => total + seconds, 0);
    expect(sum).toBeCloseTo(wallSeconds as number, 6);
  }, 30_000);

  test('of equal evaluations the first is the best', async () => {
    const result = await report(
      ...[...base, '--steps', '3000', '--seed', '3', '--out', 'equal', '--evaluate-every', '1'],
    );
    const table = evaluations('equal');
    expect(table).toHaveLength(6); // an update reaches many multiples at once
    const highest = Math.max(...table.map(({ mean }) => mean));
    const equals = table.filter(({ mean }) => mean === highest);
    expect(equals.length).toBeGreaterThan(1);
    expect(result['best']).toMatchObject({ steps: equals[0]?.steps });
  });
});

describe('--resume of a run with --evaluate-every', () => {
  const more = ['--steps', '3000'];

  test('goes on with the evaluations that belong to what was saved', async () => {
    const before = evaluations('early');
    copy('early', 'on');
    copy('early', 'on-twin');
    // Rows of updates that were not saved any more, one of them better than all others, the last one torn.
    appendFileSync(file('on-twin', 'evaluations.csv'), '4,2000,3,1e9,0\n5,2500,3,2,0\n,\n6,30');
    const result = await report('train', '--resume', 'on', ...more);
    expect(await report('train', '--resume', 'on-twin', ...more)).toMatchObject({
      evaluation: result['evaluation'],
      best: result['best'],
    });
    expect(read('on-twin', 'evaluations.csv')).toBe(read('on', 'evaluations.csv'));
    expect(bytesOf('on-twin', 'best.safetensors')).toBe(bytesOf('on', 'best.safetensors'));
    expect(evaluations('on').slice(0, before.length)).toEqual(before);
    expect(evaluations('on').map(({ update }) => update)).toEqual([2, 3, 5, 6]);
    const { steps, mean, std } = await expectBest('on');
    expect(result['best']).toEqual({ steps, mean, std });
    // And training is still that of a run without evaluations.
    await report(...[...base, '--seed', '9', '--out', 'on-plain']);
    await report('train', '--resume', 'on-plain', ...more);
    expect(withoutTimes('on')).toEqual(withoutTimes('on-plain'));
  }, 30_000);

  test('a complete run has one row of its end, and keeps it', async () => {
    copy('late', 'complete');
    const before = read('complete', 'evaluations.csv');
    const resumed = await report(
      ...['train', '--resume', 'complete', '--evaluation-episodes', '1'],
    );
    expect(resumed['evaluation']).toMatchObject({ episodes: 1 });
    expect(read('complete', 'evaluations.csv')).toBe(before);
    const { steps, mean, std } = await expectBest('complete');
    expect(resumed['best']).toEqual({ steps, mean, std });
  }, 30_000);

  test('the best is written again where the one that was saved last is it', async () => {
    copy('late', 'lost');
    // A power cut after its row was written, and the run saved.
    cpSync(file('shorter', 'policy.safetensors'), file('lost', 'best.safetensors'));
    await report('train', '--resume', 'lost');
    expect(bytesOf('lost', 'best.safetensors')).toBe(bytesOf('late', 'best.safetensors'));
    rmSync(file('lost', 'best.safetensors'));
    await report('train', '--resume', 'lost');
    expect(bytesOf('lost', 'best.safetensors')).toBe(bytesOf('late', 'best.safetensors'));
  }, 30_000);

  test('Ctrl-C in an evaluation ends the run; the evaluation is made when it goes on', async () => {
    const slow = ['--evaluation-episodes', '100000000'];
    const shared = [...base, '--seed', '9', '--evaluate-every', '500'];
    const { child, outcome } = start([...shared, ...slow, '--out', 'cut', '--json']);
    const table = file('cut', 'progress.csv');
    await waitFor(() => existsSync(table) && rows('cut', 'progress.csv').length > 1);
    child.kill('SIGINT');
    const { code, stdout } = await outcome;
    expect(code).toBe(130);
    const first = parseOnly(stdout);
    expect(first).toMatchObject({ interrupted: true, updates: 1, evaluation: null, best: null });
    expect(evaluations('cut')).toEqual([]);
    expect((await run('evaluate', 'cut', '--best')).stderr).toMatch(
      /--best needs .*best.safetensors, which is not there: .* ended before its first evaluation/,
    );

    const resumed = await report('train', '--resume', 'cut', '--evaluation-episodes', '3');
    await report(...shared, '--out', 'uncut');
    const [ofCut, ofUncut] = ['cut', 'uncut'].map(evaluations);
    expect(ofCut?.[0]).toEqual(ofUncut?.[0]);
    expect(ofCut?.map(({ steps }) => steps)).toEqual([500, 1000, 1500]);
    const { steps, mean, std } = await expectBest('cut');
    expect(resumed['best']).toEqual({ steps, mean, std });
  }, 30_000);

  test('Ctrl-C in the evaluation at the end', async () => {
    const slow = ['--evaluation-episodes', '100000000', '--evaluate-every', '1500'];
    const { child, outcome } = start([...base, ...slow, '--seed', '4', '--out', 'end', '--json']);
    const table = file('end', 'progress.csv');
    await waitFor(() => existsSync(table) && rows('end', 'progress.csv').length > 3);
    child.kill('SIGINT');
    expect((await outcome).code).toBe(130);
    expect(evaluations('end')).toEqual([]);
    copy('end', 'end-twin');
    // With more steps the end is one of the evaluations in the course of the run.
    for (const [name, options, steps] of [
      ['end', [], [1500]],
      ['end-twin', ['--steps', '2000'], [1500, 2000]],
    ] as const) {
      await report('train', '--resume', name, '--evaluation-episodes', '3', ...options);
      expect(evaluations(name).map((row) => row.steps)).toEqual(steps);
      expect(evaluations(name)[0]).toEqual(evaluations('late').at(-1));
      await expectBest(name);
    }
  }, 30_000);

  test('after a kill the best is of the updates that were saved', async () => {
    const endless = ['--steps', '100000000', '--evaluate-every', '500', '--seed', '4'];
    const { child, outcome } = start([...base, ...endless, '--out', 'killed']);
    const table = file('killed', 'evaluations.csv');
    await waitFor(() => existsSync(table) && rows('killed', 'evaluations.csv').length > 9);
    child.kill('SIGKILL');
    await outcome;
    const { updates } = (await loadTraining(file('killed'))).state;
    const { evaluation } = await report('evaluate', 'killed', '--best');
    const { mean } = evaluation as { mean: number };
    expect(
      evaluations('killed').find((row) => row.mean === mean)?.update ?? Infinity,
    ).toBeLessThanOrEqual(updates);
    const steps = 500 * (rows('killed', 'progress.csv').length + 3);
    const resumed = await report('train', '--resume', 'killed', '--steps', `${steps}`);
    expect(evaluations('killed').map((row) => row.steps)).toEqual(
      Array.from({ length: steps / 500 }, (_, index) => 500 * (index + 1)),
    );
    const best = await expectBest('killed');
    expect(resumed['best']).toEqual({ steps: best.steps, mean: best.mean, std: best.std });
  }, 30_000);

  test.each<[string, (name: string) => void, RegExp]>([
    [
      'other columns',
      (name) => writeFileSync(file(name, 'evaluations.csv'), 'a,b\n'),
      /evaluations.csv must have the columns of this version, update,steps,episodes,mean,std/,
    ],
    [
      'no table',
      (name) => rmSync(file(name, 'evaluations.csv')),
      /evaluations.csv.* cannot be read/,
    ],
    [
      'a row less',
      (name) => writeFileSync(file(name, 'evaluations.csv'), 'update,steps,episodes,mean,std\n'),
      /evaluations.csv must have a whole row for the evaluation after update 2, one of the 3/,
    ],
    [
      'a torn row',
      (name) =>
        writeFileSync(
          file(name, 'evaluations.csv'),
          read(name, 'evaluations.csv').replace(/2,1000,3,.*,/, '2,1000,3,,'),
        ),
      /evaluations.csv must have a whole row for the evaluation after update 2/,
    ],
    [
      'no best policy',
      (name) => rmSync(file(name, 'best.safetensors')),
      /best.safetensors is not there: the policy after update 2, which had the best evaluation/,
    ],
    [
      'a wrong config.json',
      (name) =>
        writeFileSync(
          file(name, 'config.json'),
          read(name, 'config.json').replace('"every": 700', '"every": 0'),
        ),
      /evaluation.every must be an integer of at least 1, got 0/,
    ],
  ])('is refused with %s', async (what, damage, message) => {
    const name = `refused-${what.replaceAll(' ', '-')}`;
    copy('early', name);
    damage(name);
    const before = read(name, 'progress.csv');
    const refused = await run('train', '--resume', name, ...more);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(message);
    expect(read(name, 'progress.csv')).toBe(before);
  });
});

test('wrong usage', async () => {
  for (const [line, message] of [
    [
      'train CartPole-v1 --evaluate-every 0',
      /--evaluate-every must be an integer of at least 1, got 0/,
    ],
    ['train --resume early --evaluate-every 500', /--evaluate-every cannot change when a run is/],
  ] as const) {
    const outcome = await run(...line.split(' '));
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(message);
  }
  await report(...[...base, '--out', 'without']);
  const none = await run('evaluate', 'without', '--best');
  expect(none).toMatchObject({ code: 1, stdout: '' });
  expect(none.stderr).toMatch(/--best needs .*: the run was not told to --evaluate-every/);
});
