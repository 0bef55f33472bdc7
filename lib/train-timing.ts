import { performance } from 'node:perf_hooks';

/**
 * Where the time of a run went: seconds of the thread that called {@link train}. `rest` is what no other
 * field has, so that all of them add up to `wallSeconds`.
 */
export interface TrainTiming {
  /**
   * Stepping and resetting environments; with workers, waiting for them.
   */
  readonly physics: number;
  /**
   * Choosing actions.
   */
  readonly inference: number;
  /**
   * Updating the policy.
   */
  readonly update: number;
  /**
   * Asking the critic for values, advantages, and waiting for its fit. The fit itself goes on while the next
   * rollout is collected, so this is what is left of it then.
   */
  readonly critic: number;
  /**
   * Everything else: the normaliser, statistics, turns of the event loop, `onUpdate` without what it runs
   * `untimed`.
   */
  readonly rest: number;
}

/**
 * Adds up seconds under a few names.
 */
export class TimeSheet {
  /** The time is counted from here, in milliseconds like all that is private here. */
  #start: number;
  physics = 0;
  inference = 0;
  update = 0;
  critic = 0;

  /**
   * @param before - What there is to begin with.
   */
  constructor(before?: TrainTiming) {
    this.#start = performance.now();
    if (before !== undefined) {
      const { physics, inference, update, critic, rest } = before;
      this.physics = 1000 * physics;
      this.inference = 1000 * inference;
      this.update = 1000 * update;
      this.critic = 1000 * critic;
      this.#start -= 1000 * (physics + inference + update + critic + rest);
    }
  }

  /**
   * Seconds since it was made, and before, apart from what was untimed.
   */
  get wallSeconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /**
   * The sum so far.
   */
  timing(wallSeconds = this.wallSeconds): TrainTiming {
    const [physics, inference, update, critic] = [
      this.physics / 1000,
      this.inference / 1000,
      this.update / 1000,
      this.critic / 1000,
    ];
    const rest = Math.max(wallSeconds - physics - inference - update - critic, 0);
    return { physics, inference, update, critic, rest };
  }

  /**
   * Runs something and books the time it takes.
   */
  async book<Result>(
    name: 'physics' | 'update' | 'critic',
    run: () => Promise<Result>,
  ): Promise<Result> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      this[name] += performance.now() - start;
    }
  }

  /**
   * Runs something whose time counts nowhere.
   */
  async untimed<Result>(run: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      this.#start += performance.now() - start;
    }
  }
}
