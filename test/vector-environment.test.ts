import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import type { Environment } from '../lib/environments/environment.js';
import { makeEnvironment } from '../lib/environments/registry.js';
import { Policy } from '../lib/policy.js';
import { deriveSeeds } from '../lib/seeds.js';
import { train } from '../lib/train.js';
import type { TrainProgress, TrainResult } from '../lib/train.js';
import { TRPO } from '../lib/trpo.js';
import { VectorEnvironment } from '../lib/vector-environment.js';
import { bitsOf, expectRejection } from './helpers.js';
import { scripted, scriptedPolicy, using } from './vector-helpers.js';

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
});
