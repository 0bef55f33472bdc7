import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import { evaluate } from '../lib/evaluate.js';
import { Policy } from '../lib/policy.js';
import { deriveSeeds } from '../lib/seeds.js';
import { train } from '../lib/train.js';
import type { TrainProgress } from '../lib/train.js';
import { TRPO } from '../lib/trpo.js';
import { ValueFunction } from '../lib/value-function.js';
import { bitsOf } from './helpers.js';
import { Script, scriptPolicy, scriptRun } from './script-environment.js';

const makePolicy = (options: { threads?: number; seed?: number } = {}) =>
  new Policy({
    observationSize: 4,
    actions: { kind: 'discrete', count: 2 },
    hidden: [16],
    ...options,
  });

describe('train', () => {
  test('learns CartPole', async () => {
    const environment = new CartPole();
    const policy = makePolicy({ seed: 2 });
    const before = await evaluate({ policy, environment, seed: 5 });
    const progress: TrainProgress[] = [];
    const result = await train({
      policy,
      environments: environment,
      steps: 12_000,
      stepsPerUpdate: 1000,
      method: new TRPO(policy, { maxKl: 0.02 }),
      seed: 4,
      onUpdate: (state) => void progress.push(state),
    });
    const after = await evaluate({ policy, environment, seed: 5 });
    expect(after.mean).toBeGreaterThan(before.mean + 100);
    expect(result).toMatchObject({ steps: 12_000, updates: 12, aborted: false });
    expect(result.worstMeanKl).toBeGreaterThan(0.01);
    expect(result.worstMeanKl).toBeLessThanOrEqual(0.02);
    expect(progress.map(({ steps }) => steps)).toEqual(
      Array.from({ length: 12 }, (_, i) => (i + 1) * 1000),
    );
    expect(progress.at(-1)?.meanReturn).toBeGreaterThan(progress[0]?.meanReturn ?? Infinity);
    policy.close();
  });

  test('gives the same bits for the same seed, on any number of threads', async () => {
    const run = async (seed: number, threads: number): Promise<Float32Array> => {
      const policy = makePolicy({ threads });
      await train({
        policy,
        environments: [new CartPole(), new CartPole()],
        steps: 3000,
        stepsPerUpdate: 1000,
        seed,
      });
      return policy.getParameters();
    };
    const first = await run(7, 1);
    expect(await run(7, 1)).toEqual(first);
    expect(await run(7, 3)).toEqual(first);
    expect(await run(8, 1)).not.toEqual(first);
  });

  test('continues episodes across rollouts and reports true returns', async () => {
    const environment = new Script({ length: 30 });
    const seen: TrainProgress[] = [];
    const result = await train(
      scriptRun(environment, {
        steps: 100,
        onUpdate: (state: TrainProgress) => void seen.push(state),
      }),
    );
    expect(result).toMatchObject({ steps: 100, updates: 5, episodes: 3 });
    expect(seen[0]).toMatchObject({ update: 1, steps: 20, totalSteps: 100, episodes: 0 });
    expect(seen[0]?.meanReturn).toBeNaN();
    expect(seen[1]).toMatchObject({ episodes: 1, meanReturn: (30 * 31) / 2, meanLength: 30 });
    expect(environment.actions.length).toBe(100);
  });

  test('takes what is left in the last rollout, never a handful', async () => {
    const steps = async (total: number): Promise<number[]> => {
      const seen: number[] = [];
      await train(
        scriptRun(new Script(), {
          steps: total,
          onUpdate: (state: TrainProgress) => void seen.push(state.steps),
        }),
      );
      return seen;
    };
    expect(await steps(45)).toEqual([20, 45]);
    expect(await steps(50)).toEqual([20, 40, 50]);
    expect(await steps(7)).toEqual([7]);
  });

  test('seeds every environment once, each with its own seed', async () => {
    const environments = [new Script(), new Script()];
    await train(scriptRun(environments[0] ?? new Script(), { environments, seed: 4 }));
    const { environments: seeds } = deriveSeeds(4, 2);
    expect(environments.map((environment) => environment.seeds[0])).toEqual(seeds);
    expect(environments.map((environment) => environment.seeds.length)).toEqual([3, 3]);
    expect(environments[0]?.seeds.slice(1)).toEqual([undefined, undefined]);
  });

  test('clips actions for the environment only, and freezes the normaliser in an update', async () => {
    const environment = new Script({
      truncates: true,
      actionSpace: { kind: 'continuous', size: 2, low: [-0.1, -Infinity], high: [0.1, Infinity] },
    });
    const policy = new Policy({
      observationSize: 2,
      actions: { kind: 'continuous', size: 2 },
      hidden: [4],
    });
    const counts: number[] = [];
    const sampled: number[] = [];
    class Spy extends TRPO {
      override update(batch: Parameters<TRPO['update']>[0]): ReturnType<TRPO['update']> {
        counts.push(policy.normalizer.count);
        sampled.push(...batch.actions);
        return super.update(batch);
      }
    }
    await train({
      policy,
      environments: environment,
      steps: 60,
      stepsPerUpdate: 20,
      method: new Spy(policy),
    });
    expect(counts).toEqual([0, 20, 40]);
    expect(policy.normalizer.count).toBe(60);
    expect(sampled.length).toBe(120);
    expect(sampled.some((value, index) => index % 2 === 0 && Math.abs(value) > 0.1)).toBe(true);
    expect(environment.actions).toEqual(
      sampled.map((value, index) =>
        index % 2 === 0 ? Math.min(Math.max(value, -0.1), 0.1) : value,
      ),
    );
  });

  test('leaves the normaliser alone if told so, and works without a critic', async () => {
    const run = scriptRun(new Script(), { normalizeObservations: false, valueFunction: null });
    const fits: unknown[] = [];
    await train({ ...run, onUpdate: ({ fit }) => void fits.push(fit) });
    expect(run.policy.normalizer.count).toBe(0);
    expect(fits).toEqual([null, null]);
  });

  test('fits the critic that it is given and leaves it open', async () => {
    const valueFunction = new ValueFunction({ observationSize: 2, hidden: [4] });
    const { version } = valueFunction;
    await train(scriptRun(new Script(), { valueFunction, valueFit: { epochs: 1 } }));
    expect(valueFunction.closed).toBe(false);
    expect(valueFunction.version).toBe(version + 2);
  });

  test('fits the critic by the solver that it is told', async () => {
    const fits: unknown[] = [];
    await train(
      scriptRun(new Script(), {
        valueFit: { solver: 'gaussNewton', iterations: 3, cgIterations: 2 },
        onUpdate: ({ fit }: TrainProgress) => void fits.push(fit),
      }),
    );
    expect(fits).toHaveLength(2);
    expect(fits[0]).toMatchObject({ solver: 'gaussNewton', iterations: 3, products: 6 });
  });

  test('estimates advantages as it is told', async () => {
    const policies = await Promise.all(
      [
        {},
        { estimator: 'gae', lambda: 0.97 },
        { estimator: 'rewardToGo' },
        { estimator: 'monteCarlo' },
        { estimator: 'nStep', horizon: 2 },
      ].map(async (estimator) => {
        const run = scriptRun(new Script(), { ...estimator, gamma: 0.9 });
        await train(run);
        return bitsOf(run.policy.getParameters());
      }),
    );
    const [byDefault, gae, ...others] = policies;
    expect(gae).toBe(byDefault);
    expect(new Set([gae, ...others]).size).toBe(4);
  });

  test('ends after the update at hand when aborted there', async () => {
    const controller = new AbortController();
    const result = await train(
      scriptRun(new Script(), {
        steps: 1000,
        signal: controller.signal,
        onUpdate: () => controller.abort(),
      }),
    );
    // The rollout that was collected while the critic was fitted is dropped.
    expect(result).toMatchObject({ steps: 40, updates: 1, aborted: true });
  });

  test('drops a rollout when aborted in the midst of it', async () => {
    const controller = new AbortController();
    const environment = new Script({
      change: (step) => {
        if (step === 33) {
          controller.abort();
        }
        return undefined;
      },
    });
    const run = scriptRun(environment, { steps: 1000, signal: controller.signal });
    expect(await train(run)).toMatchObject({ steps: 33, updates: 1, aborted: true });
    expect(run.policy.normalizer.count).toBe(20);
  });

  test('lets the event loop turn while it collects', async () => {
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const slow = new Script({
      change: () => {
        for (const end = performance.now() + 1; performance.now() < end; );
        return undefined;
      },
    });
    await train(scriptRun(slow, { steps: 60, stepsPerUpdate: 60 }));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });

  test('does not look at the final observation of a terminated episode', async () => {
    const blowsUp = new Script({
      change: (_, result) =>
        result.terminated ? { ...result, observation: [NaN, NaN] } : undefined,
    });
    expect(await train(scriptRun(blowsUp))).toMatchObject({ updates: 2 });
  });

  test('a rollout of many steps is as one of few', async () => {
    const environment = new Script({ length: 7 });
    const policy = scriptPolicy();
    const seen = { times: [] as number[], actions: [] as number[] };
    class Spy extends TRPO {
      override update(batch: Parameters<TRPO['update']>[0]): ReturnType<TRPO['update']> {
        const times = Array.from(batch.observations).filter((_, index) => index % 2 === 0);
        seen.times.push(...times);
        seen.actions.push(...Array.from(batch.actions));
        return super.update(batch);
      }
    }
    const method = new Spy(policy);
    const size = { steps: 10_000, stepsPerUpdate: 5000 };
    await train({ policy, environments: environment, method, valueFunction: null, ...size });
    expect(seen.actions).toEqual(environment.actions);
    expect(seen.times).toEqual(Array.from({ length: 10_000 }, (_, step) => step % 7));
  });

  test.each([true, false])(
    'what onUpdate runs untimed is no part of the time: %p',
    async (apart) => {
      let spent = 0;
      const wait = async () => {
        const start = performance.now();
        const value = await delay(50, 7);
        spent += (performance.now() - start) / 1000;
        return value;
      };
      const start = performance.now();
      const { wallSeconds, timing } = await train(
        scriptRun(new Script(), {
          onUpdate: async ({ untimed }: TrainProgress) => {
            expect(await (apart ? untimed(wait) : wait())).toBe(7);
          },
        }),
      );
      const whole = (performance.now() - start) / 1000;
      expect(spent).toBeGreaterThan(0.09); // two updates
      if (apart) {
        expect(wallSeconds + spent).toBeLessThanOrEqual(whole);
      } else {
        expect(timing.rest).toBeGreaterThanOrEqual(spent);
      }
      const sum = Object.values(timing).reduce((total, seconds) => total + seconds, 0);
      expect(sum).toBeCloseTo(wallSeconds, 6);
    },
  );

  test('what fails untimed ends the run', async () => {
    const run = scriptRun(new Script(), {
      onUpdate: ({ untimed }: TrainProgress) => untimed(() => Promise.reject(new Error('mine'))),
    });
    await expect(train(run)).rejects.toThrow('mine');
  });

  test('passes on what onUpdate throws', async () => {
    const thrown = new Error('mine');
    await expect(
      train(
        scriptRun(new Script(), {
          onUpdate: () => {
            throw thrown;
          },
        }),
      ),
    ).rejects.toBe(thrown);
  });
});
