import { callNative } from './addon.js';
import { requireOut, toFloatArray } from './arrays.js';
import { TrustRegionError } from './errors.js';
import type { NativeFisherOperator } from './native.js';
import { requireFinite, requireLength } from './validate.js';

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
 * learning"; Schulman et al. 2015, appendix C).
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

  readonly #native: NativeFisherOperator;
  #closed = false;

  /**
   * For {@link Policy.fisherOperator}; not to be called elsewhere.
   */
  constructor(native: NativeFisherOperator) {
    this.#native = native;
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
    const checked = toFloatArray(vector, 'vector');
    requireLength(checked, this.size, 'vector');
    requireFinite(checked, 'vector');
    requireOut(out, 'Float64Array', this.size);
    callNative(() => native.apply(checked, out));
    return out;
  }

  /**
   * The diagonal of F, [size], a fresh array; not damped. Costs one backward pass for each output
   * of the head.
   *
   * @throws TrustRegionError `ERR_CLOSED`.
   */
  diagonal(): Float64Array {
    const native = this.#open();
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
