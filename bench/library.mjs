// What single calls cost from JavaScript, with benchmark.js.
//
//   npm run bench

import Benchmark from 'benchmark';
import { makeProblem } from './problem.mjs';

const { policy, batch, observationSize } = makeProblem('S2k');
const one = batch.observations.slice(0, observationSize);
const action = policy.act(one);
const operator = policy.fisherOperator(batch.observations);
const vector = policy.gradient(batch);
const product = new Float64Array(policy.parameterCount);
console.log(
  `backend ${policy.backend}, ${policy.threads} thread(s); policy 17-64-64-6, 2,048 rows`,
);

new Benchmark.Suite()
  .add('act, one observation', () => policy.act(one))
  .add('act, one observation, out', () => policy.act(one, { out: action }))
  .add('act, 2,048 observations', () => policy.act(batch.observations))
  .add('log-probability, 2,048 rows', () =>
    policy.logProbability(batch.observations, batch.actions),
  )
  .add('surrogate gradient, 2,048 rows', () => policy.gradient(batch))
  .add('Fisher product, 2,048 rows, held', () => operator.apply(vector, product))
  .on('cycle', ({ target }) => {
    const microseconds = 1e6 * target.stats.mean;
    console.log(
      `  ${target.name.padEnd(34)} ${microseconds.toFixed(2).padStart(10)} us ` +
        `± ${target.stats.rme.toFixed(1)} %`,
    );
  })
  .run();
