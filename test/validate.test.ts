import { describe, expect, test } from '@jest/globals';
import { TrustRegionError } from '../lib/errors.js';
import type { ErrorCode } from '../lib/errors.js';
import * as validate from '../lib/validate.js';

function expectError(run: () => unknown, code: ErrorCode, message: string): void {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  expect(caught).toBeInstanceOf(TrustRegionError);
  expect(caught).toMatchObject({ name: 'TrustRegionError', code, message });
}

describe('TrustRegionError', () => {
  test('carries a code, a cause and its own name on the stack', () => {
    const cause = new Error('first');
    const error = new TrustRegionError('ERR_MODEL', 'second', { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 'ERR_MODEL', message: 'second', cause });
    expect(error.stack).toMatch(/^TrustRegionError: second/);
    expect(Object.keys(error)).toEqual(['code']);
  });
});

describe('describe', () => {
  test.each([
    [-1, '-1'],
    [-0, '-0'],
    [NaN, 'NaN'],
    [undefined, 'undefined'],
    [null, 'null'],
    [true, 'true'],
    ['0.1', 'the string "0.1"'],
    ['x'.repeat(50), `the string "${'x'.repeat(40)}..."`],
    [5n, 'the bigint 5n'],
    [Symbol('s'), 'a symbol'],
    [() => 1, 'a function'],
    [{}, 'an object'],
    [[1, 2], 'an array of length 2'],
    [new Float32Array(3), 'a Float32Array of length 3'],
    [new Int8Array(1), 'an Int8Array of length 1'],
    [new Map(), 'a Map'],
    [new Date(0), 'a Date'],
    [new Error('x'), 'an Error'],
    [Object.create(null), 'an object'],
    [new Uint8Array(0), 'a Uint8Array of length 0'],
  ])('%p', (value, expected) => {
    expect(validate.describe(value)).toBe(expected);
  });
});

describe('requireNumber', () => {
  test('returns a number within its bounds, ends included unless exclusive', () => {
    expect(validate.requireNumber(0.5, 'gamma', { min: 0.5, max: 0.5 })).toBe(0.5);
    expect(validate.requireNumber(-1e300, 'x')).toBe(-1e300);
  });

  test.each<[unknown, validate.NumberBounds, ErrorCode, string]>([
    [-1, { exclusiveMin: 0 }, 'ERR_OUT_OF_RANGE', 'maxKl must be a number greater than 0, got -1'],
    [0, { exclusiveMin: 0 }, 'ERR_OUT_OF_RANGE', 'maxKl must be a number greater than 0, got 0'],
    [2, { min: 0, max: 1 }, 'ERR_OUT_OF_RANGE', 'maxKl must be a number from 0 to 1, got 2'],
    [
      1,
      { min: 0, exclusiveMax: 1 },
      'ERR_OUT_OF_RANGE',
      'maxKl must be a number of at least 0 and less than 1, got 1',
    ],
    [3, { max: 2 }, 'ERR_OUT_OF_RANGE', 'maxKl must be a number of at most 2, got 3'],
    [NaN, {}, 'ERR_NOT_FINITE', 'maxKl must be a finite number, got NaN'],
    [
      Infinity,
      { min: 0 },
      'ERR_NOT_FINITE',
      'maxKl must be a finite number of at least 0, got Infinity',
    ],
    [
      '0.1',
      { min: 0 },
      'ERR_INVALID_ARGUMENT',
      'maxKl must be a number of at least 0, got the string "0.1"',
    ],
    [1n, {}, 'ERR_INVALID_ARGUMENT', 'maxKl must be a number, got the bigint 1n'],
  ])('refuses %p within %p', (value, bounds, code, message) => {
    expectError(() => validate.requireNumber(value, 'maxKl', bounds), code, message);
  });
});

describe('requireInteger', () => {
  test('returns an integer within its bounds', () => {
    expect(validate.requireInteger(1, 'steps', { min: 1, max: 1 })).toBe(1);
    expect(validate.requireInteger(-7, 'steps')).toBe(-7);
  });

  test.each<[unknown, ErrorCode, string]>([
    [1.5, 'ERR_OUT_OF_RANGE', 'steps must be an integer of at least 1, got 1.5'],
    [0, 'ERR_OUT_OF_RANGE', 'steps must be an integer of at least 1, got 0'],
    [2 ** 53, 'ERR_OUT_OF_RANGE', 'steps must be an integer of at least 1, got 9007199254740992'],
    [NaN, 'ERR_NOT_FINITE', 'steps must be an integer of at least 1, got NaN'],
    [
      [1],
      'ERR_INVALID_ARGUMENT',
      'steps must be an integer of at least 1, got an array of length 1',
    ],
  ])('refuses %p', (value, code, message) => {
    expectError(() => validate.requireInteger(value, 'steps', { min: 1 }), code, message);
  });
});

describe('other scalars', () => {
  test('requireBoolean, requireString and requireFunction', () => {
    expect(validate.requireBoolean(false, 'flag')).toBe(false);
    expect(validate.requireString('a', 'name')).toBe('a');
    expect(() => validate.requireFunction(() => 1, 'reward')).not.toThrow();
    expectError(
      () => validate.requireBoolean(1, 'flag'),
      'ERR_INVALID_ARGUMENT',
      'flag must be true or false, got 1',
    );
    expectError(
      () => validate.requireString('', 'name'),
      'ERR_INVALID_ARGUMENT',
      'name must be a string that is not empty, got the string ""',
    );
    expectError(
      () => validate.requireFunction(null, 'reward'),
      'ERR_INVALID_ARGUMENT',
      'reward must be a function, got null',
    );
  });

  test('requireOneOf narrows, and offers the nearest', () => {
    const names = ['exact', 'empirical'] as const;
    const narrowed: 'exact' | 'empirical' = validate.requireOneOf('exact', 'fisher', names);
    expect(narrowed).toBe('exact');
    expectError(
      () => validate.requireOneOf('exakt', 'fisher', names),
      'ERR_UNKNOWN_OPTION',
      "fisher must be one of 'exact', 'empirical', got the string \"exakt\"; did you mean 'exact'?",
    );
    expectError(
      () => validate.requireOneOf('?', 'fisher', names),
      'ERR_UNKNOWN_OPTION',
      "fisher must be one of 'exact', 'empirical', got the string \"?\"",
    );
    expectError(
      () => validate.requireOneOf(3, 'fisher', names),
      'ERR_INVALID_ARGUMENT',
      "fisher must be one of 'exact', 'empirical', got 3",
    );
  });
});

describe('arrays', () => {
  test('accepts typed arrays, arrays and array-likes', () => {
    for (const array of [new Float32Array(2), [1, 2], { length: 2, 0: 1, 1: 2 }]) {
      expect(() => validate.requireLength(array, 2, 'rewards')).not.toThrow();
      expect(() => validate.requireFinite(array, 'rewards')).not.toThrow();
    }
  });

  test('refuses other lengths and other things', () => {
    expectError(
      () => validate.requireLength(new Float64Array(3), 2, 'rewards'),
      'ERR_SHAPE_MISMATCH',
      'rewards must be an array of length 2, got a Float64Array of length 3',
    );
    expectError(
      () => validate.requireLength('ab', 2, 'rewards'),
      'ERR_INVALID_ARGUMENT',
      'rewards must be an array of length 2, got the string "ab"',
    );
    expectError(
      () => validate.requireLength(new DataView(new ArrayBuffer(2)), 2, 'rewards'),
      'ERR_INVALID_ARGUMENT',
      'rewards must be an array of length 2, got a DataView',
    );
    expectError(
      () => validate.requireFinite(1, 'rewards'),
      'ERR_INVALID_ARGUMENT',
      'rewards must be an array of numbers, got 1',
    );
  });

  test('names the first index that is not finite', () => {
    expectError(
      () => validate.requireFinite([0, -Infinity, NaN], 'rewards'),
      'ERR_NOT_FINITE',
      'rewards[1] must be a finite number, got -Infinity',
    );
    expectError(
      () => validate.requireFinite([0, '1'], 'rewards'),
      'ERR_INVALID_ARGUMENT',
      'rewards[1] must be a finite number, got the string "1"',
    );
    expectError(
      () => validate.requireFinite(new BigInt64Array(1), 'rewards'),
      'ERR_INVALID_ARGUMENT',
      'rewards[0] must be a finite number, got the bigint 0n',
    );
  });
});

describe('names', () => {
  test('nearestName', () => {
    const known = ['CartPole-v1', 'Pendulum-v1', 'InvertedPendulum-v5'];
    expect(validate.nearestName('cartpole', known)).toBe('CartPole-v1');
    expect(validate.nearestName('Pendulm-v1', known)).toBe('Pendulum-v1');
    expect(validate.nearestName('InvertedPendulum-v4', known)).toBe('InvertedPendulum-v5');
    expect(validate.nearestName('Hopper-v5', known)).toBeUndefined();
    expect(validate.nearestName('', known)).toBeUndefined();
    expect(validate.nearestName('a', [])).toBeUndefined();
  });

  test('rejectUnusedOptions', () => {
    const unused = ['a', 'b'] as const;
    const options: { a?: number; b?: number; c?: number } = { c: 1 };
    expect(() => validate.rejectUnusedOptions(options, unused, 'choice')).not.toThrow();
    expectError(
      () => validate.rejectUnusedOptions({ ...options, b: 2 }, unused, 'choice'),
      'ERR_INVALID_ARGUMENT',
      'b must be left out with choice, got 2',
    );
    expectError(
      () => validate.rejectUnusedOptions({ ...options, a: 3 }, unused, 'x', (name) => `--${name}`),
      'ERR_INVALID_ARGUMENT',
      '--a must be left out with x, got 3',
    );
  });

  test('rejectUnknownOptions', () => {
    const known = ['maxKl', 'damping'];
    expect(() => validate.rejectUnknownOptions({ maxKl: 1 }, known, 'TRPO options')).not.toThrow();
    expectError(
      () => validate.rejectUnknownOptions({ maxKL: 1 }, known, 'TRPO options'),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'maxKL' in TRPO options; did you mean 'maxKl'?",
    );
    expectError(
      () => validate.rejectUnknownOptions({ lr: 1 }, known, 'TRPO options'),
      'ERR_UNKNOWN_OPTION',
      "unknown option 'lr' in TRPO options; known are 'maxKl', 'damping'",
    );
    for (const [options, text] of [
      [null, 'null'],
      [[], 'an array of length 0'],
      [1, '1'],
    ] as const) {
      expectError(
        () => validate.rejectUnknownOptions(options as unknown as object, known, 'TRPO options'),
        'ERR_INVALID_ARGUMENT',
        `TRPO options must be an object, got ${text}`,
      );
    }
  });
});
