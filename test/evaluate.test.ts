import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import { evaluate } from '../lib/evaluate.js';
import { Policy } from '../lib/policy.js';
import { Script } from './script-environment.js';

const cartPolePolicy = () =>
  new Policy({ observationSize: 4, actions: { kind: 'discrete', count: 2 }, hidden: [16] });
const scriptPolicy = () =>
  new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 2 }, hidden: [4] });

describe('evaluate', () => {
  test('plays whole episodes and repeats with a seed', async () => {
    const policy = scriptPolicy();
    const result = await evaluate({
      policy,
      environment: new Script({ length: 3 }),
      episodes: 4,
      seed: 1,
    });
    expect(result).toEqual({
      episodes: 4,
      mean: 6,
      std: 0,
      returns: [6, 6, 6, 6],
      lengths: [3, 3, 3, 3],
    });
  });

  test.each([true, false])('repeats with a seed, deterministic %p', async (deterministic) => {
    const policy = cartPolePolicy();
    const run = () =>
      evaluate({ policy, environment: new CartPole(), episodes: 5, seed: 2, deterministic });
    const first = await run();
    expect(await run()).toEqual(first);
    expect(new Set(first.returns).size).toBeGreaterThan(1);
  });

  test('can be aborted', async () => {
    const endless = new Script({ length: Infinity });
    const reason = new Error('enough');
    await expect(
      evaluate({ policy: scriptPolicy(), environment: endless, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });

  test.each<[object, string]>([
    [{ episodes: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ seeds: 0 }, 'ERR_UNKNOWN_OPTION'],
    [{ environment: new CartPole() }, 'ERR_SHAPE_MISMATCH'],
    [{ policy: null }, 'ERR_INVALID_ARGUMENT'],
  ])('refuses %p', async (options, code) => {
    await expect(
      evaluate({ policy: scriptPolicy(), environment: new Script(), ...options }),
    ).rejects.toMatchObject({ name: 'TrustRegionError', code });
  });
});
