import { forwardReward, isBetween, observePlanar } from './locomotion.js';
import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';

/*
 * Solid capsules of density 1000 kg/m^3 (MuJoCo's default) in the plane y = 0: a torso of 3.7 kg on two
 * equal legs of thigh (4.1 kg), shin (2.8 kg) and foot (3.2 kg). The frames of torso and shin sit in the
 * middle of their capsules, the thigh's at the hip, the foot's at its toe's end on the ground. rootz
 * counts from the ground. Parts of the body touch nothing but the floor: their conaffinity is 0.
 */
const leg = (side: string): string => `
      <body name="thigh${side}" pos="0 0 -0.2">
        <joint name="thigh${side}_joint" range="-150 0"/>
        <geom name="thigh${side}_geom" pos="0 0 -0.225" size="0.05 0.225"/>
        <body name="leg${side}" pos="0 0 -0.7">
          <joint name="leg${side}_joint" pos="0 0 0.25" range="-150 0"/>
          <geom name="leg${side}_geom" size="0.04 0.25"/>
          <body name="foot${side}" pos="0.2 0 -0.35">
            <joint name="foot${side}_joint" pos="-0.2 0 0.1" range="-45 45"/>
            <geom name="foot${side}_geom" class="foot" pos="-0.1 0 0.1"/>
          </body>
        </body>
      </body>`;

const motors = (side: string): string => `
    <motor joint="thigh${side}_joint"/>
    <motor joint="leg${side}_joint"/>
    <motor joint="foot${side}_joint"/>`;

const machine = `<mujoco model="walker">
  <size memory="256K"/>
  <compiler angle="degree" autolimits="true"/>
  <option timestep="0.002" integrator="RK4"/>
  <default>
    <geom type="capsule" conaffinity="0" friction="0.9 0.1 0.1"/>
    <joint type="hinge" axis="0 -1 0" armature="0.01" damping="0.1"/>
    <motor gear="100" ctrlrange="-1 1"/>
    <default class="root">
      <joint pos="0 0 -1.25" armature="0" damping="0"/>
    </default>
    <default class="foot">
      <geom zaxis="-1 0 0" size="0.06 0.1" friction="1.9 0.1 0.1"/>
    </default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1" friction="0.7 0.1 0.1"/>
    <body name="torso" pos="0 0 1.25">
      <joint name="rootx" class="root" type="slide" axis="1 0 0"/>
      <joint name="rootz" class="root" type="slide" axis="0 0 1" ref="1.25"/>
      <joint name="rooty" class="root" axis="0 1 0" pos="0 0 0"/>
      <geom name="torso_geom" size="0.05 0.2"/>${leg('')}${leg('_left')}
    </body>
  </worldbody>
  <actuator>${motors('')}${motors('_left')}
  </actuator>
</mujoco>`;

/**
 * The task Walker2d-v5, to build variants from.
 *
 * @example
 * ```ts
 * const short = await MujocoEnvironment.create({
 *   ...walker2d,
 *   name: 'short walk',
 *   maxEpisodeSteps: 200,
 * });
 * ```
 */
export const walker2d: MujocoEnvironmentOptions = {
  name: 'Walker2d-v5',
  xml: machine,
  frameSkip: 4,
  maxEpisodeSteps: 1000,
  resetNoise: 5e-3,
  observation: (state) => observePlanar(state, 10),
  terminated: ({ qpos }) => !isBetween(0.8, qpos[1], 2) || !isBetween(-1, qpos[2], 1),
  reward: (state, terminated) => (terminated ? 0 : 1) + forwardReward(state, 1e-3),
};

/**
 * Walker2d-v5: walk forward on two legs without falling. Same machine and rules as Gymnasium's task of
 * this name (in version 5 both feet have the same friction); the model is described anew and compiles
 * to the same numbers. Needs the optional package `@mujoco/mujoco`.
 *
 * - Observation, 17 numbers: height of the torso (m), its angle, angles of hip, knee and ankle of the
 *   right and of the left leg (rad); then the velocities of x, height and the seven angles, clipped to
 *   [-10, 10].
 * - Action, 6 numbers: torques at hip, knee and ankle of the right and of the left leg in units of
 *   100 N m, clamped to [-1, 1].
 * - Reward: 1 if the state after the step is healthy, plus the mean forward speed of the step
 *   (m/s), less 0.001 times the sum of squares of the action as given.
 * - Start: height 1.25 m, all else 0, plus noise uniform in [-0.005, 0.005] on each position and velocity.
 * - Terminated when not healthy: healthy is a height within (0.8, 2) m and an angle of the torso within
 *   (-1, 1) rad. Truncated after 1000 steps of 0.008 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createWalker2d();
 * environment.reset(1);
 * const { reward } = environment.step([0.2, 0, -0.1, -0.2, 0, 0.1]);
 * ```
 */
export function createWalker2d(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(walker2d);
}
