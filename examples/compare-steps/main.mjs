// @ts-check
/*
 * One rollout, every method: what would each have done with the same data?
 *
 *   node examples/compare-steps/main.mjs [--out FILE.svg]
 *
 * Trains a policy on Pendulum-v1 for a while, collects one more rollout, and lets each method make its
 * first step from there. Prints a table, and draws it if told where to.
 */

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  DualGradientDescent,
  makeEnvironment,
  NaturalPolicyGradient,
  Policy,
  PPO,
  RolloutBuffer,
  train,
  TRPO,
  ValueFunction,
  VanillaPolicyGradient,
} from 'trustregion';
import { drawSteps } from './picture.mjs';

const maxKl = 0.01;
const discounting = { gamma: 0.95, lambda: 0.7 };

/** A policy in mid-training, its critic and one rollout of 4,000 steps. */
async function collect() {
  const environment = await makeEnvironment('Pendulum-v1');
  const policy = new Policy({
    observationSize: environment.observationSpace.size,
    actions: environment.actionSpace,
    hidden: [64, 64],
    seed: 1,
    threads: 1,
  });
  const valueFunction = new ValueFunction({
    observationSize: policy.observationSize,
    hidden: [64, 64],
    seed: 2,
    threads: 1,
  });
  await train({
    policy,
    valueFunction,
    environments: environment,
    method: new TRPO(policy, { maxKl }),
    steps: 40_000,
    stepsPerUpdate: 2000,
    seed: 3,
    ...discounting,
  });
  const rollout = new RolloutBuffer({ policy, steps: 4000 });
  let observations = environment.reset(4);
  while (!rollout.full) {
    const actions = policy.act(observations);
    const { observation, reward, terminated, truncated } = environment.step(actions);
    rollout.add({
      observations,
      actions,
      rewards: reward,
      terminated,
      truncated,
      nextObservations: observation,
    });
    observations = terminated || truncated ? environment.reset() : observation;
  }
  const batch = rollout.finish({ valueFunction, ...discounting });
  // Without the version of the policy that it came from: each method sees the policy put back, which
  // counts as a new version.
  const { observations: states, actions, advantages } = batch;
  return { policy, batch: { observations: states, actions, advantages } };
}

/**
 * @param {readonly number[] | Float64Array} a
 * @param {readonly number[] | Float64Array} b
 */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += Number(a[i]) * Number(b[i]);
  return sum;
}

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const { policy, batch } = await collect();
const start = policy.getParameters(new Float64Array(policy.parameterCount));

// The natural direction (F + I / 10)^-1 g, damped as the methods damp it, to a residual that no picture
// shows.
const { direction: natural } = policy.naturalDirection(batch, {
  damping: 0.1,
  cgIterations: 300,
  cgTolerance: 1e-4,
});

/** @type {readonly (readonly [string, { update: TRPO['update'] }])[]} */
const methods = [
  ['vanilla gradient', new VanillaPolicyGradient(policy, { epsilon: 0.01 })],
  ['natural gradient', new NaturalPolicyGradient(policy, { epsilon: maxKl })],
  [
    'TRPO, as in the paper',
    new TRPO(policy, {
      maxKl,
      preconditioner: 'none',
      stepLength: 'damped',
      lineSearch: 'backtracking',
    }),
  ],
  ['TRPO', new TRPO(policy, { maxKl })],
  ['dual gradient descent', new DualGradientDescent(policy, { maxKl })],
  ['PPO, clipped', new PPO(policy, { maxKl, seed: 5 })],
  ['PPO, KL penalty', new PPO(policy, { variant: 'klPenalty', targetKl: maxKl, maxKl, seed: 5 })],
];

const steps = [];
for (const [name, method] of methods) {
  const summary = await method.update(batch);
  const displacement = policy
    .getParameters(new Float64Array(policy.parameterCount))
    .map((value, index) => value - Number(start[index]));
  const lengths = Math.sqrt(dot(displacement, displacement) * dot(natural, natural));
  steps.push({
    name,
    kl: summary.meanKl,
    largestKl: summary.maxKl,
    improvement: summary.actualImprovement,
    cosine: lengths > 0 ? dot(displacement, natural) / lengths : 0,
    milliseconds: 1e3 * summary.timing.total,
  });
  policy.setParameters(start);
}

console.log(`Pendulum-v1, ${batch.advantages.length} rows, KL limit ${maxKl}\n`);
console.log(
  [
    'method'.padEnd(24),
    'mean KL'.padStart(9),
    'largest KL'.padStart(11),
    'improvement'.padStart(12),
    'cosine'.padStart(8),
    'time'.padStart(10),
  ].join(''),
);
for (const { name, kl, largestKl, improvement, cosine, milliseconds } of steps) {
  console.log(
    [
      name.padEnd(24),
      kl.toPrecision(3).padStart(9),
      largestKl.toPrecision(3).padStart(11),
      improvement.toPrecision(3).padStart(12),
      cosine.toFixed(3).padStart(8),
      `${milliseconds.toFixed(1)} ms`.padStart(10),
    ].join(''),
  );
}
if (values.out !== undefined) writeFileSync(values.out, drawSteps(steps, maxKl));
