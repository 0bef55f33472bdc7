// A critic's fit of ours: 10 epochs of Adam, minibatches of 128, from the same parameters each time;
// and what stands around fit and update: values, advantages, the policy's normaliser, copies.

import { computeAdvantages, Policy, TRPO, ValueFunction } from 'trustregion';
import { readArray, readProblem } from '../problem.mjs';
import { folder, machine, measure } from './trial.mjs';

const problem = readProblem(folder, machine);
const { policy, batch, observationSize, hidden, rows } = problem;
const { observations } = batch;
const [rewards, returns] = ['rewards', 'returns'].map((name) => readArray(folder, name));
const parameters = policy.getParameters();
const valueParameters = readArray(folder, 'valueParameters');
const trpo = new TRPO(policy, { ...problem.options, preconditioner: 'none' });
// Never used, so that an update can run on the other's version.
const observed = new Policy(policy.options);
const none = new Uint8Array(rows);
let critic;

async function timed(run) {
  const begin = performance.now();
  const result = await run();
  return [performance.now() - begin, result];
}

await measure(`trustregion ${policy.backend}`, {
  before: () => {
    policy.setParameters(parameters);
    critic?.close();
    // As the peer's: it learns what it is given, in its own units.
    critic = new ValueFunction({
      ...{ observationSize, hidden, seed: 1, ...machine },
      ...{ normalizeObservations: false, normalizeTargets: false },
    });
    critic.setParameters(valueParameters);
  },
  run: async () => {
    const [valuesMs, values] = await timed(() => critic.predict(observations));
    const estimate = {
      ...{ rewards, values, terminated: none, truncated: none, lastValues: [0] },
      ...{ gamma: 0.99, lambda: 0.97 },
    };
    const [advantagesMs] = await timed(() => computeAdvantages(estimate));
    const [normalizerMs] = await timed(() => observed.updateNormalizer(observations));
    const [updateMs, update] = await timed(() => trpo.update(batch));
    const [ms, fit] = await timed(() =>
      critic.fit({ observations, returns }, { epochs: 10, minibatchSize: 128 }),
    );
    // What the core does not see: copies of the batch into it, threads started, promises settled.
    const copiesMs = updateMs - 1e3 * update.timing.total + ms - 1e3 * fit.seconds;
    const { lossBefore, lossAfter } = fit;
    return {
      ...{ ms, lossBefore, lossAfter },
      ...{ updateMs, valuesMs, advantagesMs, normalizerMs, copiesMs },
    };
  },
});
