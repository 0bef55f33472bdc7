import type { Environment } from '../environments/environment.js';
import { MujocoEnvironment } from '../environments/mujoco-environment.js';
import { makeEnvironment } from '../environments/registry.js';
import { TrustRegionError } from '../errors.js';

/**
 * What a task may differ from the recorded one: each number of the compiled model, and observations and
 * rewards over whole episodes. Those of the classic tasks were recorded with 32 bits.
 */
export const fidelityLimits = { model: 1e-12, mujoco: 1e-6, classic: 1e-6 } as const;

/**
 * Tasks on MuJoCo in which a difference grows so fast, tenfold in ten steps or less where feet strike the
 * floor, that two builds of MuJoCo itself part within a recorded episode: one unit in the last place of
 * one position, in the build that made the recording, is 1e-2 after 100 steps. Here an episode goes on
 * from the recorded observation after every so many steps. Observations must hold the whole state but x.
 */
export const resumedEvery: Readonly<Record<string, number>> = { 'HalfCheetah-v5': 50 };

/**
 * A MuJoCo task as another implementation has it: its compiled model, and episodes recorded there.
 */
export interface MujocoRecording {
  readonly task: string;
  readonly frame_skip: number;
  readonly max_episode_steps: number;
  readonly observation_size: number;
  readonly action_low: readonly number[];
  readonly action_high: readonly number[];
  /** Of `mjOption`. */
  readonly option: Readonly<Record<string, number | readonly number[]>>;
  readonly names: Readonly<Record<NamedPart, readonly (string | null)[]>>;
  /** Arrays of `mjModel`. */
  readonly model: Readonly<Record<string, readonly (number | readonly number[])[]>>;
  readonly trajectories: readonly RecordedTrajectory<MujocoRecordedStart>[];
}

/** What has names in a recording. */
export type NamedPart = 'body' | 'joint' | 'geom' | 'actuator';

/** Where an episode of a MuJoCo task began. */
export interface MujocoRecordedStart {
  readonly qpos: readonly number[];
  readonly qvel: readonly number[];
  readonly observation: readonly number[];
}

/** A task without physics engine: episodes recorded in another implementation. */
export interface ClassicRecording {
  readonly task: string;
  readonly max_episode_steps: number;
  readonly trajectories: readonly RecordedTrajectory<ClassicRecordedStart>[];
}

/** Where an episode of such a task began. */
export interface ClassicRecordedStart {
  readonly state: readonly number[];
  readonly observation: readonly number[];
}

/** One recorded episode, or the beginning of one. */
export interface RecordedTrajectory<Start> {
  readonly start: Start;
  readonly steps: readonly RecordedStep[];
}

/** One recorded step: the action, and what came of it. */
export interface RecordedStep {
  readonly action: readonly number[];
  readonly observation: readonly number[];
  readonly reward: number;
  readonly terminated: boolean;
}

/**
 * How far an episode is from the recorded one, step by step with the recorded actions. Differences are
 * absolute unless said otherwise, and infinite where a number is missing or not finite.
 */
export interface TrajectoryFidelity {
  readonly steps: number;
  /** Largest difference of any number of any observation, the first one included. */
  readonly observation: number;
  /** Largest difference of any reward. */
  readonly reward: number;
  /** Whether every step ended the episode, or did not, as recorded. */
  readonly isTerminationEqual: boolean;
}

/**
 * The largest difference of each recorded array and option (`'opt.'` before its name) of the model.
 */
export function modelDifferences(
  environment: MujocoEnvironment,
  { model, option }: MujocoRecording,
): Map<string, number> {
  const expected: [string, readonly number[]][] = [
    ...Object.entries(option).map(([name, value]): [string, number[]] => [
      `opt.${name}`,
      [value].flat(),
    ]),
    ...Object.entries(model).map(([name, rows]): [string, number[]] => [name, rows.flat()]),
  ];
  return new Map(
    expected.map(([name, values]) => [name, largest(environment.modelArray(name), values)]),
  );
}

/**
 * The names that the model gives to its parts, `null` where it gives none.
 */
export function modelNames(environment: MujocoEnvironment): Record<NamedPart, (string | null)[]> {
  const text = String.fromCharCode(...environment.modelArray('names'));
  const names = (kind: string): (string | null)[] =>
    Array.from(
      environment.modelArray(`name_${kind}adr`),
      (start) => text.slice(start, text.indexOf('\0', start)) || null,
    );
  return {
    body: names('body'),
    joint: names('jnt'),
    geom: names('geom'),
    actuator: names('actuator'),
  };
}

/**
 * Compares a MuJoCo task of this package with the recorded one of the same name.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION` if there is no such task, `ERR_INVALID_ARGUMENT` if it
 *   is not on MuJoCo; and what {@link makeEnvironment} throws.
 */
export async function mujocoFidelity(recording: MujocoRecording): Promise<{
  readonly differences: Map<string, number>;
  /** Resumed where {@link resumedEvery} says so. */
  readonly trajectories: readonly TrajectoryFidelity[];
  /** The same, never resumed; empty for a task that {@link resumedEvery} does not name. */
  readonly uninterrupted: readonly TrajectoryFidelity[];
}> {
  const environment = await makeEnvironment(recording.task);
  try {
    if (!(environment instanceof MujocoEnvironment)) {
      throw noTask(recording.task, 'is not a task on MuJoCo');
    }
    const every = resumedEvery[recording.task];
    const place = ({ qpos, qvel }: Pick<MujocoRecordedStart, 'qpos' | 'qvel'>): Float64Array =>
      environment.setState(qpos, qvel);
    const places = environment.modelArray('qpos0').length - 1;
    const resume = (observation: readonly number[]): void => {
      place({ qpos: [0, ...observation.slice(0, places)], qvel: observation.slice(places) });
    };
    return {
      differences: modelDifferences(environment, recording),
      trajectories: recording.trajectories.map((trajectory) =>
        replay(environment, trajectory, place, { resume, every }),
      ),
      uninterrupted: (every === undefined ? [] : recording.trajectories).map((trajectory) =>
        replay(environment, trajectory, place),
      ),
    };
  } finally {
    environment.close();
  }
}

/**
 * Compares a task of this package without physics engine with the recorded one of the same name.
 * The recorded numbers were rounded to 32 bits, so differences are relative where a number is beyond 1.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION` if there is no such task, `ERR_INVALID_ARGUMENT` if it
 *   cannot start from a given state.
 */
export async function classicFidelity({
  task,
  trajectories,
}: ClassicRecording): Promise<TrajectoryFidelity[]> {
  const environment = await makeEnvironment(task);
  if (!isPlaceable(environment)) {
    throw noTask(task, 'cannot start from a given state');
  }
  return trajectories.map((trajectory) =>
    replay(environment, trajectory, ({ state }) => environment.setState(state), {
      isRelative: true,
    }),
  );
}

type Placeable = Environment & { setState(state: ArrayLike<number>): Float64Array };

function isPlaceable(environment: Environment): environment is Placeable {
  return 'setState' in environment && !(environment instanceof MujocoEnvironment);
}

function noTask(task: string, why: string): TrustRegionError {
  return new TrustRegionError('ERR_INVALID_ARGUMENT', `the recorded task '${task}' ${why}`);
}

function replay<Start extends { readonly observation: readonly number[] }>(
  environment: Environment,
  { start, steps }: RecordedTrajectory<Start>,
  place: (start: Start) => ArrayLike<number>,
  {
    isRelative = false,
    every = Infinity,
    resume,
  }: {
    readonly isRelative?: boolean;
    readonly every?: number | undefined;
    readonly resume?: (observation: readonly number[]) => void;
  } = {},
): TrajectoryFidelity {
  let observation = largest(place(start), start.observation, isRelative);
  let reward = 0;
  let isTerminationEqual = true;
  for (const [index, recorded] of steps.entries()) {
    const before = steps[index - 1];
    if (before !== undefined && index % every === 0) {
      resume?.(before.observation);
    }
    const result = environment.step(recorded.action);
    const difference = largest(result.observation, recorded.observation, isRelative);
    observation = Math.max(observation, difference);
    reward = Math.max(reward, largest([result.reward], [recorded.reward], isRelative));
    isTerminationEqual &&= result.terminated === recorded.terminated;
  }
  return { steps: steps.length, observation, reward, isTerminationEqual };
}

/**
 * The largest difference of two arrays; infinite where their lengths differ or a number is not finite.
 */
function largest(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  isRelative = false,
): number {
  if (actual.length !== expected.length) {
    return Infinity;
  }
  let result = 0;
  for (let index = 0; index < expected.length; index += 1) {
    const value = expected[index] ?? NaN;
    const difference = Math.abs((actual[index] ?? NaN) - value);
    const scaled = isRelative ? difference / Math.max(1, Math.abs(value)) : difference;
    result = Number.isFinite(scaled) ? Math.max(result, scaled) : Infinity;
  }
  return result;
}
