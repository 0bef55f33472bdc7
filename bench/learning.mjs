// What is learned: task by seed in processes of their own, then tables and pictures.
//
//   npm run bench:learning -- --help
//
// A run that has finished is not run again; one that was interrupted goes on.

import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runPool } from './learning/pool.mjs';
import { locked } from './learning/lock.mjs';
import { help, readPlan } from './learning/plan.mjs';
import { writeReport } from './learning/report.mjs';
import { withProgram } from './learning/program.mjs';
import { readCell } from './learning/results.mjs';
import { folderOf, requireSameSettings, resultOf, startRun } from './learning/run.mjs';
import { resolve } from './learning/settings.mjs';

/** The commit that is run, with a + where files differ from it. */
function commitOf() {
  const cwd = path.dirname(fileURLToPath(import.meta.url));
  const git = (...args) =>
    execFileSync('git', args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no') !== '';
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

/**
 * Everything that is wrong with the plan comes to light before anything runs.
 *
 * @returns The settings of each cell.
 */
async function check(plan) {
  const settingsOf = new Map();
  for (const cell of plan.cells) {
    const settings = await resolve(cell.task, cell.options).catch((error) => {
      throw new Error(`${cell.label}, ${cell.task}: ${error.message}`);
    });
    for (const folder of plan.seeds.map((seed) => folderOf(cell, seed))) {
      if (resultOf(folder) !== undefined) requireSameSettings(folder, settings);
    }
    settingsOf.set(cell, settings);
  }
  return settingsOf;
}

/** Seeds go round last, so that there is something of everything early. */
function unfinished(plan) {
  return plan.seeds
    .flatMap((seed) => plan.cells.map((cell) => ({ cell, seed })))
    .filter(({ cell, seed }) => resultOf(folderOf(cell, seed)) === undefined);
}

/** Runs them; returns whether it was stopped, and the names of those that failed. */
async function perform(plan, runs, settingsOf, program) {
  const commit = commitOf();
  const began = Date.now();
  const failed = [];
  let done = 0;
  const stopped = await runPool(
    runs.length,
    plan.jobs,
    (number) => {
      const { cell, seed } = runs[number];
      const settings = settingsOf.get(cell);
      return startRun([...plan.flags, program], cell, seed, { commit, settings });
    },
    (number, { report, failure }) => {
      const { cell, seed } = runs[number];
      const name = `${cell.label}, ${cell.task}, seed ${seed}`;
      if (report === undefined && failure === undefined) return;
      done += 1;
      if (failure !== undefined) {
        failed.push(name);
        console.error(`${done}/${runs.length}  ${name}: FAILED: ${failure}`);
        return;
      }
      const seconds = (Date.now() - began) / 1000;
      const left = Math.round((seconds / done) * (runs.length - done));
      console.log(
        `${done}/${runs.length}  ${name}: evaluation ${report.evaluation.mean.toPrecision(5)}, ` +
          `${report.wallSeconds.toFixed(0)} s; ${left} s to go`,
      );
    },
  );
  return { stopped, failed };
}

async function main() {
  const plan = readPlan();
  if (plan === null) {
    console.log(help);
    return 0;
  }
  const settingsOf = await check(plan);
  const missing = unfinished(plan);
  const runs = plan.reportOnly ? [] : missing;
  const all = plan.cells.length * plan.seeds.length;
  console.log(`${all} runs, ${all - missing.length} of them finished before`);
  const { stopped, failed } =
    runs.length === 0
      ? { stopped: false, failed: [] }
      : await locked(plan.runs, () =>
          withProgram((program) => perform(plan, runs, settingsOf, program)),
        );
  const cells = [];
  for (const cell of plan.cells) cells.push(await readCell(cell, plan.seeds));
  if (cells.some((cell) => cell.runs.length > 0)) {
    writeReport(plan, cells);
    console.log(`tables and pictures: ${path.relative('.', plan.out) || '.'}`);
  } else {
    console.log('no run has finished yet: no tables, no pictures');
  }
  if (failed.length > 0) console.error(`failed: ${failed.join('; ')}`);
  return stopped ? 130 : failed.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`bench:learning: ${error.message}`); // a mistake of the user's is a line, not a stack
  process.exitCode = 2;
}
