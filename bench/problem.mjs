// A benchmark problem: a policy in mid-training (logStd -1, output gain 1) and one rollout of it,
// never zeros. The same numbers go to us and, as raw float32 files, to the peers.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Policy } from 'trustregion';

const continuous = (size) => ({ kind: 'continuous', size });

/** Name -> shape. S, M: small and medium Gaussian policies, tanh; D: a categorical one. */
export const cases = {
  S2k: { rows: 2048, observationSize: 17, hidden: [64, 64], actions: continuous(6) },
  S50k: { rows: 50000, observationSize: 17, hidden: [64, 64], actions: continuous(6) },
  M2k: { rows: 2048, observationSize: 376, hidden: [256, 256], actions: continuous(17) },
  D2k: {
    rows: 2048,
    observationSize: 8,
    hidden: [64, 64],
    actions: { kind: 'discrete', count: 4 },
  },
};

/** mulberry32: enough for filling arrays. */
function uniformGenerator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), 1 | state);
    z = (z + Math.imul(z ^ (z >>> 7), 61 | z)) ^ z;
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
}

function normals(count, seed) {
  const uniform = uniformGenerator(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

export function makeProblem(name, { backend, threads } = {}) {
  const shape = cases[name];
  if (shape === undefined) {
    throw new Error(`unknown case '${name}'; known: ${Object.keys(cases).join(', ')}`);
  }
  const policy = new Policy({
    observationSize: shape.observationSize,
    hidden: shape.hidden,
    actions: shape.actions,
    seed: 1,
    outputGain: 1,
    ...(shape.actions.kind === 'continuous' ? { initialLogStd: -1 } : {}),
    ...(backend ? { backend } : {}),
    ...(threads ? { threads } : {}),
  });
  const observations = normals(shape.rows * shape.observationSize, 2);
  const batch = {
    observations,
    actions: policy.act(observations),
    advantages: normals(shape.rows, 3),
  };
  return {
    name,
    ...shape,
    policy,
    batch,
    options: { maxKl: 0.01, damping: 0.1, cgIterations: 15 },
  };
}

/** Writes the problem for the Python peers (continuous actions only). */
export function writeProblem(problem, folder) {
  mkdirSync(folder, { recursive: true });
  const raw = (name, values) =>
    writeFileSync(join(folder, `${name}.f32`), Buffer.from(Float32Array.from(values).buffer));
  raw('observations', problem.batch.observations);
  raw('actions', problem.batch.actions);
  raw('advantages', problem.batch.advantages);
  raw('parameters', problem.policy.getParameters());
  writeFileSync(
    join(folder, 'problem.json'),
    JSON.stringify({
      name: problem.name,
      rows: problem.rows,
      observationSize: problem.observationSize,
      hidden: problem.hidden,
      actionSize: problem.policy.actionLength,
      ...problem.options,
    }),
  );
}
