// Contenders: each trial is a fresh process, bound to as many processors as it may have threads, and
// they go round in turns.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const bench = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The first `count` processors that this process may use, as taskset wants them. */
function processors(count) {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  const all = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
  return all.slice(0, count).join(',');
}

/** What to put before a command; nothing where processes cannot be bound. */
function binding(threads) {
  if (process.platform !== 'linux' || threads >= availableParallelism()) return [];
  if (spawnSync('taskset', ['--version']).status !== 0) return [];
  return ['taskset', '-c', processors(threads)];
}

/**
 * Runs a command that prints one JSON object in its last line.
 *
 * @throws Error with the line of the command's stderr that names an error, or the last one.
 */
function runForJson(command) {
  const [program, ...args] = command;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw error;
  if (status !== 0) {
    const lines = stderr.trim().split('\n');
    const reason = lines.findLast((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1);
    throw new Error(reason || `exit status ${status}`);
  }
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** Ours: bench/trials/`script`. Its failures are not hidden. */
export function ours(script, folder, { threads, repeats, seconds, backend }, more = []) {
  const command = [
    ...binding(threads),
    ...[process.execPath, '--expose-gc', path.join(bench, 'trials', script)],
    ...[folder, threads, repeats, seconds, backend ?? ''].map(String),
    ...more,
  ];
  return { name: 'trustregion', run: () => runForJson(command) };
}

/** bench/trials/`script` with arguments and flags of node of its own, bound to one processor. */
export function trial(name, script, args, flags = []) {
  const program = path.join(bench, 'trials', script);
  const command = [...binding(1), process.execPath, ...flags, program, ...args.map(String)];
  return { name, run: () => runForJson(command) };
}

/** bench/peers/`script`; a peer that cannot run is absent, with the reason. */
export function peer(script, folder, { threads, repeats, seconds, python }, more = []) {
  // A peer binds itself, before its libraries start threads.
  const command = [
    ...[python, '-Wignore', path.join(bench, 'peers', script), folder],
    ...[threads, repeats, seconds].map(String),
    ...more,
  ];
  const run = () => {
    try {
      return runForJson(command);
    } catch (error) {
      return { peer: script, absent: error.message };
    }
  };
  return { name: script, run };
}

/** The multiply-add peak, by a native program that must have been built. */
export function peak({ threads, backend = '' }) {
  const program = path.resolve(bench, '../build-cmake/peak_bench');
  const command = [...binding(threads), program, '--threads', String(threads)];
  if (backend !== '') command.push('--backend', backend);
  const run = () => {
    if (!existsSync(program)) {
      return { peer: 'peak', absent: 'build it with: npm run bench:build' };
    }
    return runForJson(command);
  };
  return { name: 'peak', run };
}

/**
 * Rounds of one trial of each contender, in an order that moves on by one each round.
 *
 * @returns For each contender its results, one a round; one alone, with `absent`, if it is absent.
 */
export function takeTurns(contenders, rounds) {
  const results = contenders.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    for (let place = 0; place < contenders.length; place += 1) {
      const index = (place + round) % contenders.length;
      const isAbsent = results[index][0]?.absent !== undefined;
      if (!isAbsent) results[index].push(contenders[index].run());
    }
  }
  return results;
}

/** The machine, for the record. */
export function machine() {
  return { processor: cpus()[0]?.model.trim() ?? 'unknown', processors: availableParallelism() };
}
