import { TrustRegionError } from '../errors.js';

/*
 * The package `@mujoco/mujoco`: how it is loaded, and what of it is used. The types name only that, so
 * that this package's declarations do not need the optional package to be installed. Its traps are told
 * in mujoco-simulation.ts.
 */

export interface MujocoHandle {
  delete(): void;
}

export interface MujocoModel extends MujocoHandle {
  readonly nq: number;
  readonly nv: number;
  readonly nu: number;
  readonly opt: { readonly timestep: number; readonly [option: string]: unknown };
  readonly [field: string]: unknown;
}

export interface MujocoData extends MujocoHandle {
  readonly qpos: Float64Array;
  readonly qvel: Float64Array;
  readonly qacc: Float64Array;
  readonly ctrl: Float64Array;
  readonly time: number;
  readonly ncon: number;
  readonly nefc: number;
  readonly narena: number;
  readonly maxuse_arena: number;
  readonly warning: MujocoWarnings;
  readonly [field: string]: unknown;
}

/**
 * What happened since the last `mj_resetData`, by kind of warning.
 */
export interface MujocoWarnings {
  get(kind: number): MujocoHandle & { readonly number: number };
}

export interface MujocoModule {
  readonly MjModel: { from_xml_string(xml: string): MujocoModel };
  readonly MjData: new (model: MujocoModel) => MujocoData;
  mj_resetData(model: MujocoModel, data: MujocoData): void;
  mj_forward(model: MujocoModel, data: MujocoData): void;
  mj_step(model: MujocoModel, data: MujocoData): void;
  mj_rnePostConstraint(model: MujocoModel, data: MujocoData): void;
  readonly mjtWarning: Readonly<
    Record<'mjWARN_CONTACTFULL' | 'mjWARN_CNSTRFULL', { readonly value: number }>
  >;
}

let loading: Promise<MujocoModule> | undefined;

/**
 * The MuJoCo module, loaded once per process (about 0.1 s) on first use.
 */
export function loadMujoco(): Promise<MujocoModule> {
  loading ??= importMujoco().catch((cause: unknown) => {
    loading = undefined; // so that it can be installed and tried again
    throw new TrustRegionError(
      'ERR_MISSING_DEPENDENCY',
      'MuJoCo environments need the optional package @mujoco/mujoco: install it with ' +
        `\`npm install @mujoco/mujoco\` (loading it failed with: ${messageOf(cause)})`,
      { cause },
    );
  });
  return loading;
}

async function importMujoco(): Promise<MujocoModule> {
  const { default: load } = await import('@mujoco/mujoco');
  const module: unknown = await load();
  return module as MujocoModule;
}

/**
 * Runs a call of MuJoCo and turns its exception into one of ours.
 */
export function guard<Result>(what: string, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw new TrustRegionError('ERR_MODEL', `${what}: ${messageOf(cause)}`, { cause });
  }
}

/**
 * The text of an exception on one line, without MuJoCo's own prefixes.
 */
function messageOf(cause: unknown): string {
  const { message } = (cause ?? {}) as { readonly message?: unknown };
  return String(message ?? cause)
    .replace(/^MuJoCo Error: (Loading error: )?/, '')
    .trim()
    .replace(/\s*\n\s*/g, '; ');
}
