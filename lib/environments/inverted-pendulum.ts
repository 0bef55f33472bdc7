import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';

/*
 * Solid capsules of density 1000 kg/m^3 (MuJoCo's default): a cart of 10.5 kg on a rail of 2 m, and a
 * pole of 5.0 kg and 0.6 m hinged at its centre. The pole leans by 1 mm in 0.6 m, so upright is not
 * quite its point of balance. Nothing collides (contype 0); the Runge-Kutta integrator and the damping
 * of both joints are part of the task.
 */
const machine = `<mujoco model="inverted pendulum">
  <size memory="256K"/>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.02" integrator="RK4"/>
  <default>
    <joint damping="1"/>
    <geom type="capsule" contype="0" friction="1 0.1 0.1"/>
  </default>
  <worldbody>
    <geom name="rail" zaxis="1 0 0" size="0.02 1"/>
    <body name="cart">
      <joint name="slider" type="slide" axis="1 0 0" range="-1 1"/>
      <geom name="cart" zaxis="1 0 0" size="0.1 0.1"/>
      <body name="pole">
        <joint name="hinge" type="hinge" axis="0 1 0" range="${-Math.PI / 2} ${Math.PI / 2}"/>
        <geom name="cpole" fromto="0 0 0 0.001 0 0.6" size="0.049"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor name="slide" joint="slider" gear="100" ctrlrange="-3 3"/>
  </actuator>
</mujoco>`;

/**
 * The task InvertedPendulum-v5, to build variants from.
 *
 * @example
 * ```ts
 * const longer = await MujocoEnvironment.create({
 *   ...invertedPendulum,
 *   name: 'long balance',
 *   maxEpisodeSteps: 10_000,
 * });
 * ```
 */
export const invertedPendulum: MujocoEnvironmentOptions = {
  name: 'InvertedPendulum-v5',
  xml: machine,
  frameSkip: 2,
  maxEpisodeSteps: 1000,
  resetNoise: 0.01,
  terminated: ({ qpos }) => Math.abs(qpos[1] ?? 0) > 0.2,
  reward: (_state, terminated) => (terminated ? 0 : 1),
};

/**
 * InvertedPendulum-v5: push a cart along a rail so that the pole on it stays upright. Same machine
 * and rules as Gymnasium's task of this name; the model is described anew and compiles to the same
 * numbers. Needs the optional package `@mujoco/mujoco`.
 *
 * - Observation: position of the cart (m), angle of the pole (rad, 0 is upright), and their
 *   velocities.
 * - Action: force on the cart in units of 100 N, clamped to [-3, 3].
 * - Reward: 1 for every step after which the pole still stands, else 0.
 * - Start: all four uniform in [-0.01, 0.01].
 * - Terminated: |angle| > 0.2 rad, or a state that is not finite. Truncated after 1000 steps of 0.04 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createInvertedPendulum();
 * environment.reset(1);
 * ```
 */
export function createInvertedPendulum(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(invertedPendulum);
}
