import { join } from 'node:path';
import { TrustRegionError } from '../errors.js';
import { GrowingTable, readTable } from './growing-table.js';

/** How the policy of a run did after one of its updates. */
export interface RecordedEvaluation {
  readonly update: number;
  readonly steps: number;
  readonly episodes: number;
  readonly mean: number;
  readonly std: number;
}

const columns = ['update', 'steps', 'episodes', 'mean', 'std'] as const;

/**
 * `evaluations.csv`: one row per evaluation of a run that makes some in its course.
 */
export class EvaluationTable {
  readonly #table: GrowingTable;
  readonly #every: number;
  readonly #rows: RecordedEvaluation[];

  private constructor(table: GrowingTable, every: number, rows: readonly RecordedEvaluation[]) {
    this.#table = table;
    this.#every = every;
    this.#rows = [...rows];
  }

  /**
   * Makes the file.
   *
   * @param every - Environment steps between two evaluations.
   */
  static create(folder: string, every: number): EvaluationTable {
    return new EvaluationTable(GrowingTable.create(fileIn(folder), columns), every, []);
  }

  /**
   * Goes on with the file: drops the rows of updates that are not part of what was saved. The evaluation
   * after the last one that is may be missing, if the run was interrupted in it.
   *
   * @param steps - Steps after each update that was saved.
   * @throws TrustRegionError `ERR_CHECKPOINT` if the file is missing, has other columns or not a whole row for
   *   each evaluation before that.
   */
  static async reopen(
    folder: string,
    every: number,
    steps: readonly number[],
  ): Promise<EvaluationTable> {
    const file = fileIn(folder);
    const rows = savedRows(await readTable(file, columns), steps.length);
    const recorded = new Set(rows.map(({ update }) => update));
    const missing = steps
      .slice(0, -1)
      .findIndex(
        (at, index) => passes(steps[index - 1] ?? 0, at, every) && !recorded.has(index + 1),
      );
    if (missing >= 0) {
      throw new TrustRegionError(
        'ERR_CHECKPOINT',
        `${file} must have a whole row for the evaluation after update ${missing + 1}, one of the ` +
          `${steps.length} updates that were saved`,
      );
    }
    const table = await GrowingTable.reopen(file, columns, rows.map(fieldsOf));
    return new EvaluationTable(table, every, rows);
  }

  /** The latest evaluation. */
  get last(): RecordedEvaluation | undefined {
    return this.#rows.at(-1);
  }

  /** The first of those with the highest mean. */
  get best(): RecordedEvaluation | undefined {
    const highest = Math.max(...this.#rows.map(({ mean }) => mean));
    return this.#rows.find(({ mean }) => mean === highest);
  }

  /** Whether a multiple of the steps between two evaluations was reached since the latest one. */
  isDue(steps: number): boolean {
    return passes(this.last?.steps ?? 0, steps, this.#every);
  }

  /** Adds a row, on the disk when this returns. */
  record(evaluation: RecordedEvaluation): void {
    this.#table.append(fieldsOf(evaluation));
    this.#table.sync();
    this.#rows.push(evaluation);
  }

  close(): void {
    this.#table.close();
  }
}

/** Whether a multiple of `every` lies after `before`, and not after `now`. */
function passes(before: number, now: number, every: number): boolean {
  return Math.floor(now / every) > Math.floor(before / every);
}

/**
 * The rows of updates 1 to `updates`. What follows them is of no interest, and need not be whole: it was not
 * on the disk yet when that update was saved.
 */
function savedRows(
  rows: readonly (readonly string[])[],
  updates: number,
): readonly RecordedEvaluation[] {
  const end = rows.findIndex(
    (row) =>
      row.length !== columns.length ||
      row.some((cell) => cell === '' || !Number.isFinite(Number(cell))) ||
      Number(row[0]) > updates,
  );
  return rows.slice(0, end < 0 ? rows.length : end).map((row) => {
    const [update = NaN, steps = NaN, episodes = NaN, mean = NaN, std = NaN] = row.map(Number);
    return { update, steps, episodes, mean, std };
  });
}

function fieldsOf(evaluation: RecordedEvaluation): readonly number[] {
  return columns.map((column) => evaluation[column]);
}

function fileIn(folder: string): string {
  return join(folder, 'evaluations.csv');
}
