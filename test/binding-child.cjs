'use strict';

// What binding.test.ts runs in processes of its own, since a defect here would end the process:
//
//   node [--expose-gc] test/binding-child.cjs <case>
//
// It also is the script of the workers that the cases start.

const { readFileSync, readdirSync } = require('node:fs');
const { isMainThread, parentPort, Worker, workerData } = require('node:worker_threads');

// In the case `terminate` only workers load the addon: each that ends would unmap it, under the feet
// of the thread pool, if it were not linked to stay.
const onlyInWorkers = isMainThread && process.argv[2] === 'terminate';
const { addon } = onlyInWorkers ? {} : require('../native.cjs');

const trpo = {
  maxKl: 0.01,
  stepLength: 'fisher',
  lineSearch: 'boundary',
  maxRowKl: Infinity,
  backtrackFactor: 0.8,
  maxBacktracks: 15,
  acceptRatio: 0.1,
  klTolerance: 0.01,
  damping: 0.1,
  relativeDamping: 0,
  adaptiveDamping: false,
  fisher: 'exact',
  fisherFraction: 1,
  solver: 'conjugateGradient',
  cgIterations: 10,
  cgTolerance: 0,
  cgProgressTolerance: 0,
  cgReorthogonalize: true,
  preconditioner: 'none',
  warmStart: true,
  normalizeAdvantages: true,
  diagnostics: false,
};
const conjugateGradient = {
  iterations: 10,
  residualTolerance: 0,
  progressTolerance: 0,
  residualResetPeriod: 20,
  reorthogonalize: true,
};
const fit = { solver: 'adam', epochs: 50, minibatchSize: 128, learningRate: 1e-3 };
const network = { observationSize: 4, activation: 'tanh', seed: 1, backend: '', threads: 2 };

function makeMethod() {
  return new addon.Method('TRPO', trpo);
}

function makePolicy(hidden = [32]) {
  return new addon.Policy({
    ...network,
    hidden,
    distribution: 'gaussian',
    actionCounts: [2],
    initialLogStd: 0,
    minLogStd: -Infinity,
    outputGain: 0.01,
    observationClip: 10,
    memoryBudget: 2 ** 30,
  });
}

function makeValueFunction() {
  return new addon.ValueFunction({
    ...network,
    hidden: [32],
    normalizeObservations: true,
    normalizeTargets: true,
    observationClip: 10,
  });
}

const sines = (length) => Float32Array.from({ length }, (_, index) => Math.sin(index * index));

function makeBatch(rows) {
  return { observations: sines(4 * rows), actions: sines(2 * rows), advantages: sines(rows) };
}

function observationsOnly(length) {
  const none = new Float32Array(0);
  return { observations: new Float32Array(length), actions: none, advantages: none };
}

/** An update and a fit that take much longer than what the cases do meanwhile. */
function startLongJobs() {
  const batch = makeBatch(100_000);
  makePolicy([64, 64]).update(batch, makeMethod());
  makeValueFunction().fit(batch.observations, batch.advantages, fit);
}

/** Bodies of workers, which are terminated at some point after they said that they run. */
const workers = {
  update(started) {
    makePolicy().update(makeBatch(5000), makeMethod());
    started();
  },
  fit(started) {
    const { observations, advantages } = makeBatch(5000);
    makeValueFunction().fit(observations, advantages, fit);
    started();
  },
  async settle(started) {
    const policy = makePolicy();
    const method = makeMethod(); // one, so that its state goes from update to update
    const batch = makeBatch(8);
    const bad = { ...batch, advantages: new Float32Array(8).fill(Number.NaN) };
    for (;;) {
      await policy.update(batch, method);
      await policy.update(bad, method).catch(() => undefined);
      started();
    }
  },
  calls(started) {
    const policy = makePolicy();
    started();
    for (;;) {
      policy.act(new Float32Array(4), false, new Float32Array(2));
      policy.getNormalizer();
      policy.fisherOperator(observationsOnly(8), 'exact');
    }
  },
  errors(started) {
    const policy = makePolicy();
    started();
    for (;;) {
      try {
        policy.update({}, makeMethod());
      } catch {}
      try {
        new addon.Policy({});
      } catch {}
    }
  },
  callbacks(started) {
    const b = new Float64Array(20).fill(1);
    started();
    for (;;) {
      addon.conjugateGradient(
        (vector, out) => out.set(vector.map((value, i) => value * (i + 1))),
        b,
        conjugateGradient,
        new Float64Array(20),
        new Float64Array(20),
      );
    }
  },
  exit(started) {
    startLongJobs();
    started();
    process.exit();
  },
};

async function terminateWorkers(name, rounds) {
  for (let round = 0; round < rounds; round += 1) {
    const worker = new Worker(__filename, { workerData: name });
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('exit', resolve);
      worker.once('error', reject);
    });
    await new Promise((resolve) => setTimeout(resolve, round % 4));
    await worker.terminate();
  }
}

/** The threads of this process, where the system tells. */
function threadNames() {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').join() : '';
}

function threadCount() {
  return threadNames().split(',').length;
}

/** Field 41 of /proc/PID/task/TID/stat, proc(5): 0 is SCHED_OTHER, 5 is SCHED_IDLE. */
function schedulingPolicy(thread) {
  const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[41 - 3]);
}

const cases = {
  async terminate() {
    for (const name of Object.keys(workers)) await terminateWorkers(name, 3);
    const before = threadCount();
    await terminateWorkers('update', 50);
    if (threadCount() > before) throw new Error(`${threadCount() - before} threads are left`);
  },

  async manyWorkers() {
    const summaries = await Promise.all(
      Array.from({ length: 4 }, () => {
        const worker = new Worker(__filename, { workerData: 'report' });
        return new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
      }),
    );
    if (new Set(summaries).size !== 1) throw new Error(`workers differ: ${summaries}`);
  },

  exit() {
    startLongJobs();
    setTimeout(() => process.exit(7), 20);
  },

  uncaught() {
    startLongJobs();
    setTimeout(() => {
      throw new Error('uncaught on purpose');
    }, 20);
  },

  exitWithWorker() {
    const worker = new Worker(__filename, { workerData: 'update' });
    worker.once('message', () => process.exit(7));
  },

  /** The same threads run one update and fit after the other. */
  async threads() {
    const policy = makePolicy();
    const valueFunction = makeValueFunction();
    const method = makeMethod();
    const batch = makeBatch(200);
    const run = async () => {
      await policy.update(batch, method);
      await valueFunction.fit(batch.observations, batch.advantages, fit);
    };
    await run();
    const before = threadNames();
    for (let round = 0; round < 20; round += 1) await run();
    if (threadNames() !== before) throw new Error(`threads ${before}, then ${threadNames()}`);
  },

  /** Prints by which policy the system schedules this thread, and how many others are idle-time ones. */
  async priorities() {
    await makePolicy().update(makeBatch(5000), makeMethod());
    const policies = threadNames().split(',').map(schedulingPolicy);
    const idle = policies.filter((policy) => policy === 5);
    process.stdout.write(`${schedulingPolicy(process.pid)} ${idle.length}`);
  },

  /** The update itself keeps the process alive until it has settled. */
  natural() {
    makePolicy()
      .update(makeBatch(1000), makeMethod())
      .then(({ status }) => process.stdout.write(status));
  },

  async collect() {
    let collected = 0;
    const registry = new FinalizationRegistry(() => {
      collected += 1;
    });
    const collectGarbage = async () => {
      global.gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    let pending;
    (() => {
      const policy = makePolicy();
      registry.register(policy);
      pending = policy.update(makeBatch(20_000), makeMethod());
    })();
    await collectGarbage();
    if (collected !== 0) throw new Error('a policy was collected while its update ran');
    await pending;
    for (let count = 0; count < 20; count += 1) {
      const policy = makePolicy();
      registry.register(policy);
      registry.register(policy.fisherOperator(observationsOnly(400), 'exact'));
    }
    for (let round = 0; round < 10 && collected < 40; round += 1) await collectGarbage();
    // The last ones may still lie on the stack.
    if (collected < 38) throw new Error(`only ${collected} of 41 objects were collected`);
  },

  /** Nothing is closed and no memory is short: only what the binding reports makes GC run. */
  async pressure() {
    let peak = 0;
    for (let count = 0; count < 400; count += 1) {
      makePolicy([256, 256]);
      await new Promise(setImmediate);
      peak = Math.max(peak, process.memoryUsage.rss());
    }
    // 100 MB with the reports, 260 MB without.
    if (peak > 180e6) throw new Error(`400 forgotten policies took ${peak} bytes`);
  },
};

function report() {
  makePolicy()
    .update(makeBatch(500), makeMethod())
    .then(({ timing: _, ...summary }) => parentPort.postMessage(JSON.stringify(summary)));
}

if (isMainThread) {
  cases[process.argv[2]]();
} else if (workerData === 'report') {
  report();
} else {
  workers[workerData](() => parentPort.postMessage('started'));
}
