import { requireFinite, requireLength } from '../validate.js';
import { clip } from './clip.js';
import { EpisodicEnvironment } from './episodic-environment.js';
import type { Transition } from './episodic-environment.js';
import type { RandomGenerator } from './random.js';

const gravity = 9.8; // m/s^2
const mass = 1; // kg, of each link
const length = 1; // m
const toCentre = 0.5; // m, from a link's joint to its centre of mass
const inertia = 1; // kg m^2, of each link about its centre of mass
const timestep = 0.2; // s
const maxSpeed = 4 * Math.PI; // rad/s
const maxSecondSpeed = 9 * Math.PI; // rad/s

/**
 * theta1, theta2, and their velocities; or the derivatives of these.
 */
type State = readonly [number, number, number, number];

/**
 * Acrobot-v1: swing a chain of two links up until its tip hangs one length above the fixed joint, with a
 * torque on the joint between the links only.
 *
 * Sutton and Barto (1998, section 11.3) with angles theta1 (0 is hanging down) and theta2 (to the first
 * link), torque u, both links of mass m, length l, centre of mass at c and moment of inertia I:
 *
 *     d1      = m c^2 + m (l^2 + c^2 + 2 l c cos theta2) + 2 I
 *     d2      = m (c^2 + l c cos theta2) + I
 *     phi2    = m c g sin(theta1 + theta2)
 *     phi1    = -m l c theta2' (theta2' + 2 theta1') sin theta2 + m (c + l) g sin theta1 + phi2
 *     theta2'' = (u + d2/d1 phi1 - m l c theta1'^2 sin theta2 - phi2) / (m c^2 + I - d2^2/d1)
 *     theta1'' = -(d2 theta2'' + phi1) / d1
 *
 * integrated by one Runge-Kutta step of order 4 with 0.2 s; then angles are wrapped into [-pi, pi] and
 * velocities clipped to +-4 pi and +-9 pi rad/s.
 *
 * - Observation, 6 numbers: cosine and sine of theta1, cosine and sine of theta2, theta1', theta2'.
 * - Action: torque -1, 0 or 1 N m (choices 0, 1, 2).
 * - Reward: -1 for every step, 0 for the one that reaches the goal.
 * - Start: all four uniform in [-0.1, 0.1].
 * - Terminated: -cos theta1 - cos(theta1 + theta2) > 1. Truncated after 500 steps.
 *
 * Equations, constants and rules are those of Gymnasium's Acrobot-v1; its observations are rounded to
 * 32 bits, these are not.
 *
 * @example
 * ```ts
 * const environment = new Acrobot();
 * environment.reset(1);
 * const { observation, reward, terminated } = environment.step([2]);
 * ```
 */
export class Acrobot extends EpisodicEnvironment {
  /**
   * cos theta1, sin theta1, cos theta2, sin theta2, theta1', theta2'.
   */
  readonly observationSpace = {
    size: 6,
    low: [-1, -1, -1, -1, -maxSpeed, -maxSecondSpeed],
    high: [1, 1, 1, 1, maxSpeed, maxSecondSpeed],
  } as const;
  /**
   * Torque choice - 1, in N m.
   */
  readonly actionSpace = { kind: 'discrete', count: 3 } as const;

  #state: State = [0, 0, 0, 0];

  constructor() {
    super('Acrobot-v1', 500);
  }

  /**
   * Starts an episode in a given state, for replays and tests.
   *
   * @param state - theta1, theta2 (rad), theta1', theta2' (rad/s).
   * @returns The first observation.
   * @throws TrustRegionError `ERR_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or
   *   `ERR_NOT_FINITE`.
   */
  setState(state: ArrayLike<number>): Float64Array {
    return this.restart(() => {
      requireLength(state, 4, 'state');
      requireFinite(state, 'state');
      const [angle = 0, secondAngle = 0, speed = 0, secondSpeed = 0] = Array.from(state);
      this.#state = [angle, secondAngle, speed, secondSpeed];
      return this.#observe();
    });
  }

  protected start(random: RandomGenerator): Float64Array {
    const draw = (): number => random.uniform(-0.1, 0.1);
    this.#state = [draw(), draw(), draw(), draw()];
    return this.#observe();
  }

  protected advance(action: ArrayLike<number>): Transition {
    const [angle, secondAngle, speed, secondSpeed] = rungeKutta(this.#state, (action[0] ?? 1) - 1);
    this.#state = [
      wrapAngle(angle),
      wrapAngle(secondAngle),
      clip(speed, -maxSpeed, maxSpeed),
      clip(secondSpeed, -maxSecondSpeed, maxSecondSpeed),
    ];
    const [first, second] = this.#state;
    const terminated = -Math.cos(first) - Math.cos(first + second) > 1;
    return { observation: this.#observe(), reward: terminated ? 0 : -1, terminated };
  }

  #observe(): Float64Array {
    const [angle, secondAngle, speed, secondSpeed] = this.#state;
    return Float64Array.of(
      Math.cos(angle),
      Math.sin(angle),
      Math.cos(secondAngle),
      Math.sin(secondAngle),
      speed,
      secondSpeed,
    );
  }
}

function rungeKutta(state: State, torque: number): State {
  const first = derivative(state, torque);
  const second = derivative(moved(state, first, timestep / 2), torque);
  const third = derivative(moved(state, second, timestep / 2), torque);
  const fourth = derivative(moved(state, third, timestep), torque);
  const slope = (index: 0 | 1 | 2 | 3): number =>
    first[index] + 2 * second[index] + 2 * third[index] + fourth[index];
  return moved(state, [slope(0), slope(1), slope(2), slope(3)], timestep / 6);
}

function moved(state: State, slope: State, time: number): State {
  return [
    state[0] + time * slope[0],
    state[1] + time * slope[1],
    state[2] + time * slope[2],
    state[3] + time * slope[3],
  ];
}

function derivative([angle, secondAngle, speed, secondSpeed]: State, torque: number): State {
  const coupling = mass * length * toCentre;
  const sine = Math.sin(secondAngle);
  const cosine = Math.cos(secondAngle);
  const d1 =
    mass * toCentre ** 2 +
    mass * (length ** 2 + toCentre ** 2 + 2 * length * toCentre * cosine) +
    2 * inertia;
  const d2 = mass * (toCentre ** 2 + length * toCentre * cosine) + inertia;
  const phi2 = mass * toCentre * gravity * Math.sin(angle + secondAngle);
  const phi1 =
    -coupling * secondSpeed * (secondSpeed + 2 * speed) * sine +
    mass * (toCentre + length) * gravity * Math.sin(angle) +
    phi2;
  const secondAcceleration =
    (torque + (d2 / d1) * phi1 - coupling * speed ** 2 * sine - phi2) /
    (mass * toCentre ** 2 + inertia - d2 ** 2 / d1);
  return [speed, secondSpeed, -(d2 * secondAcceleration + phi1) / d1, secondAcceleration];
}

/**
 * The same angle in [-pi, pi].
 */
function wrapAngle(angle: number): number {
  const turn = 2 * Math.PI;
  return Math.abs(angle) <= Math.PI ? angle : angle - turn * Math.round(angle / turn);
}
