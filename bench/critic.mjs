// The critic's fit, ours and sb3-contrib's, in turns: 10 epochs of Adam in minibatches of 128 on the
// same numbers, from the same parameters. And how much of an update with its fit goes to advantages,
// normaliser and copies.
//
//   npm run bench:critic -- [--case S2k] [--threads 1] [--rounds 5] [--repeats 200] [--seconds 2]
//                           [--python python3] [--backend cpu-avx2] [--json]

import { computeAdvantages, ValueFunction } from 'trustregion';
import { compare, timeText } from './harness/comparison.mjs';
import { machine, ours, peer, takeTurns } from './harness/contenders.mjs';
import { withFolder } from './harness/folder.mjs';
import { parseOptions, runMain } from './harness/options.mjs';
import { caseNamed, makeProblem, normals, writeProblem } from './problem.mjs';

/** Rewards that depend on the observation, a critic that has learnt nothing, and its targets. */
function criticArrays({ rows, observationSize, hidden, batch: { observations } }) {
  const noise = normals(rows, 4);
  const rewards = Float32Array.from(
    { length: rows },
    (_, row) => Math.tanh(observations[row * observationSize]) + 0.5 * noise[row],
  );
  const critic = new ValueFunction({ observationSize, hidden, seed: 2 });
  const none = new Uint8Array(rows);
  const { returns } = computeAdvantages({
    ...{ rewards, values: critic.predict(observations), terminated: none, truncated: none },
    ...{ lastValues: [0], gamma: 0.9, lambda: 0.5 },
  });
  return { rewards, returns, valueParameters: critic.getParameters() };
}

function measure(name, options) {
  return withFolder((folder) => {
    const problem = makeProblem(name);
    writeProblem(problem, folder, { arrays: criticArrays(problem) });
    const contenders = [
      ours('critic.mjs', folder, options),
      peer('sb3_trpo.py', folder, options, ['critic=10']),
    ];
    const rounds = takeTurns(contenders, options.rounds);
    const field = 'criticMs'; // sb3-contrib's "ms" is its policy part
    for (const result of rounds[0]) result[field] = result.ms;
    return compare(rounds, field);
  });
}

/** Parts of the time of an update and its fit. */
function partsOf({ updateMs, criticMs, valuesMs, advantagesMs, normalizerMs, copiesMs }) {
  const around = advantagesMs + normalizerMs + copiesMs;
  const whole = updateMs + criticMs + valuesMs + advantagesMs + normalizerMs;
  return {
    ...{ wholeMs: whole, advantagesMs, normalizerMs, copiesMs, valuesMs },
    share: around / whole,
    shareWithValues: (around + valuesMs) / whole,
  };
}

function print({ case: name, threads, rounds, results, parts }) {
  console.log(
    `A critic's fit, case ${name}, ${threads} thread(s), 10 epochs, minibatches of 128; medians of ` +
      `${rounds} interleaved rounds (range)`,
  );
  for (const result of results) {
    if (result.absent !== undefined) {
      console.log(`  ${result.peer}: absent (${result.absent})`);
      continue;
    }
    const { peer: who, times, timesOurs, lossAfter } = result;
    console.log(
      `  ${who.padEnd(22)} ${timeText(times).padEnd(34)} ${timesOurs.median.toFixed(2)} x ours ` +
        `(${timesOurs.least.toFixed(2)} to ${timesOurs.most.toFixed(2)}), loss ` +
        `${lossAfter.toFixed(5)} after`,
    );
  }
  const ms = (value) => `${value.toFixed(3)} ms`;
  console.log(
    `  of one update with its fit, ${ms(parts.wholeMs)}: advantages ${ms(parts.advantagesMs)}, ` +
      `normaliser ${ms(parts.normalizerMs)}, copies ${ms(parts.copiesMs)}: together ` +
      `${(100 * parts.share).toFixed(2)} %; values for the advantages ${ms(parts.valuesMs)}`,
  );
}

await runMain(() => {
  const options = parseOptions({ case: { type: 'string', default: 'S2k' } });
  const shape = caseNamed(options.case);
  const results = measure(shape.name, options);
  const report = {
    ...{ case: shape.name, threads: options.threads, rounds: options.rounds, machine: machine() },
    ...{ results, parts: partsOf(results[0]) },
  };
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
});
