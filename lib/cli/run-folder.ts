import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeCheckpoint } from '../checkpoint-file.js';
import { TrustRegionError } from '../errors.js';
import type { Policy } from '../policy.js';
import type { TrainProgress, TrainState } from '../train.js';
import { renderCurve } from './curve.js';
import type { CurvePoint } from './curve.js';
import { EvaluationTable } from './evaluation-table.js';
import { GrowingTable, readTable } from './growing-table.js';
import type { Field } from './growing-table.js';
import { infinityToText } from './run-config.js';
import type { RunConfig } from './run-config.js';
import { lockRun } from './run-lock.js';
import { saveTraining } from './training-file.js';
import type { TrainingObjects } from './training-file.js';
import { isSystemError } from './system.js';

/** What the columns of `progress.csv` hold: one row per update. Those that a method does not have stay empty. */
const readers: Readonly<Record<string, (progress: TrainProgress) => Field>> = {
  update: ({ update }) => update,
  steps: ({ steps }) => steps,
  episodes: ({ episodes }) => episodes,
  meanReturn: ({ meanReturn }) => meanReturn,
  meanLength: ({ meanLength }) => meanLength,
  accepted: ({ summary }) => summary.accepted,
  reason: ({ summary }) => summary.reason,
  meanKl: ({ summary }) => summary.meanKl,
  klBound: ({ summary }) => summary.klBound,
  maxKl: ({ summary }) => summary.maxKl,
  surrogateBefore: ({ summary }) => summary.surrogateBefore,
  surrogateAfter: ({ summary }) => summary.surrogateAfter,
  expectedImprovement: ({ summary }) => summary.expectedImprovement,
  actualImprovement: ({ summary }) => summary.actualImprovement,
  entropy: ({ summary }) => summary.entropyAfter,
  effectiveSampleSize: ({ summary }) => summary.effectiveSampleSize,
  gradientNorm: ({ summary }) => summary.gradientNorm,
  stepScale: ({ summary }) => summary.stepScale,
  stepFraction: ({ summary }) => summary.stepFraction,
  stepNorm: ({ summary }) => summary.stepNorm,
  backtracks: ({ summary }) => summary.backtracks,
  damping: ({ summary }) => summary.naturalDirection?.damping,
  cgIterations: ({ summary }) => summary.naturalDirection?.conjugateGradient.iterations,
  cgRelativeResidual: ({ summary }) => summary.naturalDirection?.conjugateGradient.relativeResidual,
  cgStop: ({ summary }) => summary.naturalDirection?.conjugateGradient.stop,
  gradientSteps: ({ summary }) => summary.gradientSteps,
  epochs: ({ summary }) => summary.epochs,
  multiplier: ({ summary }) => summary.multiplier,
  klPenalty: ({ summary }) => summary.klPenalty,
  clipFraction: ({ summary }) => summary.clipFraction,
  valueLossBefore: ({ fit }) => fit?.lossBefore ?? NaN,
  valueLossAfter: ({ fit }) => fit?.lossAfter ?? NaN,
  explainedVarianceBefore: ({ fit }) => fit?.explainedVarianceBefore ?? NaN,
  explainedVarianceAfter: ({ fit }) => fit?.explainedVarianceAfter ?? NaN,
  updateSeconds: ({ summary }) => summary.timing.total,
  fitSeconds: ({ fit }) => fit?.seconds ?? NaN,
  wallSeconds: ({ wallSeconds }) => wallSeconds,
};

const columns = Object.keys(readers);

/**
 * The folder that a run leaves behind:
 *
 * - `config.json`: everything that decided the run.
 * - `progress.csv`: one row per update, there as soon as the update is done. An empty field is a
 *   number that does not exist (yet).
 * - `policy.safetensors`: the policy, observation statistics included.
 * - `curve.svg`: a picture of the returns and of the KL divergences.
 * - `training.safetensors`: what the run needs to go on.
 * - `evaluations.csv`, `best.safetensors`: evaluations in the course of the run, one row each, and the
 *   policy of the best, if the run makes any.
 * - `lock`: which process is at work there, as long as one is.
 *
 * Policies, picture and `training.safetensors` are replaced as a whole, now and then and at the end, so
 * the folder of a run that was killed is still usable.
 */
export class RunFolder {
  readonly path: string;
  /** Those in the course of the run; `null` if it makes none. */
  readonly evaluations: EvaluationTable | null;
  readonly #config: RunConfig;
  readonly #table: GrowingTable;
  readonly #points: CurvePoint[];
  readonly #unlock: () => Promise<void>;

  private constructor(
    path: string,
    config: RunConfig,
    table: GrowingTable,
    evaluations: EvaluationTable | null,
    points: CurvePoint[],
    unlock: () => Promise<void>,
  ) {
    this.path = path;
    this.evaluations = evaluations;
    this.#config = config;
    this.#table = table;
    this.#points = points;
    this.#unlock = unlock;
  }

  /**
   * Makes the folder and writes `config.json`.
   *
   * @param out - Where; must not exist, or be empty. `undefined`: the first of
   *   `runs/<task>-<method>-seed<seed>`, `...-2`, `...-3`, ... that does not exist. No run ever
   *   overwrites another.
   * @throws TrustRegionError `ERR_INVALID_ARGUMENT` if `out` is taken; `ERR_BUSY`.
   */
  static async create(config: RunConfig, out: string | undefined): Promise<RunFolder> {
    const { task, method, seed } = config;
    const path = out ?? (await claimNumbered(join('runs', `${task}-${method}-seed${seed}`)));
    if (out !== undefined) {
      await claim(out);
    }
    return holding(path, async (unlock) => {
      await writeConfig(path, config);
      const table = GrowingTable.create(tableFile(path), columns);
      const { every } = config.evaluation;
      const evaluations = every === undefined ? null : EvaluationTable.create(path, every);
      return new RunFolder(path, config, table, evaluations, [], unlock);
    });
  }

  /**
   * Goes on with a folder: writes the new `config.json`, and drops the rows of updates that are not
   * part of what was saved, in both tables.
   *
   * @param updates - How many are.
   * @throws TrustRegionError `ERR_CHECKPOINT` if `progress.csv` is missing, has other columns or not a whole
   *   row for each of these updates, if `evaluations.csv` is wanted and so, or if the best policy is
   *   missing; `ERR_BUSY` if another process is at work there.
   */
  static async reopen(path: string, config: RunConfig, updates: number): Promise<RunFolder> {
    return holding(path, async (unlock) => {
      const kept = await readRows(tableFile(path), updates);
      const points = kept.map(pointOf);
      const evaluations = await reopenEvaluations(path, config, points);
      await writeConfig(path, config);
      const table = await GrowingTable.reopen(tableFile(path), columns, kept);
      return new RunFolder(path, config, table, evaluations, points, unlock);
    });
  }

  /** Adds an update to the table and to the picture to come. */
  record(progress: TrainProgress): void {
    this.#table.append(Object.values(readers).map((read) => read(progress)));
    const { steps, meanReturn, summary } = progress;
    const { meanKl, klBound, accepted } = summary;
    this.#points.push({ steps, meanReturn, meanKl, klBound, accepted });
  }

  /** Writes what the run needs to go on from `state`; first it brings the rows so far to the disk. */
  async saveTraining(objects: TrainingObjects, state: TrainState): Promise<void> {
    this.#table.sync();
    await saveTraining(this.path, objects, state);
  }

  /** Writes the policy and the picture as they are now. */
  async save(policy: Policy): Promise<void> {
    const { task, method, seed } = this.#config;
    await policy.save(policyFile(this.path));
    await writeText(
      join(this.path, 'curve.svg'),
      renderCurve({
        title: `${task}, ${method}, seed ${seed}`,
        points: this.#points,
      }),
    );
  }

  /** Writes the policy as the best so far. */
  async saveBest(policy: Policy): Promise<void> {
    await policy.save(bestFile(this.path));
  }

  /** Ends the tables and gives the folder back. */
  async close(): Promise<void> {
    this.#table.close();
    this.evaluations?.close();
    await this.#unlock();
  }
}

/** Opens a folder that no other process has; if that fails, it is given back. */
async function holding(
  path: string,
  open: (unlock: () => Promise<void>) => Promise<RunFolder>,
): Promise<RunFolder> {
  const unlock = await lockRun(path);
  try {
    return await open(unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Goes on with the evaluations of a run, if it makes any, after the updates that are kept. */
async function reopenEvaluations(
  path: string,
  { evaluation }: RunConfig,
  points: readonly CurvePoint[],
): Promise<EvaluationTable | null> {
  if (evaluation.every === undefined) {
    return null;
  }
  const table = await EvaluationTable.reopen(
    path,
    evaluation.every,
    points.map(({ steps }) => steps),
  );
  const { best } = table;
  // The best may be the policy that was saved last; then it is written again.
  if (best !== undefined && best.update < points.length && !existsSync(bestFile(path))) {
    table.close();
    throw new TrustRegionError(
      'ERR_CHECKPOINT',
      `${bestFile(path)} is not there: the policy after update ${best.update}, which had the best ` +
        'evaluation of those in evaluations.csv',
    );
  }
  return table;
}

/**
 * Reads the rows of updates 1 to `updates`. What follows them is of no interest: rows of updates that were not
 * saved, the last one perhaps torn.
 */
async function readRows(file: string, updates: number): Promise<readonly (readonly string[])[]> {
  const rows = (await readTable(file, columns)).slice(0, updates);
  for (let index = 0; index < updates; index += 1) {
    const row = rows[index] ?? [];
    if (row[0] !== String(index + 1) || row.length !== columns.length) {
      throw new TrustRegionError(
        'ERR_CHECKPOINT',
        `line ${index + 2} of ${file} must be that of update ${index + 1}, one of the ${updates} that ` +
          `were saved, with ${columns.length} fields, got '${row.join(',')}'`,
      );
    }
  }
  return rows;
}

/** The point of the picture that a row of the table is. */
function pointOf(row: readonly string[]): CurvePoint {
  const cells = new Map(columns.map((column, index) => [column, row[index] ?? '']));
  const numberIn = (column: string): number => {
    const cell = cells.get(column) ?? '';
    return cell === '' ? NaN : Number(cell);
  };
  return {
    steps: numberIn('steps'),
    meanReturn: numberIn('meanReturn'),
    meanKl: numberIn('meanKl'),
    klBound: cells.get('klBound') === '' ? null : numberIn('klBound'),
    accepted: cells.get('accepted') === 'true',
  };
}

function writeConfig(path: string, config: RunConfig): Promise<void> {
  const text = JSON.stringify(config, infinityToText, 2);
  return writeText(join(path, 'config.json'), `${text}\n`);
}

function tableFile(folder: string): string {
  return join(folder, 'progress.csv');
}

function writeText(file: string, text: string): Promise<void> {
  return writeCheckpoint(file, Buffer.from(text, 'utf8'));
}

/** The file of the policy in a run folder. */
export function policyFile(folder: string): string {
  return join(folder, 'policy.safetensors');
}

/** The file of the best policy in a run folder. */
export function bestFile(folder: string): string {
  return join(folder, 'best.safetensors');
}

async function claim(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `--out must be a folder that does not exist or is empty, but ${folder} holds something ` +
        'already',
    );
  }
}

/** Making a folder fails if it exists, so two runs that start together get different ones. */
async function claimNumbered(folder: string): Promise<string> {
  await mkdir(dirname(folder), { recursive: true });
  for (let number = 1; ; number += 1) {
    const path = number === 1 ? folder : `${folder}-${number}`;
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) {
        throw error;
      }
    }
  }
}
