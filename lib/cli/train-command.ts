import { environmentNames } from '../environments/registry.js';
import type { EnvironmentName } from '../environments/registry.js';
import { train } from '../train.js';
import type { TrainProgress, TrainResult } from '../train.js';
import { requireOneOf } from '../validate.js';
import { blamingUsage, parseArguments, UsageError } from './arguments.js';
import type { OptionValues } from './arguments.js';
import { interruptible } from './interrupt.js';
import { ProgressBar } from './progress-bar.js';
import { RunFolder } from './run-folder.js';
import { resumeRun } from './run-resume.js';
import { prepareRun } from './run-setup.js';
import type { Run } from './run-setup.js';
import { trainHelp, trainOptions } from './train-options.js';
import { reportOf, reportText } from './train-report.js';
import type { TrainReport } from './train-report.js';
import { TrainingEvaluations } from './training-evaluations.js';

/** Seconds of training between two saves of the policy and the picture. */
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
  const evaluations = new TrainingEvaluations(run, folder, signal);
  try {
    const result = await learn(run, folder, evaluations, signal);
    const evaluation = result.aborted ? null : await evaluations.atEnd(result);
    return reportOf(run, folder, result, {
      evaluation,
      best: evaluations.best,
      interrupted: signal.aborted,
    });
  } finally {
    evaluations.close();
    await folder.close();
  }
}

/** Trains; whatever happens, the folder then holds the policy as it is. */
async function learn(
  run: Run,
  folder: RunFolder,
  evaluations: TrainingEvaluations,
  signal: AbortSignal,
): Promise<TrainResult> {
  const { config, environments, policy, critic, method, from } = run;
  let state = from;
  const bar = new ProgressBar(process.stderr);
  let savedAt = -Infinity;
  const onUpdate = async (progress: TrainProgress): Promise<void> => {
    folder.record(progress);
    bar.update(progress);
    ({ state } = progress);
    await evaluations.afterUpdate(progress);
    if (progress.wallSeconds - savedAt >= saveInterval) {
      savedAt = progress.wallSeconds;
      await folder.save(policy);
      await folder.saveTraining(run, state);
    }
  };
  try {
    await evaluations.catchUp();
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
      await folder.saveTraining(run, state);
    }
    return result;
  } finally {
    bar.end();
    await folder.save(policy);
  }
}
