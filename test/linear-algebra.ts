/*
 * Small dense linear algebra for tests, written down plainly and apart from the library's.
 */

/** Rows. */
export type Matrix = readonly (readonly number[])[];

export function identity(size: number): number[][] {
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_each, j) => (i === j ? 1 : 0)),
  );
}

export function diagonal(entries: readonly number[]): number[][] {
  return entries.map((entry, i) => entries.map((_, j) => (i === j ? entry : 0)));
}

export function transpose(a: Matrix): number[][] {
  return (a[0] ?? []).map((_, j) => a.map((row) => row[j] ?? NaN));
}

/** The product of all of them, from the left. */
export function multiply(first: Matrix, ...others: readonly Matrix[]): number[][] {
  return others.reduce<number[][]>(
    (a, b) => {
      const columns = transpose(b);
      return a.map((row) => columns.map((column) => inner(row, column)));
    },
    first.map((row) => [...row]),
  );
}

export function add(...matrices: readonly Matrix[]): number[][] {
  return matrices.slice(1).reduce<number[][]>(
    (sum, b) => sum.map((row, i) => row.map((entry, j) => entry + (b[i]?.[j] ?? NaN))),
    (matrices[0] ?? []).map((row) => [...row]),
  );
}

export function scale(factor: number, a: Matrix): number[][] {
  return a.map((row) => row.map((entry) => factor * entry));
}

export function inner(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) {
    sum += (a[i] ?? NaN) * (b[i] ?? NaN);
  }
  return sum;
}

/** a^-1 b by Gaussian elimination with pivoting; b has columns. */
export function solve(a: Matrix, b: Matrix): number[][] {
  const rows = a.map((row, i) => [...row, ...(b[i] ?? [])]);
  for (let k = 0; k < rows.length; k += 1) {
    const below = rows.slice(k);
    const pivot = below.reduce((best, row) =>
      Math.abs(row[k] ?? 0) > Math.abs(best[k] ?? 0) ? row : best,
    );
    rows.splice(rows.indexOf(pivot), 1);
    const unit = pivot.map((entry) => entry / (pivot[k] ?? NaN));
    rows.splice(k, 0, unit);
    for (let i = 0; i < rows.length; i += 1) {
      if (i !== k) {
        const factor = rows[i]?.[k] ?? NaN;
        rows[i] = (rows[i] ?? []).map((entry, j) => entry - factor * (unit[j] ?? NaN));
      }
    }
  }
  return rows.map((row) => row.slice(a.length));
}

/** a^-1 b for one right-hand side. */
export function solveVector(a: Matrix, b: readonly number[]): number[] {
  return solve(
    a,
    b.map((entry) => [entry]),
  ).map(([entry = NaN]) => entry);
}

/** L with L L' = a. */
export function choleskyFactor(a: Matrix): number[][] {
  const factor = a.map((row) => row.map(() => 0));
  a.forEach((row, i) => {
    for (let j = 0; j <= i; j += 1) {
      const rest =
        (row[j] ?? NaN) - inner((factor[i] ?? []).slice(0, j), (factor[j] ?? []).slice(0, j));
      (factor[i] as number[])[j] = i === j ? Math.sqrt(rest) : rest / (factor[j]?.[j] ?? NaN);
    }
  });
  return factor;
}

/** The largest absolute difference between entries. */
export function distance(a: Matrix, b: Matrix): number {
  return Math.max(...add(a, scale(-1, b)).flatMap((row) => row.map(Math.abs)));
}
