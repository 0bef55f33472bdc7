import { describe, expect, test } from '@jest/globals';
import { CartPole } from '../lib/environments/cart-pole.js';
import type { StepResult } from '../lib/environments/environment.js';
import { deriveSeeds } from '../lib/seeds.js';
import { train } from '../lib/train.js';
import { TRPO } from '../lib/trpo.js';
import { ValueFunction } from '../lib/value-function.js';
import { Script, scriptPolicy, scriptRun } from './script-environment.js';

describe('train', () => {
  const at57 =
    (answer: (result: StepResult) => unknown) =>
    (step: number, result: StepResult): unknown =>
      step === 57 ? answer(result) : undefined;
  test.each<[string, string, RegExp, (result: StepResult) => unknown]>([
    [
      'throws',
      'ERR_CALLBACK',
      /step\(\) threw: boom/,
      () => {
        throw new Error('boom');
      },
    ],
    [
      'throws no error',
      'ERR_CALLBACK',
      /step\(\) threw: the string "boom"/,
      () => {
        throw 'boom';
      },
    ],
    ['gives no object', 'ERR_CALLBACK', /must return an object, got the string/, () => 'nothing'],
    [
      'gives a NaN reward',
      'ERR_NOT_FINITE',
      /reward of step\(\) must be a finite number, got NaN/,
      (result) => ({ ...result, reward: NaN }),
    ],
    [
      'gives no reward',
      'ERR_CALLBACK',
      /reward .* got undefined/,
      (result) => ({ ...result, reward: undefined }),
    ],
    [
      'gives a NaN observation',
      'ERR_NOT_FINITE',
      /observation\[1\] of step\(\) .* got NaN/,
      (result) => ({ ...result, observation: [0, NaN] }),
    ],
    [
      'gives a short observation',
      'ERR_CALLBACK',
      /array of length 2, got an array of length 1/,
      (result) => ({ ...result, observation: [0] }),
    ],
    [
      'gives no flag',
      'ERR_CALLBACK',
      /truncated of step\(\) must be true or false, got undefined/,
      (result) => ({ ...result, truncated: undefined }),
    ],
  ])('names environment, step and seed if an environment %s', async (_, code, message, answer) => {
    const environment = new Script({ change: at57(answer) });
    const run = scriptRun(environment, { steps: 100, stepsPerUpdate: 40, seed: 9 });
    let updates = 0;
    const error: unknown = await train({
      ...run,
      onUpdate: () => {
        updates += 1;
      },
    }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'TrustRegionError', code });
    const { message: text } = error as Error;
    expect(text).toMatch(message);
    expect(text).toMatch(
      new RegExp(
        `^environment 0 \\(Script, seed ${deriveSeeds(9).environments[0]}\\) failed at its step 57: `,
      ),
    );
    expect(updates).toBe(1);
    expect(run.policy.normalizer.count).toBe(40); // the second rollout left no trace
  });

  test.each<[object, string, RegExp]>([
    [{ stepPerUpdate: 5 }, 'ERR_UNKNOWN_OPTION', /did you mean 'stepsPerUpdate'/],
    [{ steps: 0 }, 'ERR_OUT_OF_RANGE', /^steps must be/],
    [
      { steps: 2 ** 31, stepsPerUpdate: 2 ** 31 },
      'ERR_OUT_OF_RANGE',
      /^steps x environments x observationSize must be at most 2147483648, got 2147483648 x 1 x 2$/,
    ],
    [{ steps: undefined }, 'ERR_INVALID_ARGUMENT', /^steps must be .* got undefined/],
    [{ gamma: 1.1 }, 'ERR_OUT_OF_RANGE', /^gamma/],
    [{ lambda: NaN }, 'ERR_NOT_FINITE', /^lambda/],
    [{ estimator: 'nSteps' }, 'ERR_UNKNOWN_OPTION', /^estimator .* did you mean 'nStep'/],
    [
      { estimator: 'nStep', horizon: 5, lambda: 1 },
      'ERR_INVALID_ARGUMENT',
      /^lambda must be left out with estimator 'nStep', got 1/,
    ],
    [{ seed: -1 }, 'ERR_OUT_OF_RANGE', /^seed/],
    [{ policy: undefined }, 'ERR_INVALID_ARGUMENT', /^policy must be a Policy, got undefined/],
    [{ valueFunction: 3 }, 'ERR_INVALID_ARGUMENT', /^valueFunction/],
    [
      { valueFunction: new ValueFunction({ observationSize: 3 }) },
      'ERR_SHAPE_MISMATCH',
      /^valueFunction must have the policy's observationSize 2, got 3/,
    ],
    [{ valueFit: { epoch: 3 } }, 'ERR_UNKNOWN_OPTION', /did you mean 'epochs'/],
    [
      { valueFit: { solver: 'gaussNewton', epochs: 3 } },
      'ERR_INVALID_ARGUMENT',
      /^epochs must be left out with solver 'gaussNewton', got 3/,
    ],
    [{ onUpdate: 3 }, 'ERR_INVALID_ARGUMENT', /^onUpdate/],
    [{ signal: 3 }, 'ERR_INVALID_ARGUMENT', /^signal/],
    [{ normalizeObservations: 1 }, 'ERR_INVALID_ARGUMENT', /^normalizeObservations/],
    [{ environments: [] }, 'ERR_INVALID_ARGUMENT', /^environments/],
    [{ environments: [{}] }, 'ERR_INVALID_ARGUMENT', /^environment 0 must be an environment/],
    [
      { environments: new CartPole() },
      'ERR_SHAPE_MISMATCH',
      /observations of 4 numbers, but the policy takes 2/,
    ],
    [
      { environments: new Script({ actionSpace: { kind: 'discrete', count: 3 } }) },
      'ERR_SHAPE_MISMATCH',
      /takes discrete \[3\] actions, but the policy gives discrete \[2\] ones/,
    ],
    [
      { environments: [new Script(), new Script(), new Script()], stepsPerUpdate: 20 },
      'ERR_OUT_OF_RANGE',
      /multiple of the 3 environments, got 20/,
    ],
    [
      { method: new TRPO(scriptPolicy()) },
      'ERR_INVALID_ARGUMENT',
      /^method must be one of .*PPO made for the policy to be trained, got a TRPO of another policy/,
    ],
  ])('refuses %p before it starts', async (options, code, message) => {
    const environment = new Script();
    await expect(train(scriptRun(environment, options))).rejects.toMatchObject({
      name: 'TrustRegionError',
      code,
      message: expect.stringMatching(message),
    });
    expect(environment.seeds).toEqual([]);
  });

  test('refuses the same environment twice', async () => {
    const environment = new Script();
    await expect(
      train(scriptRun(environment, { environments: [environment, environment] })),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/number 1 is number 0/),
    });
  });
});
