/*
 * A module for VectorEnvironment: episodes of a few steps whose observations follow from the seed and
 * the actions. The query of its URL says what goes wrong, where and when:
 * `?environments=1,2&step=57&fault=throw`, or `&fault=throw,hang`.
 */
import { spawnSync } from 'node:child_process';

const query = new URL(import.meta.url).searchParams;
const faulty = (query.get('environments') ?? '').split(',').filter(Boolean).map(Number);
const faultyStep = Number(query.get('step') ?? -1);
const fault = query.get('fault') ?? ''; // or one for each of them, with commas
const faultOf = (index) => fault.split(',')[faulty.indexOf(index)] ?? fault;
const delay = Number(query.get('delay') ?? 0);

function forever() {
  for (;;) {
    // as an endless loop in somebody's task
  }
}

const faults = {
  throw: () => {
    throw new Error('boom');
  },
  hang: forever,
  exit: () => process.exit(3),
  // Waits until a file is gone, in another process: this thread runs no JavaScript then and cannot be ended.
  block: () => {
    const wait = `
      const { existsSync } = require('node:fs');
      const sleeper = new Int32Array(new SharedArrayBuffer(4));
      for (let turn = 0; turn < 3000 && existsSync(process.argv[1]); turn += 1) {
        Atomics.wait(sleeper, 0, 0, 10);
      }`;
    spawnSync(process.execPath, ['-e', wait, query.get('file')]);
  },
  reward: (result) => ({ ...result, reward: NaN }),
  observation: (result) => ({ ...result, observation: [0, NaN] }),
  large: (result) => ({ ...result, observation: [1e300, 0] }),
  flag: (result) => ({ ...result, terminated: 1 }),
  cause: () => {
    throw Object.assign(new Error('with a function'), { helper: () => 1 });
  },
};

class Scripted {
  name = 'Scripted';
  observationSpace = { size: 2 };
  actionSpace;
  #index;
  #state = 1;
  #time = 0;
  #steps = 0;
  #length = 3;

  constructor(index) {
    this.#index = index;
    this.actionSpace = {
      kind: 'discrete',
      count: query.get('spaces') === 'different' ? index + 2 : 2,
    };
  }

  reset(seed) {
    if (seed !== undefined) {
      this.#state = (seed % 2147483646) + 1;
    }
    if (fault === 'reset' && faulty.includes(this.#index) && this.#steps >= faultyStep) {
      forever();
    }
    this.#time = 0;
    this.#length = 3 + (this.#draw() % 5);
    return Float64Array.of(0, this.#state / 2147483647);
  }

  step(action) {
    for (const end = performance.now() + delay; performance.now() < end; );
    this.#steps += 1;
    this.#time += 1;
    const ended = this.#time === this.#length;
    const result = {
      observation: Float64Array.of(this.#time, (this.#draw() + action[0]) / 2147483647),
      reward: action[0] + this.#time / 16,
      terminated: ended && this.#length % 2 === 0,
      truncated: ended && this.#length % 2 === 1,
    };
    return faulty.includes(this.#index) && this.#steps === faultyStep
      ? (faults[faultOf(this.#index)]?.(result) ?? result)
      : result;
  }

  close() {
    if (fault === 'close-later' && faulty.includes(this.#index)) {
      void Promise.reject(new Error('stuck lid'));
    }
    if (fault === 'close' && faulty.includes(this.#index)) {
      throw new Error('stuck lid');
    }
  }

  /** Park and Miller's generator. */
  #draw() {
    this.#state = (this.#state * 48271) % 2147483647;
    return this.#state;
  }
}

if (fault === 'load') {
  throw new Error('no such luck');
}

export default (index) => {
  if (faulty.includes(index) && fault === 'make') {
    throw new Error('out of parts');
  }
  if (faulty.includes(index) && fault === 'make-hang') {
    forever();
  }
  if (faulty.includes(index) && fault === 'make-exit') {
    process.exit(4);
  }
  return faulty.includes(index) && fault === 'make-nothing' ? {} : new Scripted(index);
};
