import { test } from '@jest/globals';
import { Policy } from '../../lib/index.js';
import type { ErrorCode } from '../../lib/index.js';
import { expectError, wrong } from '../helpers.js';

/*
 * One row for each way to call something wrongly: what is called, the code, and the sentence, which
 * names the argument, what was expected and what came.
 */

const policyOptions = { observationSize: 3, actions: { kind: 'discrete', count: 2 } } as const;
const makePolicy = (change: object) => () => new Policy(wrong({ ...policyOptions, ...change }));
const withActions = (actions: unknown) => makePolicy({ actions });

test.each<[string, () => unknown, ErrorCode, string]>([
  [
    'none',
    () => new Policy(wrong(undefined)),
    'ERR_INVALID_ARGUMENT',
    'Policy options must be an object, got undefined',
  ],
  [
    'a list',
    () => new Policy(wrong([])),
    'ERR_INVALID_ARGUMENT',
    'Policy options must be an object, got an array of length 0',
  ],
  [
    'misspelt',
    makePolicy({ hiden: [8] }),
    'ERR_UNKNOWN_OPTION',
    "unknown option 'hiden' in Policy options; did you mean 'hidden'?",
  ],
  [
    'observationSize missing',
    makePolicy({ observationSize: undefined }),
    'ERR_INVALID_ARGUMENT',
    'observationSize must be an integer from 1 to 1000000, got undefined',
  ],
  [
    'observationSize 0',
    makePolicy({ observationSize: 0 }),
    'ERR_OUT_OF_RANGE',
    'observationSize must be an integer from 1 to 1000000, got 0',
  ],
  [
    'observationSize 1.5',
    makePolicy({ observationSize: 1.5 }),
    'ERR_OUT_OF_RANGE',
    'observationSize must be an integer from 1 to 1000000, got 1.5',
  ],
  [
    'observationSize NaN',
    makePolicy({ observationSize: NaN }),
    'ERR_NOT_FINITE',
    'observationSize must be an integer from 1 to 1000000, got NaN',
  ],
  [
    'hidden a number',
    makePolicy({ hidden: 64 }),
    'ERR_INVALID_ARGUMENT',
    'hidden must be an array of at most 16 layer sizes, got 64',
  ],
  [
    'hidden too deep',
    makePolicy({ hidden: new Array(17).fill(1) }),
    'ERR_OUT_OF_RANGE',
    'hidden must be an array of at most 16 layer sizes, got an array of length 17',
  ],
  [
    'hidden of 0',
    makePolicy({ hidden: [8, 0] }),
    'ERR_OUT_OF_RANGE',
    'hidden[1] must be an integer from 1 to 1000000, got 0',
  ],
  [
    'too many parameters',
    makePolicy({ hidden: [1e6, 1e6] }),
    'ERR_OUT_OF_RANGE',
    'a network must have at most 268435456 parameters, got',
  ],
  [
    'activation',
    makePolicy({ activation: 'tanhh' }),
    'ERR_UNKNOWN_OPTION',
    "activation must be one of 'tanh', 'relu', 'silu', got the string \"tanhh\"; did you mean 'tanh'?",
  ],
  [
    'seed',
    makePolicy({ seed: -1 }),
    'ERR_OUT_OF_RANGE',
    'seed must be an integer from 0 to 9007199254740991, got -1',
  ],
  [
    'seed text',
    makePolicy({ seed: '1' }),
    'ERR_INVALID_ARGUMENT',
    'seed must be an integer from 0 to 9007199254740991, got the string "1"',
  ],
  [
    'initialLogStd',
    withActions({ kind: 'continuous', size: 1, initialLogStd: 1 }),
    'ERR_UNKNOWN_OPTION',
    "unknown option 'initialLogStd' in a space of continuous actions",
  ],
  [
    'initialLogStd range',
    makePolicy({ actions: { kind: 'continuous', size: 1 }, initialLogStd: 21 }),
    'ERR_OUT_OF_RANGE',
    'initialLogStd must be a number from -20 to 20, got 21',
  ],
  [
    'initialLogStd of choices',
    makePolicy({ initialLogStd: 0 }),
    'ERR_INVALID_ARGUMENT',
    'initialLogStd must be left out for discrete actions, which have no standard deviation, got 0',
  ],
  [
    'minLogStd range',
    makePolicy({ actions: { kind: 'continuous', size: 1 }, minLogStd: -21 }),
    'ERR_OUT_OF_RANGE',
    'minLogStd must be a number from -20 to 20, got -21',
  ],
  [
    'minLogStd above the first',
    makePolicy({ actions: { kind: 'continuous', size: 1 }, minLogStd: 0.5 }),
    'ERR_OUT_OF_RANGE',
    'initialLogStd must be at least minLogStd = 0.5, got 0',
  ],
  [
    'minLogStd of choices',
    makePolicy({ minLogStd: -1 }),
    'ERR_INVALID_ARGUMENT',
    'minLogStd must be left out for discrete actions, which have no standard deviation, got -1',
  ],
  [
    'outputGain',
    makePolicy({ outputGain: -1 }),
    'ERR_OUT_OF_RANGE',
    'outputGain must be a number of at least 0, got -1',
  ],
  [
    'threads',
    makePolicy({ threads: 65 }),
    'ERR_OUT_OF_RANGE',
    'threads must be an integer from 1 to 64, got 65',
  ],
  [
    'memoryBudget',
    makePolicy({ memoryBudget: -1 }),
    'ERR_OUT_OF_RANGE',
    'memoryBudget must be an integer from 0 to 9007199254740991, got -1',
  ],
  [
    'observationClip',
    makePolicy({ observationClip: 0 }),
    'ERR_OUT_OF_RANGE',
    'observationClip must be a number greater than 0, got 0',
  ],
  [
    'backend',
    makePolicy({ backend: 'gpu' }),
    'ERR_BACKEND',
    "backend 'gpu' is not available on this machine; available: cpu",
  ],
  [
    'backend type',
    makePolicy({ backend: 3 }),
    'ERR_INVALID_ARGUMENT',
    'backend must be a string that is not empty, got 3',
  ],
  [
    'no actions',
    withActions(undefined),
    'ERR_INVALID_ARGUMENT',
    "actions must be a space such as { kind: 'continuous', size: 3 }, got undefined",
  ],
  [
    'kind',
    withActions({ kind: 'continous', size: 1 }),
    'ERR_UNKNOWN_OPTION',
    "did you mean 'continuous'?",
  ],
  [
    'no kind',
    withActions({ size: 1 }),
    'ERR_INVALID_ARGUMENT',
    "actions.kind must be one of 'continuous', 'discrete', 'multiDiscrete', 'binary', got undefined",
  ],
  [
    'space misspelt',
    withActions({ kind: 'continuous', size: 1, lows: [0] }),
    'ERR_UNKNOWN_OPTION',
    "unknown option 'lows' in a space of continuous actions; did you mean 'low'?",
  ],
  [
    'size',
    withActions({ kind: 'binary', size: 0 }),
    'ERR_OUT_OF_RANGE',
    'actions.size must be an integer from 1 to 1000000, got 0',
  ],
  [
    'one choice',
    withActions({ kind: 'discrete', count: 1 }),
    'ERR_OUT_OF_RANGE',
    'actions.count must be an integer from 2 to 1000000, got 1',
  ],
  [
    'no counts',
    withActions({ kind: 'multiDiscrete', counts: [] }),
    'ERR_SHAPE_MISMATCH',
    'actions.counts must be an array of 1 to 4096 numbers, got an array of length 0',
  ],
  [
    'a bad count',
    withActions({ kind: 'multiDiscrete', counts: [2, 1] }),
    'ERR_OUT_OF_RANGE',
    'actions.counts[1] must be an integer from 2 to 1000000, got 1',
  ],
  [
    'low',
    withActions({ kind: 'continuous', size: 2, low: [0] }),
    'ERR_SHAPE_MISMATCH',
    'actions.low must be an array of length 2, got an array of length 1',
  ],
  [
    'low NaN',
    withActions({ kind: 'continuous', size: 1, low: [NaN] }),
    'ERR_NOT_FINITE',
    'actions.low[0] must be a number, -Infinity or Infinity, got NaN',
  ],
  [
    'high',
    withActions({ kind: 'continuous', size: 1, high: 3 }),
    'ERR_INVALID_ARGUMENT',
    'actions.high must be an array of length 1, got 3',
  ],
  [
    'high text',
    withActions({ kind: 'continuous', size: 1, high: ['3'] }),
    'ERR_INVALID_ARGUMENT',
    'actions.high[0] must be a number, -Infinity or Infinity, got the string "3"',
  ],
])('Policy options: %s', (_name, run, code, sentence) => {
  expectError(run, code, sentence);
});
