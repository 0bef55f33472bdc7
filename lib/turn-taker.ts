import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Gives timers, signals and other work of the process a turn every few milliseconds, for a loop of
 * many short synchronous steps.
 */
export class TurnTaker {
  readonly #milliseconds: number;
  #pauseAt: number;

  /**
   * @param milliseconds - Longest stretch of work without a turn for others.
   */
  constructor(milliseconds = 8) {
    this.#milliseconds = milliseconds;
    this.#pauseAt = performance.now() + milliseconds;
  }

  /**
   * Whether others have waited long enough; then `await pause()`. Two calls, because awaiting costs
   * more than a step of a simple environment.
   *
   * @param now - The time, if it is known.
   */
  isDue(now = performance.now()): boolean {
    return now >= this.#pauseAt;
  }

  /**
   * Lets everything else that is ready run once.
   */
  async pause(): Promise<void> {
    await nextTurn();
    this.#pauseAt = performance.now() + this.#milliseconds;
  }
}
