import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { version } from '../lib/version.js';
import { folder, parseOnly, read, rows, run, small, withoutTimes } from './cli-helpers.js';

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
      /^update,steps,episodes,meanReturn,meanLength,accepted,reason,meanKl,klBound,maxKl,/,
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
      scaleRewards: false,
      schedule: {},
    });
    expect(valueFunction.fit).toEqual({
      solver: 'gaussNewton',
      iterations: 2,
      cgIterations: 5,
      damping: 0.03,
    });
  });

  test.each([
    [[], { maxKl: 0.01 }],
    [['--max-kl', '0.02'], {}],
    [['--schedule', 'none'], {}],
    [['--max-kl', '0.02', '--schedule', 'maxKl:0.005'], { maxKl: 0.005 }],
    [['--method', 'PPO'], {}],
  ])(
    "keeps to a task's schedule but for numbers that are given: %j",
    async (options, schedule) => {
      const task = ['train', 'InvertedPendulum-v5', '--steps', '64', '--steps-per-update', '64'];
      const out = `task-schedule${options.join('')}`;
      expect(await run(...task, '--hidden', '4', ...options, '--out', out)).toMatchObject({
        code: 0,
      });
      expect(JSON.parse(read(out, 'config.json')).train.schedule).toEqual(schedule);
    },
    30_000,
  );

  test('moves numbers by a schedule and scales rewards', async () => {
    const schedule = 'maxKl:0,valueLearningRate:1e-4';
    const outcome = await run(
      ...small,
      '--schedule',
      schedule,
      '--scale-rewards',
      '--out',
      'moving',
    );
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const { train, methodOptions } = JSON.parse(read('moving', 'config.json'));
    expect(train).toMatchObject({
      schedule: { maxKl: 0, valueLearningRate: 1e-4 },
      scaleRewards: true,
    });
    const [header = '', ...rows] = read('moving', 'progress.csv').trim().split('\n');
    const column = header.split(',').indexOf('klBound');
    const bounds = rows.map((row) => Number(row.split(',')[column]));
    [1, 2 / 3, 1 / 3].forEach((part, index) =>
      expect(bounds[index]).toBeCloseTo(part * methodOptions.maxKl, 12),
    );
    const resumed = await run('train', '--resume', 'moving', '--steps', '2000');
    expect(resumed).toMatchObject({ code: 0, stderr: '' });
    const last = read('moving', 'progress.csv').trim().split('\n').at(-1)?.split(',') ?? [];
    expect(Number(last[column])).toBeCloseTo(0.25 * methodOptions.maxKl, 12);
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
});
