import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import type { Environment } from '../lib/environments/environment.js';
import { makeEnvironment } from '../lib/environments/registry.js';
import type { TrustRegionError } from '../lib/errors.js';
import { Policy } from '../lib/policy.js';
import { deriveSeeds } from '../lib/seeds.js';
import { train } from '../lib/train.js';
import type { TrainProgress, TrainResult } from '../lib/train.js';
import { TRPO } from '../lib/trpo.js';
import { VectorEnvironment } from '../lib/vector-environment.js';
import type { VectorEnvironmentOptions } from '../lib/vector-environment.js';
import { bitsOf, expectRejection } from './helpers.js';
import { Script } from './script-environment.js';

const scripted = pathToFileURL(path.resolve('test/scripted-module.mjs')).href;

const scriptedPolicy = (options: { backend?: string } = {}) =>
  new Policy({
    observationSize: 2,
    actions: { kind: 'discrete', count: 2 },
    hidden: [8],
    seed: 3,
    ...options,
  });

/** Makes one, hands it on, and closes it whatever happens. */
async function using<Result>(
  options: VectorEnvironmentOptions,
  run: (vector: VectorEnvironment) => Promise<Result>,
): Promise<Result> {
  const vector = await VectorEnvironment.create(options);
  try {
    return await run(vector);
  } finally {
    await vector.close();
  }
}

/** A module whose environments of these numbers fail at a step. */
const failing = (fault: string, environments = '1', step = 1) =>
  `${scripted}?fault=${fault}&environments=${environments}&step=${step}`;

describe('VectorEnvironment', () => {
  test.each([0, 1, 2, 3])('steps as its environments would, with %i workers', async (workers) => {
    const count = 3;
    const single = Array.from({ length: count }, () => new CartPole());
    const seeds = deriveSeeds(11, count).environments;
    const first = single.map((environment, index) => environment.reset(seeds[index]));
    await using({ task: 'CartPole-v1', environments: count, workers }, async (vector) => {
      expect(vector).toMatchObject({
        name: 'CartPole-v1',
        environments: count,
        workers,
        observationSpace: { size: 4 },
        actionSpace: { kind: 'discrete', count: 2 },
        closed: false,
      });
      const shown = await vector.reset(11);
      expect(Array.from(shown)).toEqual(first.flatMap((observation) => Array.from(observation)));
      let ends = 0;
      for (let step = 0; step < 120; step += 1) {
        const actions = single.map((_, index) => ((step * (index + 2)) % 3) % 2);
        const found = await vector.step(actions);
        single.forEach((environment, index) => {
          const expected = environment.step([actions[index] ?? 0]);
          const ended = expected.terminated || expected.truncated;
          const row = (array: ArrayLike<number>) =>
            Array.from(array).slice(4 * index, 4 * (index + 1));
          expect(found.rewards[index]).toBe(expected.reward);
          expect(found.terminated[index]).toBe(Number(expected.terminated));
          expect(found.truncated[index]).toBe(Number(expected.truncated));
          if (ended) {
            ends += 1;
            expect(row(found.finalObservations)).toEqual(Array.from(expected.observation));
          }
          const next = ended ? environment.reset() : expected.observation;
          expect(row(found.observations)).toEqual(Array.from(next));
        });
      }
      expect(ends).toBeGreaterThan(3);
    });
  });

  test('makes environments by a factory, with their numbers, or from a module', async () => {
    const numbers: number[] = [];
    const factory = (index: number): Promise<Environment> => {
      numbers.push(index);
      return makeEnvironment('Pendulum-v1');
    };
    await using({ task: factory, environments: 3 }, async ({ name }) => {
      expect(name).toBe('Pendulum-v1');
    });
    expect(numbers).toEqual([0, 1, 2]);
    const first = await using({ module: scripted, environments: 2, workers: 2 }, (vector) =>
      vector.reset(1),
    );
    const relative = path.relative(process.cwd(), 'test/scripted-module.mjs');
    for (const module of [relative, new URL(scripted)]) {
      const again = await using({ module, environments: 2, workers: 1 }, (vector) =>
        vector.reset(1),
      );
      expect(again).toEqual(first);
    }
  });

  test('goes on without a seed, and starts anew with one', async () => {
    await using({ task: 'CartPole-v1', environments: 2, workers: 2 }, async (vector) => {
      const first = await vector.reset(5);
      const second = await vector.reset();
      expect(second).not.toEqual(first);
      expect(await vector.reset(5)).toEqual(first);
      expect(await vector.reset()).toEqual(second);
    });
  });

  test('waits for slow environments, and lets the event loop turn meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const slow = `${scripted}?delay=40`;
    await using({ module: slow, environments: 2, workers: 2 }, async (vector) => {
      await vector.reset(1);
      for (let step = 0; step < 3; step += 1) {
        const { rewards } = await vector.step([1, 0]);
        expect(Array.from(rewards)).toEqual([1 + (step + 1) / 16, (step + 1) / 16]);
      }
    });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });

  test('says what state it is in', async () => {
    const vector = await VectorEnvironment.create({ task: 'CartPole-v1', environments: 2 });
    await expectRejection(vector.step([0, 0]), 'ERR_STATE', /must be reset\(\) before/);
    await vector.reset(1);
    await vector.step([1, 1]);
    await vector.close();
    await vector.close();
    expect(vector.closed).toBe(true);
    await expectRejection(vector.reset(), 'ERR_CLOSED', /after close\(\)/);
    await expectRejection(vector.step([0, 0]), 'ERR_CLOSED', /after close\(\)/);
  });

  test('is busy during a step', async () => {
    const slow = { module: `${scripted}?delay=40`, environments: 2, workers: 1 };
    await using(slow, async (vector) => {
      await vector.reset(1);
      const running = vector.step([0, 1]);
      await expectRejection(vector.step([0, 0]), 'ERR_BUSY', /await its promise/);
      await expectRejection(vector.reset(), 'ERR_BUSY', /await its promise/);
      expect(Array.from((await running).rewards)).toEqual([1 / 16, 1 + 1 / 16]);
      expect(Array.from((await vector.step([0, 0])).rewards)).toEqual([2 / 16, 2 / 16]);
      const last = vector.step([0, 0]);
      const closing = vector.close();
      await expectRejection(last, 'ERR_CLOSED', /was closed while it was in use/);
      await closing;
    });
  });

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

  test('closes its environments', async () => {
    let closed = 0;
    class Closing extends Script {
      override close(): void {
        closed += 1;
      }
    }
    await using({ task: () => new Closing(), environments: 3 }, (vector) => vector.reset());
    expect(closed).toBe(3);
  });

  test('closes all of them where close() of one throws', async () => {
    const closed: number[] = [];
    const makeClosing = (index: number): Script =>
      Object.assign(new Script(), {
        close: () => {
          closed.push(index);
          if (index < 2) {
            throw new Error('stuck lid');
          }
        },
      });
    const sources: VectorEnvironmentOptions[] = [
      { task: makeClosing, environments: 3 },
      { module: failing('close', '0,1'), environments: 3, workers: 2 },
    ];
    for (const source of sources) {
      const vector = await VectorEnvironment.create(source);
      await vector.reset(1);
      await expectRejection(
        vector.close(),
        'ERR_CALLBACK',
        /^environment 0 \(Script.*\) cannot be closed: close\(\) threw: stuck lid$/,
      );
      expect(vector.closed).toBe(true);
      await vector.close();
    }
    expect(closed).toEqual([0, 1, 2]);

    const factory = (index: number): Script => {
      if (index === 3) {
        throw new Error('out of parts');
      }
      return makeClosing(index);
    };
    await expectRejection(
      VectorEnvironment.create({ task: factory, environments: 4 }),
      'ERR_CALLBACK',
      /^environment 3 cannot be made: its factory threw: out of parts$/,
    );
    expect(closed).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test('closes though an environment ends its thread meanwhile', async () => {
    const vector = await VectorEnvironment.create({
      module: failing('close-later', '0'),
      environments: 2,
      workers: 2,
    });
    await vector.reset(1);
    await vector.close();
    expect(vector.closed).toBe(true);
  });

  test('needs no close() of an environment', async () => {
    const task = (): Environment => Object.assign(new Script(), { close: undefined as never });
    const vector = await VectorEnvironment.create({ task, environments: 2 });
    await vector.reset(1);
    await vector.close();
    expect(vector.closed).toBe(true);
  });
});

describe('train in a VectorEnvironment', () => {
  interface Run {
    readonly parameters: string;
    readonly progress: unknown[];
    readonly result: Partial<TrainResult>;
  }

  /** What a run does, apart from times. */
  async function learn(
    environments: VectorEnvironment | Environment[],
    makePolicy: () => Policy,
    seed: number,
  ): Promise<Run> {
    const policy = makePolicy();
    const progress: unknown[] = [];
    const { wallSeconds, timing, ...result } = await train({
      policy,
      environments,
      steps: 1600,
      stepsPerUpdate: 400,
      seed,
      onUpdate: ({ summary, state, fit, steps, episodes, meanReturn }: TrainProgress) => {
        const { timing: _, ...update } = summary;
        const { timing: __, ...known } = state;
        progress.push({ update, known, loss: fit?.lossAfter, steps, episodes, meanReturn });
      },
    });
    expect(Object.values(timing).every((seconds) => seconds >= 0)).toBe(true);
    const sum = Object.values(timing).reduce((total, seconds) => total + seconds, 0);
    expect(sum).toBeCloseTo(wallSeconds, 6);
    return { parameters: bitsOf(policy.getParameters()), progress, result };
  }

  test.each([
    ['CartPole-v1', { size: 4, actions: { kind: 'discrete', count: 2 } as const }],
    ['Pendulum-v1', { size: 3, actions: { kind: 'continuous', size: 1 } as const }],
    ['InvertedPendulum-v5', { size: 4, actions: { kind: 'continuous', size: 1 } as const }],
  ])(
    '%s: the same bits with any number of workers, and when repeated',
    async (task, { size, actions }) => {
      const makePolicy = () =>
        new Policy({ observationSize: size, actions, hidden: [8], seed: 2 }) as Policy;
      const list = await Promise.all(Array.from({ length: 4 }, () => makeEnvironment(task)));
      const expected = await learn(list, makePolicy, 7);
      expect(expected.progress).toHaveLength(4);
      for (const workers of [0, 1, 2, 2, 4]) {
        await using({ task, environments: 4, workers }, async (vector) => {
          expect(await learn(vector, makePolicy, 7)).toEqual(expected);
          expect(vector.closed).toBe(false);
        });
      }
      const other = await learn(list, makePolicy, 8);
      expect(other.parameters).not.toBe(expected.parameters);
    },
    60_000,
  );

  test('one after the other in the same threads', async () => {
    await using({ task: 'CartPole-v1', environments: 2, workers: 2 }, async (vector) => {
      const makePolicy = () =>
        new Policy({
          observationSize: 4,
          actions: { kind: 'discrete', count: 2 },
          hidden: [8],
        }) as Policy;
      const first = await learn(vector, makePolicy, 1);
      await vector.reset(3);
      await vector.step([0, 1]);
      expect(await learn(vector, makePolicy, 1)).toEqual(first);
      await expectRejection(vector.step([0, 1]), 'ERR_STATE', /must be reset\(\)/);
      const running = train({ policy: makePolicy(), environments: vector, steps: 400 });
      await expectRejection(vector.reset(), 'ERR_BUSY', /that of train\(\)/);
      await expectRejection(
        train({ policy: makePolicy(), environments: vector, steps: 400 }),
        'ERR_BUSY',
        /that of train\(\)/,
      );
      expect(await running).toMatchObject({ steps: 400 });
    });
  });

  test('counts every step once, with true returns', async () => {
    const expected: number[] = [];
    const watched = Array.from({ length: 3 }, () => new CartPole());
    const run = async (environments: Environment[] | VectorEnvironment) => {
      const policy = new Policy({
        observationSize: 4,
        actions: { kind: 'discrete', count: 2 },
        hidden: [8],
      });
      const seen: TrainProgress[] = [];
      await train({
        policy,
        environments,
        steps: 900,
        stepsPerUpdate: 300,
        onUpdate: (progress) => void seen.push(progress),
      });
      return seen;
    };
    const episodes: { length: number }[] = [];
    let running = [0, 0, 0];
    watched.forEach((environment, index) => {
      const step = environment.step.bind(environment);
      environment.step = (action) => {
        const result = step(action);
        expected.push(result.reward);
        running = running.map((length, each) => (each === index ? length + 1 : length));
        if (result.terminated || result.truncated) {
          episodes.push({ length: running[index] ?? 0 });
          running = running.map((length, each) => (each === index ? 0 : length));
        }
        return result;
      };
    });
    const plain = await run(watched);
    expect(expected).toHaveLength(900);
    expect(plain.at(-1)).toMatchObject({ steps: 900, episodes: episodes.length });
    const last = episodes.slice(-100).map(({ length }) => length);
    const mean = last.reduce((sum, length) => sum + length, 0) / last.length;
    expect(plain.at(-1)?.meanReturn).toBeCloseTo(mean, 10); // reward 1 for every step
    expect(plain.at(-1)?.meanLength).toBeCloseTo(mean, 10);
    const vector = await using({ task: 'CartPole-v1', environments: 3, workers: 2 }, run);
    expect(vector.map(({ meanReturn, episodes: count }) => [meanReturn, count])).toEqual(
      plain.map(({ meanReturn, episodes: count }) => [meanReturn, count]),
    );
  });

  test.each([0, 1, 2])(
    'close() meanwhile is not blamed on them, with %i workers',
    async (workers) => {
      const vector = await VectorEnvironment.create({
        task: 'CartPole-v1',
        environments: 2,
        workers,
      });
      const policy = new Policy({
        observationSize: 4,
        actions: { kind: 'discrete', count: 2 },
        hidden: [8],
      });
      let updates = 0;
      const closed: Promise<void>[] = [];
      const running = train({
        policy,
        environments: vector,
        steps: 400,
        stepsPerUpdate: 100,
        onUpdate: () => {
          updates += 1;
          closed.push(vector.close()); // not awaited
        },
      });
      await expectRejection(running, 'ERR_CLOSED', /was closed while it was in use/);
      await Promise.all(closed);
      // It was called when the second rollout was there, which made another update.
      expect(updates).toBe(2);
    },
  );

  test('updates read what workers wrote, in place', async () => {
    const policy = scriptedPolicy();
    const buffers: ArrayBufferLike[] = [];
    class Spy extends TRPO {
      override update(batch: Parameters<TRPO['update']>[0]): ReturnType<TRPO['update']> {
        buffers.push(batch.observations.buffer, batch.actions.buffer);
        return super.update(batch);
      }
    }
    await using({ module: scripted, environments: 2, workers: 2 }, (vector) =>
      train({
        policy,
        environments: vector,
        method: new Spy(policy),
        steps: 160,
        stepsPerUpdate: 40,
      }),
    );
    const tags = buffers.map((buffer) => Object.prototype.toString.call(buffer));
    expect(new Set(tags)).toEqual(new Set(['[object SharedArrayBuffer]']));
    expect(new Set(buffers).size).toBe(4); // two storages, used in turn
    expect(buffers[0]).toBe(buffers[4]);
  });

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

/** Runs a program that imports the compiled package; resolves to what it printed. */
async function program(code: string): Promise<string> {
  const entry = pathToFileURL(path.resolve('dist/esm/index.js')).href;
  const source = `
    import { Policy, train, VectorEnvironment } from ${JSON.stringify(entry)};
    const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 2 }, hidden: [4] });
    ${code}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', source],
    { timeout: 30_000 },
  );
  return stdout.trim();
}

describe('a program ends by itself', () => {
  test('without close(), after a run', async () => {
    const printed = await program(`
      const environments = await VectorEnvironment.create({
        module: ${JSON.stringify(scripted)}, environments: 2, workers: 2 });
      const { steps } = await train({ policy, environments, steps: 80, stepsPerUpdate: 40 });
      console.log(steps);`);
    expect(printed).toBe('80');
  });

  test('after close()', async () => {
    const printed = await program(`
      const environments = await VectorEnvironment.create({
        module: ${JSON.stringify(scripted)}, environments: 2, workers: 2 });
      await environments.reset(1);
      await environments.close();
      console.log('closed');`);
    expect(printed).toBe('closed');
  });

  test('with the failure of a step, though close() throws as well', async () => {
    const printed = await program(`
      import make from ${JSON.stringify(failing('throw', '0', 1))};
      const task = (index) =>
        Object.assign(make(index), { close: () => { throw new Error('stuck lid'); } });
      const environments = await VectorEnvironment.create({ task, environments: 2 });
      await environments.reset(1);
      await environments.step([0, 0]).catch(({ message }) => console.log(message));
      await new Promise((resolve) => setTimeout(resolve, 1));
      console.log(environments.closed);`);
    expect(printed).toMatch(/^environment 0 .* step\(\) threw: boom\ntrue$/);
  });

  test.each(['throw', 'hang', 'exit'])('after the fault %s', async (fault) => {
    const printed = await program(`
      const environments = await VectorEnvironment.create({
        module: ${JSON.stringify(failing(fault, '0', 7))}, environments: 2, workers: 2, timeout: 1000 });
      await train({ policy, environments, steps: 80, stepsPerUpdate: 40 }).catch(
        ({ code }) => console.log(code));`);
    expect(printed).toBe(fault === 'hang' ? 'ERR_TIMEOUT' : 'ERR_CALLBACK');
  });
});
