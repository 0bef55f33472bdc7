// The command lines of the benchmarks.

import { parseArgs } from 'node:util';

const shared = {
  threads: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '5' },
  repeats: { type: 'string', default: '200' },
  seconds: { type: 'string', default: '2' },
  backend: { type: 'string' },
  python: { type: 'string', default: 'python3' },
  json: { type: 'boolean', default: false },
};
const counts = ['threads', 'rounds', 'repeats', 'seconds'];

/**
 * Reads options that all comparisons have (`--threads`, `--rounds`, `--repeats`, `--seconds`,
 * `--backend`, `--python`, `--json`) and `more`, in the form of `util.parseArgs`.
 *
 * @throws Error for an unknown option or a number that is none.
 */
export function parseOptions(more = {}, args = process.argv.slice(2)) {
  const { values } = parseArgs({ args, options: { ...shared, ...more } });
  for (const name of counts) {
    const value = Number(values[name]);
    const isRight = value > 0 && (name === 'seconds' || Number.isInteger(value));
    if (!isRight) {
      throw new Error(`--${name} must be a number greater than 0, got '${values[name]}'`);
    }
    values[name] = value;
  }
  return values;
}

/** Runs a benchmark; a mistake of the user's is one line, not a stack. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 2;
  }
}
