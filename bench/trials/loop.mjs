// A loop of 1 kHz that acts, beside updates of the same policy that follow one another.
//
// The command line of trial.mjs; JSON has `threads`, those of an update, 0 for no updates, and
// `background`.

import { TRPO } from 'trustregion';
import { quantile } from '../harness/statistics.mjs';
import { readProblem } from '../problem.mjs';
import { folder, machine, more, seconds } from './trial.mjs';

const { threads, background } = more;
if (background) process.env.TRUSTREGION_PRIORITY = 'background';

const { policy, batch, options, observationSize } = readProblem(folder, {
  ...machine,
  threads: Math.max(1, threads),
});
const trpo = new TRPO(policy, { ...options, preconditioner: 'none', lineSearch: 'backtracking' });
const observation = batch.observations.subarray(0, observationSize);

let updates = 0;
let isOver = threads === 0;
async function keepUpdating() {
  while (!isOver) {
    await trpo.update(batch);
    updates += 1;
  }
}
const updating = keepUpdating();

const start = performance.now();
const late = [];
const acting = [];
let due = start + 1;
await new Promise((resolve) => {
  const tick = () => {
    const begin = performance.now();
    if (begin >= due) {
      late.push(begin - due);
      policy.act(observation);
      acting.push(performance.now() - begin);
      while (due <= begin) due += 1;
    }
    if (begin - start > 1e3 * seconds) resolve();
    else setTimeout(tick, 1);
  };
  tick();
});
isOver = true;
const elapsed = performance.now() - start;
await updating;

console.log(
  JSON.stringify({
    peer: `trustregion ${policy.backend}`,
    ...{ threads, background, ticks: late.length },
    updatesPerSecond: (1e3 * updates) / elapsed,
    late: [0.5, 0.99, 0.999, 1].map((p) => quantile(late, p)),
    act: [0.5, 0.99, 1].map((p) => quantile(acting, p)),
  }),
);
