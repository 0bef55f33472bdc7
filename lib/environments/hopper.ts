import { forwardReward, isBetween, observePlanar } from './locomotion.js';
import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';
import type { MujocoState } from './mujoco-state.js';

/*
 * Solid capsules of density 1000 kg/m^3 (MuJoCo's default) in the plane y = 0: a torso of 3.7 kg that
 * stands on one leg of thigh (4.1 kg), shin (2.8 kg) and foot (5.3 kg). The frames of torso and shin sit
 * in the middle of their capsules, the thigh's at the hip, the foot's at (0.13, 0, 0) on the ground.
 * rootz counts from the ground. All parts collide with all others but their neighbours; only what
 * touches the floor rubs, since contacts take the greater condim of the two.
 */
const machine = `<mujoco model="hopper">
  <size memory="256K"/>
  <compiler angle="degree" autolimits="true"/>
  <option timestep="0.002" integrator="RK4"/>
  <default>
    <geom type="capsule" condim="1" friction="0.9" margin="0.001" solimp="0.8 0.8 0.01"/>
    <joint type="hinge" axis="0 -1 0" armature="1" damping="1"/>
    <motor gear="200" ctrlrange="-1 1"/>
    <default class="root">
      <joint pos="0 0 -1.25" armature="0" damping="0"/>
    </default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="20 20 0.125" condim="3" friction="1"/>
    <body name="torso" pos="0 0 1.25">
      <joint name="rootx" class="root" type="slide" axis="1 0 0"/>
      <joint name="rootz" class="root" type="slide" axis="0 0 1" ref="1.25"/>
      <joint name="rooty" class="root" axis="0 1 0" pos="0 0 0"/>
      <geom name="torso_geom" size="0.05 0.2"/>
      <body name="thigh" pos="0 0 -0.2">
        <joint name="thigh_joint" range="-150 0"/>
        <geom name="thigh_geom" pos="0 0 -0.225" size="0.05 0.225"/>
        <body name="leg" pos="0 0 -0.7">
          <joint name="leg_joint" pos="0 0 0.25" range="-150 0"/>
          <geom name="leg_geom" size="0.04 0.25"/>
          <body name="foot" pos="0.13 0 -0.35">
            <joint name="foot_joint" pos="-0.13 0 0.1" range="-45 45"/>
            <geom name="foot_geom" pos="-0.065 0 0.1" zaxis="-1 0 0" size="0.06 0.195" friction="2"/>
          </body>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="thigh_joint"/>
    <motor joint="leg_joint"/>
    <motor joint="foot_joint"/>
  </actuator>
</mujoco>`;

/**
 * Torso above 0.7 m and within 0.2 rad of upright, everything but x and z of the torso within 100.
 */
function isHealthy({ qpos, qvel }: MujocoState): boolean {
  if (!isBetween(0.7, qpos[1], Infinity) || !isBetween(-0.2, qpos[2], 0.2)) {
    return false;
  }
  for (let index = 2; index < qpos.length; index += 1) {
    if (!isBetween(-100, qpos[index], 100)) {
      return false;
    }
  }
  for (let index = 0; index < qvel.length; index += 1) {
    if (!isBetween(-100, qvel[index], 100)) {
      return false;
    }
  }
  return true;
}

/**
 * The task Hopper-v5, to build variants from.
 *
 * @example
 * ```ts
 * const { reward } = hopper;
 * const patient = await MujocoEnvironment.create({
 *   ...hopper,
 *   name: 'stand on one leg',
 *   reward: (state, terminated) => (terminated ? 0 : 1 - Math.abs(state.qvel[0] ?? 0)),
 * });
 * ```
 */
export const hopper: MujocoEnvironmentOptions = {
  name: 'Hopper-v5',
  xml: machine,
  frameSkip: 4,
  maxEpisodeSteps: 1000,
  resetNoise: 5e-3,
  observation: (state) => observePlanar(state, 10),
  terminated: (state) => !isHealthy(state),
  reward: (state, terminated) => (terminated ? 0 : 1) + forwardReward(state, 1e-3),
};

/**
 * Hopper-v5: hop forward on one leg without falling. Same machine and rules as Gymnasium's task of
 * this name; the model is described anew and compiles to the same numbers. Needs the optional package
 * `@mujoco/mujoco`.
 *
 * - Observation, 11 numbers: height of the torso (m), its angle, angles of hip, knee and ankle (rad);
 *   then the velocities of x, height and the four angles, clipped to [-10, 10].
 * - Action, 3 numbers: torques at hip, knee and ankle in units of 200 N m, clamped to [-1, 1].
 * - Reward: 1 if the state after the step is healthy, plus the mean forward speed of the step
 *   (m/s), less 0.001 times the sum of squares of the action as given.
 * - Start: height 1.25 m, all else 0, plus noise uniform in [-0.005, 0.005] on each position and velocity.
 * - Terminated when not healthy: healthy is a height above 0.7 m, an angle of the torso within (-0.2,
 *   0.2) rad, and all numbers but x and height within (-100, 100). Truncated after 1000 steps of 0.008 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createHopper();
 * environment.reset(1);
 * const { reward } = environment.step([0.2, 0, -0.1]);
 * ```
 */
export function createHopper(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(hopper);
}
