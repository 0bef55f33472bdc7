#!/usr/bin/env node
import { backends } from '../backends.js';
import { checkAdvantageCase } from '../conformance/advantage-quantities.js';
import { readCases } from '../conformance/cases.js';
import type { ReferenceCase } from '../conformance/cases.js';
import { Comparisons } from '../conformance/comparison.js';
import type { CaseReport } from '../conformance/comparison.js';
import { checkPolicyCase } from '../conformance/policy-quantities.js';
import { reportText, summarize } from '../conformance/report.js';
import { Policy } from '../policy.js';
import { flag, optionsHelp, parseArguments, text, UsageError } from './arguments.js';
import { exitWith } from './exit.js';
import { messageOf } from '../validate.js';

const options = {
  backend: text('backend to check (TRUSTREGION_BACKEND or cpu)', 'NAME'),
  json: flag('print one JSON object as the last line'),
  help: flag('print this help'),
};

const help = `Usage: npm run conformance -- DIR [options]

Runs this package over the reference cases in DIR (*.json) and compares every number that they hold.

Options (defaults in brackets):
${optionsHelp(options)}

Exit codes: 0 all agree, 1 a case disagrees or cannot be read, 2 wrong usage.`;

async function run(arguments_: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(arguments_, options);
  if (values.help === true) {
    process.stdout.write(`${help}\n`);
    return 0;
  }
  const [folder, ...others] = positionals;
  if (folder === undefined || others.length > 0) {
    throw new UsageError(`one folder of reference cases is needed, got ${positionals.length}`);
  }
  const backend = resolveBackend(values.backend);
  const cases = await readCases(folder);
  const reports: CaseReport[] = [];
  for (const reference of cases) {
    reports.push(await check(reference, values.backend));
  }
  const summary = summarize(backend, reports);
  process.stdout.write(reportText(reports, summary));
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  }
  return summary.failed === 0 ? 0 : 1;
}

/** The name of the backend that really computes. */
function resolveBackend(backend: string | undefined): string {
  try {
    const policy = new Policy({
      observationSize: 1,
      actions: { kind: 'discrete', count: 2 },
      hidden: [],
      ...(backend === undefined ? {} : { backend }),
    });
    policy.close();
    return policy.backend;
  } catch (error) {
    throw new UsageError(`${messageOf(error)} (this machine has ${backends().join(', ')})`, {
      cause: error,
    });
  }
}

/** An exception is a failure of its case; the others go on. */
async function check(reference: ReferenceCase, backend: string | undefined): Promise<CaseReport> {
  try {
    return reference.kind === 'policy'
      ? await checkPolicyCase(reference, backend)
      : checkAdvantageCase(reference);
  } catch (error) {
    const comparisons = new Comparisons(reference.name);
    comparisons.fail('(all)', messageOf(error));
    return comparisons.report(reference.notCovered);
  }
}

exitWith(run(process.argv.slice(2)), 'conformance');
