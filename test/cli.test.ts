import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { environmentNames } from '../lib/environments/registry.js';
import { version } from '../lib/version.js';

const program = join(process.cwd(), 'dist/esm/cli/main.js');
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'trustregion-cli-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(
  args: readonly string[],
  env: Record<string, string> = {},
): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, outcome };
}

const run = (...args: string[]): Promise<Outcome> => start(args).outcome;

async function waitFor(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 20_000; !condition(); await delay(20)) {
    if (Date.now() > end) {
      throw new Error('waited in vain');
    }
  }
}

const read = (...path: string[]): string => readFileSync(join(folder, ...path), 'utf8');
const rows = (...path: string[]): string[] =>
  read(...path)
    .trimEnd()
    .split('\n');

/** A run's table without its times. */
function withoutTimes(name: string): string[][] {
  const [header = [], ...table] = rows(name, 'progress.csv').map((row) => row.split(','));
  const kept = header.flatMap((column, index) => (column.endsWith('Seconds') ? [] : [index]));
  expect(kept.length).toBe(header.length - 3);
  return [header, ...table].map((row) => kept.map((index) => row[index] ?? ''));
}

const small = [
  'train',
  'CartPole-v1',
  '--steps',
  '1500',
  '--steps-per-update',
  '500',
  '--hidden',
  '16',
  '--evaluation-episodes',
  '3',
];

/** The only thing on stdout: one line with an object. */
function parseOnly(stdout: string): Record<string, unknown> {
  expect(stdout.endsWith('\n')).toBe(true);
  expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('trustregion train', () => {
  test('prints one JSON object and writes a run folder that evaluate repeats', async () => {
    const [first, second] = await Promise.all([
      run(...small, '--seed', '3', '--json', '--out', 'a'),
      run(...small, '--seed', '3', '--json', '--out', 'b', '--threads', '1'),
    ]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const report = parseOnly(first.stdout);
    expect(report).toMatchObject({
      task: 'CartPole-v1',
      method: 'TRPO',
      seed: 3,
      steps: 1500,
      updates: 3,
      interrupted: false,
      out: 'a',
      evaluation: { episodes: 3, mean: expect.any(Number), std: expect.any(Number) },
    });
    expect(Object.keys(report).slice(0, 10)).toEqual([
      'task',
      'method',
      'seed',
      'steps',
      'wallSeconds',
      'updates',
      'acceptedUpdates',
      'worstMeanKl',
      'maxKl',
      'evaluation',
    ]);
    expect(report['worstMeanKl']).toBeLessThanOrEqual(report['maxKl'] as number);
    expect(readdirSync(join(folder, 'a')).sort()).toEqual([
      'config.json',
      'curve.svg',
      'policy.safetensors',
      'progress.csv',
      'training.safetensors',
    ]);

    const [header = '', ...table] = rows('a', 'progress.csv');
    expect(header).toMatch(
      /^update,steps,episodes,meanReturn,meanLength,accepted,reason,meanKl,maxKl,/,
    );
    expect(table.map((row) => row.split(',').slice(0, 2))).toEqual([
      ['1', '500'],
      ['2', '1000'],
      ['3', '1500'],
    ]);
    expect(table.every((row) => row.split(',').length === header.split(',').length)).toBe(true);
    expect(read('a', 'curve.svg')).toContain('CartPole-v1, TRPO, seed 3');

    expect(second.code).toBe(0);
    const policies = ['a', 'b'].map((name) =>
      readFileSync(join(folder, name, 'policy.safetensors')),
    );
    expect(policies[0]?.equals(policies[1] ?? Buffer.alloc(0))).toBe(true);

    const again = await run('evaluate', 'a', '--json');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    const { mean, std } = report['evaluation'] as { mean: number; std: number };
    expect(parseOnly(again.stdout)).toMatchObject({
      task: 'CartPole-v1',
      method: 'TRPO',
      seed: 3,
      evaluation: { episodes: 3, mean, std },
    });
    const readable = await run(
      'evaluate',
      'a',
      '--episodes',
      '1',
      '--seed',
      '5',
      '--backend',
      'reference',
    );
    expect(readable).toMatchObject({ code: 0, stderr: '' });
    expect(readable.stdout).toMatch(
      /^CartPole-v1, TRPO, seed 3: return \d+ \+- 0 over 1 episode\n$/,
    );
  });

  test('keeps every setting in config.json, in kebab or camel case', async () => {
    const outcome = await run(
      ...small,
      '--maxKl',
      '0.02',
      '--cg-iterations=5',
      '--hidden',
      '8,4',
      '--activation',
      'relu',
      '--no-normalize-advantages',
      '--no-normalize-observations',
      '--step-length',
      'damped',
      '--value-epochs',
      '2',
      '--gamma',
      '0.9',
      '--backend',
      'reference',
      '--out',
      'c',
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(
      /^CartPole-v1, TRPO, seed 0: 1,500 steps in .* s\ntime {8}physics \d+ %, inference .* rest \d+ %\nupdates {5}3, \d accepted/,
    );
    expect(JSON.parse(read('c', 'config.json'))).toMatchObject({
      format: 'trustregion run',
      formatVersion: 1,
      task: 'CartPole-v1',
      seed: 0,
      train: { steps: 1500, stepsPerUpdate: 500, gamma: 0.9, normalizeObservations: false },
      methodOptions: {
        maxKl: 0.02,
        cgIterations: 5,
        stepLength: 'damped',
        normalizeAdvantages: false,
        acceptRatio: 0.1,
      },
      policy: {
        hidden: [8, 4],
        activation: 'relu',
        observationSize: 4,
        actions: { kind: 'discrete', count: 2 },
      },
      valueFunction: { fit: { epochs: 2, minibatchSize: expect.any(Number) } },
      compute: { backend: 'reference', precision: 'float64' },
      versions: { trustregion: version, node: process.version },
    });
  });

  test('estimates advantages and fits the critic in other ways', async () => {
    const outcome = await run(
      ...small,
      '--estimator',
      'nStep',
      '--horizon',
      '8',
      '--value-solver',
      'gaussNewton',
      '--value-cg-iterations',
      '5',
      '--out',
      'other',
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const { train, valueFunction } = JSON.parse(read('other', 'config.json'));
    expect(train).toEqual({
      steps: 1500,
      stepsPerUpdate: 500,
      estimator: 'nStep',
      gamma: 0.99,
      horizon: 8,
      normalizeObservations: true,
    });
    expect(valueFunction.fit).toEqual({
      solver: 'gaussNewton',
      iterations: 2,
      cgIterations: 5,
      damping: 0.03,
    });
  });

  test.each([
    ['VanillaPolicyGradient', ['--learning-rate', '0.1'], { learningRate: 0.1 }, ['stepScale']],
    [
      'NaturalPolicyGradient',
      ['--epsilon', '0.002', '--solver', 'cholesky', '--fisher', 'empirical'],
      { epsilon: 0.002, solver: 'cholesky', fisher: 'empirical' },
      ['damping', 'cgIterations', 'cgRelativeResidual', 'cgStop', 'stepScale'],
    ],
    [
      'TRPO',
      ['--adaptive-damping', '--warm-start', '--preconditioner', 'jacobi'],
      { adaptiveDamping: { factor: 1.5 }, warmStart: true, preconditioner: 'jacobi' },
      ['damping', 'cgIterations', 'cgRelativeResidual', 'cgStop', 'stepScale'],
    ],
    [
      'DualGradientDescent',
      ['--inner-steps', '5', '--max-kl', '0.03'],
      { innerSteps: 5, maxKl: 0.03 },
      ['gradientSteps', 'multiplier'],
    ],
    [
      'PPO',
      ['--variant', 'klPenalty', '--target-kl', '0.005', '--max-kl', 'Infinity', '--epochs', '2'],
      { variant: 'klPenalty', targetKl: 0.005, maxKl: 'Infinity', epochs: 2 },
      ['gradientSteps', 'epochs', 'klPenalty'],
    ],
  ])('--method %s', async (method, options, resolved, ownColumns) => {
    const shared = [...small, '--method', method, ...options, '--seed', '4'];
    const [first, second] = await Promise.all([
      run(...shared, '--json'),
      run(...shared, '--threads', '1', '--out', `twin-${method}`),
    ]);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const report = parseOnly(first.stdout);
    const out = join('runs', `CartPole-v1-${method}-seed4`);
    const maxKl = (resolved as { readonly maxKl?: number | string }).maxKl;
    expect(report).toMatchObject({
      method,
      updates: 3,
      acceptedUpdates: 3,
      out,
      maxKl: typeof maxKl === 'number' ? maxKl : method === 'TRPO' ? expect.any(Number) : null,
    });
    expect(JSON.parse(read(out, 'config.json'))).toMatchObject({ method, methodOptions: resolved });

    const [header = [], ...table] = rows(out, 'progress.csv').map((row) => row.split(','));
    const ofSomeMethods = [
      'stepScale',
      'damping',
      'cgIterations',
      'cgRelativeResidual',
      'cgStop',
      'gradientSteps',
      'epochs',
      'multiplier',
      'klPenalty',
      'clipFraction',
    ];
    for (const row of table) {
      expect(row).toHaveLength(header.length);
      const filled = ofSomeMethods.filter((column) => row[header.indexOf(column)] !== '');
      expect(filled.sort()).toEqual([...ownColumns].sort());
    }
    expect(read(out, 'curve.svg')).toContain(`CartPole-v1, ${method}, seed 4`);
    expect(read(out, 'curve.svg').includes('>bound ')).toBe(report['maxKl'] !== null);

    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toMatch(
      typeof report['maxKl'] === 'number'
        ? /mean KL at most [\d.e-]+ of /
        : /mean KL at most [\d.e-]+\n/,
    );
    const policies = [out, `twin-${method}`].map((name) =>
      readFileSync(join(folder, name, 'policy.safetensors')),
    );
    expect(policies[0]?.equals(policies[1] ?? Buffer.alloc(0))).toBe(true);
    expect((await run('evaluate', out, '--episodes', '1')).stdout).toMatch(
      new RegExp(`^CartPole-v1, ${method}, seed 4: return`),
    );
  });

  test('--environments and --workers: the same run with any number of workers', async () => {
    const shared = [...small, '--environments', '4', '--seed', '6', '--json'];
    const names: string[] = [];
    for (const workers of ['0', '1', '2', '2']) {
      const name = `workers-${names.length}`;
      const outcome = await run(...shared, '--workers', workers, '--out', name);
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
      names.push(name);
      const { sampling, train } = JSON.parse(read(name, 'config.json'));
      expect(sampling).toEqual({ environments: 4, workers: Number(workers) });
      expect(train.stepsPerUpdate).toBe(500);
      const { timing, wallSeconds } = parseOnly(outcome.stdout) as {
        timing: Record<string, number>;
        wallSeconds: number;
      };
      expect(Object.keys(timing)).toEqual(['physics', 'inference', 'update', 'critic', 'rest']);
      const sum = Object.values(timing).reduce((total, seconds) => total + seconds, 0);
      expect(sum).toBeCloseTo(wallSeconds, 6);
    }
    const [first, ...others] = names.map((name) => ({
      progress: withoutTimes(name),
      policy: readFileSync(join(folder, name, 'policy.safetensors')).toString('hex'),
    }));
    expect(first?.progress).toHaveLength(4);
    expect(others).toEqual([first, first, first]);
    expect(withoutTimes('a')).not.toEqual(first?.progress);
    const rounded = await run(
      'train',
      'CartPole-v1',
      '--steps',
      '900',
      '--environments',
      '3',
      '--out',
      'rounded',
    );
    expect(rounded).toMatchObject({ code: 0 });
    expect(JSON.parse(read('rounded', 'config.json')).train.stepsPerUpdate).toBe(1002);
  });

  test('never overwrites a run', async () => {
    const tiny = [
      'train',
      'CartPole-v1',
      '--steps',
      '200',
      '--steps-per-update',
      '200',
      '--hidden',
      '4',
      '--evaluation-episodes',
      '1',
    ];
    for (const name of ['', '-2', '-3']) {
      const outcome = await run(...tiny);
      expect(outcome).toMatchObject({ code: 0 });
      expect(outcome.stdout).toContain(
        `run folder  ${join('runs', `CartPole-v1-TRPO-seed0${name}`)}\n`,
      );
    }
    mkdirSync(join(folder, 'mine'));
    expect(await run(...tiny, '--out', 'mine')).toMatchObject({ code: 0 });
    const before = rows('mine', 'progress.csv');
    const refused = await run(...tiny, '--out', 'mine');
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toContain(
      '--out must be a folder that does not exist or is empty, but mine holds',
    );
    expect(rows('mine', 'progress.csv')).toEqual(before);
  });

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

describe('wrong usage', () => {
  test.each<[string, RegExp]>([
    ['', /a command is needed: train, evaluate, plot/],
    ['trian', /unknown command 'trian'; did you mean 'train'\?/],
    ['train', /a task is needed: one of CartPole-v1/],
    ['train CartPole', /task must be one of .*; did you mean 'CartPole-v1'\?/],
    ['train CartPole-v1 Pendulum-v1', /one task is enough, got also 'Pendulum-v1'/],
    ['train CartPole-v1 --stps 5', /unknown option --stps; did you mean --steps\?/],
    ['train CartPole-v1 --max-KL 5', /unknown option --max-KL; did you mean --max-kl\?/],
    ['train CartPole-v1 -s 5', /unknown option -s/],
    ['train CartPole-v1 --steps', /option --steps needs a value: --steps N/],
    ['train CartPole-v1 --steps --json', /option --steps needs a value/],
    [
      'train CartPole-v1 --steps 1e3.5',
      /--steps must be an integer of at least 1, got the string "1e3.5"/,
    ],
    ['train CartPole-v1 --steps 0', /--steps must be an integer of at least 1, got 0/],
    ['train CartPole-v1 --max-kl -1', /--max-kl must be a number greater than 0, got -1/],
    [
      'train CartPole-v1 --hidden 8,x',
      /number 2 of --hidden must be an integer of at least 1, got the string "x"/,
    ],
    ['train CartPole-v1 --method TRP', /--method must be one of .*'TRPO'.*; did you mean 'TRPO'\?/],
    [
      'train CartPole-v1 --method PPO --epsilon 1',
      /--epsilon is no option of PPO, but of VanillaPolicyGradient, NaturalPolicyGradient/,
    ],
    [
      'train CartPole-v1 --kl-tolerance 0.1 --line-search backtracking',
      /klTolerance must be left out with lineSearch 'backtracking', got 0.1/,
    ],
    [
      'train CartPole-v1 --method PPO --variant klPenalty --clip-range 0.1',
      /clipRange must be left out with variant 'klPenalty', got 0.1/,
    ],
    ['train CartPole-v1 --workers 2', /workers must be an integer from 0 to 1, got 2/],
    [
      'train CartPole-v1 --environments 3 --steps-per-update 500',
      /--steps-per-update must be a multiple of the 3 of --environments, got 500/,
    ],
    ['train CartPole-v1 --resume a', /no task is wanted with --resume, got 'CartPole-v1'/],
    [
      'train --resume a --max-kl 0.1',
      /--max-kl cannot change when a run is resumed; only --steps, --workers, --timeout, --threads,/,
    ],
    [
      'train CartPole-v1 --timeout 5',
      /--timeout must be left out without --workers: nothing can interrupt/,
    ],
    ['train --resume a --workers 3', /workers must be an integer from 0 to 1, got 3/],
    ['train CartPole-v1 --max-kl Infinity', /maxKl must be a finite number/],
    ['train CartPole-v1 --json=1', /option --json takes no value, got '1'/],
    ['train CartPole-v1 --backend gpu', /gpu/],
    [
      'train CartPole-v1 --initial-log-std 0',
      /initialLogStd must be left out for discrete actions/,
    ],
    [
      'train CartPole-v1 --estimator monteCarlo --lambda 0.9',
      /lambda must be left out with estimator 'monteCarlo', got 0.9/,
    ],
    [
      'train CartPole-v1 --estimator nStep',
      /horizon must be an integer from 1 to 2147483648, got undefined/,
    ],
    [
      'train CartPole-v1 --value-damping 1',
      /--value-damping must be left out with --value-solver 'adam', got 1/,
    ],
    [
      'train CartPole-v1 --value-solver gaussNewton --value-epochs 3',
      /--value-epochs must be left out with --value-solver 'gaussNewton', got 3/,
    ],
    ['evaluate', /one run folder is needed, got 0/],
    ['evaluate a --episodes 0', /--episodes must be an integer of at least 1/],
  ])('trustregion %s', async (line, message) => {
    const outcome = await run(...line.split(' ').filter((word) => word !== ''));
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(message);
    expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(2); // the second names --help
  });
});

describe('failures', () => {
  test('no run folder, or a damaged one', async () => {
    const missing = await run('evaluate', 'nowhere');
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toMatch(
      /nowhere is not the folder of a run: .*config.json: there is no such file/,
    );
    mkdirSync(join(folder, 'damaged'));
    writeFileSync(join(folder, 'damaged', 'config.json'), '{"format": "other"}');
    expect((await run('evaluate', 'damaged')).stderr).toMatch(
      /format must be 'trustregion run' version 1, got the string "other"/,
    );
  });

  test('no addon', async () => {
    const { outcome } = start([...small, '--out', 'no-addon'], {
      TRUSTREGION_ADDON: join(folder, 'none.node'),
    });
    const { code, stderr } = await outcome;
    expect(code).toBe(1);
    expect(stderr).toMatch(/^trustregion: The native addon .* could not be loaded/);
    expect(existsSync(join(folder, 'no-addon'))).toBe(false);
  });
});

describe('help', () => {
  test('train --help knows all methods and their options', async () => {
    const { stdout } = await run('train', '--help', '--method', 'PPO');
    expect(stdout).toContain('Updating, NaturalPolicyGradient, TRPO:\n  --damping X');
    expect(stdout).toContain('Updating, every method:\n  --no-normalize-advantages');
    expect(stdout).toContain('Defaults by task, of --method PPO');
    const [heading = '', ...rows] = stdout
      .slice(stdout.indexOf('Defaults by task'))
      .split('\n')
      .slice(1);
    expect(heading.trim().split(/ {2,}/)).toEqual(
      expect.arrayContaining(['CartPole-v1', 'Pendulum-v1', 'all others']),
    );
    const gamma = rows
      .find((row) => row.includes('--gamma'))
      ?.trim()
      .split(/ +/);
    expect(gamma?.slice(1)).toHaveLength(heading.trim().split(/ {2,}/).length);
    expect(gamma?.[1 + heading.trim().split(/ {2,}/).indexOf('Pendulum-v1')]).toBe('0.95');
    for (const name of environmentNames) {
      expect(stdout.slice(0, stdout.indexOf('Methods:'))).toMatch(new RegExp(`[ ,]${name}[,\\n]`));
    }
  });

  test.each([
    ['--help'],
    ['train --help'],
    ['train --help --method DualGradientDescent'],
    ['evaluate --help'],
    ['plot --help'],
  ])('trustregion %s', async (line) => {
    const outcome = await run(...line.split(' '));
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toMatch(/^Usage: trustregion /);
    expect(Math.max(...outcome.stdout.split('\n').map((row) => row.length))).toBeLessThanOrEqual(
      110,
    );
  });

  test('--version is that of package.json', async () => {
    const { version: expected } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      version: string;
    };
    expect(await run('--version')).toMatchObject({ code: 0, stdout: `${expected}\n` });
  });
});
