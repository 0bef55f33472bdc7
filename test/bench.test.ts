import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { compare, isSameStep } from '../bench/harness/comparison.mjs';
import { takeTurns } from '../bench/harness/contenders.mjs';
import { parseOptions } from '../bench/harness/options.mjs';
import {
  median,
  multiplyAdds,
  quantile,
  spread,
  updateFlops,
} from '../bench/harness/statistics.mjs';
import { caseNamed, makeProblem, readProblem, sizesOf, writeProblem } from '../bench/problem.mjs';

describe('statistics', () => {
  test('median, range and quantiles', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('no values');
    expect(spread([5, 1, 3])).toEqual({ median: 3, least: 1, most: 5 });
    const hundred = Array.from({ length: 100 }, (_, index) => 99 - index);
    expect([0, 0.5, 0.99, 1].map((part) => quantile(hundred, part))).toEqual([0, 50, 99, 99]);
    expect(() => quantile([], 0.5)).toThrow('no values');
  });

  test('the work of a 17-64-64-6 policy, counted by hand', () => {
    // Tangent: 17 x 64 once, 64 x 64 and 64 x 6 twice. Backward signal: 64 x 64 and 64 x 6.
    const weights = [17 * 64, 64 * 64, 64 * 6] as const;
    const backward = weights[0] + 2 * weights[1] + 2 * weights[2];
    expect(multiplyAdds([17, 64, 64, 6])).toEqual({
      forward: 5568,
      gradient: backward,
      product: weights[0] + 2 * weights[1] + 2 * weights[2] + backward,
    });
    const update = { rows: 10, sizes: [17, 64, 64, 6], products: 15, candidates: 2 };
    expect(updateFlops(update)).toBe(20 * (3 * 5568 + backward + 15 * 20_096));
  });
});

test('the physics alone of a task goes where the task goes', () => {
  // The trial itself compares the last states, and fails where they differ.
  const program = path.join(process.cwd(), 'bench/trials/environment.mjs');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, 'Hopper-v5', '60', '0.1'],
    { encoding: 'utf8' },
  );
  expect([status, stderr]).toEqual([0, '']);
  const result = JSON.parse(stdout) as Record<string, number>;
  expect(Object.keys(result)).toEqual(
    expect.arrayContaining(['peer', 'us', 'physicsUs', 'aroundUs', 'ratio', 'stepsPerEpisode']),
  );
  expect(result['stepsPerEpisode']).toBeGreaterThan(5);
  expect(result['stepsPerEpisode']).toBeLessThanOrEqual(60);
});

describe('turns', () => {
  test('the order moves on each round, and who is absent is asked once', () => {
    const calls: string[] = [];
    const contender = (name: string, absent?: string) => ({
      name,
      run: () => {
        calls.push(name);
        return { peer: name, ms: calls.length, ...(absent === undefined ? {} : { absent }) };
      },
    });
    const results = takeTurns([contender('a'), contender('b', 'no b'), contender('c')], 3);
    expect(calls.join('')).toBe('abc' + 'ca' + 'ca');
    expect(results.map((each: unknown[]) => each.length)).toEqual([3, 1, 3]);
  });

  test('ratios are taken within a round', () => {
    const rounds = [
      [
        { peer: 'ours', ms: 1 },
        { peer: 'ours', ms: 10 },
        { peer: 'ours', ms: 2 },
      ],
      [
        { peer: 'theirs', ms: 3 },
        { peer: 'theirs', ms: 20 },
        { peer: 'theirs', ms: 8 },
      ],
      [{ peer: 'none', absent: 'not installed' }],
    ];
    const [ours, theirs, none] = compare(rounds);
    expect(ours?.times).toEqual({ median: 2, least: 1, most: 10 });
    expect(theirs?.timesOurs).toEqual({ median: 3, least: 2, most: 4 });
    expect(none).toEqual({ peer: 'none', absent: 'not installed' });
  });

  test('steps are the same to three digits', () => {
    const step = { meanKl: 0.01, stepNorm: 0.3 };
    expect(isSameStep({ meanKl: 0.010005, stepNorm: 0.30001 }, step)).toBe(true);
    expect(isSameStep({ meanKl: 0.0101, stepNorm: 0.3 }, step)).toBe(false);
    expect(isSameStep({ meanKl: 0.01, stepNorm: 0.31 }, step)).toBe(false);
    expect(isSameStep({ meanKl: Number.NaN, stepNorm: 0.3 }, step)).toBe(false);
  });
});

describe('options', () => {
  test('numbers become numbers, the rest has defaults', () => {
    const options = parseOptions({ case: { type: 'string', default: 'S2k' } }, ['--threads', '2']);
    expect(options).toMatchObject({ threads: 2, rounds: 5, case: 'S2k', json: false });
  });

  test.each([
    [['--threads', '0'], '--threads'],
    [['--rounds', '1.5'], '--rounds'],
    [['--seconds', 'soon'], '--seconds'],
    [['--thread', '1'], '--thread'],
  ])('%j is refused', (args, named) => {
    expect(() => parseOptions({}, args)).toThrow(named);
  });

  test('so is an unknown case', () => {
    expect(() => caseNamed('S3k')).toThrow("no case 'S3k'");
    expect(() => caseNamed('toString')).toThrow("no case 'toString'");
  });
});

describe('problems', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'trustregion-bench-test-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(['S2k', 'D2k'])('%s is in mid-training and survives its files', (name) => {
    const problem = makeProblem(name, { threads: 1 });
    const { policy, batch } = problem;
    expect(sizesOf(problem)).toEqual(name === 'S2k' ? [17, 64, 64, 6] : [8, 64, 64, 4]);
    expect(policy.getParameters().every((parameter: number) => Number.isFinite(parameter))).toBe(
      true,
    );
    expect(policy.gradient(batch).some((each: number) => each !== 0)).toBe(true);
    if (name === 'S2k') expect(policy.getParameters().at(-1)).toBe(-1);

    writeProblem(problem, folder, { arrays: { extra: [1, 2] } });
    const read = readProblem(folder, { threads: 1 });
    expect(read.batch).toEqual(batch);
    expect(read.policy.getParameters()).toEqual(policy.getParameters());
    expect(read.options).toEqual({ maxKl: 0.01, damping: 0.1, cgIterations: 15 });
    expect(Array.from(read.policy.gradient(read.batch))).toEqual(
      Array.from(policy.gradient(batch)),
    );
  });
});
