import { describe, expect, test } from '@jest/globals';
import { CartPole, Policy, train, VectorEnvironment } from '../../lib/index.js';
import type { ErrorCode, VectorEnvironmentOptions } from '../../lib/index.js';
import { expectRejection, wrong } from '../helpers.js';

describe('VectorEnvironment.create', () => {
  const good: VectorEnvironmentOptions = { task: 'CartPole-v1', environments: 2 };

  test.each<[string, object, ErrorCode, string | RegExp]>([
    [
      'misspelt',
      { worker: 1 },
      'ERR_UNKNOWN_OPTION',
      "unknown option 'worker' in VectorEnvironment options; did you mean 'workers'?",
    ],
    [
      'environments',
      { environments: 0 },
      'ERR_OUT_OF_RANGE',
      'environments must be an integer of at least 1, got 0',
    ],
    [
      'no environments',
      { environments: undefined },
      'ERR_INVALID_ARGUMENT',
      'environments must be an integer of at least 1, got undefined',
    ],
    [
      'more workers than environments',
      { workers: 3 },
      'ERR_OUT_OF_RANGE',
      'workers must be an integer from 0 to 2, got 3',
    ],
    [
      'timeout',
      { timeout: 0 },
      'ERR_OUT_OF_RANGE',
      'timeout must be a number greater than 0 and of at most 2147483647, got 0',
    ],
    ['endless timeout', { timeout: Infinity }, 'ERR_NOT_FINITE', 'timeout must be a finite number'],
    [
      'neither',
      { task: undefined },
      'ERR_INVALID_ARGUMENT',
      'either task or module must be given, got neither',
    ],
    [
      'both',
      { module: './task.mjs' },
      'ERR_INVALID_ARGUMENT',
      'either task or module must be given, got both',
    ],
    ['task', { task: 3 }, 'ERR_INVALID_ARGUMENT', 'name must be the name of an environment, got 3'],
    [
      'unknown task',
      { task: 'CartPole' },
      'ERR_UNKNOWN_OPTION',
      "unknown environment 'CartPole'; did you mean 'CartPole-v1'?",
    ],
    [
      'unknown task for workers',
      { task: 'CartPole', workers: 2 },
      'ERR_UNKNOWN_OPTION',
      "unknown environment 'CartPole'; did you mean 'CartPole-v1'?",
    ],
    [
      'a function for workers',
      { task: () => new CartPole(), workers: 1 },
      'ERR_INVALID_ARGUMENT',
      'a function cannot go to other threads',
    ],
    [
      'a factory of nothing',
      { task: () => undefined },
      'ERR_INVALID_ARGUMENT',
      'environment 0 must be an environment with reset(), step() and spaces, got undefined',
    ],
    [
      'module',
      { task: undefined, module: 3 },
      'ERR_INVALID_ARGUMENT',
      'module must be a path or a file URL, got 3',
    ],
    [
      'no such module',
      { task: undefined, module: './no-such-task.mjs', workers: 1 },
      'ERR_CALLBACK',
      /^module file:\/\/.*no-such-task\.mjs cannot be loaded: Cannot find module/,
    ],
    [
      'a module without a factory',
      { task: undefined, module: './biome.json', workers: 1 },
      'ERR_CALLBACK',
      /^module file:\/\/.*biome\.json cannot be loaded: /,
    ],
  ])('%s', async (_name, options, code, sentence) => {
    await expectRejection(VectorEnvironment.create({ ...good, ...options }), code, sentence);
  });

  test('no options', async () => {
    await expectRejection(
      VectorEnvironment.create(wrong(undefined)),
      'ERR_INVALID_ARGUMENT',
      'VectorEnvironment options must be an object, got undefined',
    );
  });
});

describe.each([0, 2])('its methods, with %i workers', (workers) => {
  test('refuse bad arguments and go on', async () => {
    const vector = await VectorEnvironment.create({
      task: 'CartPole-v1',
      environments: 2,
      workers,
    });
    await expectRejection(vector.reset(-1), 'ERR_OUT_OF_RANGE', 'seed must be an integer from 0');
    await vector.reset(1);
    await expectRejection(
      vector.step([1]),
      'ERR_SHAPE_MISMATCH',
      'actions must be an array of length 2, got an array of length 1',
    );
    await expectRejection(
      vector.step(wrong(1)),
      'ERR_INVALID_ARGUMENT',
      'actions must be an array of length 2, got 1',
    );
    await expectRejection(
      vector.step([0, 2]),
      'ERR_OUT_OF_RANGE',
      'actions of environment 1[0] must be an integer from 0 to 1, got 2',
    );
    expect((await vector.step([0, 1])).rewards.join()).toBe('1,1');
    await vector.close();
  });

  test('does not suit another policy', async () => {
    const vector = await VectorEnvironment.create({
      task: 'CartPole-v1',
      environments: 3,
      workers,
    });
    const actions = { kind: 'discrete', count: 2 } as const;
    await expectRejection(
      train({
        policy: new Policy({ observationSize: 3, actions }),
        environments: vector,
        steps: 30,
      }),
      'ERR_SHAPE_MISMATCH',
      'environments (CartPole-v1) has observations of 4 numbers, but the policy takes 3',
    );
    const policy = new Policy({ observationSize: 4, actions });
    await expectRejection(
      train({ policy, environments: vector, steps: 30, stepsPerUpdate: 10 }),
      'ERR_OUT_OF_RANGE',
      'stepsPerUpdate must be a multiple of the 3 environments, got 10',
    );
    await vector.close();
    await expectRejection(
      train({ policy, environments: vector, steps: 30 }),
      'ERR_CLOSED',
      'vector environment was used after close()',
    );
  });
});
