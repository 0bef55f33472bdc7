/*
 * What a worker thread of a VectorEnvironment runs: steps its environments when told to.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { EnvironmentGroup, madeNext, runningCall } from './environment-group.js';
import { closeAll, makeEnvironments } from './environment-source.js';
import type { Environment } from './environments/environment.js';
import { TrustRegionError } from './errors.js';
import type { RolloutStorage } from './rollout-storage.js';
import { TurnTaker } from './turn-taker.js';
import { messageOf } from './validate.js';
import { awaitChange, commands, slots, workerSlots } from './worker-protocol.js';
import type { WorkerFailure, WorkerGreeting, WorkerTask } from './worker-protocol.js';

/** Longest sleep between two turns of the event loop, which brings what environments print. */
const longestSleep = 100;

const task = workerData as WorkerTask;
const { control, port } = task;
const { progress, finished } = workerSlots(task.worker);

function failureOf(error: unknown, environment: number): WorkerFailure {
  const known = error instanceof TrustRegionError ? error : undefined;
  return {
    code: known?.code ?? 'ERR_CALLBACK',
    message: messageOf(error),
    cause: known?.cause ?? error,
    environment,
  };
}

/** Sends a failure, without its cause if that cannot be sent. */
function send(post: (failure: WorkerFailure) => void, { cause, ...failure }: WorkerFailure): void {
  try {
    post({ ...failure, cause });
  } catch {
    post(failure);
  }
}

/** Takes the storages that wait at the port. */
function openStorages(group: EnvironmentGroup): void {
  for (let told = receiveMessageOnPort(port); told; told = receiveMessageOnPort(port)) {
    group.open(told.message as readonly RolloutStorage[]);
  }
}

function perform(group: EnvironmentGroup, environments: readonly Environment[]): void {
  const storage = control[slots.storage] ?? 0;
  switch (control[slots.command]) {
    case commands.step:
      if (!group.knows(storage)) {
        openStorages(group);
      }
      group.step(storage, control[slots.step] ?? 0);
      break;
    case commands.begin: {
      const seeds = task.seeds.subarray(task.first, task.first + task.count);
      openStorages(group);
      group.beginNow(
        Array.from(seeds, (seed) => (Number.isNaN(seed) ? undefined : seed)),
        storage,
      );
      break;
    }
    default:
      closeAll(environments, task.first);
  }
}

async function serve(environments: readonly Environment[]): Promise<void> {
  const group = new EnvironmentGroup(environments, task.first, control, progress);
  const turns = new TurnTaker(longestSleep);
  let generation = 0;
  for (;;) {
    const now = awaitChange(control, slots.generation, generation, longestSleep, true);
    if (now !== generation) {
      generation = now;
      const isClosing = control[slots.command] === commands.close;
      try {
        perform(group, environments);
      } catch (error) {
        const { environment } = runningCall(control[progress] ?? 0);
        const failure = failureOf(error, environment);
        // Nobody reads the port of a worker that ends.
        send((told) => (isClosing ? greet({ failed: told }) : port.postMessage(told)), failure);
        Atomics.add(control, slots.failures, 1);
      }
      Atomics.store(control, finished, generation);
      if (Atomics.sub(control, slots.pending, 1) === 1) {
        Atomics.notify(control, slots.pending);
      }
      if (isClosing) {
        return;
      }
    }
    if (turns.isDue()) {
      await turns.pause();
    }
  }
}

function greet(greeting: WorkerGreeting): void {
  parentPort?.postMessage(greeting);
}

async function main(): Promise<void> {
  try {
    const { source, first, count } = task;
    const environments = await makeEnvironments(source, first, count, (index) => {
      control[progress] = madeNext(index);
    });
    greet({
      ready: environments.map(({ name, observationSpace, actionSpace }) => ({
        name: String(name),
        observationSpace,
        actionSpace,
      })),
    });
    await serve(environments);
  } catch (error) {
    const { environment } = runningCall(control[progress] ?? 0);
    send((failed) => greet({ failed }), failureOf(error, environment));
  } finally {
    port.close();
  }
}

void main();
