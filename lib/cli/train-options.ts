import { advantageEstimators } from '../advantage-estimator.js';
import { environmentNames } from '../environments/registry.js';
import { fitSolvers } from '../fit-options.js';
import type { MethodName } from '../method-options.js';
import { methodNames } from '../methods.js';
import {
  flag,
  integer,
  integers,
  kebabCase,
  number,
  namedNumbersText,
  numbersByName,
  onByDefault,
  oneOf,
  optionsHelp,
  text,
} from './arguments.js';
import { methodOptions, methodOptionsHelp } from './method-arguments.js';
import { presetOf } from './tasks.js';

/** How a run updates unless it is told otherwise. */
export const defaultMethod = 'TRPO';

const runOptions = {
  steps: integer('environment steps of the whole run (by task)', { min: 1 }),
  seed: integer('everything random follows from it (0)', { min: 0, max: Number.MAX_SAFE_INTEGER }),
  method: oneOf(`how to update (${defaultMethod})`, methodNames, 'NAME'),
  schedule: numbersByName('where step sizes go by the end of the run, or none (by task)'),
  out: text(
    'folder to write, new or empty (runs/<task>-<method>-seed<seed>, numbered if taken)',
    'DIR',
  ),
  resume: text('folder of a run that goes on where it was saved last, instead of a task', 'DIR'),
  evaluationEpisodes: integer('deterministic episodes of an evaluation (10)', { min: 1 }),
  evaluateEvery: integer('environment steps between evaluations (none but that at the end)', {
    min: 1,
  }),
  json: flag('print one JSON object and nothing else'),
  help: flag('print this help'),
};

const rolloutOptions = {
  environments: integer('environments that step side by side (1)', { min: 1 }),
  workers: integer('threads that step them; 0: the one that trains (0)', { min: 0 }),
  timeout: number('milliseconds that a step may take; needs --workers (60000)', {
    exclusiveMin: 0,
    max: 2 ** 31 - 1,
  }),
  stepsPerUpdate: integer('environment steps per update, in all of them (by task)', { min: 1 }),
  estimator: oneOf('of the advantages (gae)', advantageEstimators),
  gamma: number('discount factor (by task)', { min: 0, max: 1 }),
  lambda: number('of estimator gae (by task)', { min: 0, max: 1 }),
  horizon: integer('rewards that estimator nStep sums', { min: 1 }),
  normalizeObservations: onByDefault('leave observations as the environment gives them'),
  scaleRewards: flag('divide rewards by the deviation of the discounted return'),
};

const networkOptions = {
  hidden: integers('hidden layers of policy and critic (by task)'),
  activation: oneOf('of the hidden units (tanh)', ['tanh', 'relu', 'silu']),
  initialLogStd: number('first log standard deviation of continuous actions (by task)', {
    min: -20,
    max: 20,
  }),
  minLogStd: number('least log standard deviation of continuous actions (by task)', {
    min: -20,
    max: 20,
  }),
  backend: text('where to compute (TRUSTREGION_BACKEND or cpu)', 'NAME'),
  threads: integer('threads to compute with (TRUSTREGION_THREADS or all)', { min: 1, max: 64 }),
};

/**
 * Options of `ValueFunction.fit`, by their names there with `value` before them.
 */
export const criticOptions = {
  valueSolver: oneOf('how to minimise its loss (by task)', fitSolvers),
  valueEpochs: integer('passes of adam over a rollout (by task)', { min: 1 }),
  valueMinibatchSize: integer('rows per step of adam (by task)', { min: 1 }),
  valueLearningRate: number('of adam (by task)', { exclusiveMin: 0 }),
  valueIterations: integer('steps that gaussNewton tries (2)', { min: 1 }),
  valueCgIterations: integer('of conjugate gradients in each, at most (10)', { min: 1 }),
  valueDamping: number('least damping of gaussNewton (0.03)', { exclusiveMin: 0 }),
};

/**
 * Every option of `trustregion train`.
 */
export const trainOptions = {
  ...runOptions,
  ...rolloutOptions,
  ...methodOptions,
  ...networkOptions,
  ...criticOptions,
};

/**
 * What `trustregion train --help` prints.
 *
 * @param method - Whose defaults it ends with.
 */
export function trainHelp(method: MethodName = defaultMethod): string {
  return `Usage: trustregion train <task> [options]
       trustregion train --resume <run> [--steps N] [--workers N] [--threads N] [--json]

Trains a policy and writes a run folder: config.json, progress.csv, policy.safetensors, curve.svg, and
training.safetensors, from which --resume goes on; with --evaluate-every also evaluations.csv, and
best.safetensors, the policy of the best evaluation.
Ctrl-C ends the run after the step at hand and leaves a usable folder; a second one quits at once.

Tasks: ${nameList(environmentNames, 'Tasks: '.length)}
Methods: ${methodNames.join(', ')}

Options (defaults in brackets):
${optionsHelp(runOptions)}

Collecting:
${optionsHelp(rolloutOptions)}

${methodOptionsHelp()}

Networks:
${optionsHelp(networkOptions)}

Fitting the critic:
${optionsHelp(criticOptions)}

Defaults by task, of --method ${method} (add another --method to see its own):
${presetTable(method)}`;
}

/** Names after a heading of some length, on as many lines of at most 100 characters as they need. */
function nameList(names: readonly string[], indent: number): string {
  const lines = [''];
  for (const [index, name] of names.entries()) {
    const word = index === names.length - 1 ? name : `${name}, `;
    const line = lines.at(-1) ?? '';
    if (indent + line.length + word.trimEnd().length > 100) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = line + word;
    }
  }
  return lines.map((line) => line.trimEnd()).join(`\n${' '.repeat(indent)}`);
}

/** As it is written on the command line. */
function settingText(value: unknown): string {
  return typeof value === 'object' && !Array.isArray(value)
    ? namedNumbersText(value as Readonly<Record<string, number>>)
    : String(value ?? '');
}

/** One row per setting, one column per task or group of tasks that have all settings in common. */
function presetTable(method: MethodName): string {
  const groups = new Map<string, { tasks: string[]; preset: Readonly<Record<string, unknown>> }>();
  for (const task of environmentNames) {
    const { options, ...settings } = presetOf(task, method);
    const preset = { ...settings, ...options };
    const group = groups.get(JSON.stringify(preset));
    if (group === undefined) {
      groups.set(JSON.stringify(preset), { tasks: [task], preset });
    } else {
      group.tasks.push(task);
    }
  }
  // The largest group is what is left when the others are named.
  const columns = [...groups.values()].sort((a, b) => a.tasks.length - b.tasks.length);
  const headings = columns.map(({ tasks }, index) =>
    index > 0 && index === columns.length - 1 ? ['others'] : tasks,
  );
  const height = Math.max(...headings.map((tasks) => tasks.length));
  const keys = new Set(columns.flatMap(({ preset }) => Object.keys(preset)));
  const table = [
    // One task below the other, the last ones next to the numbers.
    ...Array.from({ length: height }, (_, line) => [
      '',
      ...headings.map((tasks) => tasks[line - height + tasks.length] ?? ''),
    ]),
    ...[...keys].map((key) => [
      `--${kebabCase(key)}`,
      ...columns.map(({ preset }) => settingText(preset[key])),
    ]),
  ];
  const width = (column: number): number =>
    Math.max(...table.map((row) => row[column]?.length ?? 0));
  return table
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(width(column))).join('  ')}`.trimEnd())
    .join('\n');
}
