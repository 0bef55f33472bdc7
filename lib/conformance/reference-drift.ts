import { RandomGenerator } from '../environments/random.js';
import type { FisherOperator } from '../fisher-operator.js';
import { norm, relativeError } from './comparison.js';

/** Relative rounding error of a product in float64. */
const rounding = 1e-15;
const trials = 8;
/** Some trials find about the largest change, not a bound of it. */
const margin = 4;

/** The result of a solve of (F + damping I) x = g. */
export interface Solve {
  readonly solution: Float64Array;
  readonly residualNorm: number;
  /** x'(F + damping I) x */
  readonly curvature: number;
}

/** A solve without rounding to speak of, and several with it. */
interface Solves {
  readonly right: Solve;
  readonly textbook: readonly Solve[];
}

/**
 * How far the conjugate gradient iterates of a reference may be from the true ones.
 *
 * In exact arithmetic the residuals are orthogonal to each other. In the textbook recurrence, which
 * references are computed with, rounding spoils that as soon as an extreme eigenvalue has been
 * found (Paige 1976, "Error analysis of the Lanczos algorithm for tridiagonalizing a symmetric
 * matrix"), and from there on iterates depend on every last bit: errors of 1e-16 become 1e-5
 * within ten iterations on one of the cases in test/fixtures/math, and 2e-3 within twenty on
 * another. The library keeps the residuals orthogonal, and so is right where such a reference is
 * not.
 *
 * Measured in float64 as the distance from a solve with orthogonal residuals to textbook solves with
 * a random error of the size of rounding in every product. Both are written here once more: a tool
 * that asked the library's own solver would forgive the solver its own mistakes.
 */
export class ReferenceDrift {
  readonly #fisher: FisherOperator;
  readonly #gradient: Float64Array;
  readonly #damping: number;
  readonly #solves = new Map<number, Solves>();

  /**
   * @param fisher - The matrix, on the float64 backend.
   * @param gradient - The right-hand side, of the same backend.
   */
  constructor(fisher: FisherOperator, gradient: Float64Array, damping: number) {
    this.#fisher = fisher;
    this.#gradient = gradient;
    this.#damping = damping;
  }

  /**
   * By how much a reference may differ from a right result: 0 if the result is not right.
   *
   * @param iterations - Of the solve that the result comes from.
   * @param result - What the library computed.
   * @param tolerance - Largest relative error of a right result.
   * @param read - What the result is in terms of a solve.
   * @param scale - As in {@link relativeError}.
   */
  allowance(
    iterations: number,
    result: ArrayLike<number>,
    tolerance: number,
    read: (solve: Solve) => ArrayLike<number>,
    scale?: number,
  ): number {
    const { right, textbook } = this.#after(iterations);
    const truth = read(right);
    if (!(relativeError(result, truth, scale) <= tolerance)) {
      return 0;
    }
    return margin * Math.max(...textbook.map((solve) => relativeError(read(solve), truth, scale)));
  }

  #after(iterations: number): Solves {
    const solves = this.#solves.get(iterations) ?? {
      right: this.#solve(iterations, undefined),
      textbook: Array.from({ length: trials }, (_, seed) =>
        this.#solve(iterations, new RandomGenerator(seed)),
      ),
    };
    this.#solves.set(iterations, solves);
    return solves;
  }

  /**
   * Conjugate gradients (Hestenes and Stiefel 1952).
   *
   * @param random - Textbook recurrence with an error in every product; `undefined`: residuals kept
   *   orthogonal, no error.
   */
  #solve(iterations: number, random: RandomGenerator | undefined): Solve {
    const solution = new Float64Array(this.#gradient.length);
    const residual = this.#gradient.slice();
    const direction = residual.slice();
    const product = new Float64Array(residual.length);
    const basis: Float64Array[] = [];
    const start = norm(residual);
    for (let iteration = 0; iteration < iterations; iteration += 1) {
      const size = norm(residual);
      if (size <= Number.EPSILON * start) {
        break; // solved to rounding
      }
      this.#fisher.apply(direction, product);
      addTo(product, this.#damping, direction);
      if (random === undefined) {
        basis.push(residual.map((value) => value / size));
      } else {
        addTo(product, rounding * norm(product), randomDirection(product.length, random));
      }
      const alpha = size ** 2 / dot(direction, product);
      addTo(solution, alpha, direction);
      addTo(residual, -alpha, product);
      for (const earlier of [...basis, ...basis]) {
        addTo(residual, -dot(earlier, residual), earlier); // twice is enough (Giraud et al. 2005)
      }
      const beta = (norm(residual) / size) ** 2;
      direction.forEach((value, index) => {
        direction[index] = (residual[index] ?? 0) + beta * value;
      });
    }
    // x'A x = x'(g - r)
    const curvature = dot(solution, this.#gradient) - dot(solution, residual);
    return { solution, residualNorm: norm(residual), curvature };
  }
}

function randomDirection(length: number, random: RandomGenerator): Float64Array {
  const direction = Float64Array.from({ length }, () => random.normal());
  const size = norm(direction);
  return direction.map((value) => value / size);
}

/** target += factor x vector */
function addTo(target: Float64Array, factor: number, vector: Float64Array): void {
  target.forEach((value, index) => {
    target[index] = value + factor * (vector[index] ?? 0);
  });
}

function dot(one: Float64Array, other: Float64Array): number {
  return one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0);
}
