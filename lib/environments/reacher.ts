import { MujocoEnvironment } from './mujoco-environment.js';
import type { MujocoEnvironmentOptions } from './mujoco-environment.js';
import type { MujocoState } from './mujoco-state.js';
import type { RandomGenerator } from './random.js';

/*
 * Two links of 0.1 m in a plane 1 cm above the ground, a fingertip 1 cm beyond the second; the goal is
 * a ball on two sliders of its own, which no motor moves. The rotors' inertia (armature 1 kg m^2) and
 * the damping of 1 N m s outweigh the links of 36 g by far. Nothing collides (contype 0).
 */
const machine = `<mujoco model="reacher">
  <size memory="256K"/>
  <compiler angle="radian" autolimits="true"/>
  <option timestep="0.01" integrator="RK4"/>
  <default>
    <geom type="capsule" contype="0" friction="1 0.1 0.1"/>
    <default class="border">
      <geom size="0.02" conaffinity="0"/>
    </default>
    <default class="arm">
      <joint type="hinge" axis="0 0 1" armature="1" damping="1"/>
      <geom fromto="0 0 0 0.1 0 0" size="0.01"/>
    </default>
  </default>
  <worldbody>
    <geom name="ground" type="plane" size="1 1 10" conaffinity="0"/>
    <geom name="sideS" class="border" fromto="-0.3 -0.3 0.01 0.3 -0.3 0.01"/>
    <geom name="sideE" class="border" fromto="0.3 -0.3 0.01 0.3 0.3 0.01"/>
    <geom name="sideN" class="border" fromto="-0.3 0.3 0.01 0.3 0.3 0.01"/>
    <geom name="sideW" class="border" fromto="-0.3 -0.3 0.01 -0.3 0.3 0.01"/>
    <geom name="root" type="cylinder" fromto="0 0 0 0 0 0.02" size="0.011" conaffinity="0"/>
    <body name="body0" pos="0 0 0.01" childclass="arm">
      <joint name="joint0"/>
      <geom name="link0"/>
      <body name="body1" pos="0.1 0 0">
        <joint name="joint1" range="-3 3"/>
        <geom name="link1"/>
        <body name="fingertip" pos="0.11 0 0">
          <geom name="fingertip" class="main" type="sphere" size="0.01"/>
        </body>
      </body>
    </body>
    <body name="target" pos="0.1 -0.1 0.01">
      <joint name="target_x" type="slide" axis="1 0 0" range="-0.27 0.27" ref="0.1"/>
      <joint name="target_y" type="slide" axis="0 1 0" range="-0.27 0.27" ref="-0.1"/>
      <geom name="target" type="sphere" size="0.009" conaffinity="0"/>
    </body>
  </worldbody>
  <actuator>
    <motor joint="joint0" gear="200" ctrlrange="-1 1"/>
    <motor joint="joint1" gear="200" ctrlrange="-1 1"/>
  </actuator>
</mujoco>`;

const goalRadius = 0.2; // m

/**
 * The task Reacher-v5, to build variants from.
 *
 * @example
 * ```ts
 * const free = await MujocoEnvironment.create({
 *   ...reacher,
 *   name: 'reach at any cost',
 *   reward: ({ qvel }) => -Math.abs(qvel[0] ?? 0),
 * });
 * ```
 */
export const reacher: MujocoEnvironmentOptions = {
  name: 'Reacher-v5',
  xml: machine,
  frameSkip: 2,
  maxEpisodeSteps: 50,
  resetNoise: (random, { qpos, qvel }) => ({
    qpos: [
      ...qpos.subarray(0, 2).map((angle) => angle + random.uniform(-0.1, 0.1)),
      ...goal(random),
    ],
    qvel: qvel.map((speed, index) => (index < 2 ? speed + random.uniform(-0.005, 0.005) : 0)),
  }),
  observation: (state) => {
    const [shoulder = 0, elbow = 0, goalX = 0, goalY = 0] = state.qpos;
    const [shoulderSpeed = 0, elbowSpeed = 0] = state.qvel;
    const { x, y } = offset(state);
    return [
      Math.cos(shoulder),
      Math.cos(elbow),
      Math.sin(shoulder),
      Math.sin(elbow),
      goalX,
      goalY,
      shoulderSpeed,
      elbowSpeed,
      x,
      y,
    ];
  },
  reward: (state) => {
    const { x, y } = offset(state);
    const [first = 0, second = 0] = state.action;
    return -Math.sqrt(x ** 2 + y ** 2) - (first ** 2 + second ** 2);
  },
};

/** A point drawn uniformly from the open disc: points of the square until one lies inside. */
function goal(random: RandomGenerator): [number, number] {
  for (;;) {
    const x = random.uniform(-goalRadius, goalRadius);
    const y = random.uniform(-goalRadius, goalRadius);
    if (Math.hypot(x, y) < goalRadius) {
      return [x, y];
    }
  }
}

/**
 * From the goal to the fingertip (bodies 4 and 3), which lie in one plane; one Runge-Kutta stage
 * behind `qpos`, as the task has it.
 */
function offset({ data }: MujocoState): { readonly x: number; readonly y: number } {
  const places = data('xpos');
  return {
    x: (places[9] ?? 0) - (places[12] ?? 0),
    y: (places[10] ?? 0) - (places[13] ?? 0),
  };
}

/**
 * Reacher-v5: bring the tip of an arm of two links to a goal that lies somewhere else in every
 * episode. Same machine and rules as Gymnasium's task of this name; the model is described anew and
 * compiles to the same numbers. Needs the optional package `@mujoco/mujoco`.
 *
 *     reward = -|fingertip - goal| - (a1^2 + a2^2)
 *
 * with the distance (m) after the step, and the action as it was given.
 *
 * - Observation, 10 numbers: cosines, then sines of the two joint angles; the goal (m); the joints'
 *   velocities (rad/s); fingertip minus goal (m).
 * - Action: torques of the two joints in units of 200 N m, clamped to [-1, 1].
 * - Start: angles uniform in [-0.1, 0.1], their velocities in [-0.005, 0.005], the goal uniform in a
 *   disc of radius 0.2 m about the shoulder, at rest.
 * - Terminated only by a state that is not finite. Truncated after 50 steps of 0.02 s.
 *
 * @throws TrustRegionError (the promise rejects) `ERR_MISSING_DEPENDENCY`.
 * @example
 * ```ts
 * const environment = await createReacher();
 * const observation = environment.reset(1);
 * console.assert(Math.hypot(observation[4] ?? NaN, observation[5] ?? NaN) < 0.2);
 * ```
 */
export function createReacher(): Promise<MujocoEnvironment> {
  return MujocoEnvironment.create(reacher);
}
