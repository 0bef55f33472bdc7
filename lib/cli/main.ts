#!/usr/bin/env node
import { nearestName } from '../validate.js';
import { version } from '../version.js';
import { UsageError } from './arguments.js';
import { evaluateCommand } from './evaluate-command.js';
import { exitWith } from './exit.js';
import { plotCommand } from './plot-command.js';
import { trainCommand } from './train-command.js';

const commands: Readonly<Record<string, (arguments_: readonly string[]) => Promise<number>>> = {
  train: trainCommand,
  evaluate: evaluateCommand,
  plot: plotCommand,
};

const help = `Usage: trustregion <command> [options]

Natural-gradient and trust-region policy optimisation.

Commands:
  train <task>    train a policy and write a run folder
  evaluate <run>  replay the policy of a run folder
  plot <runs...>  draw learning curves of run folders

Options:
  --help     print this help; "trustregion <command> --help" prints that of a command
  --version  print the version

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted.`;

async function run([command, ...rest]: readonly string[]): Promise<number> {
  if (command === '--version') {
    process.stdout.write(`${version}\n`);
    return 0;
  }
  if (command === '--help') {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  const names = Object.keys(commands);
  if (command === undefined) {
    throw new UsageError(`a command is needed: ${names.join(', ')}`);
  }
  const start = names.includes(command) ? commands[command] : undefined;
  if (start === undefined) {
    const nearest = nearestName(command, names);
    throw new UsageError(
      nearest === undefined
        ? `unknown command '${command}'; known are ${names.join(', ')}`
        : `unknown command '${command}'; did you mean '${nearest}'?`,
    );
  }
  return start(rest);
}

exitWith(run(process.argv.slice(2)), 'trustregion');
