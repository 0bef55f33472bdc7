import type { EnvironmentName } from '../environments/registry.js';
import type { FitSolver } from '../fit-options.js';
import type { MethodName } from '../method-options.js';
import type { OptionsOf } from '../methods.js';
import type { Schedule } from '../schedule.js';

/**
 * Settings of a run that have a good value for each task and method. Everything else keeps the
 * library's defaults. Each is an option of `trustregion train` and ends up in the run's `config.json`.
 */
export interface RunPreset {
  /** Environment steps of the whole run. */
  readonly steps: number;
  /** Environment steps per update. */
  readonly stepsPerUpdate: number;
  readonly gamma: number;
  readonly lambda: number;
  /** Hidden layers of the policy and of the critic. */
  readonly hidden: readonly number[];
  /** Of continuous actions, like the next. */
  readonly initialLogStd: number;
  /** Left out: no bound. */
  readonly minLogStd?: number;
  /** Where numbers go by the end of the run. */
  readonly schedule: Schedule;
  readonly valueSolver: FitSolver;
  /** This one and the next two: of adam. */
  readonly valueEpochs: number;
  readonly valueMinibatchSize: number;
  readonly valueLearningRate: number;
}

/** What a method wants otherwise than the task's other methods, and its own options. */
type MethodPreset<Name extends MethodName> = Partial<RunPreset> & {
  readonly options: OptionsOf[Name];
};

type TaskPreset = Partial<RunPreset> & {
  readonly methods: { readonly [Name in MethodName]: MethodPreset<Name> };
};

/** The same for every task that was not looked at by itself. */
const untuned: TaskPreset = {
  methods: {
    VanillaPolicyGradient: { options: { epsilon: 0.01 } },
    NaturalPolicyGradient: { options: { epsilon: 0.01 } },
    TRPO: { options: { maxKl: 0.01 } },
    DualGradientDescent: { options: { maxKl: 0.01 } },
    PPO: { options: { maxKl: 0.02 } },
  },
};

const common: RunPreset = {
  steps: 100_000,
  stepsPerUpdate: 2000,
  gamma: 0.99,
  lambda: 0.97,
  hidden: [64, 64],
  initialLogStd: 0,
  schedule: {},
  valueSolver: 'adam',
  valueEpochs: 10,
  valueMinibatchSize: 128,
  valueLearningRate: 1e-3,
};

/** The same for all of MuJoCo: docs/training.md has the study. */
const mujoco: TaskPreset = {
  steps: 1_000_000,
  stepsPerUpdate: 2048,
  lambda: 0.95,
  initialLogStd: -0.5,
  minLogStd: -1.75,
  methods: {
    ...untuned.methods,
    TRPO: { options: { maxKl: 0.02, maxRowKl: 1 }, schedule: { maxKl: 0.01 } },
  },
};

/*
 * Pendulum-v1: a critic learns the value of this smooth task to within a percent, so a small lambda
 * takes most of the noise out of the advantages; with 0.95 one run in five ends far from the top.
 */
const tasks: Readonly<Record<EnvironmentName, TaskPreset>> = {
  'CartPole-v1': { ...untuned, stepsPerUpdate: 1000 },
  'Pendulum-v1': {
    gamma: 0.95,
    lambda: 0.7,
    valueEpochs: 20,
    methods: {
      // Many short steps; the critic must follow them, and a narrower network is steered faster.
      VanillaPolicyGradient: {
        steps: 400_000,
        stepsPerUpdate: 200,
        hidden: [32, 32],
        valueSolver: 'gaussNewton',
        options: { epsilon: 0.002 },
      },
      NaturalPolicyGradient: { options: { epsilon: 0.05 } },
      TRPO: { options: { maxKl: 0.05 } },
      DualGradientDescent: {
        steps: 150_000,
        options: { maxKl: 0.05, innerLearningRate: 0.002, multiplierLearningRate: 10 },
      },
      PPO: { options: { maxKl: 0.05 } },
    },
  },
  'Acrobot-v1': untuned,
  'MountainCarContinuous-v0': untuned,
  'InvertedPendulum-v5': { ...mujoco, steps: 100_000 },
  'InvertedDoublePendulum-v5': mujoco,
  'Reacher-v5': mujoco,
  'Swimmer-v5': mujoco,
  'Hopper-v5': mujoco,
  'HalfCheetah-v5': mujoco,
  'Walker2d-v5': mujoco,
};

/**
 * The settings of a task that comes with the package for a method.
 */
export function presetOf<Name extends MethodName>(
  task: EnvironmentName,
  method: Name,
): RunPreset & { readonly options: OptionsOf[Name] } {
  const { methods, ...settings } = tasks[task];
  const preset: MethodPreset<Name> = methods[method];
  return { ...common, ...settings, ...preset };
}
