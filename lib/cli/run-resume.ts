import { backends } from '../backends.js';
import { TrustRegionError } from '../errors.js';
import type { MethodName } from '../method-options.js';
import { makeMethod } from '../methods.js';
import type { OptionsOf } from '../methods.js';
import { Policy } from '../policy.js';
import { messageOf } from '../validate.js';
import { ValueFunction } from '../value-function.js';
import type { VectorEnvironment } from '../vector-environment.js';
import { kebabCase, pick, UsageError } from './arguments.js';
import type { OptionValues } from './arguments.js';
import { readWholeConfig, surroundingsOf } from './run-config.js';
import type { RunConfig } from './run-config.js';
import { makeEnvironments } from './run-setup.js';
import type { Run } from './run-setup.js';
import type { trainOptions } from './train-options.js';
import { loadTraining } from './training-file.js';
import type { Training } from './training-file.js';

/** What may be said when a run goes on; everything else is as it was. */
const free = [
  'resume',
  'steps',
  'workers',
  'timeout',
  'threads',
  'evaluationEpisodes',
  'json',
  'help',
];

/**
 * Makes what a run was made of, as it was when its folder was saved last.
 *
 * @throws UsageError An option that cannot change.
 * @throws TrustRegionError `ERR_CHECKPOINT` if the folder does not hold such a run;
 *   `ERR_OUT_OF_RANGE` for `workers`, or fewer steps than are taken.
 */
export async function resumeRun(
  folder: string,
  values: OptionValues<typeof trainOptions>,
): Promise<Run> {
  const fixed = Object.keys(values).find((name) => !free.includes(name));
  if (fixed !== undefined) {
    throw new UsageError(
      `--${kebabCase(fixed)} cannot change when a run is resumed; ` +
        `only ${free
          .slice(1, 7)
          .map((name) => `--${kebabCase(name)}`)
          .join(', ')} can`,
    );
  }
  const old = await readWholeConfig(folder);
  const training = await loadTraining(folder);
  const sampling = samplingOf(old.sampling, values);
  const { environments: count } = sampling;
  const { steps: taken } = training.state;
  const steps = values.steps ?? old.train.steps;
  const left = Math.ceil(steps / count) * count - taken;
  if (left < 0 && values.steps !== undefined) {
    throw new TrustRegionError(
      'ERR_OUT_OF_RANGE',
      `--steps must be at least ${taken}, the steps that the run in ${folder} has taken, got ${steps}`,
    );
  }
  const config: RunConfig = {
    ...old,
    train: { ...old.train, steps },
    sampling,
    evaluation: {
      ...old.evaluation,
      episodes: values.evaluationEpisodes ?? old.evaluation.episodes,
    },
    ...(left > 0 ? { resumedAt: [...(old.resumedAt ?? []), taken] } : {}),
  };
  const environments = await makeEnvironments(config.task, sampling);
  try {
    return restore(config, training, environments, machineOf(old.compute, values.threads));
  } catch (cause) {
    await environments.close();
    throw new TrustRegionError(
      'ERR_CHECKPOINT',
      `the run in ${folder} cannot go on: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** As before, but a timeout that was given for workers does not outlive them. */
function samplingOf(
  { timeout, ...before }: RunConfig['sampling'],
  values: OptionValues<typeof trainOptions>,
): RunConfig['sampling'] {
  const { workers = before.workers } = values;
  const kept = workers > 0 && timeout !== undefined ? { timeout } : {};
  return { ...before, workers, ...kept, ...pick(values, ['timeout']) };
}

/** Where to compute: as before, as far as this machine can. */
function machineOf(
  before: RunConfig['compute'],
  threads: number = before.threads,
): { readonly threads: number; readonly backend?: string } {
  const { backend } = before;
  return backends().includes(backend) ? { threads, backend } : { threads };
}

function restore(
  config: RunConfig,
  { policy: bytes, critic: criticState, method: methodState, state }: Training,
  environments: VectorEnvironment,
  machine: ReturnType<typeof machineOf>,
): Run {
  const policy = Policy.fromBytes(bytes, machine);
  const { hidden, activation, seed } = config.valueFunction;
  const critic = new ValueFunction({
    observationSize: policy.observationSize,
    hidden,
    activation,
    seed,
    ...machine,
    backend: policy.backend,
  });
  critic.setState(criticState);
  // Resolved options of the method of this name are options of it, which TypeScript cannot follow.
  const options = config.methodOptions as OptionsOf[MethodName];
  const method = makeMethod(config.method, policy, options);
  method.setState(methodState);
  const now: RunConfig = { ...config, ...surroundingsOf(policy) };
  return { config: now, environments, policy, critic, method, from: state };
}
