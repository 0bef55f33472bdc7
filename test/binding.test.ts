import { beforeEach, describe, expect, test } from '@jest/globals';
import type { NativeBatch, NativeMethod, NativePolicy, NativePolicyConfig } from '../lib/native.js';
import {
  addon,
  conjugateGradient,
  critic,
  detach,
  fit,
  gaussian,
  lineSearch,
  makeBatch,
  makeMethod,
  rows,
  thrownBy,
  trpo,
  wrong,
} from './binding-helpers.js';
import { numbers } from './helpers.js';

// Arrays, errors and functions of the caller at the seam of the binding.

let policy: NativePolicy;
let method: NativeMethod;
let batch: ReturnType<typeof makeBatch>;
beforeEach(() => {
  policy = new addon.Policy(gaussian);
  method = makeMethod();
  batch = makeBatch();
});

test('exports what lib/native.ts declares', () => {
  expect(Object.keys(addon).sort()).toEqual([
    'Method',
    'Policy',
    'ValueFunction',
    'advantages',
    'backends',
    'conjugateGradient',
    'defaultThreads',
    'explainedVariance',
    'lineSearch',
    'normalizeAdvantages',
  ]);
  expect(addon.backends()).toContain('reference');
  expect(addon.defaultThreads()).toBeGreaterThanOrEqual(1);
});

describe('arrays', () => {
  test('act writes the same actions to every type of array', () => {
    const config: NativePolicyConfig = {
      ...gaussian,
      distribution: 'categorical',
      actionCounts: [3, 4],
    };
    const discrete = new addon.Policy(config);
    const written = [Float32Array, Float64Array, Int32Array].map((Type) => {
      const out = new Type(2 * rows);
      discrete.seed(5);
      discrete.act(batch.observations, false, out);
      return Array.from(out);
    });
    expect(written[1]).toEqual(written[0]);
    expect(written[2]).toEqual(written[0]);
    expect(new Set(written[0]).size).toBeGreaterThan(1);
    expect(thrownBy(() => policy.act(batch.observations, false, new Int32Array(2 * rows)))).toBe(
      'ERR_INVALID_ARGUMENT: out must be a Float32Array or a Float64Array for continuous actions',
    );
  });

  test('shared memory is as good as any', async () => {
    const share = (array: Float32Array) => {
      const shared = new Float32Array(new SharedArrayBuffer(array.byteLength));
      shared.set(array);
      return shared;
    };
    const shared: NativeBatch = {
      observations: share(batch.observations),
      actions: share(batch.actions),
      advantages: share(batch.advantages),
    };
    const twin = new addon.Policy(gaussian);
    const { timing: _, ...expected } = await twin.update(batch, makeMethod());
    expect(await policy.update(shared, method)).toMatchObject({ ...expected });
  });

  test('a Fisher product may overwrite its vector', () => {
    const operator = policy.fisherOperator(batch, 'exact');
    const vector = numbers(operator.size);
    const expected = new Float64Array(operator.size);
    operator.apply(vector, expected);
    operator.apply(vector, vector);
    expect(vector).toEqual(expected);
  });

  test('detached memory is refused, never read', () => {
    detach(batch.observations);
    expect(thrownBy(() => policy.act(batch.observations, false, new Float32Array(2)))).toMatch(
      /^ERR_SHAPE_MISMATCH: observations must have a length that is a positive multiple of/,
    );
    const observations = batch.advantages.slice(0, 4);
    const out = new Float32Array(2);
    detach(out);
    expect(thrownBy(() => policy.act(observations, false, out))).toBe(
      'ERR_SHAPE_MISMATCH: out must have length 2 (rows x values of an action), got 0',
    );
  });

  test('a getter that detaches another array is noticed', () => {
    const trap: NativeBatch = {
      observations: batch.observations,
      actions: batch.actions,
      get advantages() {
        detach(batch.observations);
        return batch.advantages;
      },
    };
    expect(thrownBy(() => policy.update(trap, method))).toMatch(/^ERR_SHAPE_MISMATCH: obser/);
  });

  test('arrays may be transferred or overwritten while an update reads them', async () => {
    const twin = new addon.Policy(gaussian);
    const { timing: _, ...expected } = await twin.update(makeBatch(), makeMethod());
    const pending = policy.update(batch, method);
    batch.actions.fill(Number.NaN);
    detach(batch.observations);
    detach(batch.advantages);
    expect(await pending).toMatchObject({ ...expected });
  });
});

describe('errors', () => {
  const observations = new Float32Array(4);
  const out = new Float32Array(2);

  test.each<[string, RegExp, () => unknown]>([
    [
      'no arguments',
      /^ERR_INVALID_ARGUMENT: observations/,
      () => Reflect.apply(policy.act, policy, []),
    ],
    ['an Array', /^ERR_INVALID_ARGUMENT: observations/, () => policy.act(wrong([1]), false, out)],
    ['a number', /^ERR_INVALID_ARGUMENT: deter/, () => policy.act(observations, wrong(1), out)],
    [
      'a short out',
      /^ERR_SHAPE_MISMATCH: out/,
      () => policy.act(observations, false, new Float32Array(1)),
    ],
    [
      'a part of a row',
      /^ERR_SHAPE_MISMATCH: obs.*\(4\), got 3/,
      () => policy.act(new Float32Array(3), false, out),
    ],
    [
      'NaN',
      /^ERR_NOT_FINITE: observations\[1\]/,
      () => policy.act(Float32Array.of(0, NaN, 0, 0), false, out),
    ],
    [
      'short parameters',
      /^ERR_SHAPE_MISMATCH: parameters/,
      () => policy.setParameters(new Float64Array(1)),
    ],
    ['a negative seed', /^ERR_OUT_OF_RANGE: seed/, () => policy.seed(-1)],
    ['a fraction', /^ERR_OUT_OF_RANGE: seed/, () => policy.seed(0.5)],
    [
      'no batch',
      /^ERR_INVALID_ARGUMENT: batch must be an object/,
      () => policy.update(wrong(null), method),
    ],
    [
      'no options',
      /^ERR_INVALID_ARGUMENT: options\.maxKl/,
      () => new addon.Method('TRPO', wrong({ ...trpo, maxKl: undefined })),
    ],
    [
      'no method',
      /^ERR_INVALID_ARGUMENT: method must be a native Method/,
      () => policy.update(batch, wrong(policy)),
    ],
    [
      'an unknown method',
      /^ERR_INVALID_ARGUMENT: kind cannot be 'A2C'/,
      () => new addon.Method(wrong('A2C'), wrong({})),
    ],
    [
      'short advantages',
      /^ERR_SHAPE_MISMATCH: advantages/,
      () => policy.update({ ...batch, advantages: new Float32Array(1) }, method),
    ],
    [
      'a wrong name',
      /^ERR_INVALID_ARGUMENT: options\.stepLength.*'x'/,
      () => new addon.Method('TRPO', { ...trpo, stepLength: wrong('x') }),
    ],
    [
      'negative backtracks',
      /^ERR_OUT_OF_RANGE: options\.max/,
      () => new addon.Method('TRPO', { ...trpo, maxBacktracks: -1 }),
    ],
    [
      'no rows for the Fisher matrix',
      /^ERR_OUT_OF_RANGE: options\.fisherFraction/,
      () => new addon.Method('TRPO', { ...trpo, fisherFraction: NaN }),
    ],
    [
      'bounds of damping that are none',
      /^ERR_OUT_OF_RANGE: options\.adaptiveDamping\.minimum/,
      () =>
        new addon.Method('TRPO', {
          ...trpo,
          adaptiveDamping: { minimum: 1, maximum: NaN, factor: 2 },
        }),
    ],
    [
      'no config',
      /^ERR_INVALID_ARGUMENT: config must be/,
      () => new addon.Policy(wrong(undefined)),
    ],
    [
      'no backend',
      /^ERR_BACKEND: backend 'x' is not available/,
      () => new addon.Policy({ ...gaussian, backend: 'x' }),
    ],
    [
      'no activation',
      /^ERR_INVALID_ARGUMENT: activation/,
      () => new addon.Policy({ ...gaussian, activation: 'x' }),
    ],
    [
      'an empty layer',
      /^ERR_OUT_OF_RANGE: config\.hidden\[0\]/,
      () => new addon.Policy({ ...gaussian, hidden: [0] }),
    ],
    [
      'too many threads',
      /^ERR_OUT_OF_RANGE: config\.threads/,
      () => new addon.Policy({ ...gaussian, threads: 65 }),
    ],
    [
      'too large a network',
      /^ERR_INTERNAL: /,
      () => new addon.Policy({ ...gaussian, hidden: [2 ** 24, 2 ** 24] }),
    ],
    [
      'empty minibatches',
      /^ERR_OUT_OF_RANGE: options\.minibatchSize/,
      () =>
        new addon.ValueFunction(critic).fit(observations, new Float32Array(1), {
          ...fit,
          minibatchSize: 0,
        }),
    ],
    [
      'values and returns',
      /^ERR_SHAPE_MISMATCH: values/,
      () => addon.explainedVariance(observations, out),
    ],
  ])('%s', (_name, sentence, run) => {
    expect(thrownBy(run)).toMatch(sentence);
  });

  test('a rejection has a code too, and the policy goes on', async () => {
    const advantages = new Float32Array(rows).fill(Number.NaN);
    await expect(policy.update({ ...batch, advantages }, method)).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
      message: expect.stringMatching(/^advantages\[0\]/),
    });
    expect(policy.busy).toBe(false);
    expect(policy.version).toBe(0);
    expect(await policy.update(batch, method)).toMatchObject({ version: 1 });
  });

  test('what a getter of the caller throws comes back unchanged', () => {
    const mine = new RangeError('mine');
    const trap = {
      get observations(): Float32Array {
        throw mine;
      },
    };
    expect(() => policy.update(wrong(trap), method)).toThrow(mine);
  });

  test('methods refuse objects of another class', () => {
    const { get } = Object.getOwnPropertyDescriptor(addon.Policy.prototype, 'version') ?? {};
    for (const receiver of [new addon.ValueFunction(critic), {}, 1, undefined]) {
      expect(thrownBy(() => get?.call(receiver))).toMatch(/^ERR_INVALID_ARGUMENT: .* Policy/);
      expect(thrownBy(() => policy.close.call(wrong(receiver)))).not.toBe('nothing');
    }
    expect(policy.closed).toBe(false);
    expect(() => Reflect.apply(addon.Policy, undefined, [gaussian])).toThrow(/without 'new'/);
  });
});

describe('functions of the caller', () => {
  const b = Float64Array.of(4, 6, 8);
  const diagonal = (vector: Float64Array, out: Float64Array) => {
    out.set(vector.map((value, index) => value * (index + 2)));
  };
  const solve = (
    apply: (vector: Float64Array, out: Float64Array) => void,
    solution = new Float64Array(3),
  ) => addon.conjugateGradient(apply, b, conjugateGradient, solution, new Float64Array(3));

  test('are called for products, also from inside each other', () => {
    const inner = new Float64Array(3);
    const solution = new Float64Array(3);
    solve((vector, out) => {
      solve(diagonal, inner);
      diagonal(vector, out);
    }, solution);
    for (const [index, expected] of [2, 2, 2].entries()) {
      expect(solution[index]).toBeCloseTo(expected, 12);
      expect(inner[index]).toBeCloseTo(expected, 12);
    }
  });

  test.each([[new TypeError('mine')], [{ mine: true }], ['text'], [5], [undefined]])(
    'rethrow %p unchanged',
    (thrown) => {
      const fail = () => {
        throw thrown;
      };
      for (const run of [() => solve(fail), () => addon.lineSearch(fail, 0, 1, lineSearch)]) {
        let caught: unknown = 'nothing';
        try {
          run();
        } catch (error) {
          caught = error;
        }
        expect(caught).toBe(thrown);
      }
    },
  );

  test('that write nothing do not pass for a zero product', () => {
    expect(solve(() => undefined).stop).toBe('notFinite');
  });

  test('that take the memory away are refused', () => {
    expect(thrownBy(() => solve((_, out) => detach(out)))).toMatch(/^ERR_SHAPE_MISMATCH: apply/);
    const solution = new Float64Array(3);
    const thief = (vector: Float64Array, out: Float64Array) => {
      diagonal(vector, out);
      if (solution.length > 0) detach(solution);
    };
    expect(thrownBy(() => solve(thief, solution))).toMatch(/^ERR_SHAPE_MISMATCH: solution/);
  });

  test('that return no evaluation are refused', () => {
    expect(
      thrownBy(() =>
        addon.lineSearch(
          wrong(() => 1),
          0,
          1,
          lineSearch,
        ),
      ),
    ).toBe('ERR_INVALID_ARGUMENT: evaluation must be an object');
  });
});
