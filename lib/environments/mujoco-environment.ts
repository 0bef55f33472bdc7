import { TrustRegionError } from '../errors.js';
import type { ActionSpace, ObservationSpace } from '../spaces.js';
import {
  describe,
  rejectUnknownOptions,
  requireBoolean,
  requireFinite,
  requireFunction,
  requireInteger,
  requireLength,
  requireNumber,
  requireString,
} from '../validate.js';
import { EpisodicEnvironment } from './episodic-environment.js';
import type { Transition } from './episodic-environment.js';
import { MujocoSimulation } from './mujoco-simulation.js';
import { StateBuffers } from './mujoco-state.js';
import type { MujocoState } from './mujoco-state.js';
import type { RandomGenerator } from './random.js';

/**
 * Positions and velocities of one state.
 */
export interface MujocoStart {
  /**
   * nq numbers.
   */
  readonly qpos: ArrayLike<number>;
  /**
   * nv numbers.
   */
  readonly qvel: ArrayLike<number>;
}

/**
 * A task on a MuJoCo model.
 */
export interface MujocoEnvironmentOptions {
  /**
   * Name for messages and logs.
   */
  readonly name: string;
  /**
   * The model: text in MJCF, MuJoCo's XML format. It cannot refer to files. Every environment
   * reserves the model's arena, 6 MiB or more unless the model says less: put
   * `<size memory="256K"/>` into a small one.
   */
  readonly xml: string;
  /**
   * Physics steps per step of the environment, at least 1; the action is held meanwhile. Default 1.
   */
  readonly frameSkip?: number;
  /**
   * Steps of the environment after which an episode is truncated, at least 1, or `Infinity`.
   * Default 1000.
   */
  readonly maxEpisodeSteps?: number;
  /**
   * Observation of a state; always the same number of numbers, finite unless the state is terminal.
   * Default: `qpos` then `qvel`.
   */
  readonly observation?: (state: MujocoState) => ArrayLike<number>;
  /**
   * Reward of the step that led to a state, finite. Default: 1, or 0 if the state is terminal.
   */
  readonly reward?: (state: MujocoState, terminated: boolean) => number;
  /**
   * Whether a state ends the episode. Default: `false`. A state that is not finite always does.
   */
  readonly terminated?: (state: MujocoState) => boolean;
  /**
   * Start of an episode. A number r >= 0 adds noise uniform in [-r, r] to every position and velocity
   * of the model's first state (`qpos0` and zeros); MuJoCo normalises quaternions by itself. A
   * function draws the start in its own way; `initial` holds fresh copies of the model's first
   * state, which it may change and return. Default 0.
   */
  readonly resetNoise?:
    | number
    | ((
        random: RandomGenerator,
        initial: { qpos: Float64Array; qvel: Float64Array },
      ) => MujocoStart);
}

const optionNames: readonly (keyof MujocoEnvironmentOptions)[] = [
  'name',
  'xml',
  'frameSkip',
  'maxEpisodeSteps',
  'observation',
  'reward',
  'terminated',
  'resetNoise',
];

/**
 * A task on any MuJoCo model, in the manner of Gymnasium's `MujocoEnv`: an action is the vector of
 * controls, held for `frameSkip` physics steps. Needs the optional package `@mujoco/mujoco`.
 *
 * The action space has one number per actuator, with bounds from `ctrlrange`; MuJoCo clamps to them,
 * so actions outside are allowed. The observation space has as many numbers as `observation` returns
 * for the model's first state.
 *
 * Environments are independent of each other, but all of one process run in one WebAssembly module.
 *
 * @example
 * ```ts
 * const environment = await MujocoEnvironment.create({
 *   name: 'Slider',
 *   xml: `<mujoco>
 *     <size memory="256K"/>
 *     <worldbody><body><joint name="x" type="slide" axis="1 0 0"/><geom size="0.1"/></body></worldbody>
 *     <actuator><motor joint="x" ctrlrange="-1 1"/></actuator>
 *   </mujoco>`,
 *   frameSkip: 5,
 *   resetNoise: 0.1,
 *   reward: ({ qpos }) => -((qpos[0] ?? 0) ** 2),
 * });
 * environment.reset(1);
 * const { observation } = environment.step([0.5]);
 * environment.close();
 * ```
 */
export class MujocoEnvironment extends EpisodicEnvironment {
  /**
   * As many numbers as `observation` returns; no bounds.
   */
  readonly observationSpace: ObservationSpace;
  /**
   * One number per actuator, bounded by its `ctrlrange` where it is limited.
   */
  readonly actionSpace: ActionSpace;
  /**
   * Physics steps per step of the environment.
   */
  readonly frameSkip: number;
  /**
   * Seconds per step of the environment.
   */
  readonly timestep: number;

  readonly #simulation: MujocoSimulation;
  readonly #options: MujocoEnvironmentOptions;
  readonly #state: StateBuffers;
  readonly #qpos0: Float64Array;

  private constructor(simulation: MujocoSimulation, options: MujocoEnvironmentOptions) {
    super(options.name, options.maxEpisodeSteps ?? 1000);
    this.#simulation = simulation;
    this.#options = options;
    this.frameSkip = options.frameSkip ?? 1;
    this.timestep = this.frameSkip * simulation.timestep;
    this.#state = new StateBuffers(simulation, this.timestep);
    this.#qpos0 = simulation.modelArray('qpos0');
    this.actionSpace = actionSpaceOf(simulation);
    const { qpos, qvel } = this.#initial();
    this.#place(qpos, qvel);
    const first = this.#call('observation', () => this.#observed());
    if (first.length === 0) {
      throw new TrustRegionError(
        'ERR_CALLBACK',
        `observation() of ${this.name} must return at least one number, got an array of length 0`,
      );
    }
    this.observationSpace = { size: first.length };
  }

  /**
   * Compiles the model and makes the environment; then call `reset()`.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY` without the package
   *   `@mujoco/mujoco`; `ERR_MODEL` if the model does not compile, or has no joint or no actuator;
   *   `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad
   *   option; `ERR_CALLBACK` if `observation` fails on the model's first state.
   */
  static async create(options: MujocoEnvironmentOptions): Promise<MujocoEnvironment> {
    checkOptions(options);
    const simulation = await MujocoSimulation.compile(options.xml).catch((error: unknown) => {
      throw withName(options.name, error);
    });
    try {
      return new MujocoEnvironment(simulation, { ...options });
    } catch (error) {
      simulation.close();
      throw error;
    }
  }

  /**
   * Starts an episode in a given state, for replays and tests.
   *
   * @param qpos - nq positions.
   * @param qvel - nv velocities.
   * @returns The first observation, a fresh array.
   * @throws TrustRegionError `ERR_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or
   *   `ERR_NOT_FINITE`; `ERR_MODEL` if MuJoCo cannot go on from there (a number beyond 1e10).
   */
  setState(qpos: ArrayLike<number>, qvel: ArrayLike<number>): Float64Array {
    return this.restart(() => {
      this.#place(qpos, qvel);
      return this.#observe(false);
    });
  }

  /**
   * A copy of any array of the compiled model (MuJoCo's `mjModel`), such as `'body_mass'` or
   * `'jnt_range'`: row-major, integers and booleans as numbers. Options of the model (`mjOption`) are
   * called `'opt.timestep'`, `'opt.gravity'` and so on; single numbers are arrays of one.
   *
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION` or `ERR_CLOSED`.
   */
  modelArray(field: string): Float64Array {
    this.requireOpen();
    return this.#simulation.modelArray(field);
  }

  /**
   * A copy of any array of the simulation's present data (MuJoCo's `mjData`), such as `'qpos'` or
   * `'xpos'`; see {@link MujocoState.data}.
   *
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION` or `ERR_CLOSED`.
   */
  dataArray(field: string): Float64Array {
    this.requireOpen();
    return this.#simulation.dataArray(field);
  }

  protected start(random: RandomGenerator): Float64Array {
    const { resetNoise = 0 } = this.#options;
    const initial = this.#initial();
    if (typeof resetNoise === 'function') {
      this.#call('resetNoise', () => {
        const { qpos, qvel } = resetNoise(random, initial);
        this.#place(qpos, qvel);
      });
    } else {
      const shaken = (value: number): number => value + random.uniform(-resetNoise, resetNoise);
      this.#place(initial.qpos.map(shaken), initial.qvel.map(shaken));
    }
    return this.#observe(false);
  }

  protected advance(action: ArrayLike<number>): Transition {
    const state = this.#state;
    this.#simulate(() => this.#simulation.step(action, this.frameSkip));
    state.update(action);
    const terminated = !state.isFinite() || this.#isTerminal();
    const reward = this.#rewardOf(terminated);
    return { observation: this.#observe(terminated), reward, terminated };
  }

  protected override release(): void {
    this.#simulation.close();
  }

  #initial(): { qpos: Float64Array; qvel: Float64Array } {
    return {
      qpos: this.#qpos0.slice(),
      qvel: new Float64Array(this.#simulation.nv),
    };
  }

  #place(qpos: ArrayLike<number>, qvel: ArrayLike<number>): void {
    requireLength(qpos, this.#simulation.nq, 'qpos');
    requireFinite(qpos, 'qpos');
    requireLength(qvel, this.#simulation.nv, 'qvel');
    requireFinite(qvel, 'qvel');
    this.#simulate(() => this.#simulation.setState(qpos, qvel));
    this.#state.begin();
  }

  #simulate(call: () => void): void {
    try {
      call();
    } catch (error) {
      throw withName(this.name, error);
    }
  }

  #isTerminal(): boolean {
    const { terminated } = this.#options;
    return (
      terminated !== undefined &&
      this.#call('terminated', () => requireBoolean(terminated(this.#state), 'its result'))
    );
  }

  #rewardOf(terminated: boolean): number {
    const { reward } = this.#options;
    if (reward === undefined) {
      return terminated ? 0 : 1;
    }
    return this.#call('reward', () => requireNumber(reward(this.#state, terminated), 'its result'));
  }

  #observe(terminated: boolean): Float64Array {
    return this.#call('observation', () => {
      const observation = this.#observed();
      requireLength(observation, this.observationSpace.size, 'its result');
      if (!terminated) {
        requireFinite(observation, 'its result');
      }
      return observation;
    });
  }

  #observed(): Float64Array {
    if (this.#options.observation !== undefined) {
      const numbers = this.#options.observation(this.#state);
      // from() is slow, but takes whatever a user may return, and never a number for a length.
      return ArrayBuffer.isView(numbers) || Array.isArray(numbers)
        ? new Float64Array(numbers as ArrayLike<number>)
        : Float64Array.from(numbers);
    }
    const { qpos, qvel } = this.#state;
    const observation = new Float64Array(qpos.length + qvel.length);
    observation.set(qpos);
    observation.set(qvel, qpos.length);
    return observation;
  }

  /**
   * Runs a function of the user's and checks of its result, so that an error says whose it is.
   */
  #call<Result>(option: keyof MujocoEnvironmentOptions, call: () => Result): Result {
    try {
      return call();
    } catch (cause) {
      const { message } = (cause ?? {}) as { readonly message?: unknown };
      throw new TrustRegionError(
        'ERR_CALLBACK',
        `${option}() of ${this.name} failed: ${String(message ?? describe(cause))}`,
        { cause },
      );
    }
  }
}

function checkOptions(options: MujocoEnvironmentOptions): void {
  rejectUnknownOptions(options, optionNames, 'MujocoEnvironment options');
  requireString(options.name, 'name');
  requireString(options.xml, 'xml');
  if (options.frameSkip !== undefined) {
    requireInteger(options.frameSkip, 'frameSkip', { min: 1 });
  }
  if (options.maxEpisodeSteps !== undefined && options.maxEpisodeSteps !== Infinity) {
    requireInteger(options.maxEpisodeSteps, 'maxEpisodeSteps', { min: 1 });
  }
  for (const option of ['observation', 'reward', 'terminated'] as const) {
    if (options[option] !== undefined) {
      requireFunction(options[option], option);
    }
  }
  if (options.resetNoise !== undefined && typeof options.resetNoise !== 'function') {
    requireNumber(options.resetNoise, 'resetNoise', { min: 0 });
  }
}

function actionSpaceOf(simulation: MujocoSimulation): ActionSpace {
  const range = simulation.modelArray('actuator_ctrlrange');
  const isLimited = Array.from(simulation.modelArray('actuator_ctrllimited'), (flag) => flag === 1);
  const size = simulation.nu;
  if (!isLimited.includes(true)) {
    return { kind: 'continuous', size };
  }
  const low = isLimited.map((limited, index) => (limited ? (range[2 * index] ?? 0) : -Infinity));
  const high = isLimited.map((limited, index) =>
    limited ? (range[2 * index + 1] ?? 0) : Infinity,
  );
  return { kind: 'continuous', size, low, high };
}

/**
 * The same error with the environment's name in front.
 */
function withName(name: string, error: unknown): unknown {
  return error instanceof TrustRegionError
    ? new TrustRegionError(error.code, `${name}: ${error.message}`, { cause: error.cause })
    : error;
}
