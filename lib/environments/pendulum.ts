import { requireFinite, requireLength } from '../validate.js';
import { clip } from './clip.js';
import { EpisodicEnvironment } from './episodic-environment.js';
import type { Transition } from './episodic-environment.js';
import type { RandomGenerator } from './random.js';

const gravity = 10; // m/s^2
const mass = 1; // kg
const length = 1; // m
const timestep = 0.05; // s
const maxSpeed = 8; // rad/s
const maxTorque = 2; // N m

/**
 * Pendulum-v1: swing a pendulum up with a torque too weak to lift it at once, and hold it upright.
 *
 * With angle theta (0 is upright) and torque u clipped to [-2, 2]:
 *
 *     theta' <- clip(theta' + (3 g / (2 l) sin theta + 3 u / (m l^2)) dt, -8, 8)
 *     theta  <- theta + theta' dt
 *     reward  = -(theta^2 + 0.1 theta'^2 + 0.001 u^2)
 *
 * where the reward takes theta, wrapped into [-pi, pi), and theta' from before the step.
 *
 * - Observation: cos theta, sin theta, theta' (rad/s).
 * - Action: torque in N m.
 * - Start: theta uniform in [-pi, pi], theta' uniform in [-1, 1].
 * - Never terminated. Truncated after 200 steps.
 *
 * Equations, constants and rules are those of Gymnasium's Pendulum-v1; its observations are rounded
 * to 32 bits, these are not.
 *
 * @example
 * ```ts
 * const environment = new Pendulum();
 * environment.reset(1);
 * const { observation, reward } = environment.step([0.5]);
 * ```
 */
export class Pendulum extends EpisodicEnvironment {
  /**
   * cos theta, sin theta, theta'.
   */
  readonly observationSpace = {
    size: 3,
    low: [-1, -1, -maxSpeed],
    high: [1, 1, maxSpeed],
  } as const;
  /**
   * Torque in N m.
   */
  readonly actionSpace = {
    kind: 'continuous',
    size: 1,
    low: [-maxTorque],
    high: [maxTorque],
  } as const;

  #angle = 0;
  #speed = 0;

  constructor() {
    super('Pendulum-v1', 200);
  }

  /**
   * Starts an episode in a given state, for replays and tests.
   *
   * @param state - theta (rad, 0 is upright), theta' (rad/s).
   * @returns The first observation.
   * @throws TrustRegionError `ERR_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or
   *   `ERR_NOT_FINITE`.
   */
  setState(state: ArrayLike<number>): Float64Array {
    return this.restart(() => {
      requireLength(state, 2, 'state');
      requireFinite(state, 'state');
      this.#angle = state[0] ?? 0;
      this.#speed = state[1] ?? 0;
      return this.#observe();
    });
  }

  protected start(random: RandomGenerator): Float64Array {
    this.#angle = random.uniform(-Math.PI, Math.PI);
    this.#speed = random.uniform(-1, 1);
    return this.#observe();
  }

  protected advance(action: ArrayLike<number>): Transition {
    const torque = clip(action[0] ?? 0, -maxTorque, maxTorque);
    const cost = wrapAngle(this.#angle) ** 2 + 0.1 * this.#speed ** 2 + 0.001 * torque ** 2;
    const acceleration =
      ((3 * gravity) / (2 * length)) * Math.sin(this.#angle) + (3 / (mass * length ** 2)) * torque;
    this.#speed = clip(this.#speed + acceleration * timestep, -maxSpeed, maxSpeed);
    this.#angle += this.#speed * timestep;
    return { observation: this.#observe(), reward: -cost, terminated: false };
  }

  #observe(): Float64Array {
    return Float64Array.of(Math.cos(this.#angle), Math.sin(this.#angle), this.#speed);
  }
}

/**
 * The same angle in [-pi, pi).
 */
function wrapAngle(angle: number): number {
  const turn = 2 * Math.PI;
  const shifted = (angle + Math.PI) % turn;
  return (shifted < 0 ? shifted + turn : shifted) - Math.PI;
}
