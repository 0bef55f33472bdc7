// Benchmark problems: a policy in mid-training (logStd -1, output gain 1) and one rollout of it, never
// zeros. The same numbers go to every contender, ours included, as raw float32 files.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Policy } from 'trustregion';

const continuous = (size) => ({ kind: 'continuous', size });
const small = { observationSize: 17, hidden: [64, 64], actions: continuous(6) };
const medium = { observationSize: 376, hidden: [256, 256], actions: continuous(17) };

/** Name -> shape. S, M, L: small, medium and large Gaussian policies; D: a categorical one. */
export const cases = {
  S2k: { rows: 2048, ...small },
  S50k: { rows: 50000, ...small },
  M2k: { rows: 2048, ...medium },
  M50k: { rows: 50000, ...medium },
  L10k: { rows: 10000, ...medium, hidden: [1024, 1024] },
  D2k: {
    rows: 2048,
    observationSize: 8,
    hidden: [64, 64],
    actions: { kind: 'discrete', count: 4 },
  },
};

/** What every contender does: plain conjugate gradients, then backtracking. */
export const updateOptions = { maxKl: 0.01, damping: 0.1, cgIterations: 15 };

export function caseNamed(name) {
  if (!Object.hasOwn(cases, name)) {
    throw new Error(`no case '${name}'; there are ${Object.keys(cases).join(', ')}`);
  }
  return { name, ...cases[name] };
}

/** Outputs of a policy's network. */
const outputsOf = ({ actions }) => actions.size ?? actions.count;

/** Units of every layer, the observation first. */
export function sizesOf(shape) {
  return [shape.observationSize, ...shape.hidden, outputsOf(shape)];
}

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

/** Numbers from N(0, 1). */
export function normals(count, seed) {
  const uniform = uniformGenerator(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

function makePolicy({ observationSize, hidden, actions }, machine) {
  return new Policy({ observationSize, hidden, actions, seed: 1, ...machine });
}

/** @param machine - `threads` and `backend` of the policy. */
export function makeProblem(name, machine = {}) {
  const shape = caseNamed(name);
  const spread = shape.actions.kind === 'continuous' ? { initialLogStd: -1 } : {};
  const policy = makePolicy(shape, { ...machine, ...spread, outputGain: 1 });
  const observations = normals(shape.rows * shape.observationSize, 2);
  const actions = policy.act(observations);
  return {
    ...shape,
    policy,
    batch: { observations, actions, advantages: normals(shape.rows, 3) },
    options: updateOptions,
  };
}

const fields = ['observations', 'actions', 'advantages'];

/**
 * Writes a problem for processes that will time it: numbers as NAME.f32, sizes in problem.json.
 *
 * @param more - Further arrays by name, and what else problem.json shall say.
 */
export function writeProblem(problem, folder, { arrays = {}, ...more } = {}) {
  mkdirSync(folder, { recursive: true });
  const all = { ...problem.batch, parameters: problem.policy.getParameters(), ...arrays };
  for (const [name, values] of Object.entries(all)) {
    writeFileSync(join(folder, `${name}.f32`), Float32Array.from(values));
  }
  const { name, rows, observationSize, hidden, actions, options } = problem;
  writeFileSync(
    join(folder, 'problem.json'),
    JSON.stringify({
      ...{ name, rows, observationSize, hidden, actions, outputs: outputsOf(problem) },
      ...{ options, ...more },
    }),
  );
}

/** A written array. */
export function readArray(folder, name) {
  const bytes = readFileSync(join(folder, `${name}.f32`));
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** A written problem, with a policy that computes as `machine` says. */
export function readProblem(folder, machine = {}) {
  const problem = JSON.parse(readFileSync(join(folder, 'problem.json'), 'utf8'));
  const policy = makePolicy(problem, machine);
  policy.setParameters(readArray(folder, 'parameters'));
  const batch = Object.fromEntries(fields.map((name) => [name, readArray(folder, name)]));
  if (problem.actions.kind !== 'continuous') batch.actions = Int32Array.from(batch.actions);
  return { ...problem, policy, batch };
}
