import { describe, expect, test } from '@jest/globals';
import { lineSearch } from '../../lib/index.js';
import type { ErrorCode } from '../../lib/index.js';
import { makeMethod, methodNames } from '../../lib/methods.js';
import type { MethodName } from '../../lib/method-options.js';
import { expectError, makeBatch, smallPolicy, wrong } from '../helpers.js';

/*
 * One row for each way to call something wrongly: what is called, the code, and the sentence, which
 * names the argument, what was expected and what came.
 */

const policy = smallPolicy({ kind: 'discrete', count: 2 });
type Row = [object, ErrorCode, string];

describe.each(methodNames)('%s', (name) => {
  test.each<Row>([
    [{ diagnostic: true }, 'ERR_UNKNOWN_OPTION', `in ${name} options; did you mean 'diagnostics'?`],
    [{ normalizeAdvantages: 1 }, 'ERR_INVALID_ARGUMENT', 'must be true or false, got 1'],
    [
      { diagnostics: 'all' },
      'ERR_INVALID_ARGUMENT',
      'diagnostics must be true, false or an object',
    ],
    [{ diagnostics: { gama: 0.9 } }, 'ERR_UNKNOWN_OPTION', "in diagnostics; did you mean 'gamma'?"],
    [
      { diagnostics: { gamma: 1 } },
      'ERR_OUT_OF_RANGE',
      'diagnostics.gamma must be a number of at least 0 and less than 1, got 1',
    ],
  ])('%p', (options, code, sentence) => {
    expectError(() => makeMethod(name, policy, options), code, sentence);
  });

  test('no options and no policy', () => {
    expectError(() => makeMethod(name, policy, wrong(null)), 'ERR_INVALID_ARGUMENT', 'null');
    expectError(
      () => makeMethod(name, wrong({}), {}),
      'ERR_INVALID_ARGUMENT',
      'policy must be a Policy, got an object',
    );
  });
});

const stepSize: Row[] = [
  [{ epsilon: 0 }, 'ERR_OUT_OF_RANGE', 'epsilon must be a number greater than 0, got 0'],
  [
    { learningRate: -1 },
    'ERR_OUT_OF_RANGE',
    'learningRate must be a number greater than 0, got -1',
  ],
  [
    { learningRate: 1, epsilon: 1 },
    'ERR_INVALID_ARGUMENT',
    'epsilon must be left out with learningRate, got 1',
  ],
];
const naturalDirection: Row[] = [
  [{ damping: -1 }, 'ERR_OUT_OF_RANGE', 'damping must be a number of at least 0, got -1'],
  [
    { adaptiveDamping: 2 },
    'ERR_INVALID_ARGUMENT',
    'adaptiveDamping must be true, false or an object',
  ],
  [
    { adaptiveDamping: { min: 1 } },
    'ERR_UNKNOWN_OPTION',
    "unknown option 'min' in adaptiveDamping",
  ],
  [
    { adaptiveDamping: { minimum: 1, maximum: 0.5 } },
    'ERR_OUT_OF_RANGE',
    'adaptiveDamping.maximum must be a number of at least 1, got 0.5',
  ],
  [
    { adaptiveDamping: { factor: 1 } },
    'ERR_OUT_OF_RANGE',
    'adaptiveDamping.factor must be a number greater than 1, got 1',
  ],
  [
    { adaptiveDamping: true, damping: 20 },
    'ERR_OUT_OF_RANGE',
    'damping must be a number from 0.0001 to 10, got 20',
  ],
  [{ fisher: 'empiric' }, 'ERR_UNKNOWN_OPTION', "did you mean 'empirical'?"],
  [
    { fisherFraction: 0 },
    'ERR_OUT_OF_RANGE',
    'fisherFraction must be a number greater than 0 and of at most 1, got 0',
  ],
  [{ solver: 'choleski' }, 'ERR_UNKNOWN_OPTION', "did you mean 'cholesky'?"],
  [
    { solver: 'cholesky', cgIterations: 5 },
    'ERR_INVALID_ARGUMENT',
    "cgIterations must be left out with solver 'cholesky', got 5",
  ],
  [
    { solver: 'cholesky', preconditioner: 'none' },
    'ERR_INVALID_ARGUMENT',
    "preconditioner must be left out with solver 'cholesky'",
  ],
  [
    { preconditioner: 'none', preconditionerPeriod: 2 },
    'ERR_INVALID_ARGUMENT',
    "preconditionerPeriod must be left out with preconditioner 'none', got 2",
  ],
  [
    { preconditioner: 'jacobi', preconditionerFraction: 0.5 },
    'ERR_INVALID_ARGUMENT',
    "preconditionerFraction must be left out with preconditioner 'jacobi', got 0.5",
  ],
  [
    { preconditioner: 'kronecker', preconditionerPeriod: 0 },
    'ERR_OUT_OF_RANGE',
    'preconditionerPeriod must be an integer from 1 to',
  ],
  [{ warmStart: 'yes' }, 'ERR_INVALID_ARGUMENT', 'warmStart must be true or false'],
];

const tables: Record<MethodName, Row[]> = {
  VanillaPolicyGradient: [
    ...stepSize,
    [
      { damping: 1 },
      'ERR_UNKNOWN_OPTION',
      "unknown option 'damping' in VanillaPolicyGradient options",
    ],
  ],
  NaturalPolicyGradient: [
    ...stepSize,
    ...naturalDirection,
    [{ maxKl: 1 }, 'ERR_UNKNOWN_OPTION', "unknown option 'maxKl' in NaturalPolicyGradient options"],
  ],
  TRPO: [
    ...naturalDirection,
    [{ lineSearch: 'bisection' }, 'ERR_UNKNOWN_OPTION', "one of 'backtracking', 'boundary'"],
    [
      { lineSearch: 'backtracking', klTolerance: 0.1 },
      'ERR_INVALID_ARGUMENT',
      "klTolerance must be left out with lineSearch 'backtracking', got 0.1",
    ],
    [
      { lineSearch: 'boundary', klTolerance: 1 },
      'ERR_OUT_OF_RANGE',
      'klTolerance must be a number greater than 0 and less than 1, got 1',
    ],
  ],
  DualGradientDescent: [
    [{ maxKl: Infinity }, 'ERR_NOT_FINITE', 'maxKl must be a finite number greater than 0'],
    [{ innerSteps: 0 }, 'ERR_OUT_OF_RANGE', 'innerSteps must be an integer from 1 to'],
    [{ innerLearningRate: 0 }, 'ERR_OUT_OF_RANGE', 'innerLearningRate must be a number greater'],
    [
      { initialMultiplier: -1 },
      'ERR_OUT_OF_RANGE',
      'initialMultiplier must be a number of at least',
    ],
    [{ multiplierLearningRate: NaN }, 'ERR_NOT_FINITE', 'multiplierLearningRate must be a finite'],
  ],
  PPO: [
    [{ variant: 'clipp' }, 'ERR_UNKNOWN_OPTION', "did you mean 'clip'?"],
    [
      { targetKl: 1 },
      'ERR_INVALID_ARGUMENT',
      "targetKl must be left out with variant 'clip', got 1",
    ],
    [
      { variant: 'klPenalty', clipRange: 0.1 },
      'ERR_INVALID_ARGUMENT',
      "clipRange must be left out with variant 'klPenalty', got 0.1",
    ],
    [{ clipRange: 0 }, 'ERR_OUT_OF_RANGE', 'clipRange must be a number greater than 0, got 0'],
    [
      { variant: 'klPenalty', initialKlPenalty: 0 },
      'ERR_OUT_OF_RANGE',
      'initialKlPenalty must be a number greater than 0, got 0',
    ],
    [{ epochs: 1.5 }, 'ERR_OUT_OF_RANGE', 'epochs must be an integer from 1 to'],
    [{ minibatchSize: 0 }, 'ERR_OUT_OF_RANGE', 'minibatchSize must be an integer from 1 to'],
    [
      { learningRate: 0 },
      'ERR_OUT_OF_RANGE',
      'learningRate must be a number greater than 0, got 0',
    ],
    [
      { entropyBonus: -1 },
      'ERR_OUT_OF_RANGE',
      'entropyBonus must be a number of at least 0, got -1',
    ],
    [{ maxKl: NaN }, 'ERR_NOT_FINITE', 'maxKl must be a finite number greater than 0, got NaN'],
    [{ seed: -1 }, 'ERR_OUT_OF_RANGE', 'seed must be an integer from 0 to'],
  ],
};

describe.each(methodNames)('%s', (name) => {
  test.each(tables[name])('%p', (options, code, sentence) => {
    expectError(() => makeMethod(name, policy, options), code, sentence);
  });
});

test('too many parameters for a dense matrix', () => {
  const large = smallPolicy({ kind: 'binary', size: 1 }, { hidden: [128, 64] });
  expect(large.parameterCount).toBeGreaterThan(8192);
  expectError(
    () => makeMethod('TRPO', large, { solver: 'cholesky' }),
    'ERR_OUT_OF_RANGE',
    "solver 'cholesky' must have a policy of at most 8192 parameters, got 8833",
  );
});

describe('low-level doors', () => {
  const batch = makeBatch(policy, 4);
  const { observations, actions } = batch;
  const parameters = policy.getParameters();
  const empirical = { estimator: 'empirical' } as const;
  const search = (options: object) => () =>
    lineSearch(
      () => ({ surrogate: 1, meanKl: 0 }),
      wrong({ surrogateBefore: 0, expectedImprovement: 1, maxKl: 1, ...options }),
    );

  test.each<[string, () => unknown, ErrorCode, string]>([
    [
      'objective misspelt',
      () => policy.objective(batch, wrong({ clip: 0.2 })),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'clip' in objective options",
    ],
    [
      'objective clipRange',
      () => policy.objective(batch, { clipRange: 0 }),
      'ERR_OUT_OF_RANGE',
      'clipRange must be a number greater than 0, got 0',
    ],
    [
      'objective klPenalty',
      () => policy.objective(batch, { klPenalty: -1 }),
      'ERR_OUT_OF_RANGE',
      'klPenalty must be a number of at least 0, got -1',
    ],
    [
      'objective parameters',
      () => policy.objective(batch, { parameters: [1] }),
      'ERR_SHAPE_MISMATCH',
      `parameters must be an array of length ${policy.parameterCount}`,
    ],
    [
      'objective batch',
      () => policy.objective(wrong(undefined)),
      'ERR_INVALID_ARGUMENT',
      'batch must be an object with observations, actions and advantages, got undefined',
    ],
    [
      'compare batch',
      () => policy.compare(wrong(3), parameters),
      'ERR_INVALID_ARGUMENT',
      'batch must be an object with observations and actions, got 3',
    ],
    [
      'compare actions',
      () => policy.compare({ observations, actions: [1] }, parameters),
      'ERR_SHAPE_MISMATCH',
      'actions must be an array of length 4',
    ],
    [
      'compare range',
      () => policy.compare({ observations, actions: [0, 1, 2, 0] }, parameters),
      'ERR_OUT_OF_RANGE',
      'actions[2] must be',
    ],
    [
      'fisherOperator without actions',
      () => policy.fisherOperator(observations, empirical),
      'ERR_INVALID_ARGUMENT',
      'actions must be an array of numbers, got undefined',
    ],
    [
      'fisherOperator with actions',
      () => policy.fisherOperator(observations, { actions }),
      'ERR_INVALID_ARGUMENT',
      "actions must be left out with estimator 'exact', got an Int32Array of length 4",
    ],
    [
      'fisherOperator actions',
      () => policy.fisherOperator(observations, { ...empirical, actions: [] }),
      'ERR_SHAPE_MISMATCH',
      'actions must be an array of length 4, got',
    ],
    [
      'fisherOperator misspelt',
      () => policy.fisherOperator(observations, wrong({ estimater: 'exact' })),
      'ERR_UNKNOWN_OPTION',
      "did you mean 'estimator'?",
    ],
    [
      'empirical diagonal',
      () => policy.fisherOperator(observations, { ...empirical, actions }).diagonal(),
      'ERR_INVALID_ARGUMENT',
      "diagonal() needs a Fisher operator with estimator 'exact', got one with 'empirical'",
    ],
    [
      'naturalDirection of many updates',
      () => policy.naturalDirection(batch, wrong({ warmStart: true })),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'warmStart' in naturalDirection options",
    ],
    [
      'naturalDirection start',
      () => policy.naturalDirection(batch, { start: [1] }),
      'ERR_SHAPE_MISMATCH',
      `start must be an array of length ${policy.parameterCount}`,
    ],
    [
      'naturalDirection start with cholesky',
      () => policy.naturalDirection(batch, { start: parameters, solver: 'cholesky' }),
      'ERR_INVALID_ARGUMENT',
      "start must be left out with solver 'cholesky'",
    ],
    [
      'lineSearch kind',
      search({ kind: 'bisection' }),
      'ERR_UNKNOWN_OPTION',
      "kind must be one of 'backtracking', 'boundary'",
    ],
    [
      'lineSearch klTolerance',
      search({ klTolerance: 0.1 }),
      'ERR_INVALID_ARGUMENT',
      "klTolerance must be left out with kind 'backtracking', got 0.1",
    ],
  ])('%s', (_name, run, code, sentence) => {
    expectError(run, code, sentence);
    expect(policy.version).toBe(0);
  });
});
