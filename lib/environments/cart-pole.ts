import { requireFinite, requireLength } from '../validate.js';
import { EpisodicEnvironment } from './episodic-environment.js';
import type { Transition } from './episodic-environment.js';
import type { RandomGenerator } from './random.js';

const gravity = 9.8; // m/s^2
const cartMass = 1; // kg
const poleMass = 0.1; // kg
const totalMass = cartMass + poleMass;
const poleHalfLength = 0.5; // m
const poleMassLength = poleMass * poleHalfLength;
const pushForce = 10; // N
const timestep = 0.02; // s
const maxPosition = 2.4; // m
const maxAngle = (12 * 2 * Math.PI) / 360; // rad

/**
 * CartPole-v1: push a cart left (action 0) or right (action 1) so that the pole on it stays upright.
 *
 * With state (x, x', theta, theta'), force F = +-10 N, masses M (cart and pole) and m (pole), half
 * length l (Barto, Sutton and Anderson, 1983, without friction; Florian, 2007):
 *
 *     w       = (F + m l theta'^2 sin theta) / M
 *     theta'' = (g sin theta - w cos theta) / (l (4/3 - m cos^2 theta / M))
 *     x''     = w - m l theta'' cos theta / M
 *
 * integrated by explicit Euler with 0.02 s: positions move with the velocities from before the step.
 *
 * - Observation: x (m), x' (m/s), theta (rad, 0 is upright), theta' (rad/s).
 * - Reward: 1 for every step, the last one included.
 * - Start: all four uniform in [-0.05, 0.05].
 * - Terminated: |x| > 2.4 or |theta| > 12 degrees. Truncated after 500 steps.
 *
 * Equations, constants and rules are those of Gymnasium's CartPole-v1; its observations are rounded
 * to 32 bits, these are not.
 *
 * @example
 * ```ts
 * const environment = new CartPole();
 * environment.reset(1);
 * const { observation, reward, terminated } = environment.step([1]);
 * ```
 */
export class CartPole extends EpisodicEnvironment {
  /**
   * x, x', theta, theta'. As in Gymnasium, the bounds are twice those that end an episode.
   */
  readonly observationSpace = {
    size: 4,
    low: [-2 * maxPosition, -Infinity, -2 * maxAngle, -Infinity],
    high: [2 * maxPosition, Infinity, 2 * maxAngle, Infinity],
  } as const;
  /**
   * 0 pushes left, 1 pushes right.
   */
  readonly actionSpace = { kind: 'discrete', count: 2 } as const;

  #state = new Float64Array(4);

  constructor() {
    super('CartPole-v1', 500);
  }

  /**
   * Starts an episode in a given state, for replays and tests.
   *
   * @param state - x, x', theta, theta'.
   * @returns The first observation.
   * @throws TrustRegionError `ERR_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or
   *   `ERR_NOT_FINITE`.
   */
  setState(state: ArrayLike<number>): Float64Array {
    return this.restart(() => {
      requireLength(state, 4, 'state');
      requireFinite(state, 'state');
      this.#state = Float64Array.from(state);
      return this.#state.slice();
    });
  }

  protected start(random: RandomGenerator): Float64Array {
    this.#state = Float64Array.from({ length: 4 }, () => random.uniform(-0.05, 0.05));
    return this.#state.slice();
  }

  protected advance(action: ArrayLike<number>): Transition {
    const [position = 0, speed = 0, angle = 0, angularSpeed = 0] = this.#state;
    const force = action[0] === 1 ? pushForce : -pushForce;
    const sine = Math.sin(angle);
    const cosine = Math.cos(angle);
    const push = (force + poleMassLength * angularSpeed ** 2 * sine) / totalMass;
    const angularAcceleration =
      (gravity * sine - push * cosine) /
      (poleHalfLength * (4 / 3 - (poleMass * cosine ** 2) / totalMass));
    const acceleration = push - (poleMassLength * angularAcceleration * cosine) / totalMass;

    const nextPosition = position + timestep * speed;
    const nextAngle = angle + timestep * angularSpeed;
    this.#state = Float64Array.of(
      nextPosition,
      speed + timestep * acceleration,
      nextAngle,
      angularSpeed + timestep * angularAcceleration,
    );
    const terminated = Math.abs(nextPosition) > maxPosition || Math.abs(nextAngle) > maxAngle;
    return { observation: this.#state.slice(), reward: 1, terminated };
  }
}
