import { addon, fromNative } from './addon.js';
import { isFloatArray, toFloatArray } from './arrays.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray, NativeConjugateGradientSummary } from './native.js';
import {
  describe,
  rejectUnknownOptions,
  requireBoolean,
  requireFinite,
  requireInteger,
  requireNumber,
} from './validate.js';

/**
 * Writes A v to `out`. Both arrays have the system's size and are only valid during the call; `v`
 * is not to be changed.
 */
export type LinearFunction = (vector: Float64Array, out: Float64Array) => unknown;

/**
 * A symmetric linear operator: a function, or an object with one, such as a {@link FisherOperator}.
 */
export type LinearOperator =
  | LinearFunction
  | {
      /**
       * Rows and columns, checked against the right-hand side where it is there.
       */
      readonly size?: number;
      /**
       * Writes A v to `out`.
       */
      apply(vector: Float64Array, out: Float64Array): unknown;
    };

/**
 * When {@link conjugateGradient} ends, and what it adds.
 */
export interface ConjugateGradientOptions {
  /**
   * Most iterations, at least 1; each costs one product. Default 10.
   */
  readonly iterations?: number;
  /**
   * Added to the operator's diagonal, at least 0: solves (A + damping I) x = b. Default 0.
   */
  readonly damping?: number;
  /**
   * Ends when |b - A x| <= residualTolerance |b|; 0 never does. Default 1e-10.
   */
  readonly residualTolerance?: number;
  /**
   * Ends when iteration k made less than progressTolerance / k of the quadratic model's whole
   * progress (Nash and Sofer 1990); 0 never does. Default 0.
   */
  readonly progressTolerance?: number;
  /**
   * Computes the residual anew after every so many iterations, against the drift of its recurrence,
   * which costs one product; 0 never does. Default 20.
   */
  readonly residualResetPeriod?: number;
  /**
   * Keeps every residual and makes each new one orthogonal to all before it, as they are in exact
   * arithmetic (Parlett 1980, chapter 13). Without it rounding errors grow as soon as the largest
   * eigenvalues have converged. Costs n numbers of memory an iteration and, in iteration k, 4 k n
   * flops. Default `true`.
   */
  readonly reorthogonalize?: boolean;
  /**
   * Writes M^-1 r to `out`, M a symmetric positive definite approximation of A + damping I. Default:
   * none.
   */
  readonly preconditioner?: LinearOperator;
}

/**
 * Why {@link conjugateGradient} ended.
 *
 * - `iterations`: did as many as allowed.
 * - `residual`: the residual is small enough.
 * - `progress`: the quadratic model no longer improves.
 * - `zeroRightHandSide`: b = 0, so x = 0.
 * - `negativeCurvature`: p'A p <= 0 for some p: A (or the preconditioner) is not positive definite.
 * - `notFinite`: NaN or infinity came up.
 */
export type ConjugateGradientStop =
  | 'iterations'
  | 'residual'
  | 'progress'
  | 'zeroRightHandSide'
  | 'negativeCurvature'
  | 'notFinite';

/**
 * How a solve went; A includes the damping.
 */
export interface ConjugateGradientSummary {
  /**
   * Iterations done.
   */
  readonly iterations: number;
  /**
   * Products with A.
   */
  readonly products: number;
  /**
   * |b - A x|
   */
  readonly residualNorm: number;
  /**
   * |b - A x| / |b|
   */
  readonly relativeResidual: number;
  /**
   * x'A x / 2 - b'x, which every iteration lowers.
   */
  readonly quadraticModel: number;
  /**
   * Why it ended.
   */
  readonly stop: ConjugateGradientStop;
}

/**
 * A solution and how it was reached.
 */
export interface ConjugateGradientResult extends ConjugateGradientSummary {
  /**
   * x, the best iterate; on a breakdown the last one before it.
   */
  readonly solution: Float64Array;
  /**
   * b - A x
   */
  readonly residual: Float64Array;
}

const optionNames: readonly (keyof ConjugateGradientOptions)[] = [
  'iterations',
  'damping',
  'residualTolerance',
  'progressTolerance',
  'residualResetPeriod',
  'reorthogonalize',
  'preconditioner',
];
const largestInteger = 2 ** 31 - 1;

/**
 * Solves (A + damping I) x = b for a symmetric positive definite A by conjugate gradients (Hestenes
 * and Stiefel 1952), from x = 0, in float64, without an epsilon in any denominator. With A the
 * Fisher matrix and b the policy gradient, x is the natural gradient. A breakdown is a result, not an
 * error: see `stop`.
 *
 * @param operator - A, as a function `(v, out) => void` or an object with `apply(v, out)`.
 * @param rightHandSide - b, [n], finite; not changed.
 * @throws TrustRegionError `ERR_CALLBACK` if the operator returns something other than `undefined`
 *   or its second argument; `ERR_SHAPE_MISMATCH` if its size is not that of b; `ERR_UNKNOWN_OPTION`,
 *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`. What the operator throws
 *   arrives as it is.
 * @example
 * ```ts
 * // 4 x + y = 1, x + 3 y = 2
 * const { solution, stop } = conjugateGradient(([x = 0, y = 0], out) => {
 *   out.set([4 * x + y, x + 3 * y]);
 * }, [1, 2]);
 * console.assert(Math.abs((solution[0] ?? 0) - 1 / 11) < 1e-12);
 * console.assert(Math.abs((solution[1] ?? 0) - 7 / 11) < 1e-12);
 * console.assert(stop === 'residual');
 * ```
 */
export function conjugateGradient(
  operator: LinearOperator,
  rightHandSide: ArrayLike<number>,
  options: ConjugateGradientOptions = {},
): ConjugateGradientResult {
  rejectUnknownOptions(options, optionNames, 'conjugateGradient options');
  const native = checkOptions(options);
  const b = checkRightHandSide(rightHandSide);
  const guard = new CallbackGuard();
  const product = guard.wrap(
    operator,
    'operator',
    b.length,
    requireNumber(options.damping ?? 0, 'damping', { min: 0 }),
  );
  const preconditioner =
    options.preconditioner === undefined
      ? undefined
      : guard.wrap(options.preconditioner, 'preconditioner', b.length, 0);

  const solution = new Float64Array(b.length);
  const residual = new Float64Array(b.length);
  let summary: NativeConjugateGradientSummary;
  try {
    summary =
      preconditioner === undefined
        ? addon().conjugateGradient(product, b, native, solution, residual)
        : addon().conjugateGradient(product, b, native, solution, residual, preconditioner);
  } catch (error) {
    throw guard.failed ? guard.error : fromNative(error);
  }
  return { solution, residual, ...toSummary(summary) };
}

/**
 * The native summary, its reason typed.
 */
export function toSummary(native: NativeConjugateGradientSummary): ConjugateGradientSummary {
  return { ...native, stop: native.stop as ConjugateGradientStop };
}

function checkOptions({
  iterations = 10,
  residualTolerance = 1e-10,
  progressTolerance = 0,
  residualResetPeriod = 20,
  reorthogonalize = true,
}: ConjugateGradientOptions) {
  return {
    iterations: requireInteger(iterations, 'iterations', { min: 1, max: largestInteger }),
    residualTolerance: requireNumber(residualTolerance, 'residualTolerance', { min: 0 }),
    progressTolerance: requireNumber(progressTolerance, 'progressTolerance', { min: 0 }),
    residualResetPeriod: requireInteger(residualResetPeriod, 'residualResetPeriod', {
      min: 0,
      max: largestInteger,
    }),
    reorthogonalize: requireBoolean(reorthogonalize, 'reorthogonalize'),
  };
}

function checkRightHandSide(rightHandSide: ArrayLike<number>): FloatArray {
  const b = toFloatArray(rightHandSide, 'rightHandSide');
  if (b.length === 0) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `rightHandSide must have at least one number, got ${describe(rightHandSide)}`,
    );
  }
  requireFinite(b, 'rightHandSide');
  return b;
}

/**
 * Wraps the caller's functions: adds the damping, refuses results that were returned instead of
 * written, and keeps the first exception, to be thrown again as it was.
 */
class CallbackGuard {
  failed = false;
  error: unknown;

  wrap(
    operator: LinearOperator,
    name: string,
    size: number,
    damping: number,
  ): (vector: Float64Array, out: Float64Array) => void {
    const apply = applyOf(operator, name, size);
    return (vector, out) => {
      try {
        const result = apply(vector, out);
        if (result !== undefined && result !== out) {
          throw new TrustRegionError(
            'ERR_CALLBACK',
            `${name} must write its result to its second argument and return nothing, ` +
              `got ${describe(result)}`,
          );
        }
        if (damping > 0) {
          for (let index = 0; index < size; index += 1) {
            out[index] = (out[index] ?? 0) + damping * (vector[index] ?? 0);
          }
        }
      } catch (error) {
        this.failed = true;
        this.error = error;
        throw error;
      }
    };
  }
}

function applyOf(operator: LinearOperator, name: string, size: number): LinearFunction {
  if (typeof operator === 'function') {
    return operator;
  }
  if (
    typeof operator !== 'object' ||
    operator === null ||
    isFloatArray(operator) ||
    typeof operator.apply !== 'function'
  ) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `${name} must be a function (v, out) => void or an object with apply(v, out), ` +
        `got ${describe(operator)}`,
    );
  }
  if (operator.size !== undefined) {
    requireInteger(operator.size, `${name}.size`, { min: 1 });
    if (operator.size !== size) {
      throw new TrustRegionError(
        'ERR_SHAPE_MISMATCH',
        `rightHandSide must have length ${operator.size}, the size of the ${name}, got ${size}`,
      );
    }
  }
  return (vector, out) => operator.apply(vector, out);
}
