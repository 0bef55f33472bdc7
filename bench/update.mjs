// Whole TRPO updates, ours and the peers', in turns, each trial in a fresh process.
//
//   npm run bench:update -- [--case S2k] [--threads 1] [--rounds 5] [--repeats 200] [--seconds 2]
//                           [--peers jax,pytorch,sb3] [--python python3] [--backend cpu-avx2] [--json]

import { compare, isSameStep, memoryText, timeText } from './harness/comparison.mjs';
import { machine, ours, peak, peer, takeTurns } from './harness/contenders.mjs';
import { withFolder } from './harness/folder.mjs';
import { parseOptions, runMain } from './harness/options.mjs';
import { caseNamed, makeProblem, sizesOf, writeProblem } from './problem.mjs';
import { spread, updateFlops } from './harness/statistics.mjs';

/** Name -> script and its options. sb3-contrib follows rules of its own, so its step is another. */
const peers = {
  jax: ['jax_trpo.py'],
  pytorch: ['pytorch_trpo.py'],
  'pytorch-onednn': ['pytorch_trpo.py', 'library=onednn'],
  sb3: ['sb3_trpo.py'],
};

function chosenPeers(list) {
  const names = list.split(',').filter((name) => name !== '');
  for (const name of names) {
    if (!Object.hasOwn(peers, name)) {
      throw new Error(`no peer '${name}'; there are ${Object.keys(peers).join(', ')}`);
    }
  }
  return names;
}

function measure(shape, names, options) {
  return withFolder((folder) => {
    writeProblem(makeProblem(shape.name), folder);
    const contenders = [
      ours('update.mjs', folder, options),
      ...names.map((name) => {
        const [script, ...more] = peers[name];
        return peer(script, folder, options, more);
      }),
      peak(options),
    ];
    const rounds = takeTurns(contenders, options.rounds);
    const peaks = rounds.pop();
    const results = compare(rounds);
    for (const result of results) {
      if (result.absent !== undefined || result.peer === 'sb3-contrib') continue;
      result.sameStep = isSameStep(result, results[0]);
    }
    return { results, peaks };
  });
}

/** The part of the peak that a whole update reaches, by the work that ours does. */
function shareOfPeak(shape, results, peakFlops) {
  const { tries, ms } = results[0];
  const work = { rows: shape.rows, sizes: sizesOf(shape), products: 15, candidates: tries };
  return updateFlops(work) / (1e-3 * ms) / peakFlops;
}

function print({ case: name, threads, rounds, peak: found, results }) {
  console.log(
    `One TRPO update, case ${name}, ${threads} thread(s), 15 CG iterations; medians of ${rounds} ` +
      'interleaved rounds (range)',
  );
  for (const result of results) {
    if (result.absent !== undefined) {
      console.log(`  ${result.peer}: absent (${result.absent})`);
      continue;
    }
    const { peer: who, times, timesOurs, meanKl, stepNorm, tries } = result;
    const { median, least, most } = timesOurs;
    console.log(
      `  ${who.padEnd(22)} ${timeText(times).padEnd(34)} ` +
        `${median.toFixed(2)} x ours (${least.toFixed(2)} to ${most.toFixed(2)})`,
    );
    console.log(
      `  ${''.padEnd(22)} KL ${meanKl.toFixed(6)}, |step| ${stepNorm.toFixed(5)}` +
        (tries === undefined ? '' : `, ${tries} candidate(s)`) +
        (result.sameStep === false ? ', ANOTHER STEP THAN OURS' : '') +
        `; memory ${memoryText(result.peakMemoryMb)}, above the batch ` +
        memoryText(result.updateMemoryMb),
    );
  }
  console.log(
    found.absent === undefined
      ? `  peak ${(1e-9 * found.flops.median).toFixed(0)} Gflop/s; our update is ` +
          `${(100 * found.shareOfUpdate).toFixed(1)} % of it`
      : `  peak: absent (${found.absent})`,
  );
}

await runMain(() => {
  const options = parseOptions({
    case: { type: 'string', default: 'S2k' },
    peers: { type: 'string', default: 'jax,pytorch,sb3' },
  });
  const shape = caseNamed(options.case);
  const { results, peaks } = measure(shape, chosenPeers(options.peers), options);
  const isPeakAbsent = peaks[0].absent !== undefined;
  const flops = isPeakAbsent ? undefined : spread(peaks.map((each) => each.flops));
  const report = {
    case: shape.name,
    threads: options.threads,
    rounds: options.rounds,
    machine: machine(),
    peak: isPeakAbsent
      ? { absent: peaks[0].absent }
      : { flops, shareOfUpdate: shareOfPeak(shape, results, flops.median) },
    results,
  };
  if (options.json) console.log(JSON.stringify(report));
  else print(report);
});
