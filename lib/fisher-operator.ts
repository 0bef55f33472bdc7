import { callNative } from './addon.js';
import { checkVector, none, requireOut, toNumberArray } from './arrays.js';
import { TrustRegionError } from './errors.js';
import type { NativeFisherOperator, NumberArray } from './native.js';
import { rejectUnknownOptions, rejectUnusedOptions, requireOneOf } from './validate.js';

/**
 * Which Fisher matrix.
 */
export interface FisherOptions {
  /**
   * `'exact'`, the expectation over the policy's own actions; or `'empirical'`, the mean of s s' for
   * the scores s = grad log pi(a|s) of `actions`, whose expectation it is. Default `'exact'`.
   */
  readonly estimator?: 'exact' | 'empirical';
  /**
   * The actions that were taken, [n x actionLength]; for the empirical one only, which needs them.
   */
  readonly actions?: ArrayLike<number>;
}

/**
 * Checks all but the number of actions.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION` or `ERR_INVALID_ARGUMENT`.
 */
export function checkFisherOptions(options: FisherOptions): {
  readonly estimator: 'exact' | 'empirical';
  readonly actions: NumberArray;
} {
  rejectUnknownOptions(options, ['estimator', 'actions'], 'Fisher options');
  const { actions } = options;
  const estimator = requireOneOf(options.estimator ?? 'exact', 'estimator', ['exact', 'empirical']);
  if (estimator === 'exact') {
    rejectUnusedOptions(options, ['actions'], "estimator 'exact'");
    return { estimator, actions: none };
  }
  return { estimator, actions: toNumberArray(actions as ArrayLike<number>, 'actions') };
}

/**
 * The Fisher information matrix of a policy over some observations, as products `v -> F v` with
 *
 *     F = (1/n) sum_i J_i' M_i J_i,
 *
 * J the Jacobian of the network's head in the parameters and M the Fisher matrix of the head's
 * distribution: 1/sigma^2 for a Gaussian's mean and 2 for its log standard deviation;
 * diag(p) - p p' for a categorical; p (1 - p) for a bit. It is exact (an expectation over the
 * policy's own actions), a mean over rows, not damped, and equals the Hessian of the mean KL
 * divergence at the policy's parameters (Amari 1998, "Natural gradient works efficiently in
 * learning"; Schulman et al. 2015, appendix C). The empirical estimator has the mean of s_i s_i'
 * instead, s_i the score of the action that was taken in row i.
 *
 * It keeps the parameters that the policy had when {@link Policy.fisherOperator} made it, and their
 * activations, so that each product costs one tangent and one backward pass. Memory: about
 * n x (observationSize + units of all layers) numbers, until `close()` or garbage collection.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 2, actions: { kind: 'discrete', count: 3 } });
 * const fisher = policy.fisherOperator(Float32Array.of(0.1, 0.2, -0.3, 0.4));
 * const direction = new Float64Array(fisher.size).fill(1);
 * const { solution } = conjugateGradient(fisher, direction, { damping: 0.1 });
 * console.assert(solution.length === policy.parameterCount);
 * fisher.close();
 * ```
 */
export class FisherOperator {
  /**
   * Rows and columns: the policy's parameterCount.
   */
  readonly size: number;
  /**
   * Which Fisher matrix it is; see {@link FisherOptions}.
   */
  readonly estimator: 'exact' | 'empirical';

  readonly #native: NativeFisherOperator;
  #closed = false;

  /**
   * For {@link Policy.fisherOperator}; not to be called elsewhere.
   */
  constructor(native: NativeFisherOperator, estimator: 'exact' | 'empirical') {
    this.#native = native;
    this.estimator = estimator;
    this.size = native.size;
  }

  /**
   * Whether `close()` was called.
   */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The product F v, a mean over rows, not damped.
   *
   * @param vector - v, [size], finite; not changed.
   * @param out - Where the product goes, [size]; a fresh array by default. Not `vector` itself.
   * @returns `out`.
   * @throws TrustRegionError `ERR_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or
   *   `ERR_NOT_FINITE`; `out` then holds what it held.
   */
  apply(vector: ArrayLike<number>, out: Float64Array = new Float64Array(this.size)): Float64Array {
    const native = this.#open();
    const checked = checkVector(vector, this.size, 'vector');
    requireOut(out, 'Float64Array', this.size);
    callNative(() => native.apply(checked, out));
    return out;
  }

  /**
   * The diagonal of F, [size], a fresh array; not damped. Costs one backward pass for each output
   * of the head.
   *
   * @throws TrustRegionError `ERR_CLOSED`, or `ERR_INVALID_ARGUMENT` for the empirical estimator,
   *   which has no closed form of it.
   */
  diagonal(): Float64Array {
    const native = this.#open();
    if (this.estimator !== 'exact') {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        "diagonal() needs a Fisher operator with estimator 'exact', got one with 'empirical'",
      );
    }
    const diagonal = new Float64Array(this.size);
    callNative(() => native.diagonal(diagonal));
    return diagonal;
  }

  /**
   * Frees the activations at once instead of at garbage collection. Calling it again does nothing;
   * other calls then throw.
   */
  close(): void {
    if (!this.#closed) {
      this.#closed = true;
      callNative(() => this.#native.close());
    }
  }

  #open(): NativeFisherOperator {
    if (this.#closed) {
      throw new TrustRegionError('ERR_CLOSED', 'Fisher operator was used after close()');
    }
    return this.#native;
  }
}
