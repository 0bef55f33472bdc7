import { environmentNames, makeEnvironment } from '../environments/registry.js';
import type { EnvironmentName } from '../environments/registry.js';
import { evaluate } from '../evaluate.js';
import type { Evaluation } from '../evaluate.js';
import { train } from '../train.js';
import type { TrainProgress, TrainResult, TrainTiming } from '../train.js';
import { klBoundOf } from '../update-summary.js';
import { requireOneOf } from '../validate.js';
import { blamingUsage, parseArguments, UsageError } from './arguments.js';
import type { OptionValues } from './arguments.js';
import { evaluationText } from './evaluate-command.js';
import { interruptible } from './interrupt.js';
import { grouped, ProgressBar, significant } from './progress-bar.js';
import { RunFolder } from './run-folder.js';
import { resumeRun } from './run-resume.js';
import { prepareRun } from './run-setup.js';
import type { Run } from './run-setup.js';
import { trainHelp, trainOptions } from './train-options.js';

/** What `--json` prints, in this order. */
interface TrainReport {
  readonly task: string;
  readonly method: string;
  readonly seed: number;
  readonly steps: number;
  readonly wallSeconds: number;
  readonly updates: number;
  readonly acceptedUpdates: number;
  readonly worstMeanKl: number;
  /** `null` for a method without a bound. */
  readonly maxKl: number | null;
  /** `null` if the run was interrupted. */
  readonly evaluation: Pick<Evaluation, 'episodes' | 'mean' | 'std'> | null;
  readonly episodes: number;
  readonly interrupted: boolean;
  /** Where the time of the training went, in seconds. */
  readonly timing: TrainTiming;
  readonly backend: string;
  readonly peakMemoryBytes: number;
  readonly out: string;
}

/** Seconds between two saves of the policy and the picture. */
const saveInterval = 15;

/**
 * `trustregion train`.
 *
 * @returns The exit code.
 */
export async function trainCommand(arguments_: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(arguments_, trainOptions);
  if (values.help === true) {
    process.stdout.write(`${trainHelp(values.method)}\n`);
    return 0;
  }
  const run = await blamingUsage(() => makeRun(positionals, values));
  try {
    const folder = await blamingUsage(() => openFolder(run, values));
    return await interruptible(async (signal) => {
      const report = await perform(run, folder, signal);
      process.stdout.write(
        values.json === true ? `${JSON.stringify(report)}\n` : reportText(report),
      );
      return report.interrupted ? 130 : 0;
    });
  } finally {
    await run.environments.close();
    run.policy.close();
    run.critic.close();
  }
}

function makeRun(
  positionals: readonly string[],
  values: OptionValues<typeof trainOptions>,
): Promise<Run> {
  if (values.resume === undefined) {
    return prepareRun(onlyTask(positionals), values);
  }
  if (positionals.length > 0) {
    throw new UsageError(`no task is wanted with --resume, got '${positionals[0]}'`);
  }
  return resumeRun(values.resume, values);
}

function openFolder(
  { config, from }: Run,
  { resume, out }: OptionValues<typeof trainOptions>,
): Promise<RunFolder> {
  return resume === undefined || from === undefined
    ? RunFolder.create(config, out)
    : RunFolder.reopen(resume, config, from.updates);
}

function onlyTask(positionals: readonly string[]): EnvironmentName {
  const [task, ...others] = positionals;
  if (task === undefined) {
    throw new UsageError(`a task is needed: one of ${environmentNames.join(', ')}`);
  }
  if (others.length > 0) {
    throw new UsageError(
      `one task is enough, got also ${others.map((other) => `'${other}'`).join(', ')}`,
    );
  }
  return requireOneOf(task, 'task', environmentNames);
}

async function perform(run: Run, folder: RunFolder, signal: AbortSignal): Promise<TrainReport> {
  const { config, policy } = run;
  const { task, method, seed } = config;
  const result = await learn(run, folder, signal);
  const evaluation = result.aborted ? null : await evaluateUnlessInterrupted(run, signal);
  const { steps, wallSeconds, updates, acceptedUpdates, worstMeanKl, episodes } = result;
  return {
    task,
    method,
    seed,
    steps,
    wallSeconds,
    updates,
    acceptedUpdates,
    worstMeanKl,
    maxKl: klBoundOf(config.methodOptions),
    evaluation,
    episodes,
    interrupted: signal.aborted,
    timing: result.timing,
    backend: policy.backend,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    out: folder.path,
  };
}

/** Trains; whatever happens, the folder then holds the policy as it is. */
async function learn(
  { config, environments, policy, critic, method, from }: Run,
  folder: RunFolder,
  signal: AbortSignal,
): Promise<TrainResult> {
  const objects = { policy, critic, method };
  let state = from;
  const bar = new ProgressBar(process.stderr);
  let savedAt = -Infinity;
  const onUpdate = async (progress: TrainProgress): Promise<void> => {
    folder.record(progress);
    bar.update(progress);
    ({ state } = progress);
    if (progress.wallSeconds - savedAt >= saveInterval) {
      savedAt = progress.wallSeconds;
      await folder.save(policy);
      await folder.saveTraining(objects, state);
    }
  };
  try {
    const result = await train({
      policy,
      valueFunction: critic,
      environments,
      method,
      ...config.train,
      valueFit: config.valueFunction.fit,
      seed: config.seed,
      ...(from === undefined ? {} : { from }),
      signal,
      onUpdate,
    });
    // After an error it stays as it was: policy and critic may then be of different updates.
    if (state !== undefined) {
      await folder.saveTraining(objects, state);
    }
    return result;
  } finally {
    bar.end();
    try {
      await folder.save(policy);
    } finally {
      await folder.close();
    }
  }
}

async function evaluateUnlessInterrupted(
  { config, policy }: Run,
  signal: AbortSignal,
): Promise<TrainReport['evaluation']> {
  const environment = await makeEnvironment(config.task);
  try {
    const { episodes, mean, std } = await evaluate({
      policy,
      environment,
      ...config.evaluation,
      signal,
    });
    return { episodes, mean, std };
  } catch (error) {
    if (signal.aborted) {
      return null;
    }
    throw error;
  } finally {
    environment.close();
  }
}

function reportText(report: TrainReport): string {
  const { task, method, seed, updates, acceptedUpdates, maxKl, evaluation, interrupted, out } =
    report;
  const steps = grouped(report.steps);
  const seconds = significant(report.wallSeconds, 3);
  const worstMeanKl = significant(report.worstMeanKl, 3);
  const bound = maxKl === null ? '' : ` of ${maxKl}`;
  return [
    `${task}, ${method}, seed ${seed}: ${steps} steps in ${seconds} s` +
      `${interrupted ? ', interrupted' : ''}`,
    `time        ${timingText(report.timing)}`,
    `updates     ${updates}, ${acceptedUpdates} accepted, mean KL at most ${worstMeanKl}${bound}`,
    `evaluation  ${evaluation === null ? 'none: interrupted' : evaluationText(evaluation)}`,
    `run folder  ${out}`,
    '',
  ].join('\n');
}

/** Shares of the whole. */
function timingText(timing: TrainTiming): string {
  const names = ['physics', 'inference', 'update', 'critic', 'rest'] as const;
  const whole = names.reduce((sum, name) => sum + timing[name], 0);
  return names.map((name) => `${name} ${Math.round((100 * timing[name]) / whole)} %`).join(', ');
}
