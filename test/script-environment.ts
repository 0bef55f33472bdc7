import type { Environment, StepResult } from '../lib/environments/environment.js';
import { Policy } from '../lib/policy.js';
import type { ActionSpace } from '../lib/spaces.js';
import type { TrainOptions } from '../lib/train.js';

export interface ScriptOptions {
  readonly length?: number;
  readonly truncates?: boolean;
  readonly actionSpace?: ActionSpace;
  /** Replaces what a step gives; `step` counts from 1 over all episodes. */
  readonly change?: (step: number, result: StepResult) => unknown;
}

/** Episodes of a fixed length; reward 1 for the first step, 2 for the second, and so on. */
export class Script implements Environment {
  readonly name = 'Script';
  readonly observationSpace = { size: 2 };
  readonly actionSpace: ActionSpace;
  readonly seeds: (number | undefined)[] = [];
  readonly actions: number[] = [];
  readonly #options: ScriptOptions;
  #steps = 0;
  #time = 0;

  constructor(options: ScriptOptions = {}) {
    this.#options = options;
    this.actionSpace = options.actionSpace ?? { kind: 'discrete', count: 2 };
  }

  reset(seed?: number): Float64Array {
    this.seeds.push(seed);
    this.#time = 0;
    return Float64Array.of(0, this.seeds.length);
  }

  step(action: ArrayLike<number>): StepResult {
    this.actions.push(...Array.from(action));
    this.#steps += 1;
    this.#time += 1;
    const ended = this.#time === (this.#options.length ?? 10);
    const truncates = this.#options.truncates ?? false;
    const result = {
      observation: Float64Array.of(this.#time, this.seeds.length),
      reward: this.#time,
      terminated: ended && !truncates,
      truncated: ended && truncates,
    };
    return (this.#options.change?.(this.#steps, result) ?? result) as StepResult;
  }

  close(): void {}
}

/** A small policy for Script. */
export const scriptPolicy = () =>
  new Policy({
    observationSize: 2,
    actions: { kind: 'discrete', count: 2 },
    hidden: [4],
  });

/** What a small run on Script needs; `overrides` may be wrong on purpose. */
export function scriptRun(environment: Environment, overrides: object = {}): TrainOptions {
  return {
    policy: scriptPolicy(),
    environments: environment,
    steps: 40,
    stepsPerUpdate: 20,
    ...overrides,
  } as TrainOptions;
}
