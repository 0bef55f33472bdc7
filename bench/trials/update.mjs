// One TRPO update of ours, as the peers do it: no preconditioner, no boundary search.

import { TRPO } from 'trustregion';
import { readProblem } from '../problem.mjs';
import { folder, machine, measure } from './trial.mjs';

const { policy, batch, options } = readProblem(folder, machine);
const trpo = new TRPO(policy, { ...options, preconditioner: 'none', lineSearch: 'backtracking' });
const parameters = policy.getParameters();

await measure(`trustregion ${policy.backend}`, {
  before: () => policy.setParameters(parameters),
  run: async () => {
    const begin = performance.now();
    const { meanKl, stepNorm, candidates, timing } = await trpo.update(batch);
    return {
      ms: performance.now() - begin,
      meanKl,
      stepNorm,
      tries: candidates.length,
      prepareMs: 1e3 * timing.prepare,
      gradientMs: 1e3 * timing.gradient,
      solveMs: 1e3 * timing.solve,
      lineSearchMs: 1e3 * timing.lineSearch,
    };
  },
});
