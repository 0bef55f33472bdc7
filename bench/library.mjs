// What single calls cost from JavaScript, with benchmark.js.
//
//   npm run bench

import Benchmark from 'benchmark';
import { computeAdvantages, TRPO, ValueFunction } from 'trustregion';
import { makeProblem, normals } from './problem.mjs';

const { policy, batch, observationSize, hidden, rows } = makeProblem('S2k');
const { observations, actions } = batch;
const one = observations.slice(0, observationSize);
const action = policy.act(one);
const operator = policy.fisherOperator(observations);
const vector = policy.gradient(batch);
const product = new Float64Array(policy.parameterCount);
const parameters = policy.getParameters();
const trpo = new TRPO(policy);
const critic = new ValueFunction({ observationSize, hidden, seed: 2 });
const returns = normals(rows, 4);
const none = new Uint8Array(rows);
const rollout = {
  ...{ rewards: returns, values: critic.predict(observations), lastValues: [0] },
  ...{ terminated: none, truncated: none, gamma: 0.99, lambda: 0.97 },
};
console.log(
  `backend ${policy.backend}, ${policy.threads} thread(s); policy and critic 17-64-64, ${rows} rows`,
);

/** A call that returns a promise. */
const deferred = (call) => ({
  defer: true,
  fn: (deferral) => call().then(() => deferral.resolve()),
});

new Benchmark.Suite()
  .add('act, one observation', () => policy.act(one))
  .add('act, one observation, out', () => policy.act(one, { out: action }))
  .add('act, all rows', () => policy.act(observations))
  .add('log-probability', () => policy.logProbability(observations, actions))
  .add('surrogate gradient', () => policy.gradient(batch))
  .add('Fisher product, batch held', () => operator.apply(vector, product))
  .add('natural direction, as by default', () => policy.naturalDirection(batch))
  .add('natural direction, 15 plain products', () =>
    policy.naturalDirection(batch, { preconditioner: 'none', cgIterations: 15 }),
  )
  .add(
    'TRPO update, as by default',
    deferred(() => {
      policy.setParameters(parameters);
      return trpo.update(batch);
    }),
  )
  .add('critic: values', () => critic.predict(observations))
  .add(
    'critic: fit, 10 epochs of Adam',
    deferred(() => critic.fit({ observations, returns })),
  )
  .add(
    'critic: fit, Gauss-Newton',
    deferred(() => critic.fit({ observations, returns }, { solver: 'gaussNewton' })),
  )
  .add('advantages by GAE', () => computeAdvantages(rollout))
  .on('cycle', ({ target }) => {
    if (target.error !== undefined) throw target.error;
    const microseconds = 1e6 * target.stats.mean;
    console.log(
      `  ${target.name.padEnd(38)} ${microseconds.toFixed(2).padStart(10)} us ` +
        `± ${target.stats.rme.toFixed(1)} %`,
    );
  })
  .run();
