// One run: a `trustregion train` process and its folder.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { identityOf } from './settings.mjs';

const resultName = 'result.json';

/** The folder of a cell's run. */
export function folderOf(cell, seed) {
  return path.join(cell.folder, `seed${seed}`);
}

/** What a run printed at its end: `{ report, commit }`; `undefined` where it has not finished. */
export function resultOf(folder) {
  const file = path.join(folder, resultName);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/**
 * Makes sure that a finished run is what its cell would do now: presets and options may have changed.
 *
 * @param settings - Their identity.
 * @throws Error naming the first setting that differs.
 */
export function requireSameSettings(folder, settings) {
  const { had, differs } = compare(folder, settings);
  if (differs !== undefined) {
    throw new Error(
      `${folder} holds a finished run with ${differs} ${had[differs]}, where this one would have ` +
        `${settings[differs]}: remove it, or choose another --label or --runs`,
    );
  }
}

function compare(folder, settings) {
  const had = identityOf(JSON.parse(readFileSync(path.join(folder, 'config.json'), 'utf8')));
  const differs = Object.keys({ ...had, ...settings }).find((name) => had[name] !== settings[name]);
  return { had, differs };
}

/** Whether there is an unfinished run with these settings that got so far that it can go on. */
function canGoOn(folder, settings) {
  try {
    return (
      existsSync(path.join(folder, 'training.safetensors')) &&
      compare(folder, settings).differs === undefined
    );
  } catch {
    return false; // its config.json is no such thing
  }
}

/**
 * Starts a run. One that was interrupted goes on from what it saved, if its settings are the same; otherwise
 * what it has left is removed first.
 *
 * @param program - Flags of node and the command line's file.
 * @param settings - The identity of the cell's runs.
 * @returns `{ stop(signal), done }`; `done` resolves to `{ report }`, `{ interrupted: true }` or
 *   `{ failure }`, a text.
 */
export function startRun(program, cell, seed, { commit, settings }) {
  const folder = folderOf(cell, seed);
  const goesOn = canGoOn(folder, settings);
  try {
    if (!goesOn) rmSync(folder, { recursive: true, force: true });
    mkdirSync(path.dirname(folder), { recursive: true });
  } catch (error) {
    return { stop: () => {}, done: Promise.resolve({ failure: error.message }) };
  }
  const what = goesOn
    ? [`--resume=${folder}`]
    : [cell.task, ...cell.options, `--seed=${seed}`, `--out=${folder}`];
  const args = ['train', ...what, '--threads=1', '--json'];
  // In a process group of its own: Ctrl-C reaches it through this process alone, once.
  const child = spawn(process.execPath, [...program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let isStopped = false;
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      output[name] = (output[name] + text).slice(-20_000);
    });
  }
  const done = new Promise((resolve) => {
    child.on('error', (error) => resolve({ failure: error.message }));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(keep(folder, output.stdout, commit));
      else if (isStopped || code === 130) resolve({ interrupted: true });
      else resolve({ failure: lastWords(code, signal, output.stderr) });
    });
  });
  const stop = (signal) => {
    isStopped = true;
    child.kill(signal);
  };
  return { stop, done };
}

/** Writes the result beside the run's own files: only now is the run finished. */
function keep(folder, stdout, commit) {
  try {
    const report = JSON.parse(stdout.trim().split('\n').at(-1));
    const file = path.join(folder, resultName);
    writeFileSync(`${file}.new`, `${JSON.stringify({ report, commit }, null, 2)}\n`);
    renameSync(`${file}.new`, file);
    return { report };
  } catch (error) {
    return { failure: `its report cannot be kept: ${error.message}` };
  }
}

function lastWords(code, signal, stderr) {
  const how = signal === null ? `exit code ${code}` : `killed by ${signal}`;
  const words = stderr
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at /.test(line)) // what, not where
    .slice(-3);
  return [how, ...words].join('\n    ');
}
