import type { TrainResult, TrainTiming } from '../train.js';
import { klBoundOf } from '../update-summary.js';
import { evaluationText, returnText } from './evaluate-command.js';
import type { RecordedEvaluation } from './evaluation-table.js';
import { grouped, significant } from './progress-bar.js';
import type { RunFolder } from './run-folder.js';
import type { Run } from './run-setup.js';
import type { EvaluationResult } from './training-evaluations.js';

/** What `--json` prints, in this order. */
export interface TrainReport {
  readonly task: string;
  readonly method: string;
  readonly seed: number;
  readonly steps: number;
  readonly wallSeconds: number;
  readonly updates: number;
  readonly acceptedUpdates: number;
  readonly worstMeanKl: number;
  /** `null` for a method without a bound. */
  readonly maxKl: number | null;
  /** `null` if the run was interrupted. */
  readonly evaluation: EvaluationResult | null;
  /** Of the evaluations in the course of the run and at its end; `null` if there were none. */
  readonly best: Pick<RecordedEvaluation, 'steps' | 'mean' | 'std'> | null;
  readonly episodes: number;
  readonly interrupted: boolean;
  /** Where the time of the training went, in seconds. */
  readonly timing: TrainTiming;
  readonly backend: string;
  readonly peakMemoryBytes: number;
  readonly out: string;
}

/** What a run came to. */
export function reportOf(
  { config, policy }: Run,
  folder: RunFolder,
  result: TrainResult,
  {
    evaluation,
    best,
    interrupted,
  }: Pick<TrainReport, 'evaluation' | 'interrupted'> & { readonly best: RecordedEvaluation | null },
): TrainReport {
  const { task, method, seed } = config;
  const { steps, wallSeconds, updates, acceptedUpdates, worstMeanKl, episodes } = result;
  return {
    task,
    method,
    seed,
    steps,
    wallSeconds,
    updates,
    acceptedUpdates,
    worstMeanKl,
    maxKl: klBoundOf(config.methodOptions),
    evaluation,
    best: best === null ? null : { steps: best.steps, mean: best.mean, std: best.std },
    episodes,
    interrupted,
    timing: result.timing,
    backend: policy.backend,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    out: folder.path,
  };
}

/** The same in words. */
export function reportText(report: TrainReport): string {
  const {
    task,
    method,
    seed,
    updates,
    acceptedUpdates,
    maxKl,
    evaluation,
    best,
    interrupted,
    out,
  } = report;
  const steps = grouped(report.steps);
  const seconds = significant(report.wallSeconds, 3);
  const worstMeanKl = significant(report.worstMeanKl, 3);
  const bound = maxKl === null ? '' : ` of ${maxKl}`;
  return [
    `${task}, ${method}, seed ${seed}: ${steps} steps in ${seconds} s` +
      `${interrupted ? ', interrupted' : ''}`,
    `time        ${timingText(report.timing)}`,
    `updates     ${updates}, ${acceptedUpdates} accepted, mean KL at most ${worstMeanKl}${bound}`,
    `evaluation  ${evaluation === null ? 'none: interrupted' : evaluationText(evaluation)}`,
    ...(best === null ? [] : [`best        ${bestText(best)}`]),
    `run folder  ${out}`,
    '',
  ].join('\n');
}

function bestText({ steps, mean, std }: NonNullable<TrainReport['best']>): string {
  return `${returnText({ mean, std })} after ${grouped(steps)} steps`;
}

/** Shares of the whole. */
function timingText(timing: TrainTiming): string {
  const names = ['physics', 'inference', 'update', 'critic', 'rest'] as const;
  const whole = names.reduce((sum, name) => sum + timing[name], 0);
  return names.map((name) => `${name} ${Math.round((100 * timing[name]) / whole)} %`).join(', ');
}
