import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TrustRegionError } from '../errors.js';
import { nearestName } from '../validate.js';
import type { Trace } from './learning-curves.js';
import { infinityToText, readRunConfig } from './run-config.js';

/**
 * What a run folder tells about a run.
 */
export interface RecordedRun {
  readonly folder: string;
  readonly task: string;
  readonly method: string;
  readonly seed: number;
  /** Every setting that decided what was learned, but no seed, by its name in `trustregion train`. */
  readonly settings: Readonly<Record<string, string>>;
  readonly progress: ProgressTable;
}

/** The content of `progress.csv`: at least one row, as many fields in each as there are columns. */
export interface ProgressTable {
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Reads `config.json` and `progress.csv` of a run folder.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` if one of them is missing or damaged, or has no rows yet.
 */
export async function readRun(folder: string): Promise<RecordedRun> {
  const config = await readRunConfig(folder);
  const { task, method, seed } = config;
  return {
    folder,
    task,
    method,
    seed,
    settings: settingsOf(config),
    progress: await readProgress(folder),
  };
}

/** The sections of `config.json` that decide what is learned, and what their entries are called. */
const sections: Readonly<Record<string, (name: string) => string>> = {
  train: (name) => name,
  sampling: (name) => name,
  methodOptions: (name) => name,
  policy: (name) => name,
  'valueFunction.fit': (name) => `value${capitalized(name)}`,
  valueFunction: (name) => `value${capitalized(name)}`,
};

/** Entries that change no number, or follow from the others. */
const without: readonly string[] = [
  'seed',
  'fit',
  'parameterCount',
  'workers',
  'timeout',
  'threads',
];

/**
 * The settings of a `config.json`, read or yet to be written, that decide what is learned, without seeds:
 * two runs with the same ones differ by chance alone. The critic's layers are left out where they are the
 * policy's.
 */
export function settingsOf(config: object): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const [section, nameOf] of Object.entries(sections)) {
    const content = section.split('.').reduce<unknown>(entryOf, config);
    for (const [name, value] of Object.entries(content ?? {})) {
      const text = textOf(value);
      const isThePolicys = section === 'valueFunction' && settings[name] === text;
      if (!without.includes(name) && !isThePolicys) {
        settings[nameOf(name)] = text;
      }
    }
  }
  return settings;
}

function entryOf(value: unknown, name: string): unknown {
  return (value as Readonly<Record<string, unknown>> | undefined)?.[name];
}

function textOf(value: unknown): string {
  return typeof value === 'string' || value === Infinity
    ? String(value)
    : Array.isArray(value)
      ? value.map(textOf).join(',')
      : JSON.stringify(value, infinityToText);
}

function capitalized(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1);
}

async function readProgress(folder: string): Promise<ProgressTable> {
  const file = join(folder, 'progress.csv');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const { message } = cause as Error; // of the file system, always an Error
    throw damaged(`${file} cannot be read: ${message}`, cause);
  }
  // A run that was killed may leave a last line without its end.
  const [header = '', ...lines] = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  const columns = header.split(',');
  if (!columns.includes('steps')) {
    throw damaged(`${file} must begin with a line of column names, steps among them`);
  }
  const rows = lines.filter((line) => line !== '').map((line) => line.split(','));
  if (rows.length === 0) {
    throw damaged(`${file} has no rows yet: the run ended, or is still, before its first update`);
  }
  const wrong = rows.findIndex((row) => row.length !== columns.length);
  if (wrong >= 0) {
    throw damaged(
      `line ${wrong + 2} of ${file} must have ${columns.length} fields, got ${rows[wrong]?.length}`,
    );
  }
  return { file, columns, rows };
}

/**
 * One column over environment steps; fields that are empty, a number that does not exist (yet), are left
 * out.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION` if there is no such column; `ERR_CHECKPOINT` if it holds
 *   something else than numbers.
 */
export function traceOf({ file, columns, rows }: ProgressTable, column: string): Trace {
  const at = columns.indexOf(column);
  if (at < 0) {
    const nearest = nearestName(column, columns);
    throw new TrustRegionError(
      'ERR_UNKNOWN_OPTION',
      `${file} has no column '${column}'; ` +
        (nearest === undefined ? `it has ${columns.join(', ')}` : `did you mean '${nearest}'?`),
    );
  }
  const stepsAt = columns.indexOf('steps');
  return rows
    .filter((row) => row[at] !== '')
    .map((row) => [numberIn(row[stepsAt], 'steps', file), numberIn(row[at], column, file)]);
}

function numberIn(text: string | undefined, column: string, file: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) {
    throw damaged(`column ${column} of ${file} must hold numbers, got '${text}'`);
  }
  return value;
}

function damaged(message: string, cause?: unknown): TrustRegionError {
  return new TrustRegionError('ERR_CHECKPOINT', message, { cause });
}
