import { TrustRegionError } from '../errors.js';
import type { MujocoData, MujocoModule, MujocoWarnings } from './mujoco-module.js';

/**
 * Handles that must never be collected: deleting one breaks the data that it belongs to.
 */
const immortal: MujocoWarnings[] = [];

/**
 * Sees to it that a simulation never goes on without some of its contacts. Where MuJoCo's arena, the
 * memory of a model for contacts, constraints and the solver, is too small, some calls throw, but others
 * leave out the contacts that do not go in, or all constraints, and say so only in a counter of warnings.
 *
 * To read the two counters takes some 3 microseconds, as much as the whole rest of a step around the
 * physics, so they are read only where there is a sign of want: contacts without any constraint at the
 * end of a step, or more than a quarter of the arena ever used since the last reset. (The second is for
 * contacts left out, and for a single stage of a Runge-Kutta step. Where neither is true, what did not
 * go in would have had to be three times as large as all that was ever there.)
 */
export class ArenaWatch {
  readonly #mujoco: MujocoModule;
  readonly #data: MujocoData;
  readonly #size: number;
  #warnings: MujocoWarnings | undefined;

  constructor(mujoco: MujocoModule, data: MujocoData) {
    this.#mujoco = mujoco;
    this.#data = data;
    this.#size = data.narena;
  }

  /**
   * To be called after all that computes contacts.
   *
   * @throws TrustRegionError `ERR_MODEL` if anything was left out since the last `mj_resetData`.
   */
  check(): void {
    const data = this.#data;
    if (4 * data.maxuse_arena < this.#size && (data.nefc > 0 || data.ncon === 0)) {
      return;
    }
    const { mjWARN_CONTACTFULL, mjWARN_CNSTRFULL } = this.#mujoco.mjtWarning;
    if (this.#count(mjWARN_CONTACTFULL.value) + this.#count(mjWARN_CNSTRFULL.value) > 0) {
      throw new TrustRegionError(
        'ERR_MODEL',
        `the model's memory of ${this.#size} bytes is too small for its contacts, some of which ` +
          'MuJoCo left out: write more into <size memory="..."/>',
      );
    }
  }

  #count(kind: number): number {
    if (this.#warnings === undefined) {
      this.#warnings = this.#data.warning;
      immortal.push(this.#warnings);
    }
    const warning = this.#warnings.get(kind);
    const { number } = warning;
    warning.delete();
    return number;
  }
}
