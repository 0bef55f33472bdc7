/*
 * How far the tasks are from the recorded ones: npm run fidelity [-- --write]
 *
 * Reads every recording in test/fixtures/mujoco and test/fixtures/classic and prints a table of the
 * largest differences; with --write it replaces the table in docs/tasks.md. Fails where a difference is
 * beyond what the tests allow.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  classicFidelity,
  fidelityLimits,
  mujocoFidelity,
  resumedEvery,
} from '../dist/esm/conformance/task-fidelity.js';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const page = path.join(root, 'docs/tasks.md');
const marks = ['<!-- fidelity table: npm run fidelity -- --write -->', '<!-- end of table -->'];

function recordings(kind) {
  const folder = path.join(root, 'test/fixtures', kind);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(path.join(folder, file), 'utf8')));
}

const figure = (value) => (value === 0 ? '0' : value.toExponential(1));

function row(task, model, trajectories) {
  const list = (read) => trajectories.map(read).join(', ');
  const steps = list(({ steps }) => steps);
  const observations = list(({ observation }) => figure(observation));
  const rewards = list(({ reward }) => figure(reward));
  const ends = trajectories.every(({ isTerminationEqual }) => isTerminationEqual)
    ? 'same'
    : 'differ';
  return [`\`${task}\``, model, steps, observations, rewards, ends];
}

/** Lines of a Markdown table, its columns as wide as their widest cell. */
function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}

const rows = [['task', 'model arrays', 'steps', 'observations', 'rewards', 'ends']];
let isWithin = true;
for (const recording of recordings('mujoco')) {
  const { differences, trajectories, uninterrupted } = await mujocoFidelity(recording);
  const model = Math.max(...differences.values());
  rows.push(row(recording.task, `${figure(model)} (${differences.size} arrays)`, trajectories));
  if (recording.task in resumedEvery) {
    rows.push(['(never resumed)', ...row('', '', uninterrupted).slice(1)]);
  }
  isWithin &&= model <= fidelityLimits.model;
  isWithin &&= trajectories.every(
    ({ observation, reward, isTerminationEqual }) =>
      Math.max(observation, reward) <= fidelityLimits.mujoco && isTerminationEqual,
  );
}
for (const recording of recordings('classic')) {
  const trajectories = await classicFidelity(recording);
  rows.push(row(recording.task, 'none', trajectories));
  isWithin &&= trajectories.every(
    ({ observation, reward, isTerminationEqual }) =>
      Math.max(observation, reward) <= fidelityLimits.classic && isTerminationEqual,
  );
}

const text = table(rows);
process.stdout.write(`${text}\n`);
if (process.argv.includes('--write')) {
  const [before, rest] = readFileSync(page, 'utf8').split(marks[0]);
  const after = rest.split(marks[1])[1];
  writeFileSync(page, `${before}${marks[0]}\n\n${text}\n\n${marks[1]}${after}`);
}
if (!isWithin) {
  process.stderr.write('a difference is beyond what the tests allow\n');
  process.exitCode = 1;
}
