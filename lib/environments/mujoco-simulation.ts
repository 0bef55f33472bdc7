import { TrustRegionError } from '../errors.js';
import { nearestName } from '../validate.js';
import { ArenaWatch } from './mujoco-arena.js';
import { guard, loadMujoco } from './mujoco-module.js';
import type { MujocoData, MujocoHandle, MujocoModel, MujocoModule } from './mujoco-module.js';

/*
 * The one place that touches the WebAssembly build of MuJoCo (`@mujoco/mujoco`). Its traps, found by
 * running it, and what is done about them here:
 *
 * - `data.qpos` and the like are views of the WebAssembly heap. Creating another model or data can
 *   grow the heap, which detaches all views: their length drops to 0, reads give `undefined`, writes
 *   vanish. So views are taken again whenever their length is 0, and arrays leave this file as copies.
 * - Models and data live outside the garbage-collected heap: `close()` deletes them.
 * - Reading `HEAPF64` aborts the module, for everybody in the process; so does deleting what
 *   `data.warning` returns, by hand or by the garbage collector. The first is not touched, the second
 *   only in mujoco-arena.ts.
 * - Boolean model arrays (`jnt_limited`, ...) cannot be read as arrays, only element by element.
 * - There is no `nstep` argument: `step` is a loop.
 * - Too small an arena shows in `data.warning` only: mujoco-arena.ts looks after that.
 */

/**
 * Model arrays of booleans, which the binding offers only through an accessor per element:
 * prefix of the field, accessor, and the field that counts the elements.
 */
const elementAccessors = [
  ['actuator_', 'actuator', 'nu'],
  ['jnt_', 'jnt', 'njnt'],
  ['tendon_', 'tendon', 'ntendon'],
] as const;

/**
 * Fields of the data that `mj_step` leaves out because dynamics do not need them.
 */
const forceFields: ReadonlySet<string> = new Set(['cacc', 'cfrc_int', 'cfrc_ext']);

/**
 * Numeric arrays of the data, asked for by tasks in every step, whose place and length stay as long as
 * the data lives. (Those of constraints and contacts come and go within the arena.)
 */
const lastingFields: ReadonlySet<string> = new Set([
  ...['xpos', 'xquat', 'xmat', 'xipos', 'geom_xpos', 'geom_xmat', 'site_xpos', 'site_xmat'],
  ...['subtree_com', 'cinert', 'cvel', 'cfrc_ext', 'sensordata', 'qacc', 'actuator_force'],
  ...['qfrc_actuator', 'qfrc_constraint', 'qfrc_passive', 'qfrc_bias'],
]);

/**
 * One compiled model and its state: the physics of a {@link MujocoEnvironment}, without task.
 */
export class MujocoSimulation {
  /**
   * Size of `qpos`, generalised positions.
   */
  readonly nq: number;
  /**
   * Size of `qvel`, generalised velocities.
   */
  readonly nv: number;
  /**
   * Size of `ctrl`, one number per actuator.
   */
  readonly nu: number;
  /**
   * Seconds per `mj_step`.
   */
  readonly timestep: number;

  readonly #mujoco: MujocoModule;
  readonly #model: MujocoModel;
  readonly #data: MujocoData;
  readonly #lasting = new Map<string, Float64Array>(); // views, renewed like those below
  #qpos: Float64Array;
  #qvel: Float64Array;
  #ctrl: Float64Array;
  readonly #arena: ArenaWatch;

  private constructor(mujoco: MujocoModule, model: MujocoModel, data: MujocoData) {
    this.#mujoco = mujoco;
    this.#model = model;
    this.#data = data;
    this.nq = model.nq;
    this.nv = model.nv;
    this.nu = model.nu;
    this.timestep = model.opt.timestep;
    this.#qpos = data.qpos;
    this.#qvel = data.qvel;
    this.#ctrl = data.ctrl;
    this.#arena = new ArenaWatch(mujoco, data);
  }

  /**
   * Compiles a model in MuJoCo's XML format, MJCF.
   *
   * @param xml - The text of the model. Files that it names (meshes, textures) cannot be read.
   * @throws TrustRegionError `ERR_MISSING_DEPENDENCY`; `ERR_MODEL` with the parser's own words, or
   *   if the model has no joint or no actuator.
   */
  static async compile(xml: string): Promise<MujocoSimulation> {
    const mujoco = await loadMujoco();
    const model = guard('the MJCF does not compile', () => mujoco.MjModel.from_xml_string(xml));
    try {
      if (model.nq === 0 || model.nu === 0) {
        const part = model.nq === 0 ? 'joint' : 'actuator';
        throw new TrustRegionError(
          'ERR_MODEL',
          `the MJCF must have at least one ${part}, got none`,
        );
      }
      const data = guard('no memory for the state of the model', () => new mujoco.MjData(model));
      return new MujocoSimulation(mujoco, model, data);
    } catch (error) {
      model.delete();
      throw error;
    }
  }

  /**
   * Simulated seconds since the last `setState`.
   */
  get time(): number {
    return this.#data.time;
  }

  /**
   * Clears everything (time, controls, warm start), sets the state and computes what follows from it.
   *
   * @throws TrustRegionError `ERR_MODEL` if MuJoCo would refuse the state or has not enough memory for
   *   its contacts; see `step`.
   */
  setState(qpos: ArrayLike<number>, qvel: ArrayLike<number>): void {
    guard('MuJoCo failed to set the state', () => {
      this.#mujoco.mj_resetData(this.#model, this.#data);
      this.#renewViews();
      this.#qpos.set(qpos);
      this.#qvel.set(qvel);
      this.#mujoco.mj_forward(this.#model, this.#data);
    });
    if (![qpos, qvel, this.#data.qacc].every(isStable)) {
      throw unstable(0);
    }
    this.#arena.check();
  }

  /**
   * Copies the state into the given arrays of lengths nq and nv.
   */
  copyState(qpos: Float64Array, qvel: Float64Array): void {
    this.#renewViews();
    qpos.set(this.#qpos);
    qvel.set(this.#qvel);
  }

  /**
   * Sets the controls and makes `count` steps. MuJoCo clamps controls to `ctrlrange` by itself.
   *
   * @throws TrustRegionError `ERR_MODEL` if the simulation became unstable: MuJoCo answers a NaN or
   *   a number beyond 1e10 in the state by silently starting again from the model's first state
   *   (unless the model disables `autoreset`), which would pass for a step of the episode. And if the
   *   model's memory was too small for its contacts.
   */
  step(control: ArrayLike<number>, count: number): void {
    this.#renewViews();
    this.#ctrl.set(control);
    const start = this.#data.time;
    guard('MuJoCo failed to step', () => {
      for (let index = 0; index < count; index += 1) {
        this.#mujoco.mj_step(this.#model, this.#data);
      }
    });
    this.#renewViews();
    // Starting again puts time back to 0 and clears the controls. The second sign is for the first
    // step after time 0; had its controls been zeros, setState would have seen the same accelerations.
    if (this.#isCleared(control) || this.#data.time < start + (count - 0.5) * this.timestep) {
      throw unstable(start);
    }
    this.#arena.check();
  }

  /**
   * A copy of an array of the compiled model (`mjModel`), such as `'body_mass'` or
   * `'actuator_ctrlrange'`: row-major, integers and booleans as numbers. A name such as
   * `'opt.gravity'` means an option of the model (`mjOption`).
   *
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION`.
   */
  modelArray(field: string): Float64Array {
    if (field.startsWith('opt.')) {
      const option = this.#model.opt[field.slice(4)];
      const values = typeof option === 'number' ? Float64Array.of(option) : copied(option);
      return values ?? unknownField(this.#model.opt, field.slice(4), 'mjOption');
    }
    const accessor = elementAccessors.find(([prefix]) => field.startsWith(prefix));
    const values =
      read(this.#model, field) ??
      (accessor && this.#modelElements(accessor[1], accessor[2], field.slice(accessor[0].length)));
    return values ?? unknownField(this.#model, field, 'the model');
  }

  /**
   * A copy of an array of the simulation's data (`mjData`), such as `'site_xpos'` or `'cfrc_ext'`.
   *
   * @param target - Array to copy into, if it has the right length; otherwise the copy is a new one.
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION`.
   */
  dataArray(field: string, target?: Float64Array): Float64Array {
    if (forceFields.has(field)) {
      this.#mujoco.mj_rnePostConstraint(this.#model, this.#data);
    }
    const view = this.#lasting.get(field);
    if (view !== undefined && view.length > 0) {
      if (target?.length !== view.length) {
        return view.slice();
      }
      target.set(view);
      return target;
    }
    const values = read(this.#data, field) ?? unknownField(this.#data, field, 'the data');
    if (lastingFields.has(field)) {
      this.#lasting.set(field, this.#data[field] as Float64Array);
    }
    return values;
  }

  /**
   * Frees the model and its data. Nothing else may be called afterwards.
   */
  close(): void {
    this.#data.delete();
    this.#model.delete();
  }

  #isCleared(control: ArrayLike<number>): boolean {
    for (let index = 0; index < this.nu; index += 1) {
      if (this.#ctrl[index] === 0 && control[index] !== 0) {
        return true;
      }
    }
    return false;
  }

  #renewViews(): void {
    if (this.#qpos.length === 0) {
      this.#qpos = this.#data.qpos;
      this.#qvel = this.#data.qvel;
      this.#ctrl = this.#data.ctrl;
    }
  }

  #modelElements(accessor: string, counter: string, field: string): Float64Array | undefined {
    const element = this.#model[accessor];
    const count = this.#model[counter];
    if (typeof element !== 'function' || typeof count !== 'number') {
      return undefined;
    }
    const values = new Float64Array(count);
    for (let index = 0; index < count; index += 1) {
      const handle = element.call(this.#model, index) as MujocoHandle & Record<string, unknown>;
      const value = handle[field];
      handle.delete();
      if (typeof value !== 'boolean') {
        return undefined;
      }
      values[index] = value ? 1 : 0;
    }
    return values;
  }
}

/**
 * A copy of a numeric array in the WebAssembly heap, or `undefined` if there is none of that name.
 */
function read(source: MujocoModel | MujocoData, field: string): Float64Array | undefined {
  if (field === 'warning') {
    return undefined; // see the top of this file
  }
  let value: unknown;
  try {
    value = source[field];
  } catch {
    return undefined; // arrays of booleans
  }
  return copied(value);
}

/**
 * A copy of a numeric array, or `undefined` of anything else.
 */
function copied(value: unknown): Float64Array | undefined {
  const isNumeric = ArrayBuffer.isView(value) && /(Float|Int)\d+Array/.test(tagOf(value));
  return isNumeric ? new Float64Array(value as unknown as ArrayLike<number>) : undefined;
}

function unknownField(source: object, field: string, where: string): never {
  const known = Object.getOwnPropertyNames(Object.getPrototypeOf(source));
  const nearest = nearestName(
    field,
    known.filter((name) => name !== field),
  );
  throw new TrustRegionError(
    'ERR_UNKNOWN_OPTION',
    `${where} has no numeric array '${field}'${nearest ? `; did you mean '${nearest}'?` : ''}`,
  );
}

/**
 * Whether MuJoCo accepts these numbers: none is NaN or beyond its mjMAXVAL.
 */
function isStable(values: ArrayLike<number>): boolean {
  return Array.prototype.every.call(values, (value: number) => Math.abs(value) <= 1e10);
}

function unstable(time: number): TrustRegionError {
  return new TrustRegionError(
    'ERR_MODEL',
    `the simulation became unstable at ${time} s (a position, velocity or acceleration was NaN or ` +
      'beyond 1e10): make the timestep smaller, or the model heavier or better damped',
  );
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value);
}
