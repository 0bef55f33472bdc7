import { describe, expect, test } from '@jest/globals';
import { RolloutBuffer, TRPO, ValueFunction } from '../../lib/index.js';
import type { ErrorCode, Policy } from '../../lib/index.js';
import { expectError, expectRejection, makeBatch, smallPolicy, wrong } from '../helpers.js';

/*
 * One row for each way to call something wrongly: what is called, the code, and the sentence, which
 * names the argument, what was expected and what came.
 */

describe('TRPO', () => {
  const policy = smallPolicy({ kind: 'discrete', count: 2 });
  const make = (options: object) => () => new TRPO(policy, wrong(options));

  test.each<[string, () => unknown, ErrorCode, string]>([
    [
      'policy',
      () => new TRPO(wrong({})),
      'ERR_INVALID_ARGUMENT',
      'policy must be a Policy, got an object',
    ],
    [
      'closed policy',
      () => new TRPO(closedPolicy()),
      'ERR_CLOSED',
      'policy was used after close()',
    ],
    [
      'misspelt',
      make({ maxKL: 0.1 }),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'maxKL' in TRPO options; did you mean 'maxKl'?",
    ],
    [
      'maxKl',
      make({ maxKl: 0 }),
      'ERR_OUT_OF_RANGE',
      'maxKl must be a number greater than 0, got 0',
    ],
    [
      'damping',
      make({ damping: -1 }),
      'ERR_OUT_OF_RANGE',
      'damping must be a number of at least 0, got -1',
    ],
    [
      'cgIterations',
      make({ cgIterations: 0 }),
      'ERR_OUT_OF_RANGE',
      'cgIterations must be an integer from 1 to',
    ],
    [
      'cgTolerance',
      make({ cgTolerance: 1 }),
      'ERR_OUT_OF_RANGE',
      'cgTolerance must be a number of at least 0 and less than 1, got 1',
    ],
    [
      'cgProgressTolerance',
      make({ cgProgressTolerance: NaN }),
      'ERR_NOT_FINITE',
      'cgProgressTolerance must be a finite number of at least 0, got NaN',
    ],
    ['stepLength', make({ stepLength: 'fischer' }), 'ERR_UNKNOWN_OPTION', "did you mean 'fisher'?"],
    [
      'backtrackFactor',
      make({ backtrackFactor: 1 }),
      'ERR_OUT_OF_RANGE',
      'backtrackFactor must be a number greater than 0 and less than 1, got 1',
    ],
    [
      'maxBacktracks',
      make({ maxBacktracks: -1 }),
      'ERR_OUT_OF_RANGE',
      'maxBacktracks must be an integer from 0 to 1000, got -1',
    ],
    [
      'acceptRatio',
      make({ acceptRatio: 1 }),
      'ERR_OUT_OF_RANGE',
      'acceptRatio must be a number of at least 0 and less than 1, got 1',
    ],
    [
      'normalizeAdvantages',
      make({ normalizeAdvantages: 'yes' }),
      'ERR_INVALID_ARGUMENT',
      'normalizeAdvantages must be true or false, got the string "yes"',
    ],
  ])('%s', (_name, run, code, sentence) => {
    expectError(run, code, sentence);
  });

  test.each<[string, object, ErrorCode, string]>([
    [
      'advantages missing',
      { advantages: undefined },
      'ERR_INVALID_ARGUMENT',
      'advantages must be an array of numbers, got undefined',
    ],
    [
      'advantages infinite',
      { advantages: [Infinity, 0] },
      'ERR_NOT_FINITE',
      'advantages[0] must be a finite number',
    ],
    [
      'observations NaN',
      { observations: [1, NaN, 3, 4, 5, 6] },
      'ERR_NOT_FINITE',
      'observations[1] must be a finite number',
    ],
    [
      'no rows',
      { observations: [], actions: [], advantages: [] },
      'ERR_SHAPE_MISMATCH',
      'observations must hold rows of observationSize 3, at least one, got a',
    ],
    ['an action that is none', { actions: [0, 2] }, 'ERR_OUT_OF_RANGE', 'actions[1] must be'],
    [
      'a version that is none',
      { policyVersion: '0' },
      'ERR_INVALID_ARGUMENT',
      'policyVersion must be an integer, got the string "0"',
    ],
  ])('update: %s', async (_name, change, code, sentence) => {
    const batch = { ...makeBatch(policy, 2), ...change };
    await expectRejection(new TRPO(policy).update(wrong(batch)), code, sentence);
    expect(policy.version).toBe(0);
    expect(policy.busy).toBe(false);
  });

  test('update of a closed policy', async () => {
    const closing = smallPolicy({ kind: 'discrete', count: 2 });
    const trpo = new TRPO(closing);
    const batch = makeBatch(closing, 2);
    closing.close();
    await expectRejection(trpo.update(batch), 'ERR_CLOSED', 'policy was used after close()');
  });
});

function closedPolicy(): Policy {
  const policy = smallPolicy({ kind: 'discrete', count: 2 });
  policy.close();
  return policy;
}

describe('ValueFunction', () => {
  const valueFunction = new ValueFunction({ observationSize: 2, hidden: [3] });
  const make = (options: object) => () => new ValueFunction(wrong(options));

  test.each<[string, () => unknown, ErrorCode, string]>([
    [
      'none',
      () => new ValueFunction(wrong(undefined)),
      'ERR_INVALID_ARGUMENT',
      'ValueFunction options must be an object, got undefined',
    ],
    [
      'misspelt',
      make({ observationSize: 1, normaliseTargets: false }),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'normalizeTargets'?",
    ],
    ['observationSize', make({}), 'ERR_INVALID_ARGUMENT', 'observationSize must be an integer'],
    [
      'normalizeTargets',
      make({ observationSize: 1, normalizeTargets: 1 }),
      'ERR_INVALID_ARGUMENT',
      'normalizeTargets must be true or false, got 1',
    ],
    [
      'backend',
      make({ observationSize: 1, backend: 'gpu' }),
      'ERR_BACKEND',
      "backend 'gpu' is not available",
    ],
    [
      'predict',
      () => valueFunction.predict([1]),
      'ERR_SHAPE_MISMATCH',
      'observations must hold rows of observationSize 2',
    ],
    [
      'predict NaN',
      () => valueFunction.predict([1, NaN]),
      'ERR_NOT_FINITE',
      'observations[1] must be a finite number',
    ],
    [
      'setParameters',
      () => valueFunction.setParameters([1]),
      'ERR_SHAPE_MISMATCH',
      'parameters must be an array of length 13',
    ],
    [
      'getParameters',
      () => valueFunction.getParameters(wrong({})),
      'ERR_INVALID_ARGUMENT',
      'out must be a Float32Array or Float64Array of length 13, got an object',
    ],
  ])('%s', (_name, run, code, sentence) => {
    expectError(run, code, sentence);
  });

  test.each<[string, unknown, unknown, ErrorCode, string]>([
    [
      'no batch',
      undefined,
      {},
      'ERR_INVALID_ARGUMENT',
      'batch must be an object with observations and returns, got undefined',
    ],
    [
      'no returns',
      { observations: [1, 2] },
      {},
      'ERR_INVALID_ARGUMENT',
      'returns must be an array of numbers, got undefined',
    ],
    [
      'length',
      { observations: [1, 2], returns: [1, 2] },
      {},
      'ERR_SHAPE_MISMATCH',
      'returns must be an array of length 1, got a Float64Array of length 2',
    ],
    [
      'NaN',
      { observations: [1, 2], returns: [NaN] },
      {},
      'ERR_NOT_FINITE',
      'returns[0] must be a finite number, got NaN',
    ],
    [
      'observations',
      { observations: [1, NaN], returns: [1] },
      {},
      'ERR_NOT_FINITE',
      'observations[1] must be a finite number',
    ],
    [
      'misspelt',
      { observations: [1, 2], returns: [1] },
      { epoch: 1 },
      'ERR_UNKNOWN_OPTION',
      "did you mean 'epochs'?",
    ],
    [
      'epochs',
      { observations: [1, 2], returns: [1] },
      { epochs: 0 },
      'ERR_OUT_OF_RANGE',
      'epochs must be an integer from 1',
    ],
    [
      'minibatchSize',
      { observations: [1, 2], returns: [1] },
      { minibatchSize: 0.5 },
      'ERR_OUT_OF_RANGE',
      'minibatchSize must be an integer from 1',
    ],
    [
      'learningRate',
      { observations: [1, 2], returns: [1] },
      { learningRate: 0 },
      'ERR_OUT_OF_RANGE',
      'learningRate must be a number greater than 0, got 0',
    ],
    [
      'solver',
      { observations: [1, 2], returns: [1] },
      { solver: 'gaussnewton' },
      'ERR_UNKNOWN_OPTION',
      "solver must be one of 'adam', 'gaussNewton', " +
        `got the string "gaussnewton"; did you mean 'gaussNewton'?`,
    ],
    [
      'epochs of gaussNewton',
      { observations: [1, 2], returns: [1] },
      { solver: 'gaussNewton', epochs: 1 },
      'ERR_INVALID_ARGUMENT',
      "epochs must be left out with solver 'gaussNewton', got 1",
    ],
    [
      'iterations of adam',
      { observations: [1, 2], returns: [1] },
      { iterations: 1 },
      'ERR_INVALID_ARGUMENT',
      "iterations must be left out with solver 'adam', got 1",
    ],
    [
      'iterations',
      { observations: [1, 2], returns: [1] },
      { solver: 'gaussNewton', iterations: 0 },
      'ERR_OUT_OF_RANGE',
      'iterations must be an integer from 1',
    ],
    [
      'cgIterations',
      { observations: [1, 2], returns: [1] },
      { solver: 'gaussNewton', cgIterations: '10' },
      'ERR_INVALID_ARGUMENT',
      'cgIterations must be an integer from 1 to 2147483647, got the string "10"',
    ],
    [
      'damping',
      { observations: [1, 2], returns: [1] },
      { solver: 'gaussNewton', damping: 0 },
      'ERR_OUT_OF_RANGE',
      'damping must be a number greater than 0, got 0',
    ],
  ])('fit: %s', async (_name, batch, options, code, sentence) => {
    await expectRejection(valueFunction.fit(wrong(batch), wrong(options)), code, sentence);
    expect(valueFunction.version).toBe(0);
    expect(valueFunction.busy).toBe(false);
  });
});

describe('RolloutBuffer', () => {
  const policy = smallPolicy({ kind: 'discrete', count: 2 });

  test.each<[string, () => unknown, ErrorCode, string]>([
    [
      'policy',
      () => new RolloutBuffer(wrong({ policy: 3, steps: 1 })),
      'ERR_INVALID_ARGUMENT',
      'policy must be a Policy, got 3',
    ],
    [
      'steps',
      () => new RolloutBuffer({ policy, steps: 0 }),
      'ERR_OUT_OF_RANGE',
      'steps must be an integer of at least 1, got 0',
    ],
    [
      'environments',
      () => new RolloutBuffer({ policy, steps: 1, environments: -1 }),
      'ERR_OUT_OF_RANGE',
      'environments must be an integer of at least 1, got -1',
    ],
    [
      'size',
      () => new RolloutBuffer({ policy, steps: 2 ** 30 }),
      'ERR_OUT_OF_RANGE',
      'steps x environments x observationSize must be at most',
    ],
    [
      'misspelt',
      () => new RolloutBuffer(wrong({ policy, step: 1 })),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'steps'?",
    ],
    [
      'step',
      () => new RolloutBuffer({ policy, steps: 1 }).add(wrong(undefined)),
      'ERR_INVALID_ARGUMENT',
      'rollout step must be an object, got undefined',
    ],
    [
      'step misspelt',
      () => new RolloutBuffer({ policy, steps: 1 }).add(wrong({ reward: 1 })),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'reward' in rollout step; did you mean 'rewards'?",
    ],
    [
      'finish misspelt',
      () => filled().finish(wrong({ lamda: 1 })),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'lambda'?",
    ],
    [
      'finish gamma',
      () => filled().finish({ gamma: 1.1 }),
      'ERR_OUT_OF_RANGE',
      'gamma must be a number from 0 to 1, got 1.1',
    ],
    [
      'finish estimator',
      () => filled().finish({ estimator: 'rewardToGo', lambda: 0.9 }),
      'ERR_INVALID_ARGUMENT',
      "lambda must be left out with estimator 'rewardToGo', got 0.9",
    ],
    [
      'finish horizon',
      () => filled().finish({ estimator: 'nStep' }),
      'ERR_INVALID_ARGUMENT',
      'horizon must be an integer from 1 to 2147483648, got undefined',
    ],
    [
      'finish valueFunction',
      () => filled().finish({ valueFunction: wrong({}) }),
      'ERR_INVALID_ARGUMENT',
      'valueFunction must be a ValueFunction, got an object',
    ],
    [
      'finish sizes',
      () => filled().finish({ valueFunction: new ValueFunction({ observationSize: 2 }) }),
      'ERR_SHAPE_MISMATCH',
      "valueFunction must have the policy's observationSize 3, got 2",
    ],
  ])('%s', (_name, run, code, sentence) => {
    expectError(run, code, sentence);
  });

  function filled(): RolloutBuffer {
    const rollouts = new RolloutBuffer({ policy, steps: 1 });
    rollouts.add({
      observations: [1, 2, 3],
      actions: 1,
      rewards: 1,
      terminated: true,
      truncated: false,
    });
    return rollouts as RolloutBuffer;
  }
});
