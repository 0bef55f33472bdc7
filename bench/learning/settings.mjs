// Settings of a configuration: { maxKl: 0.02, hidden: [64, 64], warmStart: true } as options of
// `trustregion train`.

import { parseArguments } from '../../dist/esm/cli/arguments.js';
import { prepareRun } from '../../dist/esm/cli/run-setup.js';
import { settingsOf } from '../../dist/esm/cli/run-table.js';
import { trainOptions } from '../../dist/esm/cli/train-options.js';

/** Options that the benchmark gives itself, and what to use instead. */
const reserved = new Map([
  ['seed', '--seeds'],
  ['steps', '--steps'],
  ['evaluateEvery', '--evaluate-every'],
  ['out', '--runs'],
  ['threads', '--jobs'],
  ['json', 'nothing'],
  ['help', 'nothing'],
  ['resume', 'nothing'],
]);

/**
 * Reads `maxKl=0.02,hidden=64,64,warmStart=true`: a part without "=" belongs to the value before it.
 *
 * @throws Error if it begins otherwise.
 */
export function parseSet(text) {
  const settings = {};
  let name;
  for (const part of text.split(',')) {
    const [, next, value] = /^\s*([A-Za-z-]+)\s*=(.*)$/s.exec(part) ?? [];
    if (next === undefined && name === undefined) {
      throw new Error(`--set must be name=value,name=value,..., got '${text}'`);
    }
    name = next ?? name;
    settings[name] = next === undefined ? `${settings[name]},${part}` : value;
  }
  return settings;
}

/**
 * The settings as they stand on a command line; those that are `null` are left out.
 *
 * @throws Error for one that belongs to the benchmark itself, or a switch that is neither on nor off.
 */
export function argumentsOf(settings) {
  return Object.entries(settings)
    .filter(([, value]) => value !== null)
    .flatMap(([name, value]) => {
      const key = name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());
      const instead = reserved.get(key);
      if (instead !== undefined) {
        throw new Error(`${name} cannot be a setting; use ${instead}`);
      }
      const option = trainOptions[key];
      const isSwitch = option?.placeholder === null || option?.negatable === true;
      if (!isSwitch) return [`--${name}=${value}`];
      if (!['true', 'false'].includes(String(value))) {
        throw new Error(`${name} must be true or false, got '${value}'`);
      }
      const isOn = String(value) === 'true';
      if (!isOn) return option.negatable === true ? [`--no-${name}`] : [];
      return [`--${name}`];
    });
}

/**
 * What tells from a run's `config.json` which cell it belongs to: everything that decides its scores but
 * the seed.
 */
export function identityOf(config) {
  const { method, evaluation } = config;
  return {
    method,
    evaluationEpisodes: String(evaluation.episodes),
    evaluateEvery: String(evaluation.every ?? 'none'),
    ...settingsOf(config),
  };
}

/**
 * What the settings come to for a task, presets included.
 *
 * @param options - Of `trustregion train`, without seed and folder.
 * @returns The identity of its runs.
 * @throws Error if the command line would refuse them.
 */
export async function resolve(task, options) {
  const { values } = parseArguments(options, trainOptions);
  const run = await prepareRun(task, values);
  for (const each of Object.values(run)) await each.close?.(); // all of it that can be closed
  return identityOf(run.config);
}
