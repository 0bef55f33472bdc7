import type { EnvironmentFactory } from './environment-source.js';
import type { EnvironmentName } from './environments/registry.js';

/**
 * What {@link VectorEnvironment.create} needs and may be told.
 */
export interface VectorEnvironmentOptions {
  /**
   * Which environments: the name of a task that {@link makeEnvironment} knows, or, without workers, a
   * function that makes one. Either this or `module`.
   */
  readonly task?: EnvironmentName | (string & {}) | EnvironmentFactory;
  /**
   * A module whose default export is a function that makes an environment: a path, relative to the
   * working directory, or a file URL. Every worker imports it for itself.
   */
  readonly module?: string | URL;
  /**
   * How many environments, E, at least 1.
   */
  readonly environments: number;
  /**
   * Threads to step them in, from 0 to `environments`; each takes a block of neighbours. Default 0: the
   * thread that calls. No result depends on it.
   */
  readonly workers?: number;
  /**
   * Milliseconds that the workers may take for making their environments, for one `reset()` and for
   * one step of all environments, greater than 0. Default 60,000. An environment that takes longer is
   * taken to hang. Without workers nothing can interrupt it, and this has no effect.
   */
  readonly timeout?: number;
}

/**
 * What one step of all environments gives. All arrays are fresh.
 */
export interface VectorStep {
  /**
   * What the environments show now, [E x observationSize]: where an episode ended, the first
   * observation of the next.
   */
  readonly observations: Float64Array;
  /**
   * [E]
   */
  readonly rewards: Float64Array;
  /**
   * 1 where the task itself ended, else 0, [E].
   */
  readonly terminated: Uint8Array;
  /**
   * 1 where the episode was cut off, else 0, [E].
   */
  readonly truncated: Uint8Array;
  /**
   * The last observation of an episode where one ended, [E x observationSize]; of no meaning elsewhere.
   */
  readonly finalObservations: Float64Array;
}
