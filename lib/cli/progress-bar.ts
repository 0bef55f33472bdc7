import { performance } from 'node:perf_hooks';
import type { TrainProgress } from '../train.js';

/** What a progress bar needs of a stream. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const redrawMilliseconds = 100;

/**
 * One line that is drawn again and again:
 *
 *     [#####-----]  51,200/100,000 steps  return 213.4  KL 0.0087/0.01  14.2 updates/s
 *
 * Silent where the stream is no terminal.
 */
export class ProgressBar {
  readonly #terminal: Terminal;
  #drawnAt = -Infinity;

  /**
   * @param terminal - Usually `process.stderr`.
   */
  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Shows the state after an update, unless the last one was shown a moment ago. */
  update(progress: TrainProgress): void {
    const now = performance.now();
    const isLast = progress.steps >= progress.totalSteps;
    if (this.#terminal.isTTY === true && (isLast || now - this.#drawnAt >= redrawMilliseconds)) {
      this.#drawnAt = now;
      const width = (this.#terminal.columns ?? 80) - 1; // a full line would wrap
      this.#terminal.write(`\r\u001b[2K${progressLine(progress, width)}`);
    }
  }

  /** Leaves the line as it is and goes on below it. */
  end(): void {
    if (this.#drawnAt > -Infinity) {
      this.#terminal.write('\n');
      this.#drawnAt = -Infinity;
    }
  }
}

const widestBar = 30;
const narrowestBar = 5;

/**
 * The line, at most `width` characters; the bar takes what the numbers leave.
 */
export function progressLine(progress: TrainProgress, width: number): string {
  const { steps, totalSteps, meanReturn, summary, update, wallSeconds } = progress;
  const { klBound } = summary;
  const kl = summary.accepted ? significant(summary.meanKl, 2) : `rejected (${summary.reason})`;
  const numbers = [
    `${grouped(steps)}/${grouped(totalSteps)} steps`,
    `return ${Number.isNaN(meanReturn) ? '-' : significant(meanReturn, 4)}`,
    `KL ${kl}${klBound === null ? '' : `/${significant(klBound, 2)}`}`,
    `${significant(update / wallSeconds, 3)} updates/s`,
  ].join('  ');
  const room = width - numbers.length - '[]  '.length;
  const length = Math.min(Math.max(room, narrowestBar), widestBar);
  const filled = Math.round((length * steps) / totalSteps);
  return `[${'#'.repeat(filled)}${'-'.repeat(length - filled)}]  ${numbers}`.slice(0, width);
}

/** 51200 as 51,200. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** A few significant digits, without an exponent for the usual sizes. */
export function significant(value: number, digits: number): string {
  return String(Number(value.toPrecision(digits)));
}
