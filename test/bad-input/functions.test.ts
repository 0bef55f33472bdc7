import { describe, test } from '@jest/globals';
import {
  computeAdvantages,
  conjugateGradient,
  explainedVariance,
  lineSearch,
  normalizeAdvantages,
} from '../../lib/index.js';
import type { ErrorCode } from '../../lib/index.js';
import { expectError, wrong } from '../helpers.js';

/*
 * One row for each way to call something wrongly: what is called, the code, and the sentence, which
 * names the argument, what was expected and what came.
 */

describe('functions', () => {
  const inputs = {
    rewards: [1, 2],
    values: [1, 2],
    terminated: [0, 0],
    truncated: [0, 0],
    lastValues: [0],
    gamma: 1,
    lambda: 1,
  };
  const advantages = (change: object) => () => computeAdvantages(wrong({ ...inputs, ...change }));
  const identity = (vector: Float64Array, out: Float64Array) => void out.set(vector);
  const solve = (options: object) => () => conjugateGradient(identity, [1], wrong(options));
  const search = (change: object) => () =>
    lineSearch(
      () => ({ surrogate: 1, meanKl: 0 }),
      wrong({ surrogateBefore: 0, expectedImprovement: 1, maxKl: 1, ...change }),
    );

  test.each<[string, () => unknown, ErrorCode, string]>([
    [
      'computeAdvantages gamma',
      advantages({ gamma: undefined }),
      'ERR_INVALID_ARGUMENT',
      'gamma must be a number from 0 to 1, got undefined',
    ],
    [
      'computeAdvantages without lambda',
      advantages({ lambda: undefined }),
      'ERR_INVALID_ARGUMENT',
      'lambda must be a number from 0 to 1, got undefined',
    ],
    [
      'computeAdvantages estimator',
      advantages({ estimator: 'montecarlo' }),
      'ERR_UNKNOWN_OPTION',
      "estimator must be one of 'gae', 'monteCarlo', 'rewardToGo', 'nStep', " +
        `got the string "montecarlo"; did you mean 'monteCarlo'?`,
    ],
    [
      'computeAdvantages lambda without gae',
      advantages({ estimator: 'monteCarlo' }),
      'ERR_INVALID_ARGUMENT',
      "lambda must be left out with estimator 'monteCarlo', got 1",
    ],
    [
      'computeAdvantages horizon without nStep',
      advantages({ horizon: 5 }),
      'ERR_INVALID_ARGUMENT',
      "horizon must be left out with estimator 'gae', got 5",
    ],
    [
      'computeAdvantages nStep without horizon',
      advantages({ estimator: 'nStep', lambda: undefined }),
      'ERR_INVALID_ARGUMENT',
      'horizon must be an integer from 1 to 2147483648, got undefined',
    ],
    [
      'computeAdvantages horizon 0',
      advantages({ estimator: 'nStep', lambda: undefined, horizon: 0 }),
      'ERR_OUT_OF_RANGE',
      'horizon must be an integer from 1 to 2147483648, got 0',
    ],
    [
      'computeAdvantages fractional horizon',
      advantages({ estimator: 'nStep', lambda: undefined, horizon: 1.5 }),
      'ERR_OUT_OF_RANGE',
      'horizon must be an integer from 1 to 2147483648, got 1.5',
    ],
    [
      'computeAdvantages misspelt',
      advantages({ value: [] }),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'values'?",
    ],
    [
      'computeAdvantages empty',
      advantages({ rewards: [] }),
      'ERR_SHAPE_MISMATCH',
      'rewards must have a length that is a multiple of environments 1, at least one step, got an array of length 0',
    ],
    [
      'computeAdvantages environments',
      advantages({ environments: 3 }),
      'ERR_SHAPE_MISMATCH',
      'rewards must have a length that is a multiple of environments 3',
    ],
    [
      'computeAdvantages values',
      advantages({ values: [1] }),
      'ERR_SHAPE_MISMATCH',
      'values must be an array of length 2',
    ],
    [
      'computeAdvantages lastValues',
      advantages({ lastValues: [1, 2] }),
      'ERR_SHAPE_MISMATCH',
      'lastValues must be an array of length 1',
    ],
    [
      'computeAdvantages rewards',
      advantages({ rewards: [1, NaN] }),
      'ERR_NOT_FINITE',
      'rewards[1] must be a finite number, got NaN',
    ],
    [
      'computeAdvantages terminated',
      advantages({ terminated: [0, 3] }),
      'ERR_INVALID_ARGUMENT',
      'terminated[1] must be true, false, 0 or 1, got 3',
    ],
    [
      'computeAdvantages no finalValues',
      advantages({ truncated: [0, 1] }),
      'ERR_INVALID_ARGUMENT',
      'finalValues must be given, because row 1 is truncated',
    ],
    [
      'computeAdvantages finalValues',
      advantages({ truncated: [0, 1], finalValues: [0, NaN] }),
      'ERR_NOT_FINITE',
      'finalValues[1] must be a finite number',
    ],
    [
      'normalizeAdvantages',
      () => normalizeAdvantages([1, Infinity]),
      'ERR_NOT_FINITE',
      'advantages[1] must be a finite number, got Infinity',
    ],
    [
      'explainedVariance',
      () => explainedVariance([1], [1, 2]),
      'ERR_SHAPE_MISMATCH',
      'values must be an array of length 2',
    ],
    [
      'conjugateGradient operator',
      () => conjugateGradient(wrong(3), [1]),
      'ERR_INVALID_ARGUMENT',
      'operator must be a function (v, out) => void or an object with apply(v, out), got 3',
    ],
    [
      'conjugateGradient matrix',
      () => conjugateGradient(wrong([[1]]), [1]),
      'ERR_INVALID_ARGUMENT',
      'operator must be a function (v, out) => void or an object with apply(v, out), got an array of length 1',
    ],
    [
      'conjugateGradient size',
      () => conjugateGradient({ size: 2, apply: identity }, [1]),
      'ERR_SHAPE_MISMATCH',
      'rightHandSide must have length 2, the size of the operator, got 1',
    ],
    [
      'conjugateGradient empty',
      () => conjugateGradient(identity, []),
      'ERR_SHAPE_MISMATCH',
      'rightHandSide must have at least one number',
    ],
    [
      'conjugateGradient NaN',
      () => conjugateGradient(identity, [NaN]),
      'ERR_NOT_FINITE',
      'rightHandSide[0] must be a finite number, got NaN',
    ],
    [
      'conjugateGradient misspelt',
      solve({ iteration: 3 }),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'iterations'?",
    ],
    [
      'conjugateGradient iterations',
      solve({ iterations: 0 }),
      'ERR_OUT_OF_RANGE',
      'iterations must be an integer from 1',
    ],
    [
      'conjugateGradient damping',
      solve({ damping: -1 }),
      'ERR_OUT_OF_RANGE',
      'damping must be a number of at least 0, got -1',
    ],
    [
      'conjugateGradient preconditioner',
      solve({ preconditioner: 'jacobi' }),
      'ERR_INVALID_ARGUMENT',
      'preconditioner must be a function (v, out) => void or an object with apply(v, out), got the string "jacobi"',
    ],
    [
      'lineSearch evaluate',
      () => lineSearch(wrong(1), wrong({})),
      'ERR_INVALID_ARGUMENT',
      'evaluate must be a function, got 1',
    ],
    [
      'lineSearch maxKl',
      search({ maxKl: -1 }),
      'ERR_OUT_OF_RANGE',
      'maxKl must be a number greater than 0, got -1',
    ],
    [
      'lineSearch surrogateBefore',
      search({ surrogateBefore: NaN }),
      'ERR_NOT_FINITE',
      'surrogateBefore must be a finite number, got NaN',
    ],
    [
      'lineSearch misspelt',
      search({ maxBacktrack: 1 }),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'maxBacktracks'?",
    ],
  ])('%s', (_name, run, code, sentence) => {
    expectError(run, code, sentence);
  });
});
