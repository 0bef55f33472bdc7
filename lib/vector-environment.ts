import { EnvironmentGroup } from './environment-group.js';
import type { Lockstep } from './environment-group.js';
import { closeAll, makeEnvironments, moduleUrl } from './environment-source.js';
import type { EnvironmentSource } from './environment-source.js';
import { TrustRegionError } from './errors.js';
import { requireSeed } from './policy-options.js';
import { makeRolloutStorage } from './rollout-storage.js';
import type { RolloutStorage } from './rollout-storage.js';
import { deriveSeeds } from './seeds.js';
import { actionLength, requireAction } from './spaces.js';
import type { ActionSpace, ObservationSpace } from './spaces.js';
import { spaceText } from './supervised-environment.js';
import type { Spaces } from './supervised-environment.js';
import {
  describe,
  rejectUnknownOptions,
  requireInteger,
  requireLength,
  requireNumber,
} from './validate.js';
import type { VectorEnvironmentOptions, VectorStep } from './vector-types.js';
import { WorkerTeam } from './worker-team.js';

export type { EnvironmentFactory } from './environment-source.js';
export type { VectorEnvironmentOptions, VectorStep } from './vector-types.js';

const optionNames: readonly (keyof VectorEnvironmentOptions)[] = [
  'task',
  'module',
  'environments',
  'workers',
  'timeout',
];

/**
 * Where and how a vector environment steps.
 */
export interface OpenVector {
  readonly lockstep: Lockstep;
  /** Whether other threads write to the storages. */
  readonly isShared: boolean;
  /** Gives it back. */
  readonly release: () => void;
}

/**
 * Takes a vector environment for a run; nobody else can step it before it is given back.
 *
 * @throws TrustRegionError `ERR_BUSY`, `ERR_CLOSED`.
 */
export let openVector: (vector: VectorEnvironment) => OpenVector;

/**
 * Several environments of one kind that take their steps side by side, so that a policy acts in all of
 * them by one call; in the thread that calls, or spread over worker threads that write observations,
 * rewards and flags straight into shared memory. Environments reset themselves at the end of an episode.
 *
 * {@link train} takes one in place of a list of environments. Every environment has a seed of its own,
 * and the policy's random numbers are drawn in the order of the environments, so the same seed gives the
 * same bits with any number of workers.
 *
 * Workers pay where a step of an environment takes longer than some ten microseconds, which is what a
 * handshake between threads costs.
 *
 * **Failures.** An environment that throws, or answers with something unusable or not finite, makes the
 * step reject with TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE`; one whose thread ends,
 * `ERR_CALLBACK`; one that takes longer than `timeout`, `ERR_TIMEOUT`. The sentence names environment, step
 * and seed. The vector environment is then closed and its threads have ended.
 *
 * @example
 * ```ts
 * const environments = await VectorEnvironment.create({ task: 'CartPole-v1', environments: 4 });
 * const policy = new Policy({ observationSize: 4, actions: environments.actionSpace, seed: 1 });
 * let observations = await environments.reset(7);
 * for (let step = 0; step < 100; step += 1) {
 *   ({ observations } = await environments.step(policy.act(observations)));
 * }
 * await train({ policy, environments, steps: 1000, stepsPerUpdate: 500 });
 * await environments.close();
 * ```
 */
export class VectorEnvironment {
  /**
   * Name of the environments.
   */
  readonly name: string;
  /**
   * What one observation looks like.
   */
  readonly observationSpace: ObservationSpace;
  /**
   * What one action looks like.
   */
  readonly actionSpace: ActionSpace;
  /**
   * How many environments, E.
   */
  readonly environments: number;
  /**
   * Threads that step them; 0 for the one that calls.
   */
  readonly workers: number;

  readonly #lockstep: Lockstep;
  readonly #end: () => Promise<void>;
  #closed = false;
  #busy = false;
  /** One step, for `reset()` and `step()`; `undefined` while `step()` is not allowed. */
  #storage: RolloutStorage | undefined;

  private constructor(
    { name, observationSpace, actionSpace }: Spaces,
    workers: number,
    lockstep: Lockstep,
    end: () => Promise<void>,
  ) {
    this.name = name;
    this.observationSpace = observationSpace;
    this.actionSpace = actionSpace;
    this.environments = lockstep.count;
    this.workers = workers;
    this.#lockstep = closingAfterFailure(lockstep, this);
    this.#end = end;
  }

  /**
   * Makes the environments, and the workers.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`,
   *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad option, or a module without a function, or what is
   *   no environment; `ERR_SHAPE_MISMATCH` if the environments have different spaces; `ERR_CALLBACK` if a
   *   module does not load or a factory throws; `ERR_TIMEOUT`; `ERR_MISSING_DEPENDENCY` for a MuJoCo task
   *   without the package `@mujoco/mujoco`.
   */
  static async create(options: VectorEnvironmentOptions): Promise<VectorEnvironment> {
    rejectUnknownOptions(options, optionNames, 'VectorEnvironment options');
    const count = requireInteger(options.environments, 'environments', { min: 1 });
    const workers = requireInteger(options.workers ?? 0, 'workers', { min: 0, max: count });
    const timeout = requireNumber(options.timeout ?? 60_000, 'timeout', {
      exclusiveMin: 0,
      max: 2 ** 31 - 1, // the longest timer
    });
    const source = sourceOf(options, workers);
    if (workers === 0) {
      const environments = await makeEnvironments(source, 0, count);
      const end = async (): Promise<void> => closeAll(environments);
      return VectorEnvironment.#make(environments, 0, new EnvironmentGroup(environments), end);
    }
    const team = await WorkerTeam.start(source, { count, workers, timeout });
    return VectorEnvironment.#make(team.spaces, workers, team, () => team.close());
  }

  static async #make(
    spaces: readonly Spaces[],
    workers: number,
    lockstep: Lockstep,
    end: () => Promise<void>,
  ): Promise<VectorEnvironment> {
    try {
      return new VectorEnvironment(requireSame(spaces), workers, lockstep, end);
    } catch (error) {
      await end().catch(() => undefined); // the first error says more
      throw error;
    }
  }

  /**
   * Whether it was closed, by `close()` or by a failure.
   */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Starts a new episode in every environment.
   *
   * @param seed - Integer from 0 to 2^53 - 1 from which the seed of each environment is derived, as
   *   {@link train} does. Without it their random generators go on; before the first seed they are seeded
   *   at random.
   * @returns The first observations, [E x observationSize], a fresh array.
   * @throws TrustRegionError (the promise rejects) `ERR_CLOSED`; `ERR_BUSY` while `train` or another call
   *   has it; `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad seed; and if an
   *   environment fails.
   */
  async reset(seed?: number): Promise<Float64Array> {
    const seeds =
      seed === undefined
        ? new Array<undefined>(this.environments).fill(undefined)
        : deriveSeeds(requireSeed(seed), this.environments).environments;
    const { lockstep, isShared, release } = this.#take();
    try {
      const { observationSpace, actionSpace, environments } = this;
      const shape = {
        steps: 1,
        environments,
        observationSize: observationSpace.size,
        actionLength: actionLength(actionSpace),
        precision: 'float64',
        actionType: 'float64',
      } as const;
      const storage = makeRolloutStorage(shape, isShared);
      lockstep.open([storage]);
      await lockstep.begin(seeds, 0);
      this.#storage = storage;
      return shownIn(storage);
    } finally {
      release();
    }
  }

  /**
   * Takes one action in every environment.
   *
   * @param actions - As `policy.act` returns them, [E x actionLength]; continuous ones are clipped to
   *   the bounds of the action space.
   * @throws TrustRegionError (the promise rejects) `ERR_STATE` before `reset()`; `ERR_CLOSED`;
   *   `ERR_BUSY` while `train` or another call has it; `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`,
   *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for bad actions; and if an environment fails.
   */
  async step(actions: ArrayLike<number>): Promise<VectorStep> {
    const length = actionLength(this.actionSpace);
    requireLength(actions, this.environments * length, 'actions');
    for (let index = 0; index < this.environments; index += 1) {
      const action = Array.prototype.slice.call(actions, index * length, (index + 1) * length);
      requireAction(this.actionSpace, action, `actions of environment ${index}`);
    }
    const storage = this.#storage;
    const { lockstep, release } = this.#take();
    try {
      if (storage === undefined) {
        throw new TrustRegionError(
          'ERR_STATE',
          'the vector environment must be reset() before the first step()',
        );
      }
      storage.actions.set(actions);
      if (!lockstep.step(0, 0)) {
        await lockstep.settled();
      }
      const { observations, rewards, terminated, truncated, finalObservations } = storage;
      observations.copyWithin(0, observations.length / 2); // where the next step starts
      this.#storage = storage;
      return {
        observations: shownIn(storage),
        rewards: rewards.slice(),
        terminated: terminated.slice(),
        truncated: truncated.slice(),
        finalObservations: Float64Array.from(finalObservations),
      };
    } finally {
      release();
    }
  }

  /**
   * Closes the environments and ends the workers, also while they step: `reset()`, `step()` or `train` then
   * reject with `ERR_CLOSED`. Calling it again does nothing; other calls then throw. A program that forgets it ends nevertheless.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_CALLBACK` if `close()` of an environment throws;
   *   everything is closed nevertheless.
   */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.#end();
    }
  }

  static {
    openVector = (vector) => vector.#take();
  }

  #take(): OpenVector {
    if (this.#closed) {
      throw new TrustRegionError('ERR_CLOSED', 'vector environment was used after close()');
    }
    if (this.#busy) {
      throw new TrustRegionError(
        'ERR_BUSY',
        'the vector environment must finish what it is doing: await its promise, or that of train()',
      );
    }
    this.#busy = true;
    this.#storage = undefined; // who takes it opens others
    const release = (): void => {
      this.#busy = false;
    };
    return { lockstep: this.#lockstep, isShared: this.workers > 0, release };
  }
}

function sourceOf({ task, module }: VectorEnvironmentOptions, workers: number): EnvironmentSource {
  if ((task === undefined) === (module === undefined)) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `either task or module must be given, got ${task === undefined ? 'neither' : 'both'}`,
    );
  }
  if (module !== undefined) {
    if (typeof module !== 'string' && typeof module?.href !== 'string') {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `module must be a path or a file URL, got ${describe(module)}`,
      );
    }
    return { kind: 'module', url: moduleUrl(module) };
  }
  if (typeof task === 'function') {
    if (workers > 0) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        'task must be a name with workers, or module be given: a function cannot go to other threads',
      );
    }
    return { kind: 'factory', make: task };
  }
  return { kind: 'task', name: task as string };
}

/** Those of the first, which are those of all. */
function requireSame(spaces: readonly Spaces[]): Spaces {
  const first = spaces[0] as Spaces;
  const text = ({ observationSpace, actionSpace }: Spaces): string =>
    `observations of ${observationSpace.size} numbers and ${spaceText(actionSpace)} actions`;
  spaces.forEach((each, index) => {
    if (text(each) !== text(first)) {
      throw new TrustRegionError(
        'ERR_SHAPE_MISMATCH',
        `environment ${index} must have the spaces of environment 0, ${text(first)}, got ` +
          text(each),
      );
    }
  });
  return first;
}

function shownIn({ observations }: RolloutStorage): Float64Array {
  return Float64Array.from(observations.subarray(0, observations.length / 2));
}

/** Closes a vector environment after a failure, and blames nobody for what its `close()` does. */
function closingAfterFailure(lockstep: Lockstep, vector: VectorEnvironment): Lockstep {
  const requireOpen = (): void => {
    if (vector.closed) {
      throw new TrustRegionError(
        'ERR_CLOSED',
        'the vector environment was closed while it was in use',
      );
    }
  };
  // What goes wrong in closing says less than the error that led to it.
  const closeQuietly = (): Promise<void> => vector.close().catch(() => undefined);
  const guard = async (run: () => Promise<void>): Promise<void> => {
    requireOpen();
    try {
      await run();
    } catch (error) {
      requireOpen();
      await closeQuietly();
      throw error;
    }
    requireOpen();
  };
  return {
    count: lockstep.count,
    open: (storages) => lockstep.open(storages),
    begin: (seeds, storage) => guard(() => lockstep.begin(seeds, storage)),
    step: (storage, step) => {
      requireOpen();
      let isDone: boolean;
      try {
        isDone = lockstep.step(storage, step);
      } catch (error) {
        requireOpen();
        void closeQuietly(); // of this thread's own environments, and so at once
        throw error;
      }
      requireOpen();
      return isDone;
    },
    settled: () => guard(() => lockstep.settled()),
  };
}
