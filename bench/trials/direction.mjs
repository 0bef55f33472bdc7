// A natural direction of ours for the rollout in a folder: copy of the batch, forward pass, gradient,
// preconditioner, products.

import { readProblem } from '../problem.mjs';
import { folder, machine, measure, more } from './trial.mjs';

const { policy, batch } = readProblem(folder, machine);

await measure(`trustregion ${policy.backend}`, {
  run: () => {
    const begin = performance.now();
    const { seconds, conjugateGradient } = policy.naturalDirection(batch, more);
    const { products } = conjugateGradient;
    return { ms: performance.now() - begin, solveMs: 1e3 * seconds, products };
  },
});
