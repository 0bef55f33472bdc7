import { clip } from './environments/clip.js';
import type { Environment, StepResult } from './environments/environment.js';
import { TrustRegionError } from './errors.js';
import type { FloatArray } from './native.js';
import type { Policy } from './policy.js';
import { actionLength } from './spaces.js';
import type { ActionSpace, ContinuousSpace } from './spaces.js';
import { describe, messageOf } from './validate.js';

/**
 * An environment that may be a user's own, and so may throw or answer nonsense: checks what comes
 * out and says in one sentence which environment, step and seed went wrong.
 *
 * Continuous actions are clipped to the bounds of the action space on their way in. The environment
 * gets a copy: an action that a policy sampled stays as it was sampled. Nothing else is allocated
 * here for a step.
 */
export class SupervisedEnvironment {
  readonly #environment: Environment;
  readonly #label: string;
  readonly #size: number;
  readonly #action: Float64Array;
  /** Bounds of the numbers of an action. */
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  #seed: number | undefined;
  #steps = 0;
  #call: 'reset()' | 'step()' = 'reset()';

  /**
   * @param environment - The environment.
   * @param label - What messages call it, such as `environment 0`.
   */
  constructor(environment: Environment, label: string) {
    this.#environment = environment;
    this.#label = label;
    this.#size = environment.observationSpace.size;
    const space = environment.actionSpace;
    const bounds: Partial<ContinuousSpace> = space.kind === 'continuous' ? space : {};
    this.#action = new Float64Array(actionLength(space));
    this.#low = this.#action.map((_, index) => bounds.low?.[index] ?? -Infinity);
    this.#high = this.#action.map((_, index) => bounds.high?.[index] ?? Infinity);
  }

  /**
   * Starts an episode; with a seed the first one, from which steps are counted.
   *
   * @param seed - `undefined`: its random generator goes on, and so does the count.
   * @throws TrustRegionError `ERR_CALLBACK`.
   */
  begin(seed: number | undefined): ArrayLike<number> {
    if (seed !== undefined) {
      this.#seed = seed;
      this.#steps = 0;
    }
    return this.#reset(seed);
  }

  /**
   * Starts another episode.
   *
   * @throws TrustRegionError `ERR_CALLBACK`.
   */
  reset(): ArrayLike<number> {
    return this.#reset(undefined);
  }

  /**
   * Takes the action that starts at `offset` in `actions`. The observation has the right length; the
   * rest of it is checked by {@link write}.
   *
   * @throws TrustRegionError `ERR_CALLBACK` or `ERR_NOT_FINITE`.
   */
  step(actions: ArrayLike<number>, offset = 0): StepResult {
    for (let index = 0; index < this.#action.length; index += 1) {
      const action = actions[offset + index] ?? 0;
      const low = this.#low[index] ?? 0;
      const high = this.#high[index] ?? 0;
      this.#action[index] = clip(action, low, high);
    }
    this.#steps += 1;
    this.#call = 'step()';
    let result: StepResult;
    try {
      result = this.#environment.step(this.#action);
    } catch (cause) {
      this.#failThrown(cause);
    }
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
    this.#requireLength(observation);
    return result;
  }

  /**
   * Copies the observation of the last call to `out`, from `offset` on.
   *
   * @param mayBlowUp - Whether it may hold anything: nothing reads the final observation of a
   *   terminated episode, and a simulation that blew up has no finite one.
   * @throws TrustRegionError `ERR_NOT_FINITE` if a number is not finite, or not as `out` holds it.
   */
  write(observation: ArrayLike<number>, out: FloatArray, offset: number, mayBlowUp = false): void {
    for (let index = 0; index < this.#size; index += 1) {
      const value = observation[index] ?? NaN;
      out[offset + index] = value;
      if (!(mayBlowUp || (Number.isFinite(value) && Number.isFinite(out[offset + index])))) {
        const expected = Number.isFinite(value)
          ? 'a number of at most 3.4e38 in size' // for a policy in 32 bits
          : 'a finite number';
        this.#fail(
          'ERR_NOT_FINITE',
          `observation[${index}] of ${this.#call} must be ${expected}, got ` +
            describe(observation[index]),
        );
      }
    }
  }

  #reset(seed: number | undefined): ArrayLike<number> {
    this.#call = 'reset()';
    let observation: ArrayLike<number>;
    try {
      observation = this.#environment.reset(seed);
    } catch (cause) {
      this.#failThrown(cause);
    }
    this.#requireLength(observation);
    return observation;
  }

  #requireLength(observation: ArrayLike<number>): void {
    if (
      typeof observation !== 'object' ||
      observation === null ||
      observation.length !== this.#size
    ) {
      this.#fail(
        'ERR_CALLBACK',
        `the observation of ${this.#call} must be an array of length ${this.#size}, got ` +
          describe(observation),
      );
    }
  }

  #failThrown(cause: unknown): never {
    this.#fail('ERR_CALLBACK', `${this.#call} threw: ${messageOf(cause)}`, cause);
  }

  #fail(code: 'ERR_CALLBACK' | 'ERR_NOT_FINITE', what: string, cause?: unknown): never {
    const { name } = this.#environment;
    throw environmentFailure(code, { label: this.#label, name, seed: this.#seed }, this.#steps, {
      what,
      cause,
    });
  }
}

/**
 * The error for an environment that failed.
 *
 * @param which - `label` as in {@link SupervisedEnvironment}, and the seed of its first reset.
 * @param step - At which of its steps.
 */
export function environmentFailure(
  code: 'ERR_CALLBACK' | 'ERR_NOT_FINITE' | 'ERR_TIMEOUT',
  which: { readonly label: string; readonly name: string; readonly seed: number | undefined },
  step: number,
  { what, cause }: { readonly what: string; readonly cause?: unknown },
): TrustRegionError {
  const seed = which.seed === undefined ? 'not seeded' : `seed ${which.seed}`;
  return new TrustRegionError(
    code,
    `${which.label} (${String(which.name)}, ${seed}) failed at its step ${step}: ${what}`,
    cause === undefined ? undefined : { cause },
  );
}

/**
 * Checks that a value looks like an environment.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`.
 */
export function requireEnvironment(environment: Environment, label: string): void {
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
}

/**
 * What is constant about an environment.
 */
export type Spaces = Pick<Environment, 'name' | 'observationSpace' | 'actionSpace'>;

/**
 * Checks that a policy takes the environment's observations and gives its actions.
 *
 * @throws TrustRegionError `ERR_SHAPE_MISMATCH`.
 */
export function requireMatch(policy: Policy, environment: Spaces, label: string): void {
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

/**
 * A space of actions in a few words, without its bounds.
 */
export function spaceText(space: ActionSpace): string {
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
