import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { conjugateGradient } from '../lib/conjugate-gradient.js';
import { lineSearch } from '../lib/line-search.js';
import {
  batchOfCase,
  dot,
  expectError,
  mathCases,
  numbers,
  policyOfCase,
  relativeError,
} from './helpers.js';

type Matrix = readonly Float64Array[];

/** B'B + I with a random square B: symmetric positive definite. */
function randomMatrix(size: number, seed: number): Matrix {
  const rows = Array.from({ length: size }, (_, row) => numbers(size, seed + row));
  return Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (__, j) => {
      const sum = rows.reduce((total, row) => total + (row[i] ?? 0) * (row[j] ?? 0), 0);
      return sum + Number(i === j);
    }),
  );
}

const times = (matrix: Matrix) => (vector: Float64Array, out: Float64Array) => {
  out.set(matrix.map((row) => dot(row, vector)));
};

/** Solves A x = b by Cholesky's L L' = A. */
function solveByCholesky(matrix: Matrix, b: Float64Array): Float64Array {
  const size = b.length;
  const factor = matrix.map((row) => row.slice());
  const at = (i: number, j: number) => factor[i]?.[j] ?? NaN;
  const x = b.slice();
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      let sum = at(i, j);
      for (let k = 0; k < j; k += 1) sum -= at(i, k) * at(j, k);
      (factor[i] as Float64Array)[j] = i === j ? Math.sqrt(sum) : sum / at(j, j);
    }
  }
  for (let i = 0; i < size; i += 1) {
    for (let k = 0; k < i; k += 1) x[i] = (x[i] ?? NaN) - at(i, k) * (x[k] ?? NaN);
    x[i] = (x[i] ?? NaN) / at(i, i);
  }
  for (let i = size - 1; i >= 0; i -= 1) {
    for (let k = i + 1; k < size; k += 1) x[i] = (x[i] ?? NaN) - at(k, i) * (x[k] ?? NaN);
    x[i] = (x[i] ?? NaN) / at(i, i);
  }
  return x;
}

describe('conjugateGradient', () => {
  test('agrees with Cholesky on random systems', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.nat(1000), (size, seed) => {
        const matrix = randomMatrix(size, seed + 1);
        const b = numbers(size, seed + 99);
        const result = conjugateGradient(times(matrix), b, { iterations: 4 * size });
        expect(result.stop).toBe('residual');
        expect(relativeError(result.solution, solveByCholesky(matrix, b))).toBeLessThan(1e-8);
        const product = new Float64Array(size);
        times(matrix)(result.solution, product);
        expect(
          relativeError(
            product.map((value, i) => value + (result.residual[i] ?? NaN)),
            b,
          ),
        ).toBeLessThan(1e-12);
        expect(result.relativeResidual).toBeLessThanOrEqual(1e-10);
        const model = 0.5 * dot(result.solution, product) - dot(b, result.solution);
        expect(result.quadraticModel).toBeCloseTo(model, 8);
      }),
    );
  });

  test('the identity takes one iteration', () => {
    const result = conjugateGradient((vector, out) => void out.set(vector), [3, -4]);
    expect(result).toMatchObject({ iterations: 1, products: 1, stop: 'residual', residualNorm: 0 });
    expect(Array.from(result.solution)).toEqual([3, -4]);
  });

  test('damping is added to the diagonal', () => {
    const matrix = randomMatrix(5, 3);
    const damped = matrix.map((row, i) => row.map((value, j) => value + (i === j ? 0.7 : 0)));
    const b = numbers(5, 8);
    const { solution } = conjugateGradient(times(matrix), b, { damping: 0.7, iterations: 20 });
    expect(relativeError(solution, solveByCholesky(damped, b))).toBeLessThan(1e-9);
  });

  test('a preconditioner saves iterations', () => {
    const scales = Float64Array.from({ length: 30 }, (_, i) => 10 ** (i / 6));
    const operator = (vector: Float64Array, out: Float64Array) =>
      void out.set(vector.map((value, i) => value * (scales[i] ?? NaN)));
    const inverse = {
      size: 30,
      apply: (vector: Float64Array, out: Float64Array) => {
        out.set(vector.map((value, i) => value / (scales[i] ?? NaN)));
        return out;
      },
    };
    const b = numbers(30);
    const plain = conjugateGradient(operator, b, { iterations: 100 });
    const fast = conjugateGradient(operator, b, { iterations: 100, preconditioner: inverse });
    expect(plain.iterations).toBeGreaterThan(20);
    expect(fast.iterations).toBe(1);
  });

  test('breakdowns are results', () => {
    const b = [1, 2];
    const indefinite = (vector: Float64Array, out: Float64Array) =>
      void out.set([-(vector[0] ?? 0), vector[1] ?? 0]);
    expect(conjugateGradient(indefinite, [1, 0])).toMatchObject({
      stop: 'negativeCurvature',
      iterations: 0,
      solution: new Float64Array(2),
    });
    expect(conjugateGradient(indefinite, [0, 0]).stop).toBe('zeroRightHandSide');
    const broken = (_: Float64Array, out: Float64Array) => void out.fill(Infinity);
    expect(conjugateGradient(broken, b).stop).toBe('notFinite');
    const forgetful = () => undefined; // writes nothing
    expect(conjugateGradient(forgetful, b).stop).toBe('notFinite');
  });

  test('stops by progress of the quadratic model', () => {
    const matrix = randomMatrix(40, 5);
    const b = numbers(40, 6);
    const options = { iterations: 40, residualTolerance: 0 };
    const all = conjugateGradient(times(matrix), b, options);
    const some = conjugateGradient(times(matrix), b, { ...options, progressTolerance: 0.1 });
    expect(some.stop).toBe('progress');
    expect(some.iterations).toBeLessThan(all.iterations);
    expect(some.quadraticModel).toBeGreaterThan(all.quadraticModel);
  });

  test.each(mathCases.map((reference) => [reference.name, reference] as const))(
    'the natural direction of %s, against PyTorch',
    (_name, reference) => {
      const policy = policyOfCase(reference, 'reference');
      const batch = batchOfCase(reference);
      const fisher = policy.fisherOperator(batch.observations);
      const { damping } = reference;
      for (const [key, expected] of Object.entries(reference.conjugateGradient)) {
        const iterations = Number(key);
        const result = conjugateGradient(fisher, policy.gradient(batch), {
          damping,
          iterations,
          residualTolerance: 0,
          residualResetPeriod: 0,
          reorthogonalize: false, // as the reference was made
        });
        // Plain conjugate gradients: rounding errors grow along the iterations.
        expect(relativeError(result.solution, expected.solution)).toBeLessThan(1e-4);
        expect(Math.abs(result.residualNorm - expected.residualNorm)).toBeLessThan(1e-4);
      }
      const { solution } = conjugateGradient(fisher, policy.gradient(batch), {
        damping,
        iterations: fisher.size,
      });
      expect(relativeError(solution, reference.exactSolution)).toBeLessThan(1e-8);
      fisher.close();
    },
  );

  test('what the operator throws arrives unchanged', () => {
    const error = Object.assign(new Error('mine'), { code: 'ERR_OWN' });
    const fail = () => {
      throw error;
    };
    let caught: unknown;
    try {
      conjugateGradient(fail, [1]);
    } catch (thrown) {
      caught = thrown;
    }
    expect(caught).toBe(error);
  });

  test('a result that is returned instead of written is refused', () => {
    expectError(
      () => conjugateGradient((vector) => vector.slice(), [1, 2]),
      'ERR_CALLBACK',
      'operator must write its result to its second argument and return nothing, ' +
        'got a Float64Array of length 2',
    );
    expectError(
      () => conjugateGradient(async () => undefined, [1, 2]),
      'ERR_CALLBACK',
      /got a Promise/,
    );
  });
});

describe('lineSearch', () => {
  const options = { surrogateBefore: 1, expectedImprovement: 1, maxKl: 0.01 };

  test('takes the first candidate that improves enough inside the region', () => {
    const tried: number[] = [];
    const result = lineSearch(
      (fraction) => {
        tried.push(fraction);
        return { surrogate: 1 + fraction * (1 - fraction / 2), meanKl: 0.02 * fraction ** 2 };
      },
      { ...options, backtrackFactor: 0.5 },
    );
    expect(tried).toEqual([1, 0.5]);
    expect(result).toMatchObject({ accepted: true, stop: 'accepted', fraction: 0.5 });
    const untold = { maxKl: NaN, entropy: NaN, effectiveSampleSize: NaN, klUncertainty: 0 };
    expect(result.candidates).toEqual([
      { fraction: 1, surrogate: 1.5, meanKl: 0.02, ...untold, finite: true },
      { fraction: 0.5, surrogate: 1.375, meanKl: 0.005, ...untold, finite: true },
    ]);
  });

  test.each([
    ['klExceeded', { surrogate: 2, meanKl: 1 }],
    ['noImprovement', { surrogate: 1, meanKl: 0 }],
    ['notFinite', { surrogate: NaN, meanKl: 0 }],
    ['notFinite', { surrogate: 2, meanKl: 0, finite: false }],
  ])('gives up: %s', (stop, evaluation) => {
    const result = lineSearch(() => evaluation, { ...options, maxBacktracks: 3 });
    expect(result).toMatchObject({ accepted: false, stop, fraction: 0 });
    expect(result.candidates).toHaveLength(4);
  });

  test('refuses what is no evaluation, and passes on what is thrown', () => {
    const bad = (() => 3) as unknown as () => { surrogate: number; meanKl: number };
    expectError(() => lineSearch(bad, options), 'ERR_CALLBACK', /surrogate and meanKl, got 3/);
    const empty = (() => undefined) as unknown as typeof bad;
    expectError(() => lineSearch(empty, options), 'ERR_CALLBACK', /got undefined/);
    const fail = () => {
      throw new RangeError('mine');
    };
    expect(() => lineSearch(fail, options)).toThrow(RangeError);
  });
});
