// How much of the possible improvement a natural direction reaches after a number of Fisher products,
// without and with each preconditioner, and in what time.
//
//   npm run build && node bench/study/preconditioners.mjs [--out docs/pictures/preconditioners.svg]
//
// Efficiency as in ../harness/efficiency.mjs. Times are of the solve alone, preconditioner made anew each time, the
// least of five.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { efficiencyAgainst } from '../harness/efficiency.mjs';
import { drawStudy } from './picture.mjs';
import { collectRollouts, readRollout } from './rollouts.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { values } = parseArgs({
  options: { out: { type: 'string' }, rollouts: { type: 'string' } },
});
const counts = [3, 5, 7, 10, 15, 20];
const dampings = [0.1, 0.01];
const variants = [
  { name: 'none', options: { preconditioner: 'none' } },
  { name: 'none, warm start', options: { preconditioner: 'none', warmStart: true } },
  { name: 'jacobi', options: { preconditioner: 'jacobi' } },
  { name: 'kronecker', options: { preconditioner: 'kronecker' } },
  {
    name: 'kronecker, all rows',
    options: { preconditioner: 'kronecker', preconditionerFraction: 1 },
  },
  {
    name: 'kronecker, warm start',
    options: { preconditioner: 'kronecker', warmStart: true },
  },
];

/** The exact direction to the rounding of the products, where no file has it. */
function exactDirection({ policy, batch }, damping) {
  return policy.naturalDirection(batch, {
    damping,
    preconditioner: 'kronecker',
    preconditionerFraction: 1,
    cgIterations: 400,
    cgTolerance: 1e-7,
  }).direction;
}

function study({ name, policy, batch, directions, start }) {
  const gradient = policy.gradient(batch);
  const operator = policy.fisherOperator(batch.observations);
  const results = [];
  for (const damping of dampings) {
    const exact = directions?.get(damping) ?? exactDirection({ policy, batch }, damping);
    const efficiencyOf = efficiencyAgainst(operator, gradient, exact, damping);
    for (const variant of variants) {
      if (variant.options.warmStart && start === undefined) continue;
      const { warmStart, ...chosen } = variant.options;
      const from = warmStart ? { start: start(damping) } : {};
      const points = counts.map((products) => {
        // A warm start spends one product on its start.
        const cgIterations = warmStart ? products - 1 : products;
        const options = { damping, cgIterations, ...chosen };
        let seconds = Infinity;
        let direction;
        for (let repetition = 0; repetition < 5; repetition += 1) {
          const found = policy.naturalDirection(batch, { ...options, ...from });
          seconds = Math.min(seconds, found.seconds);
          direction = found.direction;
        }
        return { products, efficiency: efficiencyOf(direction), milliseconds: 1e3 * seconds };
      });
      results.push({ rollout: name, damping, variant: variant.name, points });
    }
  }
  return results;
}

function printTable(results) {
  const cell = (text) => ` ${text} |`;
  for (const { rollout, damping } of uniquePlaces(results)) {
    console.log(`\n${rollout}, damping ${damping}\n`);
    console.log(`| preconditioner |${counts.map((count) => cell(count)).join('')}`);
    console.log(`| --- |${counts.map(() => cell('---:')).join('')}`);
    for (const result of results) {
      if (result.rollout !== rollout || result.damping !== damping) continue;
      const cells = result.points.map(({ efficiency, milliseconds }) =>
        cell(`${efficiency.toFixed(3)} (${milliseconds.toFixed(1)} ms)`),
      );
      console.log(`| ${result.variant} |${cells.join('')}`);
    }
  }
}

function uniquePlaces(results) {
  const seen = new Map(
    results.map(({ rollout, damping }) => [`${rollout} ${damping}`, { rollout, damping }]),
  );
  return [...seen.values()];
}

/** A rollout of our own, with the direction of the update before it to start from. */
async function own(name, task, options) {
  const { policy, rollouts } = await collectRollouts(task, options);
  const [earlier, later] = rollouts;
  const start = (damping) => {
    policy.setParameters(earlier.parameters);
    const { direction } = policy.naturalDirection(earlier.batch, { damping, cgIterations: 10 });
    policy.setParameters(later.parameters);
    return direction;
  };
  policy.setParameters(later.parameters);
  return { name, policy, batch: later.batch, start };
}

const folder = values.rollouts ?? path.join(root, 'test/fixtures/rollouts');
const rollouts = [
  {
    name: 'HalfCheetah-v5 after 200 updates',
    ...readRollout(path.join(folder, 'halfcheetah-200.safetensors')),
  },
  await own('InvertedPendulum-v5 after 25 updates', 'InvertedPendulum-v5', {
    updates: 25,
    stepsPerUpdate: 2048,
  }),
  await own('Pendulum-v1 after 40 updates', 'Pendulum-v1', {
    updates: 40,
    stepsPerUpdate: 2000,
    gamma: 0.95,
    lambda: 0.7,
  }),
];
const results = rollouts.flatMap((rollout) => study(rollout));
printTable(results);
if (values.out !== undefined) writeFileSync(values.out, drawStudy(results));
