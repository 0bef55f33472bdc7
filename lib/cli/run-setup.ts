import { resolveEstimator } from '../advantage-estimator.js';
import type { EnvironmentName } from '../environments/registry.js';
import { learningRateOf, resolveFitOptions } from '../fit-options.js';
import type { FitOptions, ResolvedFitOptions } from '../fit-options.js';
import type { MethodName } from '../method-options.js';
import type { Method } from '../method.js';
import { makeMethod } from '../methods.js';
import type { OptionsOf } from '../methods.js';
import type { PolicyOptions } from '../policy-options.js';
import { Policy } from '../policy.js';
import { checkSchedule } from '../schedule.js';
import type { Schedule } from '../schedule.js';
import { deriveSeeds } from '../seeds.js';
import type { ActionSpace } from '../spaces.js';
import type { TrainState } from '../train.js';
import { TrustRegionError } from '../errors.js';
import { ValueFunction } from '../value-function.js';
import { VectorEnvironment } from '../vector-environment.js';
import { kebabCase, pick } from './arguments.js';
import type { OptionValues } from './arguments.js';
import { methodOptions, requireOptionsOf } from './method-arguments.js';
import { runFormat, runFormatVersion, surroundingsOf } from './run-config.js';
import type { RunConfig } from './run-config.js';
import { presetOf } from './tasks.js';
import type { RunPreset } from './tasks.js';
import { criticOptions, defaultMethod } from './train-options.js';
import type { trainOptions } from './train-options.js';

/**
 * The objects of a run, made but not used yet.
 */
export interface Run {
  readonly config: RunConfig;
  readonly environments: VectorEnvironment;
  readonly policy: Policy;
  readonly critic: ValueFunction;
  readonly method: Method;
  /** Where a resumed run goes on. */
  readonly from?: TrainState;
}

/**
 * Makes what a run needs and resolves all its settings; changes nothing outside the process.
 *
 * @param values - The options given; others come from the task's preset.
 */
export async function prepareRun(
  task: EnvironmentName,
  values: OptionValues<typeof trainOptions>,
): Promise<Run> {
  requireOptionsOf(values.method ?? defaultMethod, values);
  const { environments: count = 1, workers = 0 } = values;
  const environments = await makeEnvironments(task, {
    environments: count,
    workers,
    ...pick(values, ['timeout']),
  });
  try {
    return makeRun(task, values, environments);
  } catch (error) {
    await environments.close();
    throw error;
  }
}

/**
 * Makes the environments of a run.
 *
 * @throws TrustRegionError As {@link VectorEnvironment.create}; `ERR_INVALID_ARGUMENT` for a timeout that
 *   could have no effect.
 */
export function makeEnvironments(
  task: string,
  sampling: RunConfig['sampling'],
): Promise<VectorEnvironment> {
  if (sampling.timeout !== undefined && sampling.workers === 0) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      '--timeout must be left out without --workers: nothing can interrupt the thread that trains',
    );
  }
  return VectorEnvironment.create({ task, ...sampling });
}

function makeRun(
  task: EnvironmentName,
  values: OptionValues<typeof trainOptions>,
  environments: VectorEnvironment,
): Run {
  const name = values.method ?? defaultMethod;
  const preset = presetOf(task, name);
  const seed = values.seed ?? 0;
  const seeds = deriveSeeds(seed);
  const { actionSpace } = environments;
  const network = {
    observationSize: environments.observationSpace.size,
    hidden: values.hidden ?? preset.hidden,
    activation: values.activation ?? 'tanh',
    ...pick(values, ['backend', 'threads']),
  };
  const logStd = logStdOptions(values, preset, actionSpace);
  const policy = new Policy({
    ...network,
    actions: actionSpace,
    seed: seeds.policy,
    ...logStd,
  });
  const critic = new ValueFunction({ ...network, seed: seeds.valueFunction });
  const method = makeMethod(name, policy, {
    ...withoutOverridden(preset.options, values),
    ...pick(values, Object.keys(methodOptions) as (keyof typeof methodOptions)[]),
    // It has a stream of random numbers of its own, apart from that of the initial parameters.
    ...(name === 'PPO' ? { seed: seeds.policy } : {}),
  });

  const fit = fitOptionsOf(values, preset);
  const config: RunConfig = {
    format: runFormat,
    formatVersion: runFormatVersion,
    task,
    method: name,
    seed,
    train: {
      steps: values.steps ?? preset.steps,
      stepsPerUpdate: stepsPerUpdateOf(values, preset, environments.environments),
      ...resolveEstimator(pick(values, ['estimator', 'gamma', 'lambda', 'horizon']), preset),
      normalizeObservations: values.normalizeObservations ?? true,
      scaleRewards: values.scaleRewards ?? false,
      schedule: scheduleOf(values, preset, method, fit),
    },
    sampling: {
      environments: environments.environments,
      workers: environments.workers,
      ...pick(values, ['timeout']),
    },
    methodOptions: method.options,
    policy: {
      observationSize: network.observationSize,
      actions: actionSpace,
      hidden: network.hidden,
      activation: network.activation,
      initialLogStd: null,
      ...logStd,
      parameterCount: policy.parameterCount,
      seed: seeds.policy,
    },
    valueFunction: {
      hidden: network.hidden,
      activation: network.activation,
      fit,
      seed: seeds.valueFunction,
    },
    evaluation: {
      episodes: values.evaluationEpisodes ?? 10,
      seed: seeds.evaluation,
      ...(values.evaluateEvery === undefined ? {} : { every: values.evaluateEvery }),
    },
    ...surroundingsOf(policy),
  };
  return { config, environments, policy, critic, method };
}

/** For discrete actions only values given on purpose are passed on, to be refused. */
function logStdOptions(
  values: OptionValues<typeof trainOptions>,
  preset: RunPreset,
  actions: ActionSpace,
): Partial<Pick<PolicyOptions, 'initialLogStd' | 'minLogStd'>> {
  const names = ['initialLogStd', 'minLogStd'] as const;
  const ofTask = actions.kind === 'continuous' ? pick(preset, names) : {};
  return { ...ofTask, ...pick(values, names) };
}

/**
 * Of a task's schedule what the run has at all: a step, say, may have been given the other way. A
 * number that was given stays where it is.
 */
function scheduleOf(
  { schedule, ...given }: OptionValues<typeof trainOptions>,
  preset: RunPreset,
  method: Method,
  fit: ResolvedFitOptions,
): Schedule {
  const valueLearningRate = learningRateOf(fit);
  const isThere = (name: string): boolean =>
    given[name as keyof typeof given] === undefined &&
    (name === 'valueLearningRate' ? valueLearningRate !== undefined : name in method.options);
  const ofTask = Object.entries(preset.schedule).filter(([name]) => isThere(name));
  return checkSchedule(schedule ?? Object.fromEntries(ofTask), method, valueLearningRate);
}

/** What a task has a setting of is rounded up to a multiple of the environments; an option is not. */
function stepsPerUpdateOf(
  { stepsPerUpdate }: OptionValues<typeof trainOptions>,
  preset: RunPreset,
  environments: number,
): number {
  if (stepsPerUpdate === undefined) {
    return Math.ceil(preset.stepsPerUpdate / environments) * environments;
  }
  if (stepsPerUpdate % environments !== 0) {
    throw new TrustRegionError(
      'ERR_OUT_OF_RANGE',
      `--steps-per-update must be a multiple of the ${environments} of --environments, got ` +
        stepsPerUpdate,
    );
  }
  return stepsPerUpdate;
}

/** The preset without a step size or damping that is given the other way. */
function withoutOverridden<Options extends OptionsOf[MethodName]>(
  preset: Options,
  { learningRate, epsilon, adaptiveDamping }: OptionValues<typeof methodOptions>,
): Options {
  return Object.fromEntries(
    Object.entries(preset).filter(
      ([key]) =>
        !(key === 'epsilon' && learningRate !== undefined) &&
        !(key === 'learningRate' && epsilon !== undefined) &&
        !(key === 'relativeDamping' && adaptiveDamping !== undefined),
    ),
  ) as Options;
}

/** `valueEpochs` is `epochs`, and so on. What the task has a setting of belongs to Adam. */
function fitOptionsOf(
  values: OptionValues<typeof trainOptions>,
  preset: RunPreset,
): ResolvedFitOptions {
  const names = Object.keys(criticOptions) as (keyof typeof criticOptions)[];
  const valueSolver = values.valueSolver ?? preset.valueSolver;
  const given = pick({ ...(valueSolver === 'adam' ? preset : {}), ...values, valueSolver }, names);
  const options = Object.entries(given).map(([key, value]) => {
    const [first = '', ...rest] = key.slice('value'.length);
    return [first.toLowerCase() + rest.join(''), value];
  });
  return resolveFitOptions(
    Object.fromEntries(options) as FitOptions,
    (name) => `--value-${kebabCase(name)}`,
  );
}
