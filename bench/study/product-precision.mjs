// What Fisher products of bfloat16 (backends cpu-amx, cpu-amx-bf16) do to a direction: efficiency after a
// number of products beside that of float32 and of float64, and the cosine with float64's.
//
//   npm run build && node bench/study/product-precision.mjs [--rollouts FOLDER]
//
// Efficiency as in ../harness/efficiency.mjs, all of it judged in float64.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { backends, Policy } from 'trustregion';
import { dot, efficiencyAgainst } from '../harness/efficiency.mjs';
import { readRollout } from './rollouts.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const { values } = parseArgs({ options: { rollouts: { type: 'string' } } });
const folder = values.rollouts ?? path.join(root, 'test/fixtures/rollouts');
const counts = [3, 5, 7, 10, 15, 20];
const wanted = ['reference', 'cpu-avx512', 'cpu-amx', 'cpu-amx-bf16'];
const available = wanted.filter((name) => backends().includes(name));
for (const name of wanted) {
  if (!available.includes(name)) console.log(`${name} is left out: not available on this machine`);
}

for (const file of readdirSync(folder).filter((name) => name.endsWith('.safetensors'))) {
  const { policy: read, batch, gradient, directions } = readRollout(path.join(folder, file));
  const parameters = read.getParameters(new Float64Array(read.parameterCount));
  const policies = available.map((backend) => {
    const policy = new Policy({ ...read.options, backend });
    policy.setParameters(parameters);
    return policy;
  });
  const operator = policies[0].fisherOperator(batch.observations);
  for (const [damping, exact] of directions) {
    const efficiencyOf = efficiencyAgainst(operator, gradient, exact, damping);
    for (const preconditioner of ['none', 'kronecker']) {
      console.log(`\n${file}, damping ${damping}, preconditioner ${preconditioner}\n`);
      console.log(`| products | ${counts.join(' | ')} |`);
      console.log(`| --- |${counts.map(() => ' ---: |').join('')}`);
      const right = [];
      for (const [index, policy] of policies.entries()) {
        const cells = counts.map((cgIterations, place) => {
          const { direction } = policy.naturalDirection(batch, {
            damping,
            cgIterations,
            preconditioner,
          });
          right[place] ??= direction;
          const norms = Math.sqrt(dot(direction, direction) * dot(right[place], right[place]));
          const distance = 1 - dot(direction, right[place]) / norms;
          const cosine = index === 0 ? '' : ` (1 - ${Math.max(0, distance).toExponential(0)})`;
          return `${efficiencyOf(direction).toFixed(4)}${cosine}`;
        });
        console.log(`| ${policy.backend} | ${cells.join(' | ')} |`);
      }
    }
  }
}
