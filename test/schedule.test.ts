import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import { Policy } from '../lib/policy.js';
import { PPO } from '../lib/ppo.js';
import { RewardScale } from '../lib/reward-scale.js';
import { makeRolloutStorage } from '../lib/rollout-storage.js';
import { train } from '../lib/train.js';
import type { TrainOptions, TrainProgress, TrainState } from '../lib/train.js';
import { TRPO } from '../lib/trpo.js';
import { ValueFunction } from '../lib/value-function.js';
import { VanillaPolicyGradient } from '../lib/vanilla-policy-gradient.js';
import { bitsOf, expectRejection, makeBatch, smallPolicy, wrong } from './helpers.js';
import { Script } from './script-environment.js';

const space = { kind: 'continuous', size: 2 } as const;

describe('options of one update', () => {
  test('count for it alone', async () => {
    const policy = smallPolicy(space);
    const trpo = new TRPO(policy, { maxKl: 0.01 });
    const bounds: (number | null)[] = [];
    for (const options of [{ maxKl: 0.0005 }, {}, { maxKl: 0.002 }, { maxKl: undefined }]) {
      const summary = await trpo.update(makeBatch(policy, 200), wrong(options));
      expect(summary.accepted).toBe(true);
      expect(summary.meanKl).toBeLessThanOrEqual(summary.klBound ?? 0);
      expect(summary.meanKl).toBeGreaterThan(0.9 * (summary.klBound ?? Infinity));
      expect(summary.message).toContain(`of at most ${summary.klBound}`);
      bounds.push(summary.klBound);
    }
    expect(bounds).toEqual([0.0005, 0.01, 0.002, 0.01]);
    expect(trpo.options.maxKl).toBe(0.01);
  });

  test('give the bits of a method that was made with them', async () => {
    const [one, other] = [smallPolicy(space), smallPolicy(space)];
    const batch = makeBatch(one, 200);
    await new TRPO(one, { maxKl: 0.01 }).update(batch, { maxKl: 0.003 });
    await new TRPO(other, { maxKl: 0.003 }).update(batch);
    expect(bitsOf(one.getParameters())).toBe(bitsOf(other.getParameters()));
  });

  test('leave to the next update what the method keeps', async () => {
    const policy = smallPolicy(space);
    const ppo = new PPO(policy, { epochs: 2 });
    await ppo.update(makeBatch(policy, 100), { learningRate: 1e-4 });
    const moments = ppo.getState();
    await ppo.update(makeBatch(policy, 100), { clipRange: 0.1, entropyBonus: 0.01 });
    expect(ppo.getState()).not.toEqual(moments);
  });

  test.each<[object, 'ERR_UNKNOWN_OPTION' | 'ERR_INVALID_ARGUMENT' | 'ERR_OUT_OF_RANGE', string]>([
    [{ maxKL: 0.1 }, 'ERR_UNKNOWN_OPTION', "unknown option 'maxKL' in update options"],
    [{ damping: 0.1 }, 'ERR_UNKNOWN_OPTION', "unknown option 'damping' in update options"],
    [{ epsilon: 0.1 }, 'ERR_INVALID_ARGUMENT', 'epsilon must be left out of the update options'],
    [{ maxKl: 0 }, 'ERR_OUT_OF_RANGE', 'maxKl must be a number greater than 0, got 0'],
    [
      { maxKl: '1' },
      'ERR_INVALID_ARGUMENT',
      'maxKl must be a number greater than 0, got the string',
    ],
  ])('%j is refused, and changes nothing', async (options, code, sentence) => {
    const policy = smallPolicy(space);
    const trpo = new TRPO(policy);
    const before = bitsOf(policy.getParameters());
    await expectRejection(trpo.update(makeBatch(policy, 50), wrong(options)), code, sentence);
    expect(bitsOf(policy.getParameters())).toBe(before);
    expect((await trpo.update(makeBatch(policy, 50))).accepted).toBe(true);
  });
});

describe('a schedule', () => {
  const run = async (
    overrides: (policy: Policy) => Omit<Partial<TrainOptions>, 'policy'>,
  ): Promise<TrainProgress[]> => {
    const policy = new Policy({
      observationSize: 4,
      actions: { kind: 'discrete', count: 2 },
      hidden: [8],
      seed: 1,
    });
    const seen: TrainProgress[] = [];
    await train({
      environments: [new CartPole(), new CartPole()],
      steps: 1000,
      stepsPerUpdate: 200,
      ...overrides(policy),
      policy,
      onUpdate: (progress) => void seen.push(progress),
    } as TrainOptions);
    return seen;
  };
  const boundsOf = (seen: readonly TrainProgress[]) => seen.map(({ summary }) => summary.klBound);

  test('goes to its end in proportion to the steps taken before each rollout', async () => {
    const seen = await run((policy) => ({
      method: new TRPO(policy, { maxKl: 0.02 }),
      schedule: { maxKl: 0 },
    }));
    const expected = [0.02, 0.016, 0.012, 0.008, 0.004];
    expected.forEach((bound, index) => {
      expect(seen[index]?.summary.klBound).toBeCloseTo(bound, 12);
      expect(seen[index]?.summary.meanKl).toBeLessThanOrEqual(seen[index]?.summary.klBound ?? 0);
    });
    expect(seen).toHaveLength(5);
  });

  test('may go up, and is of the default method too', async () => {
    const seen = await run(() => ({ schedule: { maxKl: 0.03 } }));
    expect(boundsOf(seen).map((bound) => bound?.toFixed(6))).toEqual([
      '0.010000',
      '0.014000',
      '0.018000',
      '0.022000',
      '0.026000',
    ]);
  });

  test('reaches the learning rate of the critic', async () => {
    const losses = async (schedule: object) =>
      (await run(() => ({ schedule, seed: 3 }))).map(({ fit }) => fit?.lossAfter);
    const [kept, falling] = [await losses({}), await losses({ valueLearningRate: 0 })];
    expect(falling[0]).toBe(kept[0]);
    expect(falling[4]).not.toBe(kept[4]);
  });

  test('goes on where a run goes on', async () => {
    const states: TrainState[] = [];
    const method = (policy: Policy) => new TRPO(policy, { maxKl: 0.02 });
    const schedule = { maxKl: 0 };
    const whole = await run((policy) => ({ method: method(policy), schedule }));
    states.push(...whole.map(({ state }) => state));
    const from = states[2] as TrainState;
    const rest = await run((policy) => ({ method: method(policy), schedule, from }));
    expect(boundsOf(rest)).toEqual(boundsOf(whole).slice(3));
  });

  test.each<[object, string, string]>([
    [{ maxKL: 0 }, 'ERR_UNKNOWN_OPTION', "unknown option 'maxKL' in schedule"],
    [{ maxKl: -1 }, 'ERR_OUT_OF_RANGE', 'schedule.maxKl must be a number of at least 0, got -1'],
    [{ maxKl: NaN }, 'ERR_NOT_FINITE', 'schedule.maxKl must be a finite number'],
    [{ clipRange: 0 }, 'ERR_INVALID_ARGUMENT', 'clipRange must be left out of the schedule'],
  ])('%j is refused before anything runs', async (schedule, code, sentence) => {
    await expectRejection(
      run(() => wrong({ schedule })),
      wrong(code),
      sentence,
    );
  });

  test('needs something to begin with', async () => {
    await expectRejection(
      run((policy) => ({ method: new PPO(policy, { maxKl: Infinity }), schedule: { maxKl: 0 } })),
      'ERR_NOT_FINITE',
      'the maxKl that a schedule begins with must be a finite number, got Infinity',
    );
    await expectRejection(
      run((policy) => ({
        method: new VanillaPolicyGradient(policy, { learningRate: 0.1 }),
        schedule: { epsilon: 0 },
      })),
      'ERR_INVALID_ARGUMENT',
      'epsilon must be left out of the schedule: this VanillaPolicyGradient has no such option',
    );
    for (const critic of [
      { valueFunction: null },
      { valueFit: { solver: 'gaussNewton' as const } },
    ]) {
      await expectRejection(
        run(() => ({ ...critic, schedule: { valueLearningRate: 0 } })),
        'ERR_INVALID_ARGUMENT',
        'valueLearningRate must be left out of the schedule: no Adam fits the critic, got 0',
      );
    }
  });
});

describe('scaled rewards', () => {
  const storageOf = (rewards: readonly number[], ends: readonly number[], environments = 1) => {
    const storage = makeRolloutStorage(
      {
        steps: rewards.length / environments,
        environments,
        observationSize: 1,
        actionLength: 1,
        precision: 'float32',
        actionType: 'float32',
      },
      false,
    );
    storage.rewards.set(rewards);
    for (const row of ends) {
      storage.terminated[row] = 1;
    }
    return { storage, steps: rewards.length / environments, policyVersion: 0 };
  };

  test('are divided by the deviation of the running return, over all so far', () => {
    const scale = new RewardScale(0.5, 1);
    // Running returns 4, 4, 10 | an episode ends | 2.
    const first = scale.apply(storageOf([4, 2, 8, 2], [2]));
    const deviation = (values: readonly number[]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    };
    const seen = [4, 4, 10, 2];
    [4, 2, 8, 2].forEach((reward, row) =>
      expect(first[row]).toBeCloseTo(reward / deviation(seen), 12),
    );
    // The last episode goes on: 0.5 * 2 + 3.
    const second = scale.apply(storageOf([3], []));
    expect(second[0]).toBeCloseTo(3 / deviation([...seen, 4]), 12);
    expect(scale.known.count).toBe(5);
  });

  test('keep environments apart, and are left alone while all returns are equal', () => {
    const scale = new RewardScale(1, 2);
    expect([...scale.apply(storageOf([7, 7], [], 2))]).toEqual([7, 7]);
    scale.apply(storageOf([1, 100], [], 2));
    expect(scale.known.mean).toBeCloseTo((7 + 7 + 8 + 107) / 4, 12);
  });

  test('make the unit of rewards irrelevant, and leave the returns that are told as they are', async () => {
    const run = async (unit: number, from?: TrainState) => {
      const policy = new Policy({
        observationSize: 2,
        actions: { kind: 'discrete', count: 2 },
        hidden: [4],
      });
      const valueFunction = new ValueFunction({
        observationSize: 2,
        hidden: [4],
        normalizeTargets: false,
      });
      const states: TrainProgress[] = [];
      await train({
        policy,
        valueFunction,
        environments: new Script({
          change: (step, result) => ({ ...result, reward: unit * (step % 7) }),
        }),
        steps: 80,
        stepsPerUpdate: 20,
        scaleRewards: true,
        ...(from === undefined ? {} : { from }),
        onUpdate: (progress) => void states.push(progress),
      });
      return { parameters: policy.getParameters(), states };
    };
    const [one, thousand] = [await run(1), await run(1024)];
    expect(bitsOf(thousand.parameters)).toBe(bitsOf(one.parameters));
    expect(thousand.states[3]?.meanReturn).toBe(1024 * (one.states[3]?.meanReturn ?? NaN));
    expect(thousand.states[3]?.fit?.lossBefore).toBe(one.states[3]?.fit?.lossBefore);
    const { state } = one.states[1] as TrainProgress;
    expect(state.rewards?.count).toBe(40);
    const rest = await run(1, JSON.parse(JSON.stringify(state)) as TrainState);
    expect(rest.states.at(-1)?.state.rewards?.count).toBe(80);
    await expectRejection(
      run(1, { ...state, rewards: { count: 1, mean: 0, squares: -1 } }),
      'ERR_OUT_OF_RANGE',
      'from.rewards.squares must be a number of at least 0, got -1',
    );
  });
});
