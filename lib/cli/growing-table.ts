import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { readCheckpoint, writeCheckpoint } from '../checkpoint-file.js';
import { TrustRegionError } from '../errors.js';

/** A cell of a table; a number that does not exist (yet) is empty. */
export type Field = number | string | boolean | null | undefined;

/**
 * A CSV file of a run folder that rows are appended to, each there as soon as it is appended.
 */
export class GrowingTable {
  readonly #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /** Makes the file, which must not exist. */
  static create(path: string, columns: readonly string[]): GrowingTable {
    const file = openSync(path, 'wx');
    writeSync(file, lineOf(columns));
    return new GrowingTable(file);
  }

  /** Goes on with the file after some rows, instead of those that are in it. */
  static async reopen(
    path: string,
    columns: readonly string[],
    rows: readonly (readonly Field[])[],
  ): Promise<GrowingTable> {
    const text = [columns, ...rows].map(lineOf).join('');
    await writeCheckpoint(path, Buffer.from(text, 'utf8'));
    return new GrowingTable(openSync(path, 'a'));
  }

  append(row: readonly Field[]): void {
    writeSync(this.#file, lineOf(row));
  }

  /** Brings the rows so far to the disk. */
  sync(): void {
    fsyncSync(this.#file);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * Reads the rows of such a file. A last one without its end, which a process that was killed may leave, does
 * not count.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` if it is missing or has other columns.
 */
export async function readTable(
  path: string,
  columns: readonly string[],
): Promise<readonly (readonly string[])[]> {
  const text = Buffer.from(await readCheckpoint(path)).toString('utf8');
  const [header, ...lines] = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const expected = columns.join(',');
  if (header !== expected) {
    throw new TrustRegionError(
      'ERR_CHECKPOINT',
      `${path} must have the columns of this version, ${expected}, got ${header}`,
    );
  }
  return lines.slice(0, -1).map((line) => line.split(','));
}

function lineOf(row: readonly Field[]): string {
  return `${row.map((value) => (Number.isNaN(value) ? '' : String(value ?? ''))).join(',')}\n`;
}
