import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ResolvedEstimator } from '../advantage-estimator.js';
import { TrustRegionError } from '../errors.js';
import type { ResolvedFitOptions } from '../fit-options.js';
import type { MethodName } from '../method-options.js';
import type { Method } from '../method.js';
import { methodNames } from '../methods.js';
import type { Activation } from '../policy-options.js';
import type { Policy } from '../policy.js';
import type { ActionSpace } from '../spaces.js';
import type { Schedule } from '../schedule.js';
import { describe, messageOf, requireInteger, requireOneOf, requireString } from '../validate.js';
import { version } from '../version.js';
import { isSystemError } from './system.js';

/** How evaluations of a run are made. */
export interface EvaluationConfig {
  readonly episodes: number;
  readonly seed: number;
  /** Environment steps between two of them in training; absent where there is only the one at the end. */
  readonly every?: number;
}

/**
 * Everything that decided a run: the content of `config.json`.
 */
export interface RunConfig {
  readonly format: typeof runFormat;
  readonly formatVersion: typeof runFormatVersion;
  readonly task: string;
  readonly method: MethodName;
  readonly seed: number;
  readonly train: {
    readonly steps: number;
    readonly stepsPerUpdate: number;
    readonly normalizeObservations: boolean;
    readonly scaleRewards?: boolean;
    readonly schedule?: Schedule;
  } & ResolvedEstimator;
  readonly sampling: {
    readonly environments: number;
    readonly workers: number;
    readonly timeout?: number;
  };
  readonly methodOptions: Method['options'];
  readonly policy: {
    readonly observationSize: number;
    readonly actions: ActionSpace;
    readonly hidden: readonly number[];
    readonly activation: string;
    readonly initialLogStd: number | null;
    /** Left out: no bound. */
    readonly minLogStd?: number;
    readonly parameterCount: number;
    readonly seed: number;
  };
  readonly valueFunction: {
    readonly hidden: readonly number[];
    readonly activation: Activation;
    readonly fit: ResolvedFitOptions;
    readonly seed: number;
  };
  readonly evaluation: EvaluationConfig;
  readonly compute: {
    readonly backend: string;
    readonly precision: string;
    readonly threads: number;
  };
  readonly versions: { readonly trustregion: string; readonly node: string };
  readonly platform: string;
  /**
   * Environment steps after which it was resumed, one for each time.
   */
  readonly resumedAt?: readonly number[];
}

/** What computes a run, and where. */
export function surroundingsOf({
  backend,
  precision,
  threads,
}: Policy): Pick<RunConfig, 'compute' | 'versions' | 'platform'> {
  return {
    compute: { backend, precision, threads },
    versions: { trustregion: version, node: process.version },
    platform: `${process.platform}-${process.arch}`,
  };
}

/** JSON itself has no Infinity and would write null. */
export function infinityToText(_key: string, value: unknown): unknown {
  return value === Infinity ? 'Infinity' : value;
}

function textToInfinity(_key: string, value: unknown): unknown {
  return value === 'Infinity' ? Infinity : value;
}

export const runFormat = 'trustregion run';
export const runFormatVersion = 1;

/**
 * What an evaluation needs of a run's `config.json`.
 */
export interface ReplayConfig {
  readonly task: string;
  readonly method: string;
  readonly seed: number;
  readonly evaluation: EvaluationConfig;
}

/**
 * Reads `config.json` of a run folder. What {@link ReplayConfig} names is checked; the rest of the content is
 * there as well, as it is.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` if it is missing or damaged, or of a newer version.
 */
export async function readRunConfig(folder: string): Promise<ReplayConfig> {
  return readConfig(folder, checkConfig);
}

/**
 * Reads all of `config.json`, for a run to go on. What is in it is checked by those who take it.
 *
 * @throws TrustRegionError As {@link readRunConfig}.
 */
export async function readWholeConfig(folder: string): Promise<RunConfig> {
  return readConfig(folder, (content) => {
    const config = checkConfig(content) as RunConfig;
    for (const part of [
      'train',
      'sampling',
      'methodOptions',
      'valueFunction',
      'compute',
    ] as const) {
      requireRecord(config[part], part);
    }
    requireOneOf(config.method, 'method', methodNames);
    return config;
  });
}

async function readConfig<Config>(
  folder: string,
  check: (content: unknown) => Config,
): Promise<Config> {
  const file = join(folder, 'config.json');
  try {
    return check(JSON.parse(await readFile(file, 'utf8'), textToInfinity));
  } catch (cause) {
    const reason = isSystemError(cause, 'ENOENT') ? 'there is no such file' : messageOf(cause);
    throw new TrustRegionError(
      'ERR_CHECKPOINT',
      `${folder} is not the folder of a run: ${file}: ${reason}`,
      { cause },
    );
  }
}

function checkConfig(content: unknown): ReplayConfig {
  const { format, formatVersion, task, method, seed, evaluation } = requireRecord(
    content,
    'the content',
  );
  if (format !== runFormat || formatVersion !== runFormatVersion) {
    throw new Error(
      `format must be '${runFormat}' version ${runFormatVersion}, ` +
        `got ${describe(format)} version ${describe(formatVersion)}`,
    );
  }
  const { episodes, seed: evaluationSeed, every } = requireRecord(evaluation, 'evaluation');
  requireString(task, 'task');
  requireString(method, 'method');
  requireInteger(seed, 'seed', { min: 0 });
  requireInteger(episodes, 'evaluation.episodes', { min: 1 });
  requireInteger(evaluationSeed, 'evaluation.seed', { min: 0 });
  if (every !== undefined) {
    requireInteger(every, 'evaluation.every', { min: 1 });
  }
  return content as ReplayConfig;
}

function requireRecord(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) {
    throw new Error(`${name} must be an object, got ${describe(value)}`);
  }
  return value as Record<string, unknown>;
}
