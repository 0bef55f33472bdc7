import type { MessagePort } from 'node:worker_threads';
import type { EnvironmentSource } from './environment-source.js';
import type { ErrorCode } from './errors.js';
import type { Spaces } from './supervised-environment.js';

/*
 * How the main thread and its workers talk. A command is a few numbers in shared memory; then
 * `generation` goes up by one. Each worker carries it out and takes one from `pending`; the last one
 * wakes the main thread. What is not made of numbers (storages, errors) goes by message ports, which
 * both sides read without their event loops: a message sent before a number was stored is there when
 * that number is seen.
 */

/** Places in the shared Int32Array. */
export const slots = {
  generation: 0,
  /** Workers that have not finished the command. */
  pending: 1,
  /** Workers whose command failed, each having sent a {@link WorkerFailure}. */
  failures: 2,
  command: 3,
  storage: 4,
  step: 5,
} as const;

/** Places of each worker, all behind those of {@link slots}. */
export function workerSlots(worker: number): {
  /** Which environment it is calling, see `EnvironmentGroup`. */
  readonly progress: number;
  /** The last command that it has finished, as its generation. */
  readonly finished: number;
} {
  const first = 16 * (worker + 1); // 64 bytes: a line of the cache for each
  return { progress: first, finished: first + 1 };
}

/** Length of the Int32Array. */
export function controlLength(workers: number): number {
  return 16 * (workers + 1);
}

export const commands = {
  /** Takes the storages that wait at the port, and resets. */
  begin: 0,
  /** Takes them, too, where the storage of the step is not there yet. */
  step: 1,
  close: 2,
} as const;

/** What a worker is started with. */
export interface WorkerTask {
  readonly source: EnvironmentSource;
  /** Number of its first environment. */
  readonly first: number;
  readonly count: number;
  readonly control: Int32Array;
  /** Which of the workers it is. */
  readonly worker: number;
  /** Of a reset, one for each of all environments; NaN for none. */
  readonly seeds: Float64Array;
  readonly port: MessagePort;
}

/** What went wrong in a worker; an error of a class of ours loses its class between threads. */
export interface WorkerFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause?: unknown;
  /** Number of the environment, as far as there is one. */
  readonly environment: number;
}

/** The first message of a worker, and the last one of a worker that could not close its environments. */
export type WorkerGreeting =
  | { readonly ready: readonly Spaces[] }
  | { readonly failed: WorkerFailure };

/** Looks at a number this often before sleeping: some microseconds, what it takes to fall asleep. */
const looks = 2000;

/**
 * Waits until a number is no longer `value`.
 *
 * @param patience - Milliseconds to sleep at most.
 * @param mayWatch - Whether to watch the number for some microseconds before falling asleep.
 * @returns The number, which after `patience` may still be `value`.
 */
export function awaitChange(
  control: Int32Array,
  slot: number,
  value: number,
  patience: number,
  mayWatch: boolean,
): number {
  for (let look = mayWatch ? looks : 1; look > 0; look -= 1) {
    const now = Atomics.load(control, slot);
    if (now !== value) {
      return now;
    }
  }
  Atomics.wait(control, slot, value, patience);
  return Atomics.load(control, slot);
}
