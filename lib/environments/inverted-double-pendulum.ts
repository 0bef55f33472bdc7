import { clip } from './clip.js';
import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';
import { shakenByTenths } from './mujoco-start.js';
import type { MujocoState } from './mujoco-state.js';

/*
 * A cart of 10.5 kg on a rail of 2 m carries two poles of 4.2 kg and 0.6 m, one hinged on the other;
 * the site `tip` is the far end of the upper one, 1.2 m above the cart when both stand upright.
 * Nothing collides (contype 0); what holds the cart on the rail is the limit of the slider, felt
 * 1 cm before it is reached. Gravity pulls a hair sideways, by 1e-5 m/s^2.
 */
const machine = `<mujoco model="inverted double pendulum">
  <size memory="256K"/>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.01" integrator="RK4" gravity="1e-5 0 -9.81"/>
  <default>
    <joint type="hinge" axis="0 1 0" damping="0.05"/>
    <geom type="capsule" contype="0" friction="1 0.1 0.1"/>
    <default class="pole">
      <geom fromto="0 0 0 0 0 0.6" size="0.045"/>
    </default>
  </default>
  <worldbody>
    <geom name="floor" type="plane" pos="0 0 -3" size="40 40 40"/>
    <geom name="rail" zaxis="1 0 0" size="0.02 1"/>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" range="-1 1" margin="0.01"/>
      <geom name="cart" zaxis="1 0 0" size="0.1 0.1"/>
      <body name="pole">
        <joint name="hinge"/>
        <geom name="cpole" class="pole"/>
        <body name="pole2" pos="0 0 0.6">
          <joint name="hinge2"/>
          <geom name="cpole2" class="pole"/>
          <site name="tip" pos="0 0 0.6"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="slide" joint="slider" gear="500" ctrlrange="-1 1"/>
  </actuator>
</mujoco>`;

/**
 * The task InvertedDoublePendulum-v5, to build variants from.
 *
 * @example
 * ```ts
 * const calm = await MujocoEnvironment.create({
 *   ...invertedDoublePendulum,
 *   name: 'from rest',
 *   resetNoise: 0.01,
 * });
 * ```
 */
export const invertedDoublePendulum: MujocoEnvironmentOptions = {
  name: 'InvertedDoublePendulum-v5',
  xml: machine,
  frameSkip: 5,
  maxEpisodeSteps: 1000,
  resetNoise: shakenByTenths,
  observation: ({ qpos, qvel, data }) => {
    const [position = 0, lower = 0, upper = 0] = qpos;
    const [speed = 0, lowerSpeed = 0, upperSpeed = 0] = qvel;
    const [constraint = 0] = data('qfrc_constraint');
    return [
      position,
      Math.sin(lower),
      Math.sin(upper),
      Math.cos(lower),
      Math.cos(upper),
      clip(speed, -10, 10),
      clip(lowerSpeed, -10, 10),
      clip(upperSpeed, -10, 10),
      clip(constraint, -10, 10),
    ];
  },
  terminated: (state) => tipOf(state).height <= 1,
  reward: (state, terminated) => {
    const { position, height } = tipOf(state);
    const [, lowerSpeed = 0, upperSpeed = 0] = state.qvel;
    const distancePenalty = 0.01 * position ** 2 + (height - 2) ** 2;
    const velocityPenalty = 1e-3 * lowerSpeed ** 2 + 5e-3 * upperSpeed ** 2;
    return (terminated ? 0 : 10) - distancePenalty - velocityPenalty;
  },
};

/** Where the site is, one Runge-Kutta stage behind `qpos`, as the task has it. */
function tipOf({ data }: MujocoState): { readonly position: number; readonly height: number } {
  const [position = 0, , height = 0] = data('site_xpos');
  return { position, height };
}

/**
 * InvertedDoublePendulum-v5: push a cart along a rail so that two poles, one on top of the other,
 * stay upright on it. Same machine and rules as Gymnasium's task of this name; the model is described
 * anew and compiles to the same numbers. Needs the optional package `@mujoco/mujoco`.
 *
 * With the tip of the upper pole at (x, z) and the speeds w1, w2 of the two hinges:
 *
 *     reward = 10 (0 if terminated) - 0.01 x^2 - (z - 2)^2 - 0.001 w1^2 - 0.005 w2^2
 *
 * - Observation, 9 numbers: position of the cart (m); sines, then cosines of the angles of the lower
 *   pole (to the vertical) and of the upper pole (to the lower one); velocities of cart and hinges,
 *   clipped to [-10, 10]; force of the rail's end on the cart (N), clipped likewise.
 * - Action: force on the cart in units of 500 N, clamped to [-1, 1].
 * - Reward: as above; z is 1.2 at the most, so at best 9.36 a step.
 * - Start: positions uniform in [-0.1, 0.1], velocities normal with standard deviation 0.1.
 * - Terminated: z <= 1 m, or a state that is not finite. Truncated after 1000 steps of 0.05 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createInvertedDoublePendulum();
 * environment.reset(1);
 * const { reward } = environment.step([0]);
 * console.assert(reward < 10);
 * ```
 */
export function createInvertedDoublePendulum(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(invertedDoublePendulum);
}
