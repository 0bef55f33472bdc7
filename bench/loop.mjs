// How late a loop of 1 kHz becomes while the policy it acts with is updated all the time: alone, beside
// updates on one thread, on all processors, and on all of them in the background
// (TRUSTREGION_PRIORITY).
//
//   npm run bench:loop -- [--case S50k] [--threads 2] [--rounds 5] [--seconds 4] [--backend cpu-avx2]
//                         [--json]
//
// The loop is a timer of Node's, which fires some tenths of a millisecond late by itself.

import { availableParallelism } from 'node:os';
import { machine, ours, takeTurns } from './harness/contenders.mjs';
import { withFolder } from './harness/folder.mjs';
import { parseOptions, runMain } from './harness/options.mjs';
import { median } from './harness/statistics.mjs';
import { caseNamed, makeProblem, writeProblem } from './problem.mjs';

const names = {
  late: ['p50', 'p99', 'p99.9', 'most'],
  act: ['p50', 'p99', 'most'],
};

/** Medians over rounds of every number. */
function medians(results) {
  const of = (field) =>
    names[field].map((_, index) => median(results.map((each) => each[field][index])));
  return {
    ...results.at(-1),
    updatesPerSecond: median(results.map((each) => each.updatesPerSecond)),
    ...{ late: of('late'), act: of('act') },
  };
}

function measure(shape, options) {
  return withFolder((folder) => {
    writeProblem(makeProblem(shape.name), folder);
    const kinds = [
      { threads: 0, background: false },
      { threads: 1, background: false },
      { threads: options.threads, background: false },
      { threads: options.threads, background: true },
    ];
    // Bound to no processors: the loop and the updates have all of them.
    const unbound = { ...options, threads: availableParallelism() };
    const contenders = kinds.map((kind) =>
      ours('loop.mjs', folder, unbound, [JSON.stringify(kind)]),
    );
    return takeTurns(contenders, options.rounds).map(medians);
  });
}

function print({ case: name, rounds, results }) {
  const cell = (values) => values.map((value) => value.toFixed(3).padStart(8)).join('');
  console.log(
    `A loop of 1 kHz beside updates, case ${name}; medians of ${rounds} interleaved rounds, in ms\n` +
      `  ${'updates'.padEnd(24)}${'a second'.padStart(9)}   late: ${names.late.join(', ')}` +
      `${''.padEnd(9)}act(): ${names.act.join(', ')}`,
  );
  for (const { threads, background, updatesPerSecond, late, act } of results) {
    const what = threads === 0 ? 'none' : `${threads} thread(s)${background ? ', background' : ''}`;
    console.log(
      `  ${what.padEnd(24)}${updatesPerSecond.toFixed(1).padStart(9)}  ${cell(late)}   ${cell(act)}`,
    );
  }
}

await runMain(() => {
  const options = parseOptions({ case: { type: 'string', default: 'S50k' } });
  const shape = caseNamed(options.case);
  const report = {
    ...{ case: shape.name, rounds: options.rounds, machine: machine() },
    results: measure(shape, options),
  };
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
});
