import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';

/*
 * Three links of 1 m and 35.6 kg in a row, in a plane and in a thick fluid (4000 kg/m^3): the head
 * moves freely by two sliders and a hinge, and bending the two joints behind it is the only way to get
 * anywhere. Nothing collides (contype 0, conaffinity 0).
 */
const machine = `<mujoco model="swimmer">
  <size memory="256K"/>
  <compiler autolimits="true"/>
  <option timestep="0.01" integrator="RK4" density="4000" viscosity="0.1"/>
  <default>
    <joint type="hinge" axis="0 0 1" armature="0.1"/>
    <geom type="capsule" size="0.1" contype="0" conaffinity="0" condim="1"/>
    <default class="bend">
      <joint range="-100 100"/>
    </default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" pos="0 0 -0.1" size="40 40 0.1" condim="3"/>
    <body name="torso">
      <joint name="slider1" type="slide" axis="1 0 0"/>
      <joint name="slider2" type="slide" axis="0 1 0"/>
      <joint name="free_body_rot"/>
      <geom fromto="1.5 0 0 0.5 0 0"/>
      <body name="mid" pos="0.5 0 0">
        <joint name="motor1_rot" class="bend"/>
        <geom fromto="0 0 0 -1 0 0"/>
        <body name="back" pos="-1 0 0">
          <joint name="motor2_rot" class="bend"/>
          <geom fromto="0 0 0 -1 0 0"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="motor1_rot" gear="150" ctrlrange="-1 1"/>
    <motor joint="motor2_rot" gear="150" ctrlrange="-1 1"/>
  </actuator>
</mujoco>`;

/**
 * The task Swimmer-v5, to build variants from.
 *
 * @example
 * ```ts
 * const sideways = await MujocoEnvironment.create({
 *   ...swimmer,
 *   name: 'swim sideways',
 *   reward: ({ qvel }) => qvel[1] ?? 0,
 * });
 * ```
 */
export const swimmer: MujocoEnvironmentOptions = {
  name: 'Swimmer-v5',
  xml: machine,
  frameSkip: 4,
  maxEpisodeSteps: 1000,
  resetNoise: 0.1,
  observation: ({ qpos, qvel }) => [...qpos.subarray(2), ...qvel], // without where it is
  reward: ({ qpos, previousQpos, action, timestep }) => {
    const [first = 0, second = 0] = action;
    const speed = ((qpos[0] ?? 0) - (previousQpos[0] ?? 0)) / timestep;
    return speed - 1e-4 * (first ** 2 + second ** 2);
  },
};

/**
 * Swimmer-v5: a chain of three links in a fluid swims as fast as it can along the x axis. Same machine
 * and rules as Gymnasium's task of this name; the model is described anew and compiles to the same
 * numbers. Needs the optional package `@mujoco/mujoco`.
 *
 *     reward = (x after - x before) / 0.04 s - 1e-4 (a1^2 + a2^2)
 *
 * with the position x of the head's joint (m), and the action as it was given.
 *
 * - Observation, 8 numbers: angle of the head (rad) and of the two joints behind it; velocities of the
 *   head along x and y (m/s), then of the three angles (rad/s).
 * - Action: torques of the two joints in units of 150 N m, clamped to [-1, 1].
 * - Start: all positions and velocities uniform in [-0.1, 0.1].
 * - Terminated only by a state that is not finite. Truncated after 1000 steps of 0.04 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createSwimmer();
 * environment.reset(1);
 * const { reward } = environment.step([1, -1]);
 * console.assert(Number.isFinite(reward));
 * ```
 */
export function createSwimmer(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(swimmer);
}
