// Whole updates, ours and the peers', in turns, each trial in a fresh process.
//
//   npm run bench:update -- [--case S2k] [--threads 1] [--rounds 5] [--repeats 20]
//                           [--python python3] [--json]

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { TRPO } from 'trustregion';
import { makeProblem, writeProblem } from './problem.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'S2k' },
    threads: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    repeats: { type: 'string', default: '20' },
    backend: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    json: { type: 'boolean', default: false },
    trial: { type: 'boolean', default: false },
  },
});

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Our trial: the median of `repeats` updates from the same parameters. */
async function trial() {
  const problem = makeProblem(options.case, {
    backend: options.backend,
    threads: Number(options.threads),
  });
  const { policy, batch } = problem;
  // What the peers do, for the same work: neither preconditioner nor boundary search.
  const plain = { preconditioner: 'none', lineSearch: 'backtracking' };
  const trpo = new TRPO(policy, { ...problem.options, ...plain });
  const parameters = policy.getParameters();
  const times = [];
  let summary;
  for (let i = 0; i < Number(options.repeats) + 2; i++) {
    policy.setParameters(parameters);
    const start = performance.now();
    summary = await trpo.update(batch);
    if (i >= 2) times.push(performance.now() - start);
  }
  return {
    peer: `trustregion ${policy.backend}`,
    threads: Number(options.threads),
    ms: median(times),
    meanKl: summary.meanKl,
    stepNorm: summary.stepNorm,
    tries: summary.candidates.length,
    timing: summary.timing,
    peakMemoryMb: process.resourceUsage().maxRSS / 1024,
  };
}

function runTrial(command, args) {
  const output = execFileSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(output.trim().split('\n').at(-1));
}

function compare() {
  const folder = mkdtempSync(join(tmpdir(), 'trustregion-bench-'));
  try {
    const problem = makeProblem(options.case);
    const peers = [];
    if (problem.actions.kind === 'continuous') {
      writeProblem(problem, folder);
      peers.push('pytorch_trpo.py', 'sb3_trpo.py');
    }
    const contenders = [
      () => runTrial(process.execPath, [fileURLToPath(import.meta.url), '--trial', ...passed()]),
      ...peers.map((script) => () => {
        try {
          return runTrial(options.python, [
            '-Wignore',
            join(here, 'peers', script),
            folder,
            options.threads,
            options.repeats,
          ]);
        } catch (error) {
          return { peer: script, absent: error.message.split('\n')[0] };
        }
      }),
    ];
    const results = contenders.map(() => []);
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const [index, contender] of contenders.entries()) {
        if (round > 0 && results[index][0].absent) continue;
        results[index].push(contender());
      }
    }
    return results.map((rounds) => {
      if (rounds[0].absent) return { peer: rounds[0].peer, absent: rounds[0].absent };
      const times = rounds.map((round) => round.ms);
      const ratios = rounds.map((round, i) => round.ms / results[0][i].ms);
      return {
        ...rounds[0],
        ms: median(times),
        fastestMs: Math.min(...times),
        slowestMs: Math.max(...times),
        timesOurs: median(ratios),
      };
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const passed = () => [
  ...['--case', options.case, '--threads', options.threads, '--repeats', options.repeats],
  ...(options.backend ? ['--backend', options.backend] : []),
];

if (options.trial) {
  console.log(JSON.stringify(await trial()));
} else {
  const results = compare();
  if (options.json) {
    console.log(JSON.stringify({ case: options.case, threads: Number(options.threads), results }));
  } else {
    console.log(
      `One TRPO update, case ${options.case}, ${options.threads} thread(s), 15 CG iterations; ` +
        `medians of ${options.rounds} interleaved rounds`,
    );
    for (const result of results) {
      console.log(
        result.absent
          ? `  ${result.peer}: absent (${result.absent})`
          : `  ${result.peer.padEnd(24)} ${result.ms.toFixed(2).padStart(9)} ms ` +
              `(${result.fastestMs.toFixed(2)} to ${result.slowestMs.toFixed(2)})  ` +
              `${result.timesOurs.toFixed(2)} x ours` +
              (result.meanKl === undefined
                ? ''
                : `  KL ${result.meanKl.toFixed(6)}, |step| ${result.stepNorm.toFixed(5)}`),
      );
    }
  }
}
