/*
 * Environments of a VectorEnvironment that fail: while they are made, and at work.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { TrustRegionError } from '../lib/errors.js';
import { deriveSeeds } from '../lib/seeds.js';
import { train } from '../lib/train.js';
import { VectorEnvironment } from '../lib/vector-environment.js';
import type { VectorEnvironmentOptions } from '../lib/vector-environment.js';
import { expectRejection } from './helpers.js';
import { Script } from './script-environment.js';
import { failing, scripted, scriptedPolicy, using } from './vector-helpers.js';

describe('VectorEnvironment', () => {
  test.each<[string, Partial<VectorEnvironmentOptions>, TrustRegionError['code'], RegExp]>([
    ['load', {}, 'ERR_CALLBACK', /^module file:.* cannot be loaded: no such luck$/],
    ['make', {}, 'ERR_CALLBACK', /^environment 1 cannot be made: its factory threw: out of parts$/],
    [
      'make-nothing',
      {},
      'ERR_INVALID_ARGUMENT',
      /^environment 1 must be an environment with reset/,
    ],
    [
      'make-exit',
      {},
      'ERR_CALLBACK',
      /^environment 1 cannot be made: its thread ended: exit code 4$/,
    ],
    [
      'make-hang',
      { timeout: 400 },
      'ERR_TIMEOUT',
      /^environment 1 cannot be made: its thread was not .* 400 mill/,
    ],
  ])('cannot be made with the fault %s', async (fault, options, code, sentence) => {
    for (const workers of [1, 2]) {
      await expectRejection(
        VectorEnvironment.create({ module: failing(fault), environments: 2, workers, ...options }),
        code,
        sentence,
      );
    }
  });

  test('all environments must have the same spaces', async () => {
    for (const workers of [1, 2]) {
      await expectRejection(
        VectorEnvironment.create({
          module: `${scripted}?spaces=different`,
          environments: 2,
          workers,
        }),
        'ERR_SHAPE_MISMATCH',
        /^environment 1 must have the spaces of environment 0, .* discrete \[2\] actions, got .*\[3\]/,
      );
    }
  });
});

describe('train in a VectorEnvironment', () => {
  test.each<[string, TrustRegionError['code'], RegExp]>([
    ['throw', 'ERR_CALLBACK', /step\(\) threw: boom$/],
    ['cause', 'ERR_CALLBACK', /step\(\) threw: with a function$/],
    ['reward', 'ERR_NOT_FINITE', /reward of step\(\) must be a finite number, got NaN$/],
    ['observation', 'ERR_NOT_FINITE', /observation\[1\] of step\(\) must be a finite .* got NaN$/],
    ['large', 'ERR_NOT_FINITE', /must be a number of at most 3.4e38 in size, got 1e\+300$/],
    ['flag', 'ERR_CALLBACK', /terminated of step\(\) must be true or false, got 1$/],
    ['hang', 'ERR_TIMEOUT', /step\(\) did not return within 400 milliseconds$/],
    ['reset', 'ERR_TIMEOUT', /reset\(\) did not return within 400 milliseconds$/],
    ['exit', 'ERR_CALLBACK', /step\(\) ended its thread: exit code 3$/],
  ])('an environment with the fault %s ends the run', async (fault, code, reason) => {
    for (const workers of [1, 2]) {
      const vector = await VectorEnvironment.create({
        module: failing(fault, '1', 57),
        environments: 3,
        workers,
        timeout: fault === 'hang' || fault === 'reset' ? 400 : 60_000,
      });
      const policy = scriptedPolicy();
      const updates: number[] = [];
      const running = train({
        policy,
        environments: vector,
        steps: 600,
        stepsPerUpdate: 120, // 40 steps of each
        seed: 9,
        onUpdate: ({ update }) => void updates.push(update),
      });
      await expectRejection(running, code, reason);
      const { message } = (await running.catch((error: unknown) => error)) as Error;
      const seed = deriveSeeds(9, 3).environments[1];
      const step = fault === 'reset' ? '\\d+' : '57';
      expect(message).toMatch(
        new RegExp(`^environment 1 \\(Scripted, seed ${seed}\\) failed at its step ${step}: `),
      );
      expect(updates).toEqual([1]); // and the second rollout left no trace
      expect(policy.normalizer.count).toBe(120);
      expect(vector.closed).toBe(true);
      await expectRejection(vector.reset(), 'ERR_CLOSED', /after close/);
    }
  });

  test('a thread that cannot be ended is not waited for', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'trustregion-vector-'));
    const file = path.join(folder, 'wait');
    writeFileSync(file, '');
    try {
      const vector = await VectorEnvironment.create({
        module: `${failing('block')}&file=${encodeURIComponent(file)}`,
        environments: 2,
        workers: 2,
        timeout: 400,
      });
      await vector.reset(1);
      await expectRejection(
        vector.step([0, 0]),
        'ERR_TIMEOUT',
        /^environment 1 .* step\(\) did not return within 400 milliseconds$/,
      );
      expect(vector.closed).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true }); // only now can the thread end
    }
  });

  test('the first of several failures is named, whatever the number of workers', async () => {
    const scriptedHere = (index: number): Script =>
      new Script({
        change: (step) => {
          if (step === 5 && index > 0) {
            throw new Error('boom');
          }
          return undefined;
        },
      });
    for (const workers of [0, 1, 2, 3]) {
      const source =
        workers === 0 ? { task: scriptedHere } : { module: failing('throw', '2,1', 5) };
      await using({ ...source, environments: 3, workers }, async (vector) => {
        await vector.reset(4);
        for (let step = 1; step < 5; step += 1) {
          await vector.step([0, 0, 0]);
        }
        await expectRejection(
          vector.step([0, 0, 0]),
          'ERR_CALLBACK',
          /^environment 1 \(Script.*, seed \d+\) failed at its step 5: step\(\) threw: boom$/,
        );
        expect(vector.closed).toBe(true);
      });
    }
  });
});

test.each([
  ['exit,throw', /^environment 0 .* step\(\) ended its thread: exit code 3$/],
  ['throw,exit', /^environment 0 .* step\(\) threw: boom$/],
  ['throw,hang', /^environment 0 .* step\(\) threw: boom$/], // at once, not after the timeout
])('of the failures %s in one step the first is named', async (faults, sentence) => {
  for (const workers of [1, 2, 3]) {
    await using({ module: failing(faults, '0,2'), environments: 3, workers }, async (vector) => {
      await vector.reset(4);
      await expectRejection(vector.step([0, 0, 0]), 'ERR_CALLBACK', sentence);
    });
  }
});

test.each([
  ['throw', /step\(\) threw: boom$/],
  ['exit', /step\(\) ended its thread: exit code 3$/],
])('the seed and the count of steps outlive a reset without a seed (%s)', async (fault, reason) => {
  const seed = deriveSeeds(4, 2).environments[1];
  for (const [seeds, text] of [
    [[4, undefined], `seed ${seed}\\) failed at its step 3: `],
    [[undefined, undefined], 'not seeded\\) failed at its step 3: '],
    [[undefined, 4], `seed ${seed}\\) failed at its step 1: `],
  ] as const) {
    for (const workers of fault === 'exit' ? [1, 2] : [0, 1, 2]) {
      const module = failing(fault, '1', 3);
      await using({ module, environments: 2, workers }, async (vector) => {
        await vector.reset(seeds[0]);
        await vector.step([0, 0]);
        await vector.step([0, 0]);
        await vector.reset(seeds[1]);
        const last = vector.step([0, 0]);
        await expectRejection(last, 'ERR_CALLBACK', reason);
        await expectRejection(
          last,
          'ERR_CALLBACK',
          new RegExp(`^environment 1 \\(Scripted, ${text}`),
        );
      });
    }
  }
});
