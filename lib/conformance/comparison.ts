/**
 * How a result of the library compares with the reference.
 */
export interface Comparison {
  readonly case: string;
  readonly quantity: string;
  /** Infinity where there is no number to compare: a NaN, an exception. */
  readonly relativeError: number;
  readonly tolerance: number;
  /** Whether the tolerance is what rounding allows here instead of the usual one. */
  readonly relaxed: boolean;
  readonly passed: boolean;
  /** Why there is no result at all. */
  readonly problem?: string;
}

/** What came out of one case. */
export interface CaseReport {
  readonly name: string;
  readonly comparisons: readonly Comparison[];
  /** Quantities that could be checked, but are not in the file. */
  readonly missing: readonly string[];
  /** Fields of the file that this version cannot check yet. */
  readonly notCovered: readonly string[];
}

/** Largest relative error that passes, by the precision that a quantity is computed in. */
export const tolerances = {
  float64: 1e-10,
  float32: 2e-5,
  bfloat16x3: 1e-4,
  bfloat16x2: 2e-2,
} as const;

/**
 * Collects the comparisons of one case.
 */
export class Comparisons {
  readonly #name: string;
  readonly #comparisons: Comparison[] = [];
  readonly #missing: string[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /**
   * Compares numbers with the reference: norm(difference) / norm(reference). Records a missing one.
   */
  add(
    quantity: string,
    tolerance: number,
    result: ArrayLike<number>,
    reference: ArrayLike<number> | undefined,
    details: ComparisonDetails = {},
  ): void {
    if (reference === undefined) {
      this.skip(quantity);
    } else {
      this.addWorst(quantity, tolerance, [{ result, reference, ...details }]);
    }
  }

  /** Compares several results of the same kind; the one that is nearest to failing counts. */
  addWorst(quantity: string, tolerance: number, pairs: readonly ComparedPair[]): void {
    const judged = pairs.map(({ result, reference, scale, attainable }) => {
      const error = relativeError(result, reference, scale);
      const allowed = error <= tolerance ? tolerance : Math.max(tolerance, attainable?.() ?? 0);
      return { error: Number.isNaN(error) ? Infinity : error, allowed };
    });
    const worst = judged.reduce(
      (most, pair) => (pair.error / pair.allowed > most.error / most.allowed ? pair : most),
      { error: 0, allowed: tolerance },
    );
    this.#push(quantity, worst.allowed, worst.error, worst.allowed > tolerance);
  }

  /** Compares integers, which must be equal. */
  addExact(quantity: string, result: number, reference: number): void {
    this.#push(quantity, 0, Math.abs(result - reference));
  }

  /** Records that the library threw. */
  fail(quantity: string, problem: string): void {
    this.#comparisons.push({
      case: this.#name,
      quantity,
      relativeError: Infinity,
      tolerance: 0,
      relaxed: false,
      passed: false,
      problem,
    });
  }

  /** Records that the reference lacks a quantity. */
  skip(...quantities: readonly string[]): void {
    this.#missing.push(...quantities);
  }

  report(notCovered: readonly string[]): CaseReport {
    return { name: this.#name, comparisons: this.#comparisons, missing: this.#missing, notCovered };
  }

  #push(quantity: string, tolerance: number, error: number, relaxed = false): void {
    const passed = error <= tolerance;
    this.#comparisons.push({
      case: this.#name,
      quantity,
      relativeError: error,
      tolerance,
      relaxed,
      passed,
    });
  }
}

export interface ComparisonDetails {
  /** What to divide the difference by instead of norm(reference). */
  readonly scale?: number;
  /**
   * Called where the tolerance is not met, for the error that rounding alone may cause here; it
   * takes the tolerance's place if it is larger.
   */
  readonly attainable?: () => number;
}

export interface ComparedPair extends ComparisonDetails {
  readonly result: ArrayLike<number>;
  readonly reference: ArrayLike<number>;
}

/**
 * norm(result - reference) / scale, where scale is norm(reference), or 1 if that is 0; NaN if the
 * lengths differ.
 */
export function relativeError(
  result: ArrayLike<number>,
  reference: ArrayLike<number>,
  scale = norm(reference),
): number {
  if (result.length !== reference.length) {
    return NaN;
  }
  const difference = Float64Array.from(reference, (value, index) => (result[index] ?? NaN) - value);
  return norm(difference) / (scale === 0 ? 1 : scale);
}

/** A number as {@link Comparisons.add} takes it. */
export function maybeArray(value: number | undefined): readonly number[] | undefined {
  return value === undefined ? undefined : [value];
}

/** Euclidean norm. */
export function norm(vector: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < vector.length; index += 1) {
    sum += (vector[index] ?? 0) ** 2;
  }
  return Math.sqrt(sum);
}
