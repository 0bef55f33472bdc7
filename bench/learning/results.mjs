// What the finished runs of a plan came to.

import { readFileSync } from 'node:fs';
import { commonSteps, meanAndError, valueAt } from '../../dist/esm/cli/learning-curves.js';
import { readRun, traceOf } from '../../dist/esm/cli/run-table.js';
import { folderOf, resultOf } from './run.mjs';

/** Peers' figures, and between which returns a task's scores are normalised. */
export const peers = JSON.parse(readFileSync(new URL('peers.json', import.meta.url), 'utf8'));

/**
 * The scores of a run, all of them returns without discount:
 *
 * - `last`: mean of the last 100 episodes of training;
 * - `evaluation`: mean of the evaluation at the end of the run;
 * - `best`: largest mean of the latest 100 episodes at any time in training;
 * - `bestEvaluation`: largest mean of an evaluation, in the course of the run or at its end, of runs that
 *   evaluate in their course;
 * - `average`: mean over training of the mean of the latest 100 episodes.
 */
export const scores = ['last', 'evaluation', 'best', 'bestEvaluation', 'average'];

/** The scores that any run of some cells has. */
export function recordedScores(cells) {
  const rows = cells.flatMap(({ runs }) => runs.map(({ row }) => row));
  return scores.filter(
    (name) => name !== 'bestEvaluation' || rows.some((row) => Number.isFinite(row[name])),
  );
}

/** Where the seconds of a run went, as far as its report tells. */
export const timeNames = ['physics', 'inference', 'update', 'critic', 'rest'];

/**
 * Reads the finished runs of a cell.
 *
 * @returns The cell with `runs`: for each of the seeds that have finished, its row of the summary and
 *   the trace of its returns; and `settings`, as the first of them had resolved them.
 */
export async function readCell(cell, seeds) {
  const runs = [];
  for (const seed of seeds) {
    const folder = folderOf(cell, seed);
    const result = resultOf(folder);
    if (result !== undefined) runs.push(await readFinished(cell, seed, folder, result));
  }
  return { ...cell, runs };
}

async function readFinished({ label, task }, seed, folder, { report, commit }) {
  const { progress } = await readRun(folder);
  const trace = traceOf(progress, 'meanReturn');
  const { steps, updates, evaluation, maxKl, worstMeanKl, wallSeconds } = report;
  const row = {
    label,
    task,
    seed,
    steps,
    updates,
    last: trace.at(-1)?.[1] ?? Number.NaN,
    evaluation: evaluation.mean,
    evaluationStd: evaluation.std,
    best: trace.length === 0 ? Number.NaN : Math.max(...trace.map(([, value]) => value)),
    bestEvaluation: report.best?.mean ?? Number.NaN,
    average: averageOf(trace),
    acceptedShare: report.acceptedUpdates / updates,
    worstMeanKl,
    maxKl,
    wallSeconds,
    ...Object.fromEntries(timeNames.map((name) => [name, report.timing?.[name]])),
  };
  return { row, trace, commit };
}

/** The area under a curve over its length. */
function averageOf(trace) {
  if (trace.length < 2) return trace[0]?.[1] ?? Number.NaN;
  let area = 0;
  for (let index = 1; index < trace.length; index += 1) {
    const [[from, before], [to, after]] = [trace[index - 1], trace[index]];
    area += ((to - from) * (before + after)) / 2;
  }
  return area / (trace.at(-1)[0] - trace[0][0]);
}

/** Mean, standard error and number of one quantity of a cell's runs. */
export function statisticsOf({ runs }, name) {
  const values = runs.map(({ row }) => row[name]);
  return { ...meanAndError(values), count: values.length };
}

/**
 * A score between 0, the return of random actions, and 1, the best figure of any peer's TRPO:
 * (score - random) / (aim - random). `undefined` where a task has no such figures or no run.
 */
export function normalized(cell, name) {
  const { random, aim } = peers.tasks[cell.task] ?? {};
  if (random === undefined || aim === undefined || cell.runs.length === 0) return undefined;
  const { mean, standardError } = statisticsOf(cell, name);
  const range = aim - random;
  return { mean: (mean - random) / range, standardError: standardError / Math.abs(range) };
}

/**
 * The mean over tasks of normalised scores. Tasks are what they are and seeds are drawn, so the error is
 * that of the seeds: the root of the sum of squares over the number of tasks. `undefined` unless every
 * task has a score.
 */
export function meanOverTasks(cells, name) {
  const each = cells.map((cell) => normalized(cell, name));
  if (each.length === 0 || each.includes(undefined)) return undefined;
  const sum = (of) => each.reduce((total, score) => total + of(score), 0);
  return {
    mean: sum(({ mean }) => mean) / each.length,
    standardError: Math.sqrt(sum(({ standardError }) => standardError ** 2)) / each.length,
  };
}

/**
 * Configurations against each other without any scale: the mean over tasks of the place, 1 for the best,
 * that each takes by the mean of a score; equal ones share theirs. `undefined` unless every task has
 * every configuration.
 *
 * @param byTask - Of each task the cells of all configurations, in one order.
 * @returns One mean for each configuration.
 */
export function meanRanks(byTask, name) {
  if (byTask.some((cells) => cells.some(({ runs }) => runs.length === 0))) return undefined;
  const ranks = byTask.map((cells) => {
    const means = cells.map((cell) => statisticsOf(cell, name).mean);
    return means.map((own) => {
      const better = means.filter((other) => other > own).length;
      const equal = means.filter((other) => other === own).length;
      return better + (equal + 1) / 2;
    });
  });
  return byTask[0].map(
    (_, index) => ranks.reduce((sum, own) => sum + own[index], 0) / byTask.length,
  );
}

/** So many rows are enough for a curve in a table. */
const mostRows = 201;

/**
 * The learning curves of a task as a table: steps, then a column for each run; empty where a run has no
 * value.
 */
export function curveTable(cells) {
  const runs = cells.flatMap((cell) => cell.runs);
  const steps = commonSteps(
    runs.map(({ trace }) => trace),
    mostRows,
  );
  const isOne = cells.length === 1;
  const header = runs.map(({ row }) => `${isOne ? '' : `${row.label} `}seed ${row.seed}`);
  const rows = steps.map((at) => [at, ...runs.map(({ trace }) => valueAt(trace, at))]);
  return [['steps', ...header], ...rows];
}
