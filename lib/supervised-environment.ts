import type { Environment } from './environments/environment.js';
import { TrustRegionError } from './errors.js';
import type { Policy } from './policy.js';
import { actionLength } from './spaces.js';
import type { ActionSpace, ContinuousSpace } from './spaces.js';
import { describe } from './validate.js';

/**
 * One step, checked; `observation` is finite unless `terminated`.
 */
export interface CheckedStep {
  readonly observation: ArrayLike<number>;
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
}

/**
 * An environment that may be a user's own, and so may throw or answer nonsense: checks what comes
 * out and says in one sentence which environment, step and seed went wrong.
 *
 * Continuous actions are clipped to the bounds of the action space on their way in. The environment
 * gets a copy: an action that a policy sampled stays as it was sampled.
 */
export class SupervisedEnvironment {
  readonly #environment: Environment;
  readonly #label: string;
  readonly #size: number;
  readonly #space: ActionSpace;
  readonly #action: Float64Array;
  #steps = 0;

  /**
   * @param environment - The environment.
   * @param seed - Seed of its first reset, `undefined` for a random one.
   * @param label - What messages call it, such as `environment 0`.
   */
  constructor(environment: Environment, seed: number | undefined, label: string) {
    const seedText = seed === undefined ? 'not seeded' : `seed ${seed}`;
    this.#environment = environment;
    this.#label = `${label} (${String(environment.name)}, ${seedText})`;
    this.#size = environment.observationSpace.size;
    this.#space = environment.actionSpace;
    this.#action = new Float64Array(actionLength(environment.actionSpace));
  }

  /**
   * Starts an episode.
   *
   * @throws TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE`.
   */
  reset(seed?: number): ArrayLike<number> {
    const observation = this.#call('reset()', () => this.#environment.reset(seed));
    this.#requireObservation(observation, 'reset()');
    return observation;
  }

  /**
   * Takes the action that starts at `offset` in `actions`.
   *
   * @throws TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE`.
   */
  step(actions: ArrayLike<number>, offset = 0): CheckedStep {
    this.#copyAction(actions, offset);
    this.#steps += 1;
    const result = this.#call('step()', () => this.#environment.step(this.#action));
    if (typeof result !== 'object' || result === null) {
      this.#fail('ERR_CALLBACK', `step() must return an object, got ${describe(result)}`);
    }
    const { observation, reward, terminated, truncated } = result;
    if (typeof terminated !== 'boolean' || typeof truncated !== 'boolean') {
      const [name, flag] =
        typeof terminated === 'boolean' ? ['truncated', truncated] : ['terminated', terminated];
      this.#fail('ERR_CALLBACK', `${name} of step() must be true or false, got ${describe(flag)}`);
    }
    if (!Number.isFinite(reward)) {
      this.#fail(
        typeof reward === 'number' ? 'ERR_NOT_FINITE' : 'ERR_CALLBACK',
        `reward of step() must be a finite number, got ${describe(reward)}`,
      );
    }
    this.#requireObservation(observation, 'step()', !terminated);
    return { observation, reward, terminated, truncated };
  }

  #copyAction(actions: ArrayLike<number>, offset: number): void {
    const bounds: Partial<ContinuousSpace> = this.#space.kind === 'continuous' ? this.#space : {};
    for (let index = 0; index < this.#action.length; index += 1) {
      const action = actions[offset + index] ?? 0;
      const low = bounds.low?.[index] ?? -Infinity;
      const high = bounds.high?.[index] ?? Infinity;
      this.#action[index] = Math.min(Math.max(action, low), high);
    }
  }

  #call<Result>(call: string, run: () => Result): Result {
    try {
      return run();
    } catch (cause) {
      const { message } = (cause ?? {}) as { readonly message?: unknown };
      return this.#fail(
        'ERR_CALLBACK',
        `${call} threw: ${typeof message === 'string' ? message : describe(cause)}`,
        cause,
      );
    }
  }

  /**
   * Nothing reads the final observation of a terminated episode, and a simulation that blew up has
   * no finite one, so `finite` is false there.
   */
  #requireObservation(observation: ArrayLike<number>, call: string, finite = true): void {
    if (
      typeof observation !== 'object' ||
      observation === null ||
      observation.length !== this.#size
    ) {
      this.#fail(
        'ERR_CALLBACK',
        `the observation of ${call} must be an array of length ${this.#size}, got ` +
          describe(observation),
      );
    }
    for (let index = 0; finite && index < this.#size; index += 1) {
      if (!Number.isFinite(observation[index])) {
        this.#fail(
          'ERR_NOT_FINITE',
          `observation[${index}] of ${call} must be a finite number, got ` +
            describe(observation[index]),
        );
      }
    }
  }

  #fail(code: 'ERR_CALLBACK' | 'ERR_NOT_FINITE', what: string, cause?: unknown): never {
    throw new TrustRegionError(
      code,
      `${this.#label} failed at its step ${this.#steps}: ${what}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/**
 * Checks that a policy takes the environment's observations and gives its actions.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` (no environment) or `ERR_SHAPE_MISMATCH`.
 */
export function requireMatch(policy: Policy, environment: Environment, label: string): void {
  if (
    typeof environment !== 'object' ||
    environment === null ||
    typeof environment.reset !== 'function' ||
    typeof environment.step !== 'function' ||
    typeof environment.observationSpace !== 'object' ||
    typeof environment.actionSpace !== 'object'
  ) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `${label} must be an environment with reset(), step() and spaces, got ` +
        describe(environment),
    );
  }
  const { size } = environment.observationSpace;
  if (size !== policy.observationSize) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `${label} (${environment.name}) has observations of ` +
        `${size} numbers, but the policy takes ${policy.observationSize}`,
    );
  }
  const wanted = spaceText(environment.actionSpace);
  const given = spaceText(policy.options.actions);
  if (wanted !== given) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `${label} (${environment.name}) takes ${wanted} actions, but the policy gives ${given} ones`,
    );
  }
}

function spaceText(space: ActionSpace): string {
  switch (space.kind) {
    case 'continuous':
    case 'binary':
      return `${space.kind} [${space.size}]`;
    case 'discrete':
      return `discrete [${space.count}]`;
    case 'multiDiscrete':
      return `multiDiscrete [${space.counts.join(', ')}]`;
  }
}
