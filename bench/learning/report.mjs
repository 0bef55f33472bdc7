// Tables and pictures of a plan's finished runs.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { machine } from '../harness/contenders.mjs';
import { drawTask } from './pictures.mjs';
import {
  curveTable,
  meanOverTasks,
  meanRanks,
  normalized,
  peers,
  recordedScores,
  statisticsOf,
  timeNames,
} from './results.mjs';
import { csv, markdownTable, markName, meanText, number } from './text.mjs';

/** Columns of `summary.csv`, one row a run. */
const summaryColumns = [
  ...['label', 'task', 'seed', 'steps', 'updates', 'last', 'evaluation', 'evaluationStd', 'best'],
  ...['bestEvaluation', 'average', 'acceptedShare', 'worstMeanKl', 'maxKl', 'wallSeconds'],
  ...timeNames,
];

const scoreNames = {
  last: 'last 100 episodes',
  evaluation: 'evaluation',
  best: 'best in training',
  bestEvaluation: 'best evaluation',
  average: 'average over training',
};

/** What every report says about its columns, and about Tianshou's metric how near any of them comes to it. */
function explanation(names) {
  const isRecorded = names.includes('bestEvaluation');
  const best = isRecorded
    ? `the largest mean of the latest 100 training episodes at any update, never below the first
  column;
- **best evaluation**: the largest mean of any evaluation, in the course of the run or at its end, all of them
  of the same deterministic episodes. It is Tianshou's metric, the largest mean of 10 test episodes`
    : `the largest mean of the latest 100 training episodes at any update. It is the nearest
  to Tianshou's metric, the largest mean of 10 test episodes, and never below the first column`;
  return `All returns are sums of the environment's own rewards, as means over seeds ± standard error (s / √n):

- **last 100 episodes**: of training, with sampled actions, at the end of the run;
- **evaluation**: deterministic episodes of the trained policy;
- **best in training**: ${best};
- **average over training**: mean over the run of the mean of the latest 100 episodes.

A normalised score is (return - random) / (aim - random): 0 is what uniformly random actions get, 1 the
aim, the best figure of any peer's TRPO or natural gradient, by whatever metric it was published.`;
}

/**
 * Writes `summary.csv`, `README.md`, and of every task a curve as CSV and as SVG.
 *
 * @param cells - As `readCell` returns them.
 * @returns The names of the files.
 */
export function writeReport(plan, cells) {
  mkdirSync(plan.out, { recursive: true });
  const written = [];
  const write = (name, text) => {
    writeFileSync(path.join(plan.out, name), text);
    written.push(name);
  };
  const rows = cells.flatMap(({ runs }) => runs.map(({ row }) => row));
  write(
    'summary.csv',
    csv([summaryColumns, ...rows.map((row) => summaryColumns.map((name) => row[name]))]),
  );
  const tasks = plan.tasks.filter((task) =>
    cells.some((cell) => cell.task === task && cell.runs.length > 0),
  );
  for (const task of tasks) {
    const own = cells.filter((cell) => cell.task === task);
    write(`${task}.csv`, csv(curveTable(own)));
    write(`${task}.svg`, drawTask(task, own));
  }
  write('README.md', readme(plan, cells, tasks));
  return written;
}

function readme(plan, cells, tasks) {
  const isStudy = plan.labels.length > 1;
  const done = cells.filter(({ task }) => tasks.includes(task));
  const missing = cells.reduce((sum, { runs }) => sum + plan.seeds.length - runs.length, 0);
  const parts = [
    `# ${plan.title}`,
    provenance(plan, cells),
    missing === 0 ? '' : `**${missing} runs of this plan have not finished and are missing here.**`,
    ...(isStudy ? studyTables(plan, done, tasks) : returnTables(done)),
    '## Cost and bound',
    costTable(done, isStudy),
    '## What the columns mean',
    explanation(recordedScores(cells)),
    '## Peers',
    peersTable(tasks),
    '## Curves',
    'As numbers, thinned, in the CSV files; every run is a row of [summary.csv](summary.csv).',
    tasks.map((task) => `![${task}](${task}.svg)`).join('\n\n'),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** How to do it again, and where it was done. */
function provenance({ command, seeds }, cells) {
  const { processor, processors } = machine();
  const commits = new Set(cells.flatMap(({ runs }) => runs.map(({ commit }) => commit)));
  const [first] = seeds;
  return [
    'Written by',
    `\`\`\`sh\n${command}\n\`\`\``,
    `${seeds.length === 1 ? `Seed ${first}` : `Seeds ${first} to ${seeds.at(-1)}`}, one thread a run, ${processors} processors (${processor}), ` +
      `${commits.size === 1 ? 'commit' : 'commits'} ${[...commits].join(', ')}.`,
  ].join('\n\n');
}

function returnTables(cells) {
  const [label] = cells.map((cell) => cell.label);
  const names = recordedScores(cells).filter((name) => name !== 'average');
  const table = cells.map((cell) => {
    const { task, runs } = cell;
    const { aim } = peers.tasks[task] ?? {};
    const statistics = Object.fromEntries(names.map((name) => [name, statisticsOf(cell, name)]));
    return [
      task,
      runs.length,
      stepsText(runs),
      ...Object.values(statistics).map(meanText),
      number(aim),
      aim === undefined ? '–' : reached(statistics, aim),
    ];
  });
  const head = ['task', 'seeds', 'steps', ...names.map((name) => scoreNames[name])];
  return [
    '## Returns',
    label === 'defaults' ? '' : settingsText(cells),
    markdownTable([[...head, 'aim', 'reached'], ...table]),
  ];
}

/** By which of the scores a task's aim is reached. */
function reached(statistics, aim) {
  const known = Object.keys(statistics).filter((name) => !Number.isNaN(statistics[name].mean));
  const names = known.filter((name) => statistics[name].mean >= aim);
  if (names.length === known.length) return 'yes';
  return names.length === 0 ? 'no' : names.map((name) => scoreNames[name]).join(', ');
}

function stepsText(runs) {
  return [...new Set(runs.map(({ row }) => row.steps.toLocaleString('en-US')))].join(', ');
}

/** Configurations against tasks, and against each other over all tasks. */
function studyTables({ labels, seeds, score }, cells, tasks) {
  const find = (label, task) => cells.find((cell) => cell.label === label && cell.task === task);
  const overTasks = (label, name) =>
    meanOverTasks(
      tasks.map((task) => find(label, task)),
      name,
    );
  const ranking = labels
    .map((label) => ({ label, own: overTasks(label, score) }))
    .sort((a, b) => (b.own?.mean ?? -Infinity) - (a.own?.mean ?? -Infinity));
  const ranks = meanRanks(
    tasks.map((task) => labels.map((label) => find(label, task))),
    score,
  );
  const scores = recordedScores(cells);
  const [baseline] = labels;
  const reference = overTasks(baseline, score);
  const byTask = (textOf) =>
    markdownTable([
      ['configuration', ...tasks],
      ...labels.map((label) => [label, ...tasks.map((task) => textOf(find(label, task)))]),
    ]);
  const returns = (name) =>
    byTask((cell) => (cell.runs.length === 0 ? '–' : meanText(statisticsOf(cell, name))));
  return [
    '## Normalised mean over tasks',
    `Best first by ${scoreNames[score]}; ${seeds.length} seeds. "Against" is the difference in this score to ` +
      `\`${baseline}\`, with the error of a difference of independent means: less than two errors is noise. ` +
      'Mean rank: the place by this score, 1 for the best, as mean over tasks, without regard to any scale. ' +
      'A dash: not every task has a finished run.',
    markdownTable([
      [
        'configuration',
        ...scores.map((name) => scoreNames[name]),
        `against ${baseline}`,
        'mean rank',
      ],
      ...ranking.map(({ label, own }) => [
        label,
        ...scores.map((name) => meanText(overTasks(label, name))),
        label === baseline ? '' : meanText(difference(own, reference)),
        number(ranks?.[labels.indexOf(label)], 3),
      ]),
    ]),
    `## Normalised, ${scoreNames[score]}`,
    byTask((cell) => meanText(normalized(cell, score))),
    '## Returns, last 100 episodes',
    returns('last'),
    '## Returns, evaluation',
    returns('evaluation'),
    ...(scores.includes('bestEvaluation')
      ? ['## Returns, best evaluation', returns('bestEvaluation')]
      : []),
    '## Configurations',
    settingsText(cells),
  ];
}

function difference(score, reference) {
  if (score === undefined || reference === undefined) return undefined;
  return {
    mean: score.mean - reference.mean,
    standardError: Math.hypot(score.standardError, reference.standardError),
  };
}

/** The settings that each configuration gives, for all tasks or for some. */
function settingsText(cells) {
  const byLabel = new Map();
  for (const { label, task, options } of cells) {
    const own = byLabel.get(label) ?? new Map();
    const text = options.join(' ');
    own.set(text, [...(own.get(text) ?? []), task]);
    byLabel.set(label, own);
  }
  return [...byLabel]
    .flatMap(([label, own]) =>
      [...own].map(([options, tasks]) => {
        const where = own.size === 1 ? '' : ` (${tasks.join(', ')})`;
        return `- ${label}${where}: ${options === '' ? 'as the command line does it' : `\`${options}\``}`;
      }),
    )
    .join('\n');
}

function costTable(cells, isStudy) {
  const rows = cells
    .filter(({ runs }) => runs.length > 0)
    .map((cell) => {
      const { label, task, runs } = cell;
      const all = runs.map(({ row }) => row);
      const sum = (name) => all.reduce((total, row) => total + row[name], 0);
      const accepted = all.reduce((total, row) => total + row.acceptedShare * row.updates, 0);
      const worst = Math.max(...all.map((row) => row.worstMeanKl));
      const isOver = all.some((row) => row.maxKl !== null && row.worstMeanKl > row.maxKl);
      const bounds = [...new Set(all.map(({ maxKl }) => maxKl))];
      return [
        ...(isStudy ? [label] : []),
        task,
        `${meanText(statisticsOf(cell, 'wallSeconds'))} s`,
        number(sum('steps') / sum('wallSeconds'), 3),
        timeNames.map((name) => shareText(sum(name) / sum('wallSeconds'))).join(' / '),
        `${((100 * accepted) / sum('updates')).toFixed(2)} %`,
        `${worst.toPrecision(4)}${isOver ? ' **over**' : ''}`,
        bounds.map((bound) => bound ?? 'none').join(', '),
      ];
    });
  const head = [
    'task',
    'wall time of a run',
    'steps / s',
    `${timeNames.join(' / ')}, %`,
    'updates accepted',
    'worst mean KL',
    'bound',
  ];
  return markdownTable(
    [[...(isStudy ? ['configuration'] : []), ...head], ...rows],
    isStudy ? 2 : 1,
  );
}

const shareText = (share) => number(Math.round(100 * share), 3);

function peersTable(tasks) {
  const rows = tasks.flatMap((task) =>
    (peers.tasks[task]?.marks ?? []).map((mark) => {
      const source = peers.sources[mark.source];
      const error = mark.error === undefined ? '' : ` ± ${mark.error} (${source.spread})`;
      return [
        task,
        markName(mark),
        mark.environment ?? `${task.replace(/-v\d+$/, '')}-${source.versions}`,
        mark.steps.toLocaleString('en-US'),
        mark.seeds ?? source.seeds,
        `${mark.value}${error}`,
        source.metric,
      ];
    }),
  );
  if (rows.length === 0) return 'None for these tasks.';
  const head = ['task', 'peer', 'environment', 'steps', 'seeds', 'published', 'metric'];
  const used = new Set(
    tasks.flatMap((task) => (peers.tasks[task]?.marks ?? []).map(({ source }) => source)),
  );
  const where = [...used].map(
    (name) => `- ${peers.sources[name].name}: ${peers.sources[name].where}`,
  );
  return [markdownTable([head, ...rows], 3), ...(where.length > 0 ? [where.join('\n')] : [])].join(
    '\n\n',
  );
}
