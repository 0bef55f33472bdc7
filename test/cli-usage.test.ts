import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { environmentNames } from '../lib/environments/registry.js';
import { folder, run, small, start } from './cli-helpers.js';

beforeAll(async () => {
  expect(await run(...small, '--out', 'a')).toMatchObject({ code: 0 });
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
      'train CartPole-v1 --schedule maxKl=0',
      /--schedule must be NAME:X,NAME:X,\.\.\. or none, got/,
    ],
    ['train CartPole-v1 --schedule maxKl:x', /maxKl of --schedule must be a number, got/],
    ['train CartPole-v1 --schedule maxKL:0', /unknown option 'maxKL' in schedule/],
    ['train CartPole-v1 --schedule clipRange:0', /clipRange must be left out of the schedule/],
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
    const lines = stdout.slice(stdout.indexOf('Defaults by task')).split('\n').slice(1);
    // Columns are headed by their tasks, one below the other; the last line of headings has one of each.
    const first = lines.findIndex((line) => line.trim().startsWith('--'));
    const headings = (lines[first - 1] ?? '').trim().split(/ {2,}/);
    expect(headings).toEqual(expect.arrayContaining(['CartPole-v1', 'Pendulum-v1', 'others']));
    const gamma = lines
      .find((line) => line.includes('--gamma'))
      ?.trim()
      .split(/ +/);
    expect(gamma?.slice(1)).toHaveLength(headings.length);
    expect(gamma?.[1 + headings.indexOf('Pendulum-v1')]).toBe('0.95');
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
