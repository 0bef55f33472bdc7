/*
 * States of methods and critics that are taken out and put into others: these then go on with the same
 * bits. And `train` that goes on.
 */
import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import { makeMethod } from '../lib/methods.js';
import type { MethodName } from '../lib/method-options.js';
import type { OptionsOf } from '../lib/methods.js';
import { Policy } from '../lib/policy.js';
import { train } from '../lib/train.js';
import type { TrainOptions, TrainProgress, TrainState } from '../lib/train.js';
import { TRPO } from '../lib/trpo.js';
import { ValueFunction } from '../lib/value-function.js';
import {
  bitsOf,
  expectError,
  expectRejection,
  makeBatch,
  numbers,
  smallPolicy,
} from './helpers.js';

const space = { kind: 'continuous', size: 2 } as const;

describe('the state of a method', () => {
  const methods: [MethodName, OptionsOf[MethodName]][] = [
    ['VanillaPolicyGradient', {}],
    ['NaturalPolicyGradient', { epsilon: 0.01 }],
    ['TRPO', { adaptiveDamping: true, warmStart: true, preconditioner: 'jacobi' }],
    ['TRPO', { adaptiveDamping: true, preconditionerPeriod: 1 }],
    ['DualGradientDescent', { innerSteps: 4 }],
    ['PPO', { epochs: 2, minibatchSize: 16, seed: 5 }],
    ['PPO', { variant: 'klPenalty', epochs: 2, minibatchSize: 16 }],
  ];

  test.each(methods)('of %s %j', async (name, options) => {
    for (const backend of ['cpu', 'reference']) {
      const policy = smallPolicy(space, { backend }) as Policy;
      const method = makeMethod(name, policy, options);
      for (let update = 0; update < 3; update += 1) {
        await method.update(makeBatch(policy, 64, update + 1));
      }
      const twin = Policy.fromBytes(policy.toBytes());
      const other = makeMethod(name, twin, options);
      const fresh = makeMethod(name, Policy.fromBytes(policy.toBytes()), options);
      const state = method.getState();
      other.setState(state);
      expect(bitsOf(other.getState())).toBe(bitsOf(state));
      for (let update = 3; update < 6; update += 1) {
        const batch = makeBatch(policy, 64, update + 1);
        await method.update(batch);
        await other.update(batch);
        await fresh.update(batch);
        expect(parametersOf(twin)).toBe(parametersOf(policy));
      }
      const keepsSomething = name !== 'VanillaPolicyGradient' && name !== 'NaturalPolicyGradient';
      // Otherwise this test would show nothing.
      expect(parametersOf(fresh.policy) !== parametersOf(policy)).toBe(keepsSomething);
    }
  });

  test('of another kind or size is refused, and changes nothing', async () => {
    const policy = smallPolicy(space);
    const method = new TRPO(policy, { warmStart: true });
    await method.update(makeBatch(policy, 64));
    const state = method.getState();
    const wider = smallPolicy(space, { hidden: [6] });
    const bad: [() => void, Parameters<typeof expectError>[1], RegExp][] = [
      [() => new TRPO(wider).setState(state), 'ERR_SHAPE_MISMATCH', /state must have/],
      [() => method.setState([]), 'ERR_SHAPE_MISMATCH', /state must have more numbers than 0/],
      [() => method.setState([...state, 0]), 'ERR_SHAPE_MISMATCH', /state must have \d+ numbers/],
      [() => method.setState(state.map(() => NaN)), 'ERR_NOT_FINITE', /state/],
      [() => method.setState(state.map(() => -5)), 'ERR_INVALID_ARGUMENT', /no number is less/],
      [() => method.setState('state' as never), 'ERR_INVALID_ARGUMENT', /state must be an array/],
    ];
    for (const [run, code, sentence] of bad) {
      expectError(run, code, sentence);
    }
    expect(bitsOf(method.getState())).toBe(bitsOf(state));
    const running = method.update(makeBatch(policy, 64));
    expectError(() => method.getState(), 'ERR_BUSY', /busy/);
    expectError(() => method.setState(state), 'ERR_BUSY', /busy/);
    await running;
    method.setState(state);
  });

  function parametersOf(policy: Policy): string {
    return bitsOf(policy.getParameters(new Float64Array(policy.parameterCount)));
  }
});

describe('the state of a value function', () => {
  const batch = (seed: number) => ({
    observations: numbers(3 * 90, seed),
    returns: numbers(90, seed + 1).map((value) => 50 + 20 * value + seed),
  });

  test.each([
    ['adam', { epochs: 2, minibatchSize: 32 }, {}],
    ['gaussNewton', { solver: 'gaussNewton', iterations: 2 }, {}],
    ['adam, nothing normalised', {}, { normalizeObservations: false, normalizeTargets: false }],
    ['adam, float64', { epochs: 2 }, { backend: 'reference' }],
  ] as const)('%s', async (_name, fit, options) => {
    const all = { observationSize: 3, hidden: [6], seed: 4, ...options };
    const original = new ValueFunction(all);
    for (const seed of [1, 2, 3]) {
      await original.fit(batch(seed), fit);
    }
    const twin = new ValueFunction({ ...all, seed: 99 });
    const state = original.getState();
    twin.setState(state);
    expect(bitsOf(twin.getState())).toBe(bitsOf(state));
    expect(twin.version).toBe(1);
    const { observations } = batch(9);
    expect(bitsOf(twin.predict(observations))).toBe(bitsOf(original.predict(observations)));
    for (const seed of [4, 5]) {
      const { seconds: _, ...expected } = await original.fit(batch(seed), fit);
      const { seconds: __, ...found } = await twin.fit(batch(seed), fit);
      expect(found).toEqual(expected);
      expect(bitsOf(twin.predict(observations))).toBe(bitsOf(original.predict(observations)));
    }
  });

  test('of another size is refused, and changes nothing', async () => {
    const original = new ValueFunction({ observationSize: 3, hidden: [6] });
    await original.fit(batch(1));
    const state = original.getState();
    const zeros = state.map(() => 0);
    const bad: [() => void, Parameters<typeof expectError>[1], RegExp][] = [
      [
        () => new ValueFunction({ observationSize: 3, hidden: [7] }).setState(state),
        'ERR_SHAPE_MISMATCH',
        /state must have length \d+/,
      ],
      [() => original.setState([...state, 1]), 'ERR_SHAPE_MISMATCH', /state must have/],
      [() => original.setState(state.map(() => Infinity)), 'ERR_NOT_FINITE', /state/],
      [() => original.setState(zeros), 'ERR_INVALID_ARGUMENT', /random generator/],
      [() => original.setState(state.map(() => 0.5)), 'ERR_INVALID_ARGUMENT', /32 bits/],
    ];
    for (const [run, code, sentence] of bad) {
      expectError(run, code, sentence);
    }
    expect(bitsOf(original.getState())).toBe(bitsOf(state));
    const running = original.fit(batch(2));
    expectError(() => original.getState(), 'ERR_BUSY', /getState\(\) must wait/);
    expectError(() => original.setState(state), 'ERR_BUSY', /setState\(\) must wait/);
    await running;
    original.close();
    expectError(() => original.getState(), 'ERR_CLOSED', /after close/);
  });
});

describe('train goes on', () => {
  const makeObjects = (bytes?: Uint8Array) => {
    const options = {
      observationSize: 4,
      actions: { kind: 'discrete', count: 2 },
      hidden: [8],
    } as const;
    const policy: Policy = bytes === undefined ? new Policy(options) : Policy.fromBytes(bytes);
    const valueFunction = new ValueFunction({ observationSize: 4, hidden: [8] });
    return { policy, valueFunction, method: new TRPO(policy, { warmStart: true }) };
  };
  const options = { steps: 1200, stepsPerUpdate: 200, seed: 3 };
  const environments = () => [new CartPole(), new CartPole()];

  interface Saved {
    readonly policy: Uint8Array;
    readonly critic: Float64Array;
    readonly method: Float64Array;
    readonly state: TrainState;
  }

  /** Trains, and saves everything after every update. */
  async function run(
    overrides: Partial<TrainOptions>,
    before?: Saved,
  ): Promise<{
    saved: Saved[];
    progress: TrainProgress[];
    result: Awaited<ReturnType<typeof train>>;
  }> {
    const objects = makeObjects(before?.policy);
    if (before !== undefined) {
      objects.valueFunction.setState(before.critic);
      objects.method.setState(before.method);
    }
    const saved: Saved[] = [];
    const progress: TrainProgress[] = [];
    const result = await train({
      ...objects,
      environments: environments(),
      ...options,
      ...(before === undefined ? {} : { from: before.state }),
      ...overrides,
      onUpdate: (now) => {
        progress.push(now);
        saved.push({
          policy: objects.policy.toBytes(),
          critic: objects.valueFunction.getState(),
          method: objects.method.getState(),
          state: JSON.parse(JSON.stringify(now.state)) as TrainState,
        });
      },
    });
    return { saved, progress, result };
  }

  test('where it was, and always in the same way', async () => {
    const whole = await run({});
    const third = whole.saved[2] as Saved;
    expect(third.state).toMatchObject({ steps: 600, updates: 3 });
    expect(third.state.episodes).toBe(whole.progress[2]?.episodes);
    const [first, second] = [await run({}, third), await run({}, third)];
    for (const { progress, result } of [first, second]) {
      expect(progress.map(({ update, steps }) => [update, steps])).toEqual([
        [4, 800],
        [5, 1000],
        [6, 1200],
      ]);
      expect(result).toMatchObject({ steps: 1200, updates: 6, aborted: false });
      expect(result.acceptedUpdates).toBeGreaterThan(3);
      expect(result.episodes).toBeGreaterThan(third.state.episodes);
      expect(result.wallSeconds).toBeGreaterThan(whole.progress[2]?.wallSeconds ?? Infinity);
    }
    expect(second.saved.map(withoutTimes)).toEqual(first.saved.map(withoutTimes));
    const other = await run({ seed: 4 }, third);
    expect(other.saved.at(-1)?.policy).not.toEqual(first.saved.at(-1)?.policy);
    // Environments start anew, and not with the episodes that the run began with.
    expect(first.saved.at(-1)?.policy).not.toEqual(whole.saved.at(-1)?.policy);
    expect(first.progress[0]?.meanReturn).not.toBe(whole.progress[0]?.meanReturn);
  });

  test('does nothing where nothing is left', async () => {
    const whole = await run({});
    const last = whole.saved.at(-1) as Saved;
    const { progress, result } = await run({}, last);
    expect(progress).toEqual([]);
    expect(result).toMatchObject({ steps: 1200, updates: 6, aborted: false });
    expect((await run({ steps: 1400 }, last)).progress.map(({ steps }) => steps)).toEqual([1400]);
  });

  test.each<[string, object, TrainErrorCode, RegExp]>([
    ['no object', 3 as never, 'ERR_INVALID_ARGUMENT', /^from must be an object, got 3/],
    ['misspelt', { step: 3 }, 'ERR_UNKNOWN_OPTION', /'step' in from; did you mean 'steps'/],
    ['steps', { steps: -2 }, 'ERR_OUT_OF_RANGE', /^from.steps must be an integer of at least 0/],
    ['odd steps', { steps: 3 }, 'ERR_OUT_OF_RANGE', /^from.steps must be a multiple of the 2 env/],
    ['updates', { updates: '3' }, 'ERR_INVALID_ARGUMENT', /^from.updates must be an integer/],
    ['kl', { worstMeanKl: NaN }, 'ERR_NOT_FINITE', /^from.worstMeanKl/],
    ['returns', { returns: [1, NaN] }, 'ERR_NOT_FINITE', /^from.returns\[1\]/],
    ['lengths', { lengths: [1, 2, 3] }, 'ERR_SHAPE_MISMATCH', /^from.lengths must have the length/],
    [
      'timing',
      { timing: { rest: 1 } },
      'ERR_INVALID_ARGUMENT',
      /^from.timing.physics .* undefined/,
    ],
  ])('refuses %s', async (_name, change, code, sentence) => {
    const good: TrainState = {
      steps: 0,
      updates: 0,
      acceptedUpdates: 0,
      worstMeanKl: 0,
      episodes: 0,
      returns: [],
      lengths: [],
      timing: { physics: 0, inference: 0, update: 0, critic: 0, rest: 0 },
    };
    const from = typeof change === 'object' ? { ...good, ...change } : change;
    await expectRejection(run({ from }), code, sentence);
    expect((await run({ from: good, steps: 200 })).progress).toHaveLength(1);
  });

  function withoutTimes({ state: { timing: _, ...state }, ...saved }: Saved): unknown {
    return { ...saved, state };
  }
});

type TrainErrorCode = Parameters<typeof expectError>[1];
