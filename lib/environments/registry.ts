import { TrustRegionError } from '../errors.js';
import { describe, nearestName } from '../validate.js';
import { Acrobot } from './acrobot.js';
import { CartPole } from './cart-pole.js';
import type { Environment } from './environment.js';
import { createHalfCheetah } from './half-cheetah.js';
import { createHopper } from './hopper.js';
import { createInvertedDoublePendulum } from './inverted-double-pendulum.js';
import { createInvertedPendulum } from './inverted-pendulum.js';
import { MountainCarContinuous } from './mountain-car-continuous.js';
import { Pendulum } from './pendulum.js';
import { createReacher } from './reacher.js';
import { createSwimmer } from './swimmer.js';
import { createWalker2d } from './walker2d.js';

/*
 * A new task is one line here.
 */
const factories = {
  'CartPole-v1': () => new CartPole(),
  'Pendulum-v1': () => new Pendulum(),
  'Acrobot-v1': () => new Acrobot(),
  'MountainCarContinuous-v0': () => new MountainCarContinuous(),
  'InvertedPendulum-v5': createInvertedPendulum,
  'InvertedDoublePendulum-v5': createInvertedDoublePendulum,
  'Reacher-v5': createReacher,
  'Swimmer-v5': createSwimmer,
  'Hopper-v5': createHopper,
  'HalfCheetah-v5': createHalfCheetah,
  'Walker2d-v5': createWalker2d,
} satisfies Record<string, () => Environment | Promise<Environment>>;

/**
 * Name of a task that comes with this package; Gymnasium's name of the same task.
 */
export type EnvironmentName = keyof typeof factories;

/**
 * Names of all tasks that {@link makeEnvironment} knows.
 */
export const environmentNames: readonly EnvironmentName[] = Object.freeze(
  Object.keys(factories) as EnvironmentName[],
);

/**
 * Makes a new environment by name.
 *
 * @param name - One of {@link environmentNames}; another string is accepted by the types, since names
 *   often come from a command line, and refused at run time.
 * @throws TrustRegionError (the promise rejects) `ERR_UNKNOWN_OPTION` for an unknown name, offering
 *   the nearest known one; `ERR_INVALID_ARGUMENT` if it is no string; `ERR_MISSING_DEPENDENCY` for a
 *   MuJoCo task without the package `@mujoco/mujoco`.
 * @example
 * ```ts
 * const environment = await makeEnvironment('CartPole-v1');
 * ```
 */
export async function makeEnvironment(name: EnvironmentName | (string & {})): Promise<Environment> {
  const found = environmentNames.find((candidate) => candidate === name);
  if (found !== undefined) {
    return factories[found]();
  }
  if (typeof name !== 'string') {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `name must be the name of an environment, got ${describe(name)}`,
    );
  }
  const nearest = nearestName(name, environmentNames);
  const hint =
    nearest === undefined
      ? `known are ${environmentNames.map((known) => `'${known}'`).join(', ')}`
      : `did you mean '${nearest}'?`;
  throw new TrustRegionError('ERR_UNKNOWN_OPTION', `unknown environment '${name}'; ${hint}`);
}
