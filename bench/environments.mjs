// Environment steps per second of the tasks that come with the package, against their physics alone.
//
//   npm run bench:environments -- [--tasks Hopper-v5,Walker2d-v5] [--rounds 5] [--seconds 3]
//     [--steps 1000] [--flags=--no-liftoff]... [--json]
//
// A trial is a process of its own, in which the task and its physics go in turns through --steps steps
// again and again (trials/environment.mjs). With --flags, once or more often, each task is tried with
// those flags of node too, in the same rounds.

import { environmentNames } from 'trustregion';
import { machine, takeTurns, trial } from './harness/contenders.mjs';
import { parseOptions, runMain } from './harness/options.mjs';
import { spread } from './harness/statistics.mjs';

function tasksNamed(list) {
  const names = list === undefined ? environmentNames : list.split(',');
  const unknown = names.find((name) => !environmentNames.includes(name));
  if (unknown !== undefined) {
    throw new Error(`--tasks: no task '${unknown}'; known are ${environmentNames.join(', ')}`);
  }
  return names;
}

/** One task with one set of flags: medians and ranges over rounds. */
function summary(task, flags, results, plain) {
  const fields = ['us', 'physicsUs', 'aroundUs', 'ratio'].filter((field) => field in results[0]);
  return {
    task,
    ...(flags === '' ? {} : { flags, timesPlain: ratios(results, plain, 'us') }),
    stepsPerSecond: spread(results.map(({ us }) => 1e6 / us)),
    ...Object.fromEntries(
      fields.map((field) => [field, spread(results.map((result) => result[field]))]),
    ),
    stepsPerEpisode: results[0].stepsPerEpisode,
  };
}

const ratios = (results, plain, field) =>
  spread(results.map((result, round) => result[field] / plain[round][field]));

const range = ({ median, least, most }, digits) =>
  `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;

function print({ rounds, results }) {
  console.log(
    `Steps of the tasks, one thread; medians of ${rounds} interleaved rounds (range)\n` +
      `  ${'task'.padEnd(26)}${'steps/s'.padEnd(28)}${'over physics alone'.padEnd(24)}around it, us`,
  );
  for (const { task, flags, timesPlain, stepsPerSecond, ratio, aroundUs } of results) {
    const overhead = ratio === undefined ? 'no engine' : range(ratio, 3);
    const around = aroundUs === undefined ? '' : range(aroundUs, 1);
    console.log(
      `  ${task.padEnd(26)}${range(stepsPerSecond, 0).padEnd(28)}${overhead.padEnd(24)}${around}` +
        (flags === undefined ? '' : `\n    ${flags}: ${range(timesPlain, 3)} of the time`),
    );
  }
}

await runMain(() => {
  const options = parseOptions({
    tasks: { type: 'string' },
    steps: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '3' },
    flags: { type: 'string', multiple: true, default: [] },
  });
  const steps = Number(options.steps);
  if (!Number.isInteger(steps) || steps < 1) {
    throw new Error(`--steps must be an integer of at least 1, got '${options.steps}'`);
  }
  const variants = tasksNamed(options.tasks).flatMap((task) =>
    ['', ...options.flags].map((flags) => ({ task, flags })),
  );
  const rounds = takeTurns(
    variants.map(({ task, flags }) =>
      trial(
        task,
        'environment.mjs',
        [task, steps, options.seconds],
        flags.split(' ').filter(Boolean),
      ),
    ),
    options.rounds,
  );
  const results = variants.map(({ task, flags }, index) => {
    const plain = variants.findIndex((other) => other.task === task);
    return summary(task, flags, rounds[index], rounds[plain]);
  });
  const report = { rounds: options.rounds, machine: machine(), results };
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
});
