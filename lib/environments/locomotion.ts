import { clip } from './clip.js';
import type { MujocoState } from './mujoco-state.js';

/*
 * What the planar legged tasks (Hopper-v5, HalfCheetah-v5, Walker2d-v5) share. Of each, the first joint
 * slides along x, the second along z, and the third turns about y.
 *
 * Called once a step, so written as plain loops: a closure per number would cost as much as the rest of
 * the step around the physics.
 */

/**
 * Positions without the first one, x of the root, so that a policy cannot know where it is; then all
 * velocities, clipped to [-limit, limit]. `qpos.length - 1 + qvel.length` numbers.
 */
export function observePlanar(
  { qpos, qvel }: Pick<MujocoState, 'qpos' | 'qvel'>,
  limit = Infinity,
): Float64Array {
  const places = qpos.length - 1;
  const observation = new Float64Array(places + qvel.length);
  for (let index = 0; index < places; index += 1) {
    observation[index] = qpos[index + 1] ?? NaN;
  }
  for (let index = 0; index < qvel.length; index += 1) {
    observation[places + index] = clip(qvel[index] ?? NaN, -limit, limit);
  }
  return observation;
}

/**
 * Mean forward speed of the root during the step (m/s), less `controlCost` times the sum of the squares
 * of the action as it was given.
 */
export function forwardReward(
  {
    qpos,
    previousQpos,
    action,
    timestep,
  }: Pick<MujocoState, 'qpos' | 'previousQpos' | 'action' | 'timestep'>,
  controlCost: number,
): number {
  let squares = 0;
  for (let index = 0; index < action.length; index += 1) {
    const control = action[index] ?? NaN;
    squares += control * control;
  }
  return ((qpos[0] ?? NaN) - (previousQpos[0] ?? NaN)) / timestep - controlCost * squares;
}

/**
 * Whether low < value < high; false for NaN.
 */
export function isBetween(low: number, value: number | undefined, high: number): boolean {
  return value !== undefined && low < value && value < high;
}
