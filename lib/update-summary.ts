import { toSummary } from './conjugate-gradient.js';
import type { ConjugateGradientSummary } from './conjugate-gradient.js';
import type { Candidate } from './line-search.js';
import type { NativeUpdateSummary } from './native.js';

/**
 * How an update ended. Only `accepted` changes the policy.
 *
 * - `zeroGradient`: nothing to improve, for example because all advantages are equal.
 * - `notFinite`: NaN or infinity in the surrogate, the gradient, the direction, or the candidates.
 * - `negativeCurvature`: no usable direction, x'F x <= 0 or g'x <= 0.
 * - `klExceeded`: every candidate left the trust region.
 * - `noImprovement`: the last candidate was inside, but did not improve the surrogate enough.
 */
export type UpdateReason =
  | 'accepted'
  | 'zeroGradient'
  | 'notFinite'
  | 'negativeCurvature'
  | 'klExceeded'
  | 'noImprovement';

/**
 * What an update did. Means are over the rows of the batch, KL divergences are KL(old || new).
 */
export interface UpdateSummary {
  /**
   * The method.
   */
  readonly method: 'TRPO';
  /**
   * Whether the policy changed.
   */
  readonly accepted: boolean;
  /**
   * Why, or why not.
   */
  readonly reason: UpdateReason;
  /**
   * The same as one sentence with the numbers behind it.
   */
  readonly message: string;
  /**
   * Surrogate at the old parameters: the mean advantage.
   */
  readonly surrogateBefore: number;
  /**
   * Surrogate at the new parameters; `surrogateBefore` unless accepted.
   */
  readonly surrogateAfter: number;
  /**
   * What the linear model promised for the last candidate, g'd.
   */
  readonly expectedImprovement: number;
  /**
   * surrogateAfter - surrogateBefore
   */
  readonly actualImprovement: number;
  /**
   * Mean KL divergence of the step, which the option `maxKl` bounds; 0 unless accepted.
   */
  readonly meanKl: number;
  /**
   * Largest KL divergence of a row (which no option bounds); 0 unless accepted.
   */
  readonly maxKl: number;
  /**
   * Mean entropy of the old policy.
   */
  readonly entropyBefore: number;
  /**
   * Mean entropy of the new policy; `entropyBefore` unless accepted.
   */
  readonly entropyAfter: number;
  /**
   * |g|
   */
  readonly gradientNorm: number;
  /**
   * Length of the full step in units of the natural direction x = (F + damping I)^-1 g.
   */
  readonly stepScale: number;
  /**
   * Part of the full step that the line search left; 0 unless accepted.
   */
  readonly stepFraction: number;
  /**
   * |d| of the step taken; 0 unless accepted.
   */
  readonly stepNorm: number;
  /**
   * Candidates after the first.
   */
  readonly backtracks: number;
  /**
   * All candidates of the line search, in order.
   */
  readonly candidates: readonly Candidate[];
  /**
   * The solve for the natural direction.
   */
  readonly conjugateGradient: ConjugateGradientSummary;
  /**
   * Seconds spent on each part: preparing the batch, the gradient, the solve, the line search, all.
   */
  readonly timing: {
    readonly prepare: number;
    readonly gradient: number;
    readonly solve: number;
    readonly lineSearch: number;
    readonly total: number;
  };
  /**
   * `policy.version` after the update.
   */
  readonly version: number;
}

/**
 * The limits that the sentence of a summary mentions.
 */
export interface Limits {
  readonly maxKl: number;
  readonly acceptRatio: number;
}

/**
 * The public summary of a native one.
 */
export function summarize(native: NativeUpdateSummary, limits: Limits): UpdateSummary {
  const { status, conjugateGradient, ...numbers } = native;
  return {
    method: 'TRPO',
    accepted: status === 'accepted',
    reason: status as UpdateReason,
    message: sentence(native, limits),
    ...numbers,
    conjugateGradient: toSummary(conjugateGradient),
  };
}

function sentence(native: NativeUpdateSummary, limits: Limits): string {
  switch (native.status as UpdateReason) {
    case 'accepted':
      return (
        `accepted: mean KL ${short(native.meanKl)} of at most ${short(limits.maxKl)}, surrogate ` +
        `improved by ${short(native.actualImprovement)} where ${short(native.expectedImprovement)} ` +
        `was expected, ${short(native.stepFraction)} of the full step ${tries(native)}`
      );
    case 'zeroGradient':
      return (
        'rejected: the gradient of the surrogate is zero, so there is nothing to improve ' +
        '(advantages that are all equal have none)'
      );
    case 'notFinite':
      return `rejected: ${whatIsNotFinite(native)}`;
    case 'negativeCurvature':
      return (
        `rejected: no usable direction, conjugate gradients ended by '${
          native.conjugateGradient.stop
        }' after ${count(
          native.conjugateGradient.iterations,
          'iteration',
        )} with relative residual ${short(native.conjugateGradient.relativeResidual)}; ` +
        'more damping may help'
      );
    case 'klExceeded':
      return (
        `rejected: mean KL ${short(native.candidates.at(-1)?.meanKl)} of the last candidate is ` +
        `still above ${short(limits.maxKl)} ${tries(native)}`
      );
    case 'noImprovement':
      return (
        `rejected: the last candidate improved the surrogate by ${short(lastImprovement(native))}` +
        ` where more than ${short(limits.acceptRatio * native.expectedImprovement)} was needed, ` +
        tries(native)
      );
  }
}

function whatIsNotFinite(native: NativeUpdateSummary): string {
  if (!Number.isFinite(native.surrogateBefore) || !Number.isFinite(native.entropyBefore)) {
    return (
      `surrogate ${native.surrogateBefore} and entropy ${native.entropyBefore} before the step ` +
      'must be finite: the policy itself, or the batch, is beyond repair'
    );
  }
  if (!Number.isFinite(native.gradientNorm)) {
    return `the gradient has norm ${native.gradientNorm}`;
  }
  if (native.candidates.length === 0) {
    return `the direction is not finite, conjugate gradients ended by '${
      native.conjugateGradient.stop
    }' after ${count(native.conjugateGradient.iterations, 'iteration')}`;
  }
  return (
    `the last candidate has surrogate ${native.candidates.at(-1)?.surrogate} and mean KL ` +
    `${native.candidates.at(-1)?.meanKl}, ${tries(native)}`
  );
}

function lastImprovement({ candidates, surrogateBefore }: NativeUpdateSummary): number {
  return (candidates.at(-1)?.surrogate ?? NaN) - surrogateBefore;
}

function tries({ backtracks }: NativeUpdateSummary): string {
  return `after ${count(backtracks, 'backtrack')}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Three significant digits. */
function short(value = NaN): string {
  return String(Number(value.toPrecision(3)));
}
