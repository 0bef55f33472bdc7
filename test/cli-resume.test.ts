import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
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

beforeAll(async () => {
  expect(await run(...small, '--out', 'a')).toMatchObject({ code: 0 });
});

describe('trustregion train', () => {
  test('ends cleanly at Ctrl-C and leaves a usable folder', async () => {
    const { child, outcome } = start([
      'train',
      'CartPole-v1',
      '--steps',
      '100000000',
      '--steps-per-update',
      '500',
      '--hidden',
      '16',
      '--out',
      'stopped',
      '--json',
    ]);
    const table = join(folder, 'stopped', 'progress.csv');
    await waitFor(() => existsSync(table) && rows(table.slice(folder.length)).length > 3);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await outcome;
    expect(code).toBe(130);
    expect(stderr).toBe(
      'trustregion: stopping after the step at hand; Ctrl-C again quits at once\n',
    );
    const report = parseOnly(stdout);
    expect(report).toMatchObject({ interrupted: true, evaluation: null, out: 'stopped' });
    expect(rows('stopped', 'progress.csv')).toHaveLength((report['updates'] as number) + 1);
    expect(readdirSync(join(folder, 'stopped')).sort()).toEqual([
      'config.json',
      'curve.svg',
      'policy.safetensors',
      'progress.csv',
      'training.safetensors',
    ]);
    expect(await run('evaluate', 'stopped', '--episodes', '2')).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  test('--resume goes on where a run was interrupted, always in the same way', async () => {
    const options = [
      '--steps-per-update',
      '500',
      '--hidden',
      '16',
      '--environments',
      '2',
      '--json',
    ];
    const { child, outcome } = start([
      'train',
      'CartPole-v1',
      '--steps',
      '100000000',
      ...options,
      '--out',
      'cut',
    ]);
    const table = join(folder, 'cut', 'progress.csv');
    await waitFor(() => existsSync(table) && rows('cut', 'progress.csv').length > 3);
    child.kill('SIGINT');
    const before = parseOnly((await outcome).stdout);
    const done = before['updates'] as number;
    const first = withoutTimes('cut');
    expect(first).toHaveLength(done + 1);
    // A row of an update that was not saved any more.
    cpSync(join(folder, 'cut'), join(folder, 'cut-twin'), { recursive: true });
    appendFileSync(table, `${done + 1},${500 * (done + 1)},9\n${done + 2},`);

    const steps = 500 * (done + 3);
    for (const [name, workers] of [
      ['cut', '0'],
      ['cut-twin', '2'],
    ] as const) {
      const more = ['--resume', name, '--steps', `${steps}`, '--workers', workers, '--json'];
      const resumed = await run('train', ...more, '--evaluation-episodes', '2');
      expect(resumed).toMatchObject({ code: 0, stderr: '' });
      const report = parseOnly(resumed.stdout);
      expect(report).toMatchObject({ steps, updates: done + 3, out: name, interrupted: false });
      expect(report['wallSeconds']).toBeGreaterThan(before['wallSeconds'] as number);
      expect(report['episodes']).toBeGreaterThan(before['episodes'] as number);
      const config = JSON.parse(read(name, 'config.json'));
      expect(config).toMatchObject({
        train: { steps },
        sampling: { environments: 2, workers: Number(workers) },
        evaluation: { episodes: 2 },
        resumedAt: [500 * done],
      });
    }
    const table2 = withoutTimes('cut');
    expect(table2.slice(0, done + 1)).toEqual(first);
    expect(table2.map(([update]) => update)).toEqual([
      'update',
      ...Array.from({ length: done + 3 }, (_, index) => `${index + 1}`),
    ]);
    expect(withoutTimes('cut-twin')).toEqual(table2);
    const policies = ['cut', 'cut-twin'].map((name) =>
      readFileSync(join(folder, name, 'policy.safetensors')).toString('hex'),
    );
    expect(policies[1]).toBe(policies[0]);
    expect((await run('evaluate', 'cut', '--json')).code).toBe(0);
    const curve = read('cut', 'curve.svg');
    expect(read('cut-twin', 'curve.svg')).toBe(curve);
  });

  test('--resume refuses what it cannot go on with', async () => {
    const refused = await run('train', '--resume', 'nowhere');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/nowhere is not the folder of a run: .*there is no such file/);
    for (const [name, file, damage, message] of [
      ['hurt-training', 'training.safetensors', 'x', /checkpoint is damaged/],
      ['hurt-table', 'progress.csv', 'a,b\n', /progress.csv must have the columns of this version/],
      [
        'short-table',
        'progress.csv',
        rows('a', 'progress.csv').slice(0, -1).join('\n'),
        /line 3 of .*progress.csv must be that of update 2, one of the 3 .* fields, got ''/,
      ],
      [
        'torn-table',
        'progress.csv',
        `${rows('a', 'progress.csv').slice(0, -1).join('\n')}\n3,150`,
        /line 4 of .*progress.csv must be that of update 3, one of the 3/,
      ],
      [
        'odd-table',
        'progress.csv',
        read('a', 'progress.csv').replace('\n2,', '\n1,'),
        /line 3 of .*progress.csv must be that of update 2/,
      ],
      ['hurt-config', 'config.json', '{', /hurt-config is not the folder of a run/],
    ] as const) {
      cpSync(join(folder, 'a'), join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, file), damage);
      const outcome = await run('train', '--resume', name, '--steps', '2000');
      expect(outcome).toMatchObject({ code: 1, stdout: '' });
      expect(outcome.stderr).toMatch(message);
    }
    cpSync(join(folder, 'a'), join(folder, 'flipped'), { recursive: true });
    const file = join(folder, 'flipped', 'training.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const flipped = await run('train', '--resume', 'flipped', '--steps', '2000');
    expect(flipped.stderr).toMatch(/flipped.*do not match its checksum/);
    rmSync(file);
    expect((await run('train', '--resume', 'flipped')).stderr).toMatch(
      /flipped.training.safetensors is not there: the run ended before .* start it anew/,
    );
  });

  test('--resume keeps how it computes, and says how it computed', async () => {
    const name = 'recorded';
    const config = () => JSON.parse(read(name, 'config.json'));
    const options = ['--backend', 'reference', '--threads', '2', '--json', '--out', name];
    expect(await run(...small, '--environments', '2', ...options)).toMatchObject({ code: 0 });
    const { compute, ...others } = config();
    expect(compute).toEqual({ backend: 'reference', precision: 'float64', threads: 2 });
    const elsewhere = { versions: { trustregion: '0.0.1', node: 'v1' }, platform: 'abacus' };
    writeFileSync(
      join(folder, name, 'config.json'),
      JSON.stringify({ compute, ...others, ...elsewhere }),
    );
    const few = await run('train', '--resume', name, '--steps', '1400');
    expect(few).toMatchObject({ code: 2, stdout: '' });
    expect(few.stderr).toMatch(/--steps must be at least 1500, the steps .* has taken, got 1400/);
    expect(config()).toMatchObject(elsewhere);

    expect(await run('train', '--resume', name, '--json')).toMatchObject({ code: 0, stderr: '' });
    expect(config()).toEqual({ compute, ...others }); // nothing was left, and so it was not resumed
    const workers = ['--workers', '2', '--timeout', '30000'];
    const more = ['--steps', '2000', '--threads', '1', ...workers, '--json'];
    expect(await run('train', '--resume', name, ...more)).toMatchObject({ code: 0, stderr: '' });
    expect(config()).toMatchObject({ compute: { ...compute, threads: 1 }, resumedAt: [1500] });
    expect(config().sampling).toEqual({ environments: 2, workers: 2, timeout: 30_000 });
    expect(await run('train', '--resume', name, '--workers', '0', '--json')).toMatchObject({
      code: 0,
    });
    expect(config().sampling).toEqual({ environments: 2, workers: 0 });
  });

  test('has its folder for itself', async () => {
    cpSync(join(folder, 'a'), join(folder, 'locked'), { recursive: true });
    const lock = join(folder, 'locked', 'lock');
    const more = ['train', '--resume', 'locked', '--steps', '2000', '--json'];
    writeFileSync(lock, `${process.pid}\n`);
    const before = read('locked', 'progress.csv');
    const refused = await run(...more);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(
      new RegExp(`^trustregion: process ${process.pid} is at work in locked: wait for it`),
    );
    expect(read('locked', 'progress.csv')).toBe(before);
    expect(readFileSync(lock, 'utf8')).toBe(`${process.pid}\n`);
    const gone = start(['--help']);
    await gone.outcome;
    for (const left of [`${gone.child.pid}\n`, '']) {
      writeFileSync(lock, left); // what a run that was killed, or a power cut, leaves
      expect(await run(...more)).toMatchObject({ code: 0, stderr: '' });
      expect(existsSync(lock)).toBe(false);
    }
  });

  test('quits at once at a second Ctrl-C', async () => {
    const { child, outcome } = start([
      'train',
      'CartPole-v1',
      '--steps',
      '1000',
      '--steps-per-update',
      '500',
      '--value-epochs',
      '1000000',
      '--out',
      'killed',
    ]); // the first fit takes forever
    await waitFor(() => existsSync(join(folder, 'killed', 'progress.csv')));
    await delay(500);
    child.kill('SIGINT');
    await delay(300);
    expect(child.exitCode).toBeNull();
    child.kill('SIGINT');
    expect(await outcome).toMatchObject({ code: null, signal: 'SIGINT' });
  });
});
