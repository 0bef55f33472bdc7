import type { MujocoStart } from './mujoco-environment.js';
import type { RandomGenerator } from './random.js';

/**
 * The start of HalfCheetah-v5 and InvertedDoublePendulum-v5: positions uniform within 0.1 of the model's
 * first state, velocities normal about it with standard deviation 0.1.
 */
export function shakenByTenths(
  random: RandomGenerator,
  { qpos, qvel }: { readonly qpos: Float64Array; readonly qvel: Float64Array },
): MujocoStart {
  return {
    qpos: qpos.map((position) => position + random.uniform(-0.1, 0.1)),
    qvel: qvel.map((speed) => speed + 0.1 * random.normal()),
  };
}
