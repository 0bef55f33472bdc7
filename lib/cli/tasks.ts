import type { EnvironmentName } from '../environments/registry.js';

/**
 * Settings of a run that have a good value for each task. Everything else keeps the library's
 * defaults. Each is an option of `trustregion train` and ends up in the run's `config.json`.
 */
export interface TaskPreset {
  /** Environment steps of the whole run. */
  readonly steps: number;
  /** Environment steps per update. */
  readonly stepsPerUpdate: number;
  readonly gamma: number;
  readonly lambda: number;
  readonly maxKl: number;
  readonly damping: number;
  readonly cgIterations: number;
  /** Hidden layers of the policy and of the critic. */
  readonly hidden: readonly number[];
  /** Of continuous actions. */
  readonly initialLogStd: number;
  readonly valueEpochs: number;
  readonly valueMinibatchSize: number;
  readonly valueLearningRate: number;
}

const common: TaskPreset = {
  steps: 100_000,
  stepsPerUpdate: 2048,
  gamma: 0.99,
  lambda: 0.97,
  maxKl: 0.01,
  damping: 0.1,
  cgIterations: 10,
  hidden: [64, 64],
  initialLogStd: 0,
  valueEpochs: 10,
  valueMinibatchSize: 128,
  valueLearningRate: 1e-3,
};

const presets: Readonly<Record<EnvironmentName, TaskPreset>> = {
  'CartPole-v1': { ...common, stepsPerUpdate: 1000 },
  'Pendulum-v1': { ...common, stepsPerUpdate: 1000, gamma: 0.9, lambda: 0.95, maxKl: 0.03, valueEpochs: 20 },
  'InvertedPendulum-v5': { ...common, stepsPerUpdate: 1000 },
};

/**
 * The settings of a task that comes with the package.
 */
export function presetOf(task: EnvironmentName): TaskPreset {
  return presets[task];
}
