import { forwardReward, observePlanar } from './locomotion.js';
import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';
import { shakenByTenths } from './mujoco-start.js';

/*
 * Capsules of radius 4.6 cm in the plane y = 0, 14 kg in all, of equal density: a torso of 1 m with a
 * head, a hind leg at its back end and a front leg at its front end, each of thigh, shin and foot. Each
 * joint has a spring that pulls it to where it is at the start. Parts of the body touch nothing but the
 * floor: their conaffinity is 0. Geoms lie oblique in their frames, turned about y.
 */
interface Part {
  readonly name: string;
  /** Frame in the parent's, x and z (m). */
  readonly at: readonly [number, number];
  /** Middle of the capsule in the frame, x and z (m), its turn about y (rad), half its length (m). */
  readonly middle: readonly [number, number];
  readonly turn: number;
  readonly half: number;
  /** Range of the joint (rad), its stiffness (N m/rad), its damping (N m s/rad), torque of its motor (N m). */
  readonly range: readonly [number, number];
  readonly stiffness: number;
  readonly damping: number;
  readonly torque: number;
}

const hindLeg: readonly Part[] = [
  {
    ...{ name: 'bthigh', at: [-0.5, 0], middle: [0.1, -0.13], turn: -3.8, half: 0.145 },
    ...{ range: [-0.52, 1.05], stiffness: 240, damping: 6, torque: 120 },
  },
  {
    ...{ name: 'bshin', at: [0.16, -0.25], middle: [-0.14, -0.07], turn: -2.03, half: 0.15 },
    ...{ range: [-0.785, 0.785], stiffness: 180, damping: 4.5, torque: 90 },
  },
  {
    ...{ name: 'bfoot', at: [-0.28, -0.14], middle: [0.03, -0.097], turn: -0.27, half: 0.094 },
    ...{ range: [-0.4, 0.785], stiffness: 120, damping: 3, torque: 60 },
  },
];

const frontLeg: readonly Part[] = [
  {
    ...{ name: 'fthigh', at: [0.5, 0], middle: [-0.07, -0.12], turn: 0.52, half: 0.133 },
    ...{ range: [-1, 0.7], stiffness: 180, damping: 4.5, torque: 120 },
  },
  {
    ...{ name: 'fshin', at: [-0.14, -0.24], middle: [0.065, -0.09], turn: -0.6, half: 0.106 },
    ...{ range: [-1.2, 0.87], stiffness: 120, damping: 3, torque: 60 },
  },
  {
    ...{ name: 'ffoot', at: [0.13, -0.18], middle: [0.045, -0.07], turn: -0.6, half: 0.07 },
    ...{ range: [-0.5, 0.5], stiffness: 60, damping: 1.5, torque: 30 },
  },
];

/** A chain of bodies, each inside the one before. */
function limb([part, ...rest]: readonly Part[]): string {
  if (part === undefined) {
    return '';
  }
  const { name, at, middle, turn, half, range, stiffness, damping } = part;
  return `<body name="${name}" pos="${at[0]} 0 ${at[1]}">
    <joint name="${name}" range="${range.join(' ')}" stiffness="${stiffness}" damping="${damping}"/>
    <geom name="${name}" pos="${middle[0]} 0 ${middle[1]}" axisangle="0 1 0 ${turn}" size="0.046 ${half}"/>
    ${limb(rest)}
  </body>`;
}

const motor = ({ name, torque }: Part): string =>
  `<motor name="${name}" joint="${name}" gear="${torque}"/>`;

const machine = `<mujoco model="half cheetah">
  <size memory="256K"/>
  <compiler angle="radian" autolimits="true" settotalmass="14"/>
  <option timestep="0.01"/>
  <default>
    <geom type="capsule" conaffinity="0" friction="0.4 0.1 0.1" solimp="0 0.8 0.01"/>
    <joint type="hinge" axis="0 1 0" armature="0.1" solimplimit="0 0.8 0.03"/>
    <motor ctrlrange="-1 1"/>
    <default class="root">
      <joint armature="0"/>
    </default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" size="40 40 40" conaffinity="1"/>
    <body name="torso" pos="0 0 0.7">
      <joint name="rootx" class="root" type="slide" axis="1 0 0"/>
      <joint name="rootz" class="root" type="slide" axis="0 0 1"/>
      <joint name="rooty" class="root"/>
      <geom name="torso" zaxis="-1 0 0" size="0.046 0.5"/>
      <geom name="head" pos="0.6 0 0.1" axisangle="0 1 0 0.87" size="0.046 0.15"/>
      ${limb(hindLeg)}
      ${limb(frontLeg)}
    </body>
  </worldbody>
  <actuator>
    ${[...hindLeg, ...frontLeg].map(motor).join('\n    ')}
  </actuator>
</mujoco>`;

/**
 * The task HalfCheetah-v5, to build variants from.
 *
 * @example
 * ```ts
 * const slower = await MujocoEnvironment.create({
 *   ...halfCheetah,
 *   name: 'half as many decisions',
 *   frameSkip: 10,
 * });
 * ```
 */
export const halfCheetah: MujocoEnvironmentOptions = {
  name: 'HalfCheetah-v5',
  xml: machine,
  frameSkip: 5,
  maxEpisodeSteps: 1000,
  resetNoise: shakenByTenths,
  observation: (state) => observePlanar(state),
  reward: (state) => forwardReward(state, 0.1),
};

/**
 * HalfCheetah-v5: run forward on a hind leg and a front leg. Same machine and rules as Gymnasium's
 * task of this name; the model is described anew and compiles to the same numbers. Needs the optional
 * package `@mujoco/mujoco`.
 *
 * - Observation, 17 numbers: height of the torso above the start (m), its angle, angles of thigh, shin
 *   and foot of the hind and of the front leg (rad); then the velocities of x, height and the seven
 *   angles.
 * - Action, 6 numbers: torques at thigh, shin and foot of the hind leg (in units of 120, 90 and 60 N m)
 *   and of the front leg (120, 60 and 30 N m), clamped to [-1, 1].
 * - Reward: mean forward speed of the step (m/s), less 0.1 times the sum of squares of the action as given.
 * - Start: zeros, plus noise uniform in [-0.1, 0.1] on each position, and normal of standard deviation
 *   0.1 on each velocity.
 * - Never terminated, but for a state that is not finite. Truncated after 1000 steps of 0.05 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createHalfCheetah();
 * environment.reset(1);
 * const { reward } = environment.step([0.5, 0, 0, -0.5, 0, 0]);
 * ```
 */
export function createHalfCheetah(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(halfCheetah);
}
