// What our trials share: the command line, the clock, the memory.
//
//   node --expose-gc TRIAL.mjs FOLDER THREADS REPEATS SECONDS BACKEND [JSON]
//
// FOLDER is what bench/problem.mjs writes. REPEATS runs are timed, fewer when SECONDS are over.

import { readFileSync, writeFileSync } from 'node:fs';
import { median } from '../harness/statistics.mjs';

const [folder, threads, repeats, limit, backend, json = '{}'] = process.argv.slice(2);

export { folder };
export const seconds = Number(limit);
export const machine = {
  threads: Number(threads),
  ...(backend ? { backend } : {}),
};
export const more = JSON.parse(json);

/** VmRSS or VmHWM of this process in bytes; undefined where /proc does not tell. */
function memory(field) {
  try {
    const line = new RegExp(`^${field}:\\s*(\\d+) kB`, 'm').exec(
      readFileSync('/proc/self/status', 'utf8'),
    );
    return 1024 * Number(line[1]);
  } catch {
    return undefined;
  }
}

/** Lets VmHWM begin anew at what is resident now (proc(5)); tells whether it does. */
function restartPeak() {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    return false;
  }
}

/**
 * Times runs and prints one JSON object: the medians of every field that is a time, the rest of the
 * last run, and the peak of memory, above what was there before the first run too.
 *
 * @param before - What each run needs done; not timed.
 * @param run - Returns what shall be reported; `ms`, its time, may be among that.
 */
export async function measure(peer, { before = () => {}, run, ...fixed }) {
  globalThis.gc?.();
  const resident = memory('VmRSS');
  const highest = memory('VmHWM');
  const isKnown = restartPeak() && resident !== undefined;
  const runs = [];
  const start = performance.now();
  // The first run is not counted: it finds nothing in memory and nothing compiled.
  for (let index = -1; index < Number(repeats); index += 1) {
    const isOver = performance.now() - start > 1e3 * seconds;
    if (isOver && runs.length > 0) break;
    await before();
    const begin = performance.now();
    const result = await run();
    const ms = performance.now() - begin;
    if (index >= 0) runs.push({ ms, ...result });
  }
  const peak = memory('VmHWM');
  const last = runs.at(-1);
  const times = Object.keys(last).filter((name) => /ms$/i.test(name));
  console.log(
    JSON.stringify({
      peer,
      ...{ threads: machine.threads, updates: runs.length, ...fixed, ...last },
      ...Object.fromEntries(times.map((name) => [name, median(runs.map((each) => each[name]))])),
      peakMemoryMb: isKnown ? Math.max(peak, highest) / 1e6 : null,
      updateMemoryMb: isKnown ? (peak - resident) / 1e6 : null,
    }),
  );
}
