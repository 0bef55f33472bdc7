// A loop of 1 kHz that acts, beside updates of the same policy that follow one another.
//
//   node loop.mjs FOLDER 0 0 SECONDS BACKEND JSON
//
// FOLDER is what bench/problem.mjs writes; JSON has `threads`, 0 for no updates, and `background`.

import { TRPO } from 'trustregion';
import { readProblem } from '../problem.mjs';

const [folder, , , seconds, backend, json] = process.argv.slice(2);
const { threads, background } = JSON.parse(json);
if (background) process.env.TRUSTREGION_PRIORITY = 'background';

const { policy, batch, options, observationSize } = readProblem(folder, {
  threads: Math.max(1, threads),
  ...(backend ? { backend } : {}),
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
      due += Math.ceil(begin - due + 1e-9);
    }
    if (begin - start > 1e3 * Number(seconds)) resolve();
    else setTimeout(tick, 1);
  };
  tick();
});
isOver = true;
const elapsed = performance.now() - start;
await updating;

/** The part p of the values that are at most as large as the result. */
function quantile(values, p) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
}

console.log(
  JSON.stringify({
    peer: `trustregion ${policy.backend}`,
    ...{ threads, background, ticks: late.length },
    updatesPerSecond: (1e3 * updates) / elapsed,
    late: [0.5, 0.99, 0.999, 1].map((p) => quantile(late, p)),
    act: [0.5, 0.99, 1].map((p) => quantile(acting, p)),
  }),
);
