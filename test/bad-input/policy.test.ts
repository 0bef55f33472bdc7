import { describe, expect, test } from '@jest/globals';
import { Policy } from '../../lib/index.js';
import type { ErrorCode } from '../../lib/index.js';
import { bitsOf, expectError, makeBatch, smallPolicy, wrong } from '../helpers.js';

/*
 * One row for each way to call something wrongly: what is called, the code, and the sentence, which
 * names the argument, what was expected and what came.
 */

describe('methods of a policy', () => {
  const policy = smallPolicy({ kind: 'multiDiscrete', counts: [3, 2] }, { backend: 'cpu' });
  const gaussian = smallPolicy({ kind: 'continuous', size: 1 });
  const batch = makeBatch(policy, 2);
  const { parameterCount } = policy;
  const changed = (change: object) => wrong({ ...batch, ...change });
  const observation = [1, 2, 3];

  test.each<[string, () => unknown, ErrorCode, string]>([
    [
      'act without',
      () => policy.act(wrong(undefined)),
      'ERR_INVALID_ARGUMENT',
      'observations must be an array of numbers, got undefined',
    ],
    [
      'act text',
      () => policy.act(wrong('123')),
      'ERR_INVALID_ARGUMENT',
      'observations must be an array of numbers, got the string "123"',
    ],
    [
      'act length',
      () => policy.act(new Float32Array(4)),
      'ERR_SHAPE_MISMATCH',
      'observations must hold rows of observationSize 3, at least one, got a Float32Array of length 4',
    ],
    [
      'act empty',
      () => policy.act([]),
      'ERR_SHAPE_MISMATCH',
      'observations must hold rows of observationSize 3, at least one, got a',
    ],
    [
      'act element',
      () => policy.act(wrong([1, '2', 3])),
      'ERR_INVALID_ARGUMENT',
      'observations[1] must be a number, got the string "2"',
    ],
    [
      'act hole',
      () => policy.act(wrong(Array(3))),
      'ERR_INVALID_ARGUMENT',
      'observations[0] must be a number, got undefined',
    ],
    [
      'act bigints',
      () => policy.act(wrong(new BigInt64Array(3))),
      'ERR_INVALID_ARGUMENT',
      'observations[0] must be a number, got the bigint 0n',
    ],
    [
      'act endless',
      () => policy.act(wrong({ length: 2 ** 50 })),
      'ERR_INVALID_ARGUMENT',
      'observations[0] must be a number, got undefined',
    ],
    [
      'act NaN',
      () => policy.act([1, 2, NaN]),
      'ERR_NOT_FINITE',
      'observations[2] must be a finite number, got NaN',
    ],
    [
      'act infinite',
      () => policy.act(Float32Array.of(1, -Infinity, 3)),
      'ERR_NOT_FINITE',
      'observations[1] must be a finite number, got -Infinity',
    ],
    [
      'act options',
      () => policy.act(observation, wrong({ determinstic: true })),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'determinstic' in act options; did you mean 'deterministic'?",
    ],
    [
      'act options type',
      () => policy.act(observation, wrong(true)),
      'ERR_INVALID_ARGUMENT',
      'act options must be an object, got true',
    ],
    [
      'act options null',
      () => policy.act(observation, wrong(null)),
      'ERR_INVALID_ARGUMENT',
      'act options must be an object, got null',
    ],
    [
      'act deterministic',
      () => policy.act(observation, { deterministic: wrong(1) }),
      'ERR_INVALID_ARGUMENT',
      'deterministic must be true or false, got 1',
    ],
    [
      'act out kind',
      () => policy.act(observation, { out: wrong(new Float32Array(2)) }),
      'ERR_INVALID_ARGUMENT',
      'out must be an Int32Array of length 2, got a Float32Array of length 2',
    ],
    [
      'act out kind',
      () => gaussian.act(observation, { out: wrong(new Float64Array(1)) }),
      'ERR_INVALID_ARGUMENT',
      'out must be a Float32Array of length 1, got a Float64Array of length 1',
    ],
    [
      'act out length',
      () => policy.act(observation, { out: new Int32Array(1) }),
      'ERR_SHAPE_MISMATCH',
      'out must be an Int32Array of length 2, got an Int32Array of length 1',
    ],
    [
      'seed',
      () => policy.seed(0.5),
      'ERR_OUT_OF_RANGE',
      'seed must be an integer from 0 to 9007199254740991, got 0.5',
    ],
    ['forward', () => policy.forward([1]), 'ERR_SHAPE_MISMATCH', 'observations must hold rows'],
    [
      'logProbability length',
      () => policy.logProbability(observation, [1]),
      'ERR_SHAPE_MISMATCH',
      'actions must be an array of length 2, got a Float64Array of length 1',
    ],
    [
      'logProbability range',
      () => policy.logProbability(observation, [1, 2]),
      'ERR_OUT_OF_RANGE',
      'actions[1] must be',
    ],
    [
      'logProbability fraction',
      () => policy.logProbability(observation, [0.5, 1]),
      'ERR_OUT_OF_RANGE',
      'actions[0] must be',
    ],
    [
      'logProbability NaN',
      () => gaussian.logProbability(observation, [NaN]),
      'ERR_NOT_FINITE',
      'actions[0] must be a finite number',
    ],
    [
      'getParameters out',
      () => policy.getParameters(wrong([])),
      'ERR_INVALID_ARGUMENT',
      `out must be a Float32Array or Float64Array of length ${parameterCount}, got an array of length 0`,
    ],
    [
      'getParameters length',
      () => policy.getParameters(new Float64Array(1)),
      'ERR_SHAPE_MISMATCH',
      `out must be a Float32Array or Float64Array of length ${parameterCount}, got a Float64Array of length 1`,
    ],
    [
      'setParameters length',
      () => policy.setParameters([1, 2]),
      'ERR_SHAPE_MISMATCH',
      `parameters must be an array of length ${parameterCount}, got a Float64Array of length 2`,
    ],
    [
      'setParameters NaN',
      () => policy.setParameters(new Float32Array(parameterCount).fill(NaN, 4)),
      'ERR_NOT_FINITE',
      'parameters[4] must be a finite number, got NaN',
    ],
    [
      'setParameters too large',
      () => policy.setParameters(new Float64Array(parameterCount).fill(1e300)),
      'ERR_NOT_FINITE',
      'parameters[0] must be a finite number',
    ],
    [
      'updateNormalizer',
      () => policy.updateNormalizer([1, 2, NaN]),
      'ERR_NOT_FINITE',
      'observations[2] must be a finite number',
    ],
    [
      'kl',
      () => policy.kl(observation, [1]),
      'ERR_SHAPE_MISMATCH',
      `parameters must be an array of length ${parameterCount}`,
    ],
    [
      'evaluate',
      () => policy.evaluate(batch, wrong(undefined)),
      'ERR_INVALID_ARGUMENT',
      'parameters must be an array of numbers, got undefined',
    ],
    [
      'surrogate',
      () => policy.surrogate(changed({ advantages: [1] })),
      'ERR_SHAPE_MISMATCH',
      'advantages must be an array of length 2, got a Float64Array of length 1',
    ],
    [
      'batch',
      () => policy.gradient(wrong(null)),
      'ERR_INVALID_ARGUMENT',
      'batch must be an object with observations, actions and advantages, got null',
    ],
    [
      'batch observations',
      () => policy.gradient(changed({ observations: undefined })),
      'ERR_INVALID_ARGUMENT',
      'observations must be an array of numbers, got undefined',
    ],
    [
      'batch observations NaN',
      () => policy.gradient(changed({ observations: [1, 2, 3, 4, 5, NaN] })),
      'ERR_NOT_FINITE',
      'observations[5] must be a finite number',
    ],
    [
      'batch actions',
      () => policy.gradient(changed({ actions: [0, 1, 2] })),
      'ERR_SHAPE_MISMATCH',
      'actions must be an array of length 4, got a Float64Array of length 3',
    ],
    [
      'batch action range',
      () => policy.gradient(changed({ actions: Int32Array.of(0, 1, 3, 1) })),
      'ERR_OUT_OF_RANGE',
      'actions[2] must be',
    ],
    [
      'batch action negative',
      () => policy.gradient(changed({ actions: [0, -1, 2, 1] })),
      'ERR_OUT_OF_RANGE',
      'actions[1] must be',
    ],
    [
      'batch advantages NaN',
      () => policy.gradient(changed({ advantages: [0, NaN] })),
      'ERR_NOT_FINITE',
      'advantages[1] must be a finite number',
    ],
    [
      'fisherVectorProduct',
      () => policy.fisherVectorProduct(observation, [1]),
      'ERR_SHAPE_MISMATCH',
      `vector must be an array of length ${parameterCount}`,
    ],
    [
      'fisherOperator',
      () => policy.fisherOperator([NaN, 1, 2]),
      'ERR_NOT_FINITE',
      'observations[0] must be a finite number',
    ],
    [
      'apply NaN',
      () => policy.fisherOperator(observation).apply(new Float64Array(parameterCount).fill(NaN, 1)),
      'ERR_NOT_FINITE',
      'vector[1] must be a finite number, got NaN',
    ],
    [
      'apply out',
      () =>
        policy
          .fisherOperator(observation)
          .apply(new Float64Array(parameterCount), wrong(new Float32Array(parameterCount))),
      'ERR_INVALID_ARGUMENT',
      `out must be a Float64Array of length ${parameterCount}`,
    ],
    [
      'fromBytes',
      () => Policy.fromBytes(wrong('bytes')),
      'ERR_INVALID_ARGUMENT',
      'bytes must be a Uint8Array, got the string "bytes"',
    ],
    [
      'fromBytes options',
      () => Policy.fromBytes(policy.toBytes(), wrong({ thread: 1 })),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'thread' in machine options; did you mean 'threads'?",
    ],
  ])('%s', (_name, run, code, sentence) => {
    const before = bitsOf(policy.getParameters());
    expectError(run, code, sentence);
    expect(policy.version).toBe(0);
    expect(bitsOf(policy.getParameters())).toBe(before);
    expect(policy.normalizer.count).toBe(0);
  });
});
