// What is to be run: every configuration on every task with every seed.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { environmentNames } from 'trustregion';
import { scores } from './results.mjs';
import { argumentsOf, parseSet } from './settings.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

const optionTable = {
  tasks: { type: 'string' },
  seeds: { type: 'string' },
  'first-seed': { type: 'string', default: '0' },
  steps: { type: 'string' },
  'evaluate-every': { type: 'string' },
  jobs: { type: 'string', default: String(availableParallelism()) },
  flags: { type: 'string', default: '' },
  set: { type: 'string' },
  label: { type: 'string' },
  study: { type: 'string' },
  score: { type: 'string' },
  out: { type: 'string' },
  runs: { type: 'string' },
  'report-only': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

export const help = `Usage: npm run bench:learning -- [options]

  --tasks A,B         names of tasks (all that come with the package)
  --seeds N           how many (10)
  --first-seed N      the first of them (0)
  --steps N           environment steps of every run (what the command line takes for the task)
  --evaluate-every N  environment steps between evaluations in the course of a run (none)
  --jobs N            processes at a time, each with one thread (the number of processors)
  --flags '--a --b'   flags of node for the runs, such as those that make MuJoCo faster
  --set a=1,b=2       options of \`trustregion train\` for all runs, with a --label of their own
  --label NAME        what this configuration is called (defaults)
  --study FILE        several configurations, from a JSON file, instead of --set and --label
  --score NAME        by which configurations are ranked: last, evaluation, best, bestEvaluation (with
                      --evaluate-every) or average (last)
  --out DIR           tables and pictures (bench/results/learning, or bench/results/NAME of NAME.json)
  --runs DIR          run folders (runs/learning, or runs/NAME); finished runs there are not run again
  --report-only       run nothing, write tables and pictures of what is finished`;

/**
 * Reads the command line.
 *
 * @returns `null` if it asks for help.
 * @throws Error A sentence, for anything that is wrong with it.
 */
export function readPlan(args = process.argv.slice(2)) {
  const { values } = parseArgs({ args, options: optionTable });
  if (values.help) return null;
  const study = values.study === undefined ? studyOf(values) : readStudy(values);
  const name = values.study === undefined ? 'learning' : path.basename(values.study, '.json');
  const tasks = tasksOf(values.tasks?.split(',') ?? study.tasks ?? environmentNames);
  const firstSeed = count(values['first-seed'], '--first-seed', 0);
  const seedCount = count(values.seeds ?? study.seeds ?? 10, 'seeds', 1);
  const steps = values.steps ?? study.steps;
  const every = values['evaluate-every'] ?? study.evaluateEvery;
  const evaluateEvery = every === undefined ? undefined : count(every, '--evaluate-every', 1);
  const runs = path.resolve(values.runs ?? path.join(root, 'runs', name));
  return {
    name,
    title: study.title ?? (values.study === undefined ? 'Learning' : `Study: ${name}`),
    score: scoreOf(values.score ?? study.score ?? 'last', evaluateEvery),
    command: ['npm run bench:learning --', ...args].join(' ').replaceAll(`${root}${path.sep}`, ''),
    jobs: count(values.jobs, '--jobs', 1),
    flags: values.flags.split(' ').filter(Boolean),
    out: path.resolve(values.out ?? path.join(root, 'bench/results', name)),
    runs,
    reportOnly: values['report-only'],
    tasks,
    seeds: Array.from({ length: seedCount }, (_, index) => firstSeed + index),
    cells: Object.entries(study.configurations).flatMap(([label, configuration]) =>
      tasks.map((task) =>
        cellOf(checkLabel(label), configuration, task, runs, {
          steps: stepsOf(steps, task),
          evaluateEvery,
        }),
      ),
    ),
    labels: Object.keys(study.configurations),
  };
}

/** One configuration on one task; its runs differ in the seed alone. */
function cellOf(label, configuration, task, runs, { steps, evaluateEvery }) {
  const { byTask = {}, ...settings } = configuration;
  const own = { ...settings, ...byTask[task] };
  const options = argumentsOf(own);
  if (evaluateEvery !== undefined) options.unshift(`--evaluate-every=${evaluateEvery}`);
  if (steps !== undefined) options.unshift(`--steps=${count(steps, `steps of ${task}`, 1)}`);
  const folder = path.join(runs, label, task);
  return { label, task, settings: own, options, folder };
}

/** The single configuration that the command line describes. */
function studyOf({ set, label }) {
  if (set !== undefined && label === undefined) {
    throw new Error('--set needs a --label: what these settings are called');
  }
  return { configurations: { [label ?? 'defaults']: set === undefined ? {} : parseSet(set) } };
}

const studyKeys = ['title', 'tasks', 'seeds', 'steps', 'evaluateEvery', 'score', 'configurations'];

function readStudy({ study: file, set, label }) {
  if (set !== undefined || label !== undefined) {
    throw new Error('--study brings its own settings and labels: leave out --set and --label');
  }
  let study;
  try {
    study = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`--study ${file} cannot be read: ${error.message}`);
  }
  const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  const { configurations } = isObject(study) ? study : {};
  if (!isObject(configurations) || !Object.values(configurations).every(isObject)) {
    throw new Error(`${file} must hold an object with "configurations": { label: { settings } }`);
  }
  if (Object.keys(configurations).length === 0) throw new Error(`${file} has no configurations`);
  const unknown = Object.keys(study).find((key) => !studyKeys.includes(key));
  if (unknown !== undefined) {
    throw new Error(`${file}: unknown entry '${unknown}'; known are ${studyKeys.join(', ')}`);
  }
  for (const [own, { byTask = {} }] of Object.entries(configurations)) {
    if (!isObject(byTask)) throw new Error(`${file}: byTask of '${own}' must be an object`);
    tasksOf(Object.keys(byTask), `byTask of '${own}'`);
  }
  return study;
}

function tasksOf(names, where = '--tasks') {
  const unknown = names.find((name) => !environmentNames.includes(name));
  if (unknown !== undefined) {
    throw new Error(`${where}: no task '${unknown}'; there are ${environmentNames.join(', ')}`);
  }
  return [...new Set(names)];
}

function scoreOf(name, evaluateEvery) {
  if (!scores.includes(name)) {
    throw new Error(`--score must be one of ${scores.join(', ')}, got '${name}'`);
  }
  if (name === 'bestEvaluation' && evaluateEvery === undefined) {
    throw new Error('--score bestEvaluation needs --evaluate-every');
  }
  return name;
}

/** Labels are names of folders, too. */
function checkLabel(label) {
  if (!/^[\w+=-][\w+=., -]*$/.test(label)) {
    throw new Error(
      `a label must consist of letters, digits, spaces and _ + = . , - and must not begin with a dot, ` +
        `got '${label}'`,
    );
  }
  return label;
}

/** A number for all tasks, or one for each: { "Hopper-v5": 300000 }; `undefined` for the preset. */
function stepsOf(steps, task) {
  return typeof steps === 'object' && steps !== null ? steps[task] : steps;
}

function count(value, name, least) {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < least || String(value).trim() === '') {
    throw new Error(`${name} must be an integer of at least ${least}, got '${value}'`);
  }
  return number;
}
