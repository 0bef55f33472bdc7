// Time to a natural direction of a given efficiency on a trained policy: ours with a preconditioner,
// JAX with plain conjugate gradients, each with the fewest products that reach it.
//
//   npm run bench:direction -- [--rollout halfcheetah-200] [--file PATH] [--efficiency 0.95]
//       [--damping 0.1] [--preconditioner kronecker] [--preconditioner-fraction 0.0625]
//       [--fisher-fraction 1] [--products 0] [--tune] [--threads 1] [--rounds 5] [--repeats 200]
//       [--seconds 2] [--python python3] [--backend cpu-avx2] [--json]
//
// Efficiency of a direction x, for A = F + damping I over all rows and the exact direction x*:
//
//   (g'x / sqrt(x'A x)) / sqrt(g'x*)
//
// Timed for both: forward pass, gradient, products; of ours the copy of the batch and the
// preconditioner too. `--tune` tries fractions of the rows and takes the fastest.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Policy } from 'trustregion';
import { compare, memoryText, timeText } from './harness/comparison.mjs';
import { machine, ours, peer, takeTurns } from './harness/contenders.mjs';
import { efficiencyAgainst } from './harness/efficiency.mjs';
import { withFolder } from './harness/folder.mjs';
import { parseOptions, runMain } from './harness/options.mjs';
import { writeProblem } from './problem.mjs';
import { readRollout } from './study/rollouts.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const mostProducts = 200;

function readProblemFile({ rollout, file, damping, threads, backend }) {
  const name = file ?? path.join(root, 'test/fixtures/rollouts', `${rollout}.safetensors`);
  if (!existsSync(name)) throw new Error(`${name} is not there: name the file with --file`);
  const { policy, batch, gradient, directions } = readRollout(name);
  const exact = directions.get(Number(damping));
  if (exact === undefined) {
    throw new Error(`the file has directions for damping ${[...directions.keys()].join(', ')}`);
  }
  const { observationSize, hidden, actions } = policy.options;
  return {
    name: path.basename(name, '.safetensors'),
    ...{ observationSize, hidden, actions, batch, gradient, exact },
    rows: batch.advantages.length,
    policy: Policy.fromBytes(policy.toBytes(), { threads, ...(backend ? { backend } : {}) }),
    options: { damping: Number(damping), maxKl: 0.01, cgIterations: 0 },
  };
}

/** Tells the efficiency of a direction. */
function judge({ policy, batch, gradient, exact, options: { damping } }) {
  return efficiencyAgainst(policy.fisherOperator(batch.observations), gradient, exact, damping);
}

/** The smallest n with efficiencyAt(n) >= wanted, which grows with n. */
function fewest(wanted, most, efficiencyAt) {
  for (let products = 1; products <= most; products += 1) {
    const efficiency = efficiencyAt(products);
    if (efficiency >= wanted) return { products, efficiency };
  }
  throw new Error(`efficiency ${wanted} was not reached in ${most} products`);
}

function solveOptions(options, { preconditionerFraction, fisherFraction }) {
  const { preconditioner } = options;
  return {
    damping: Number(options.damping),
    ...{ fisherFraction, preconditioner },
    ...(preconditioner === 'kronecker' ? { preconditionerFraction } : {}),
  };
}

/** Ours with the fewest products for one choice of fractions, and the least time of five. */
function tryOut(problem, efficiency, wanted, solve) {
  const direct = (cgIterations) =>
    problem.policy.naturalDirection(problem.batch, { ...solve, cgIterations });
  const found = fewest(wanted, mostProducts, (products) => efficiency(direct(products).direction));
  let ms = Infinity;
  for (let repetition = 0; repetition < 5; repetition += 1) {
    const begin = performance.now();
    direct(found.products);
    ms = Math.min(ms, performance.now() - begin);
  }
  return { ...found, ms, solve };
}

function findOurs(problem, efficiency, options) {
  const wanted = Number(options.efficiency);
  const given = {
    preconditionerFraction: Number(options['preconditioner-fraction']),
    fisherFraction: Number(options['fisher-fraction']),
  };
  const products = Number(options.products);
  if (products > 0) {
    const solve = solveOptions(options, given);
    const found = problem.policy.naturalDirection(problem.batch, {
      ...solve,
      cgIterations: products,
    });
    return [{ products, efficiency: efficiency(found.direction), solve }];
  }
  const parts = [1, 0.5, 0.25, 0.125, 0.0625];
  const choices = options.tune
    ? parts.flatMap((fisherFraction) =>
        parts.map((preconditionerFraction) => ({ fisherFraction, preconditionerFraction })),
      )
    : [given];
  return choices
    .flatMap((choice) => {
      try {
        return [tryOut(problem, efficiency, wanted, solveOptions(options, choice))];
      } catch (error) {
        if (options.tune) return []; // too few rows to get there
        throw error;
      }
    })
    .sort((a, b) => a.ms - b.ms);
}

/** The fewest products that plain conjugate gradients in JAX need, or why JAX is absent. */
function findPeer(folder, efficiency, options, parameterCount) {
  const trace = path.join(folder, 'trace.f32');
  for (const most of [50, mostProducts]) {
    const { absent } = peer('jax_direction.py', folder, options, [
      `products=${most}`,
      `trace=${trace}`,
    ]).run();
    if (absent !== undefined) return { absent };
    const bytes = readFileSync(trace);
    const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    try {
      return fewest(Number(options.efficiency), most, (products) =>
        efficiency(
          Float64Array.from(
            all.subarray((products - 1) * parameterCount, products * parameterCount),
          ),
        ),
      );
    } catch (error) {
      if (most === mostProducts) return { absent: error.message };
    }
  }
}

function measure(options) {
  const problem = readProblemFile(options);
  return withFolder((folder) => {
    writeProblem(problem, folder);
    const efficiency = judge(problem);
    const tried = findOurs(problem, efficiency, options);
    const [best] = tried;
    const plain = findPeer(folder, efficiency, options, problem.policy.parameterCount);
    const solve = JSON.stringify({ ...best.solve, cgIterations: best.products });
    const contenders = [ours('direction.mjs', folder, options, [solve])];
    if (plain.absent === undefined) {
      contenders.push(peer('jax_direction.py', folder, options, [`products=${plain.products}`]));
    }
    const results = compare(takeTurns(contenders, options.rounds));
    results[0].efficiency = best.efficiency;
    if (plain.absent === undefined) results[1].efficiency = plain.efficiency;
    else results.push({ peer: 'jax', absent: plain.absent });
    return {
      ...{ rollout: problem.name, rows: problem.rows, threads: options.threads },
      ...{ rounds: options.rounds, machine: machine(), solve: best.solve, results },
      ...(options.tune ? { tried } : {}),
    };
  });
}

function print({ rollout, rows, threads, rounds, solve, results, tried = [] }) {
  for (const { solve: each, products, ms } of tried) {
    console.log(
      `  tried: Fisher matrix of ${each.fisherFraction} of the rows, preconditioner of ` +
        `${each.preconditionerFraction}: ${products} products, ${ms.toFixed(2)} ms`,
    );
  }
  console.log(
    `A natural direction, ${rollout} (${rows} rows), ${threads} thread(s); medians of ${rounds} ` +
      'interleaved rounds (range)',
  );
  console.log(`  ours: ${JSON.stringify(solve)}`);
  for (const result of results) {
    if (result.absent !== undefined) {
      console.log(`  ${result.peer}: absent (${result.absent})`);
      continue;
    }
    const { peer: who, products, efficiency, times, timesOurs } = result;
    console.log(
      `  ${who.padEnd(22)} ${String(products).padStart(3)} products, efficiency ` +
        `${efficiency.toFixed(4)}, ${timeText(times).padEnd(34)} ` +
        `${timesOurs.median.toFixed(2)} x ours, memory above the batch ` +
        memoryText(result.updateMemoryMb),
    );
  }
}

await runMain(() => {
  const options = parseOptions({
    rollout: { type: 'string', default: 'halfcheetah-200' },
    file: { type: 'string' },
    efficiency: { type: 'string', default: '0.95' },
    damping: { type: 'string', default: '0.1' },
    preconditioner: { type: 'string', default: 'kronecker' },
    'preconditioner-fraction': { type: 'string', default: '0.0625' },
    'fisher-fraction': { type: 'string', default: '1' },
    products: { type: 'string', default: '0' },
    tune: { type: 'boolean', default: false },
  });
  const report = measure(options);
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
});
