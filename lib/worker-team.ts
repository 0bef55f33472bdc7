import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import native from '../native.cjs';
import { labelOf, madeNext, runningCall } from './environment-group.js';
import type { Lockstep } from './environment-group.js';
import type { EnvironmentSource } from './environment-source.js';
import { TrustRegionError } from './errors.js';
import type { RolloutStorage } from './rollout-storage.js';
import { environmentFailure } from './supervised-environment.js';
import type { Spaces } from './supervised-environment.js';
import { messageOf } from './validate.js';
import { awaitChange, commands, controlLength, slots, workerSlots } from './worker-protocol.js';
import type { WorkerFailure, WorkerGreeting, WorkerTask } from './worker-protocol.js';

/** Milliseconds that the event loop may stand still for a step, and between two looks at a slow one. */
const patience = 5;

/** Milliseconds that workers get to close their environments, and again to end. */
const closingTime = 1000;

/**
 * Milliseconds that the others get after a failure, so that the same one is named whichever thread was
 * first.
 */
const grace = 200;

/** How large a team is. */
export interface TeamOptions {
  /** Environments. */
  readonly count: number;
  readonly workers: number;
  /** Milliseconds that a command may take. */
  readonly timeout: number;
}

interface Member {
  readonly worker: Worker;
  /** Shared with nobody: read with `receiveMessageOnPort`. */
  readonly port: MessagePort;
  readonly slots: ReturnType<typeof workerSlots>;
  /** Why it is gone. */
  end: string | undefined;
}

/**
 * Environments spread over worker threads, a block of neighbours each.
 */
export class WorkerTeam implements Lockstep {
  readonly #options: TeamOptions;
  readonly #members: Member[] = [];
  readonly #control: Int32Array;
  /** Of the reset at hand; NaN for none. */
  readonly #seeds: Float64Array;
  /** Of the last reset that had any. */
  readonly #lastSeeds: (number | undefined)[] = [];
  /** Whether the main thread has a processor for itself. */
  readonly #mayWatch: boolean;
  #spaces: readonly Spaces[] = [];
  /** Steps since that reset, or the first one without. */
  #steps = 0;
  /** Whether somebody waits for the command at hand, be it carried out or not. */
  #isAwaited = false;
  #dismissal: Promise<void> | undefined;

  private constructor(options: TeamOptions) {
    const { count, workers } = options;
    this.#options = options;
    this.#mayWatch = workers < availableParallelism();
    this.#control = new Int32Array(new SharedArrayBuffer(4 * controlLength(workers)));
    this.#seeds = new Float64Array(new SharedArrayBuffer(8 * count)).fill(NaN);
  }

  /**
   * Starts the workers and makes the environments.
   *
   * @throws TrustRegionError (the promise rejects) What {@link makeEnvironments} throws;
   *   `ERR_TIMEOUT`; `ERR_CALLBACK` if a worker ends.
   */
  static async start(source: EnvironmentSource, options: TeamOptions): Promise<WorkerTeam> {
    const team = new WorkerTeam(options);
    try {
      const greetings = Array.from({ length: options.workers }, (_, index) =>
        team.#hire(source, index),
      );
      team.#spaces = (await Promise.all(greetings)).flat();
      return team;
    } catch (error) {
      await team.dismiss();
      throw error;
    }
  }

  get count(): number {
    return this.#options.count;
  }

  /** What is constant about each environment. */
  get spaces(): readonly Spaces[] {
    return this.#spaces;
  }

  open(storages: readonly RolloutStorage[]): void {
    for (const { port } of this.#members) {
      port.postMessage(storages);
    }
  }

  async begin(seeds: readonly (number | undefined)[], storage: number): Promise<void> {
    seeds.forEach((seed, index) => {
      this.#seeds[index] = seed ?? NaN;
      this.#lastSeeds[index] = seed ?? this.#lastSeeds[index];
    });
    if (seeds.some((seed) => seed !== undefined)) {
      this.#steps = 0; // all have one, or none
    }
    this.#control[slots.storage] = storage;
    this.#order(commands.begin);
    await this.settled();
  }

  step(storage: number, step: number): boolean {
    this.#steps += 1;
    this.#control[slots.storage] = storage;
    this.#control[slots.step] = step;
    this.#order(commands.step);
    return this.#await() && this.#control[slots.failures] === 0;
  }

  async settled(): Promise<void> {
    this.#isAwaited = true;
    try {
      await this.#settle();
    } finally {
      this.#isAwaited = false;
    }
  }

  async #settle(): Promise<void> {
    const deadline = performance.now() + this.#options.timeout;
    let end = deadline;
    const failures: WorkerFailure[] = [];
    while (!this.#await()) {
      await nextTurn(); // which brings the news of workers that ended
      if (this.#dismissal !== undefined) {
        return; // who closes a team at work says so
      }
      this.#hear(failures);
      const now = performance.now();
      const unfinished = this.#members.filter((member) => !this.#isFinished(member));
      const gone = unfinished.filter((member) => member.end !== undefined);
      if (failures.length + gone.length > 0) {
        end = Math.min(end, now + grace);
      }
      if (now > end || (gone.length > 0 && gone.length === unfinished.length)) {
        failures.push(...gone.map((member) => this.#failureOfGone(member)));
        if (now > deadline) {
          const late = unfinished.filter((member) => !gone.includes(member));
          failures.push(...late.map((member) => this.#failureOfLate(member)));
        }
        if (failures.length > 0) {
          await this.#fail(failures);
        }
      }
    }
    if (this.#control[slots.failures] !== 0) {
      this.#hear(failures);
      await this.#fail(failures);
    }
  }

  /**
   * Lets the workers close their environments, unless they are at work, then ends them.
   *
   * @throws TrustRegionError (the promise rejects) `ERR_CALLBACK` if `close()` of an environment throws.
   */
  async close(): Promise<void> {
    const failures: WorkerFailure[] = [];
    const isIdle = this.#control[slots.pending] === 0 && !this.#isAwaited;
    if (isIdle && this.#members.every(({ end }) => end === undefined)) {
      this.#order(commands.close);
      this.#keepAlive();
      const left = this.#members.map(({ worker }) => {
        worker.once('message', (told: WorkerGreeting) => {
          failures.push(...('failed' in told ? [told.failed] : []));
        });
        // Not once() of node:events, which would reject with an error that ends the thread.
        return new Promise((resolve) => worker.once('exit', resolve));
      });
      await inClosingTime(Promise.all(left), this.#options.timeout);
    }
    if (failures.length > 0) {
      await this.#fail(failures);
    }
    await this.dismiss();
  }

  /**
   * Ends the workers, whatever they are doing. One that runs no JavaScript, as in `execSync`, ends when
   * it next does; it is not waited for.
   */
  dismiss(): Promise<void> {
    this.#dismissal ??= this.#dismiss();
    return this.#dismissal;
  }

  async #dismiss(): Promise<void> {
    this.#keepAlive();
    const ended = this.#members.map(({ worker, port }) => {
      port.close();
      return worker.terminate();
    });
    await inClosingTime(Promise.all(ended));
    for (const { worker } of this.#members) {
      worker.unref();
    }
  }

  /** Keeps the process alive until the workers have ended. */
  #keepAlive(): void {
    for (const { worker } of this.#members) {
      worker.ref();
    }
  }

  /** Starts a worker; resolves to what is constant about its environments. */
  async #hire(source: EnvironmentSource, index: number): Promise<readonly Spaces[]> {
    const { count, workers, timeout } = this.#options;
    const first = Math.floor((index * count) / workers);
    const end = Math.floor(((index + 1) * count) / workers);
    const { port1, port2 } = new MessageChannel();
    this.#control[workerSlots(index).progress] = madeNext(first);
    const task: WorkerTask = {
      source,
      first,
      count: end - first,
      control: this.#control,
      worker: index,
      seeds: this.#seeds,
      port: port2,
    };
    // Compiled from environment-worker.ts, because Node itself runs no TypeScript.
    const program = join(native.root, 'dist/esm/environment-worker.js');
    const worker = new Worker(program, {
      workerData: task,
      transferList: [port2],
      // Workers inherit Node's options, loaders among them. This one, of programs given to
      // `node --eval`, makes Node refuse files, our own included.
      ...(process.execArgv.some((option) => option.startsWith('--input-type'))
        ? { execArgv: [] }
        : {}),
    });
    const member: Member = {
      worker,
      port: port1,
      slots: workerSlots(index),
      end: undefined,
    };
    this.#members.push(member);
    const whichOne = (): string =>
      labelOf(runningCall(this.#control[member.slots.progress] ?? 0).environment);
    return new Promise((resolve, reject) => {
      const refuse = (code: 'ERR_CALLBACK' | 'ERR_TIMEOUT', what: string, cause?: unknown) =>
        reject(new TrustRegionError(code, `${whichOne()} cannot be made: ${what}`, { cause }));
      const timer = setTimeout(
        () => refuse('ERR_TIMEOUT', `its thread was not ready within ${timeout} milliseconds`),
        timeout,
      );
      worker.once('message', (greeting: WorkerGreeting) => {
        clearTimeout(timer);
        worker.unref(); // a program may end without having called close()
        if ('ready' in greeting) {
          resolve(greeting.ready);
        } else {
          reject(errorOf(greeting.failed));
        }
      });
      worker.on('error', (error) => {
        member.end = messageOf(error);
        refuse('ERR_CALLBACK', `its thread ended: ${member.end}`, error);
      });
      worker.on('exit', (code) => {
        clearTimeout(timer);
        member.end ??= `exit code ${code}`;
        refuse('ERR_CALLBACK', `its thread ended: ${member.end}`);
      });
    });
  }

  /** Gives all workers a command. */
  #order(command: (typeof commands)[keyof typeof commands]): void {
    const control = this.#control;
    control[slots.command] = command;
    control[slots.failures] = 0;
    control[slots.pending] = this.#members.length;
    Atomics.add(control, slots.generation, 1); // from here on they see all of it
    Atomics.notify(control, slots.generation);
  }

  /** Sleeps until the command is carried out, but not for long; returns whether it is. */
  #await(): boolean {
    const control = this.#control;
    const deadline = performance.now() + patience;
    for (;;) {
      const pending = Atomics.load(control, slots.pending);
      if (pending === 0) {
        return true;
      }
      const left = deadline - performance.now();
      if (left <= 0) {
        return false;
      }
      awaitChange(control, slots.pending, pending, left, this.#mayWatch);
    }
  }

  #isFinished({ slots: { finished } }: Member): boolean {
    return Atomics.load(this.#control, finished) === this.#control[slots.generation];
  }

  /** Reads what workers say about their failures. */
  #hear(failures: WorkerFailure[]): void {
    for (const { port } of this.#members) {
      const told = receiveMessageOnPort(port);
      if (told !== undefined) {
        failures.push(told.message as WorkerFailure);
      }
    }
  }

  #failureOfGone(member: Member): WorkerFailure {
    return this.#failure(member, 'ERR_CALLBACK', `ended its thread: ${member.end}`);
  }

  #failureOfLate(member: Member): WorkerFailure {
    const { timeout } = this.#options;
    return this.#failure(member, 'ERR_TIMEOUT', `did not return within ${timeout} milliseconds`);
  }

  /** The failure of a worker that cannot speak for itself. */
  #failure(
    { slots: { progress } }: Member,
    code: 'ERR_CALLBACK' | 'ERR_TIMEOUT',
    what: string,
  ): WorkerFailure {
    const { environment, call } = runningCall(this.#control[progress] ?? 0);
    const { message } = environmentFailure(
      code,
      {
        label: labelOf(environment),
        name: this.#spaces[environment]?.name ?? '?',
        seed: this.#lastSeeds[environment],
      },
      this.#steps,
      { what: `${call} ${what}` },
    );
    return { code, message, environment };
  }

  /** Ends the workers and throws the error of the first environment that failed. */
  async #fail(failures: readonly WorkerFailure[]): Promise<never> {
    await this.dismiss();
    throw firstOf(failures);
  }
}

/** Waits for something, but not for long. */
async function inClosingTime(something: Promise<unknown>, timeout = Infinity): Promise<void> {
  const time = delay(Math.min(closingTime, timeout), undefined, { ref: false });
  await Promise.race([something, time]);
}

/** The error of the environment with the lowest number. */
function firstOf(failures: readonly WorkerFailure[]): TrustRegionError {
  const [first] = [...failures].sort((one, other) => one.environment - other.environment);
  return errorOf(first);
}

function errorOf(failure: WorkerFailure | undefined): TrustRegionError {
  const { code, message, cause } = failure ?? {
    code: 'ERR_INTERNAL',
    message: 'a worker failed without saying why',
  };
  return new TrustRegionError(code, message, cause === undefined ? undefined : { cause });
}
