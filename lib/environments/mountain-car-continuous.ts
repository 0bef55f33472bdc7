import { requireFinite, requireLength } from '../validate.js';
import { clip } from './clip.js';
import { EpisodicEnvironment } from './episodic-environment.js';
import type { Transition } from './episodic-environment.js';
import type { RandomGenerator } from './random.js';

const minPosition = -1.2;
const maxPosition = 0.6;
const goalPosition = 0.45;
const maxSpeed = 0.07; // per step
const power = 0.0015; // per step^2
const steepness = 0.0025; // per step^2

/**
 * MountainCarContinuous-v0: a car in a valley, too weak to drive up the right slope from rest, has to
 * swing itself out.
 *
 * With position x, velocity v and action a (Moore, 1990; time counts in steps):
 *
 *     v <- clip(v + 0.0015 clip(a, -1, 1) - 0.0025 cos 3x, -0.07, 0.07)
 *     x <- clip(x + v, -1.2, 0.6), and v <- max(v, 0) at the left end
 *
 * - Observation: x, v. The bottom of the valley is at -pi / 6.
 * - Action: force, -1 (left) to 1 (right). Outside it acts like the nearest bound, but costs as much
 *   as it says.
 * - Reward: -0.1 a^2, and 100 for the step that reaches the goal.
 * - Start: x uniform in [-0.6, -0.4], at rest.
 * - Terminated: x >= 0.45 with v >= 0. Truncated after 999 steps.
 *
 * Equations, constants and rules are those of Gymnasium's MountainCarContinuous-v0; it rounds the state
 * to 32 bits in every step, this does not.
 *
 * @example
 * ```ts
 * const environment = new MountainCarContinuous();
 * const observation = environment.reset(1);
 * const { reward } = environment.step([(observation[1] ?? 0) < 0 ? -1 : 1]);
 * console.assert(reward === -0.1);
 * ```
 */
export class MountainCarContinuous extends EpisodicEnvironment {
  /**
   * x, v.
   */
  readonly observationSpace = {
    size: 2,
    low: [minPosition, -maxSpeed],
    high: [maxPosition, maxSpeed],
  } as const;
  /**
   * Force, left to right.
   */
  readonly actionSpace = { kind: 'continuous', size: 1, low: [-1], high: [1] } as const;

  #position = 0;
  #speed = 0;

  constructor() {
    super('MountainCarContinuous-v0', 999);
  }

  /**
   * Starts an episode in a given state, for replays and tests.
   *
   * @param state - x, v.
   * @returns The first observation.
   * @throws TrustRegionError `ERR_CLOSED`, `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or
   *   `ERR_NOT_FINITE`.
   */
  setState(state: ArrayLike<number>): Float64Array {
    return this.restart(() => {
      requireLength(state, 2, 'state');
      requireFinite(state, 'state');
      this.#position = state[0] ?? 0;
      this.#speed = state[1] ?? 0;
      return this.#observe();
    });
  }

  protected start(random: RandomGenerator): Float64Array {
    this.#position = random.uniform(-0.6, -0.4);
    this.#speed = 0;
    return this.#observe();
  }

  protected advance(action: ArrayLike<number>): Transition {
    const force = action[0] ?? 0;
    const acceleration = power * clip(force, -1, 1) - steepness * Math.cos(3 * this.#position);
    this.#speed = clip(this.#speed + acceleration, -maxSpeed, maxSpeed);
    this.#position = clip(this.#position + this.#speed, minPosition, maxPosition);
    if (this.#position === minPosition) {
      this.#speed = Math.max(this.#speed, 0);
    }
    const terminated = this.#position >= goalPosition && this.#speed >= 0;
    const reward = (terminated ? 100 : 0) - 0.1 * force ** 2;
    return { observation: this.#observe(), reward, terminated };
  }

  #observe(): Float64Array {
    return Float64Array.of(this.#position, this.#speed);
  }
}
