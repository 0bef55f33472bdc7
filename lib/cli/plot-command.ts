import { writeCheckpoint } from '../checkpoint-file.js';
import { mostSeries, renderChart } from './chart.js';
import type { ChartMark, ChartPanel } from './chart.js';
import { blamingUsage, flag, optionsHelp, parseArguments, text, UsageError } from './arguments.js';
import { seriesOf } from './learning-curves.js';
import { readRun, traceOf } from './run-table.js';
import type { RecordedRun } from './run-table.js';

/** Short names of columns, and what the picture calls them. */
const metrics: Readonly<Record<string, { readonly column: string; readonly quantity: string }>> = {
  return: { column: 'meanReturn', quantity: 'mean return' },
  kl: { column: 'meanKl', quantity: 'mean KL' },
  entropy: { column: 'entropy', quantity: 'mean entropy' },
  length: { column: 'meanLength', quantity: 'mean episode length' },
};

const options = {
  out: text('picture to write, replaced if it is there (plot.svg)', 'FILE'),
  title: text('above the picture (what it shows)', 'TEXT'),
  metric: text(
    `${Object.keys(metrics).join(', ')}, or any column of progress.csv with numbers (return)`,
    'NAME',
  ),
  help: flag('print this help'),
};

export const plotHelp = `Usage: trustregion plot <runs...> [options]

Draws learning curves of run folders over environment steps. Every task has a panel of its own. Runs of
a task that differ in nothing but the seed (and the machine) are one curve: their mean, a band of one
standard error on each side, and the single runs thin. A mean reaches as far as all of its runs do.

Options (defaults in brackets):
${optionsHelp(options)}`;

/**
 * `trustregion plot`.
 *
 * @returns The exit code.
 */
export async function plotCommand(arguments_: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(arguments_, options);
  if (values.help === true) {
    process.stdout.write(`${plotHelp}\n`);
    return 0;
  }
  if (positionals.length === 0) {
    throw new UsageError('at least one run folder is needed');
  }
  const name = values.metric ?? 'return';
  const { column, quantity } = metrics[name] ?? { column: name, quantity: name };
  const runs = await Promise.all(positionals.map(readRun));
  const byTask = groupedBy(runs, ({ task }) => task);
  const panels = await blamingUsage(async () =>
    [...byTask].map(([task, own]) => panelOf(task, own, column, byTask.size > 1)),
  );
  const title = values.title ?? `${[...byTask.keys()].join(', ')}: ${quantity}`;
  const out = values.out ?? 'plot.svg';
  await writeCheckpoint(out, Buffer.from(renderChart({ title, quantity, panels }), 'utf8'));
  const curves = panels.reduce((sum, { series }) => sum + series.length, 0);
  process.stdout.write(
    `${out}: ${counted(runs.length, 'run')}, ${counted(curves, 'curve')}, ` +
      `${counted(panels.length, 'task')}\n`,
  );
  return 0;
}

/** One task: a curve for each configuration. */
function panelOf(
  task: string,
  runs: readonly RecordedRun[],
  column: string,
  hasHeading: boolean,
): ChartPanel {
  const configurations = [...groupedBy(runs, configurationOf).values()];
  if (configurations.length > mostSeries) {
    throw new UsageError(
      `a panel can show at most ${mostSeries} configurations, but the runs of ${task} have ` +
        `${configurations.length}: name fewer of them`,
    );
  }
  for (const own of configurations) {
    requireDifferentSeeds(own);
  }
  const names = labelsOf(configurations.map(([first]) => first));
  return {
    heading: hasHeading ? task : '',
    series: configurations.map((own, index) => {
      const [first] = own;
      const what = own.length === 1 ? `seed ${first?.seed}` : `${own.length} seeds`;
      const traces = own.map(({ progress }) => traceOf(progress, column));
      return seriesOf(`${names[index]}, ${what}`, traces);
    }),
    ...(column === 'meanKl' ? { marks: bounds(runs), floor: 0 } : { marks: [] }),
  };
}

function configurationOf({ method, settings }: RecordedRun): string {
  return JSON.stringify([method, Object.entries(settings).sort()]);
}

/** Runs that are the same would make the error look smaller than it is. */
function requireDifferentSeeds(runs: readonly RecordedRun[]): void {
  for (const [seed, same] of groupedBy(runs, (run) => run.seed)) {
    const [first, second] = same;
    if (first !== undefined && second !== undefined) {
      throw new UsageError(
        `${first.folder} and ${second.folder} are runs with the same settings and seed ${seed}: ` +
          'name one of them',
      );
    }
  }
}

/** The method of each configuration, and the settings in which it differs from others of the method. */
function labelsOf(configurations: readonly (RecordedRun | undefined)[]): string[] {
  return configurations.map((run) => {
    const others = configurations.filter((other) => other?.method === run?.method);
    const names = new Set(others.flatMap((other) => Object.keys(other?.settings ?? {})));
    const differing = [...names].filter((name) =>
      others.some((other) => other?.settings[name] !== run?.settings[name]),
    );
    const settings = differing.map((name) => `${name} ${run?.settings[name] ?? 'none'}`);
    return [run?.method, ...settings].join(', ');
  });
}

/** Where a schedule moves it, the bound that the run began with. */
function bounds(runs: readonly RecordedRun[]): ChartMark[] {
  const marks = new Map<string, number>();
  for (const { settings } of runs) {
    const { maxKl = 'Infinity', schedule = '{}' } = settings;
    const moves = 'maxKl' in (JSON.parse(schedule) as object);
    if (Number.isFinite(Number(maxKl))) {
      marks.set(`${moves ? 'first ' : ''}bound ${maxKl}`, Number(maxKl));
    }
  }
  return [...marks].map(([label, value]) => ({ label, value }));
}

function groupedBy<Item, Key>(
  items: readonly Item[],
  keyOf: (item: Item) => Key,
): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
