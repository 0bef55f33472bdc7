import type { CaseReport, Comparison } from './comparison.js';

/** The object that `--json` prints as the last line. */
export interface ConformanceSummary {
  readonly backend: string;
  /** Cases checked. */
  readonly cases: number;
  /** Cases with at least one failed quantity. */
  readonly failed: number;
  /**
   * The comparison with the largest relative error: among the failed ones if there are any, else
   * among those judged by the usual tolerance.
   */
  readonly worst: Pick<Comparison, 'case' | 'quantity' | 'relativeError'> | null;
  /** Quantities compared. */
  readonly quantities: number;
  readonly failedQuantities: number;
  /** Quantities judged by a larger tolerance, because rounding alone changes them by more. */
  readonly relaxedQuantities: number;
}

/** Counts what passed and what did not. */
export function summarize(backend: string, reports: readonly CaseReport[]): ConformanceSummary {
  const comparisons = reports.flatMap((report) => report.comparisons);
  const failures = comparisons.filter(({ passed }) => !passed);
  const candidates = failures.length > 0 ? failures : comparisons.filter(({ relaxed }) => !relaxed);
  const worst = candidates.reduce<Comparison | undefined>(
    (most, comparison) =>
      most === undefined || comparison.relativeError > most.relativeError ? comparison : most,
    undefined,
  );
  return {
    backend,
    cases: reports.length,
    failed: reports.filter((report) => report.comparisons.some(({ passed }) => !passed)).length,
    worst:
      worst === undefined
        ? null
        : { case: worst.case, quantity: worst.quantity, relativeError: worst.relativeError },
    quantities: comparisons.length,
    failedQuantities: failures.length,
    relaxedQuantities: comparisons.filter(({ relaxed }) => relaxed).length,
  };
}

/** All comparisons as a table, then what was not compared and why. */
export function reportText(reports: readonly CaseReport[], summary: ConformanceSummary): string {
  const rows = reports.flatMap(({ comparisons }) =>
    comparisons.map((comparison) => [
      comparison.case,
      comparison.quantity,
      comparison.relativeError.toExponential(1),
      comparison.tolerance.toExponential(0),
      verdict(comparison),
    ]),
  );
  const { backend, cases, quantities, failedQuantities, relaxedQuantities, worst } = summary;
  const worstText =
    worst === null
      ? ''
      : `; worst: ${worst.quantity} of ${worst.case}, ${worst.relativeError.toExponential(1)}`;
  return [
    ...table([['case', 'quantity', 'relative error', 'tolerance', 'verdict'], ...rows]),
    '',
    ...lists('not in the case', reports, ({ missing }) => missing),
    ...lists('not covered yet', reports, ({ notCovered }) => notCovered),
    `backend ${backend}: ${cases} cases, ${quantities} quantities, ` +
      `${relaxedQuantities} limited by rounding, ${failedQuantities} failed${worstText}`,
    '',
  ].join('\n');
}

function verdict({ passed, relaxed, problem }: Comparison): string {
  if (passed) {
    return relaxed ? 'ok, limited by rounding' : 'ok';
  }
  return problem === undefined ? 'FAILED' : `FAILED: ${problem}`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  '),
  );
}

/** Cases that say the same share a line. */
function lists(
  title: string,
  reports: readonly CaseReport[],
  read: (report: CaseReport) => readonly string[],
): string[] {
  const cases = new Map<string, string[]>();
  for (const report of reports) {
    const names = read(report).join(', ');
    if (names !== '') {
      cases.set(names, [...(cases.get(names) ?? []), report.name]);
    }
  }
  return [...cases].map(([names, where]) => `${title}: ${names} (${where.join(', ')})`);
}
