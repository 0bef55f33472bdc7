import type { MujocoSimulation } from './mujoco-simulation.js';

/**
 * What the functions of a task see: the state after a step, and before it. The arrays are reused
 * at the next step: copy what is to be kept, and do not write to them.
 */
export interface MujocoState {
  /**
   * Generalised positions, nq numbers (m, rad; unit quaternions for ball and free joints).
   */
  readonly qpos: Float64Array;
  /**
   * Generalised velocities, nv numbers (m/s, rad/s).
   */
  readonly qvel: Float64Array;
  /**
   * Positions before the step; equal to `qpos` at the start of an episode.
   */
  readonly previousQpos: Float64Array;
  /**
   * Velocities before the step; equal to `qvel` at the start of an episode.
   */
  readonly previousQvel: Float64Array;
  /**
   * Action of the step as it was given, not clamped; zeros at the start of an episode.
   */
  readonly action: Float64Array;
  /**
   * Simulated seconds since the start of the episode.
   */
  readonly time: number;
  /**
   * Seconds per step of the environment: the model's timestep times `frameSkip`.
   */
  readonly timestep: number;

  /**
   * A copy of any array of MuJoCo's `mjData`, such as `'site_xpos'`, `'xpos'` or `'cfrc_ext'`: one for
   * the whole step, however often it is asked for. As in MuJoCo itself, quantities derived from
   * positions are those of its last evaluation, which is one physics step (or Runge-Kutta stage) behind
   * `qpos`.
   *
   * Throws TrustRegionError `ERR_UNKNOWN_OPTION`.
   */
  readonly data: (field: string) => Float64Array;
}

/**
 * A copy of one of the data's arrays, and the step that it is of.
 */
interface Copy {
  values: Float64Array;
  step: number;
}

/**
 * The state handed to the functions of a task: this package's own copies, so that nobody holds a
 * view of the WebAssembly heap.
 */
export class StateBuffers implements MujocoState {
  qpos: Float64Array;
  qvel: Float64Array;
  previousQpos: Float64Array;
  previousQvel: Float64Array;
  readonly action: Float64Array;
  readonly timestep: number;
  readonly data: (field: string) => Float64Array; // no method, so that it survives destructuring
  readonly #simulation: MujocoSimulation;
  readonly #copies = new Map<string, Copy>();
  #step = 0;

  constructor(simulation: MujocoSimulation, timestep: number) {
    this.#simulation = simulation;
    this.data = (field) => this.#copyOf(field);
    this.timestep = timestep;
    this.qpos = new Float64Array(simulation.nq);
    this.previousQpos = new Float64Array(simulation.nq);
    this.qvel = new Float64Array(simulation.nv);
    this.previousQvel = new Float64Array(simulation.nv);
    this.action = new Float64Array(simulation.nu);
  }

  #copyOf(field: string): Float64Array {
    const copy = this.#copies.get(field);
    if (copy === undefined) {
      const values = this.#simulation.dataArray(field);
      this.#copies.set(field, { values, step: this.#step });
      return values;
    }
    if (copy.step !== this.#step) {
      copy.values = this.#simulation.dataArray(field, copy.values);
      copy.step = this.#step;
    }
    return copy.values;
  }

  get time(): number {
    return this.#simulation.time;
  }

  /**
   * Takes over the state of the simulation as the start of an episode.
   */
  begin(): void {
    this.#step += 1;
    this.#simulation.copyState(this.qpos, this.qvel);
    this.previousQpos.set(this.qpos);
    this.previousQvel.set(this.qvel);
    this.action.fill(0);
  }

  /**
   * Takes over the state of the simulation after a step; what was the state becomes the previous one.
   */
  update(action: ArrayLike<number>): void {
    this.#step += 1;
    [this.qpos, this.previousQpos] = [this.previousQpos, this.qpos];
    [this.qvel, this.previousQvel] = [this.previousQvel, this.qvel];
    this.#simulation.copyState(this.qpos, this.qvel);
    this.action.set(action);
  }

  /**
   * Whether all positions and velocities are finite.
   */
  isFinite(): boolean {
    return areFinite(this.qpos) && areFinite(this.qvel);
  }
}

/** Without a callback per number: this runs at every step. */
function areFinite(values: Float64Array): boolean {
  for (let index = 0; index < values.length; index += 1) {
    if (!Number.isFinite(values[index])) {
      return false;
    }
  }
  return true;
}
