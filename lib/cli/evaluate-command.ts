import { existsSync } from 'node:fs';
import { makeEnvironment } from '../environments/registry.js';
import { TrustRegionError } from '../errors.js';
import { evaluate } from '../evaluate.js';
import type { Evaluation } from '../evaluate.js';
import { Policy } from '../policy.js';
import {
  blamingUsage,
  flag,
  integer,
  optionsHelp,
  parseArguments,
  pick,
  text,
  UsageError,
} from './arguments.js';
import { significant } from './progress-bar.js';
import { readRunConfig } from './run-config.js';
import { bestFile, policyFile } from './run-folder.js';

const options = {
  best: flag('the policy that had the best evaluation in the run, instead of that of its end'),
  episodes: integer('episodes to play (as many as at the end of the run)', { min: 1 }),
  seed: integer('of the environment (the one at the end of the run)', {
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
  }),
  backend: text('where to compute (as in the run)', 'NAME'),
  threads: integer('threads to compute with (TRUSTREGION_THREADS or all)', { min: 1, max: 64 }),
  json: flag('print one JSON object and nothing else'),
  help: flag('print this help'),
};

export const evaluateHelp = `Usage: trustregion evaluate <run> [options]

Replays the policy of a run folder, always taking the most likely action. Without options it repeats
the evaluation at the end of the run.

Options (defaults in brackets):
${optionsHelp(options)}`;

/**
 * `trustregion evaluate`.
 *
 * @returns The exit code.
 */
export async function evaluateCommand(arguments_: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(arguments_, options);
  if (values.help === true) {
    process.stdout.write(`${evaluateHelp}\n`);
    return 0;
  }
  const [folder, ...others] = positionals;
  if (folder === undefined || others.length > 0) {
    throw new UsageError(`one run folder is needed, got ${positionals.length}`);
  }
  const config = await readRunConfig(folder);
  const { task, method, seed } = config;
  const file = values.best === true ? requireBest(folder) : policyFile(folder);
  const policy = await blamingUsage(() => Policy.load(file, pick(values, ['backend', 'threads'])));
  const environment = await makeEnvironment(task);
  try {
    const evaluation = await evaluate({
      policy,
      environment,
      episodes: values.episodes ?? config.evaluation.episodes,
      seed: values.seed ?? config.evaluation.seed,
    });
    process.stdout.write(
      values.json === true
        ? `${JSON.stringify({ task, method, seed, backend: policy.backend, evaluation })}\n`
        : `${task}, ${method}, seed ${seed}: ${evaluationText(evaluation)}\n`,
    );
    return 0;
  } finally {
    environment.close();
    policy.close();
  }
}

function requireBest(folder: string): string {
  const file = bestFile(folder);
  if (!existsSync(file)) {
    throw new TrustRegionError(
      'ERR_CHECKPOINT',
      `--best needs ${file}, which is not there: the run was not told to --evaluate-every so many ` +
        'steps, or ended before its first evaluation',
    );
  }
  return file;
}

/** A result in words. */
export function evaluationText({
  episodes,
  mean,
  std,
}: Pick<Evaluation, 'episodes' | 'mean' | 'std'>): string {
  const noun = episodes === 1 ? 'episode' : 'episodes';
  return `${returnText({ mean, std })} over ${episodes} ${noun}`;
}

/** A mean return and its standard deviation in words. */
export function returnText({ mean, std }: Pick<Evaluation, 'mean' | 'std'>): string {
  return `return ${significant(mean, 5)} +- ${significant(std, 3)}`;
}
