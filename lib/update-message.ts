import type { MethodName, ResolvedOptions } from './method-options.js';
import type { NativeUpdateSummary } from './native.js';
import type { UpdateReason } from './update-summary.js';

/*
 * The sentence of a summary: how an update ended, and the numbers behind it.
 */

/** The options that sentences mention, of whichever method has them. */
interface Limits {
  readonly maxKl?: number;
  readonly maxRowKl?: number;
  readonly acceptRatio?: number;
  readonly epochs?: number;
  readonly variant?: string;
}

/**
 * One sentence about an update.
 */
export function messageOf<Name extends MethodName>(
  native: NativeUpdateSummary,
  method: Name,
  options: ResolvedOptions[Name],
): string {
  const limits = options as Limits;
  const reason = native.status as UpdateReason;
  return reason === 'accepted'
    ? `accepted: ${kl(native, limits)}, ${surrogate(native)}, ${step(native, method, limits)}`
    : `rejected: ${refusal(native, reason, limits)}`;
}

function kl({ meanKl }: NativeUpdateSummary, { maxKl = Infinity }: Limits): string {
  const bound = Number.isFinite(maxKl) ? ` of at most ${short(maxKl)}` : ', which has no bound';
  return `mean KL ${short(meanKl)}${bound}`;
}

function surrogate({ actualImprovement, expectedImprovement }: NativeUpdateSummary): string {
  const change =
    actualImprovement < 0
      ? `worsened by ${short(-actualImprovement)}`
      : `improved by ${short(actualImprovement)}`;
  return `surrogate ${change} where ${short(expectedImprovement)} was expected`;
}

/** How the method came to the step that was accepted. */
function step(native: NativeUpdateSummary, method: MethodName, limits: Limits): string {
  const steps = count(native.gradientSteps, 'gradient step');
  switch (method) {
    case 'VanillaPolicyGradient':
    case 'NaturalPolicyGradient':
      return `a step of length ${short(native.stepNorm)}`;
    case 'TRPO':
      return `${short(native.stepFraction)} of the full step ${tries(native)}`;
    case 'DualGradientDescent':
      return `${steps}${shortened(native)}, multiplier ${short(native.multiplier)} from now on`;
    case 'PPO': {
      const epochs = `${native.epochs} of ${count(limits.epochs ?? NaN, 'epoch')}`;
      const outcome =
        limits.variant === 'clip'
          ? `${short(100 * native.clipFraction)} % of the rows clipped`
          : `KL penalty ${short(native.klPenalty)} from now on`;
      return `${epochs} (${steps})${shortened(native)}, ${outcome}`;
    }
  }
}

function shortened({ stepFraction }: NativeUpdateSummary): string {
  return stepFraction < 1 ? ` shortened to ${short(stepFraction)}` : '';
}

function refusal(
  native: NativeUpdateSummary,
  reason: Exclude<UpdateReason, 'accepted'>,
  limits: Limits,
): string {
  switch (reason) {
    case 'zeroGradient':
      return (
        'the gradient of the surrogate is zero, so there is nothing to improve ' +
        '(advantages that are all equal have none)'
      );
    case 'notFinite':
      return whatIsNotFinite(native);
    case 'negativeCurvature':
      return `no usable direction, ${solve(native)}; more damping may help`;
    case 'klExceeded':
      return `${whatIsExceeded(native, limits)} ${tries(native)}`;
    case 'noImprovement':
      return (
        `the last candidate improved the surrogate by ${short(lastImprovement(native))}` +
        ` where more than ${short((limits.acceptRatio ?? 0) * native.expectedImprovement)} was needed, ` +
        tries(native)
      );
  }
}

function whatIsExceeded({ candidates }: NativeUpdateSummary, limits: Limits): string {
  const { meanKl = NaN, maxKl = NaN } = candidates.at(-1) ?? {};
  const { maxKl: bound = Infinity, maxRowKl = Infinity } = limits;
  return meanKl <= bound
    ? `KL ${short(maxKl)} of a row of the last candidate is still above ${short(maxRowKl)}`
    : `mean KL ${short(meanKl)} of the last candidate is still above ${short(bound)}`;
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
  const last = native.candidates.at(-1);
  if (last !== undefined) {
    return (
      `the last candidate has surrogate ${last.surrogate} and mean KL ${last.meanKl}, ` +
      tries(native)
    );
  }
  return native.naturalDirection === null
    ? `the parameters are not finite after ${count(native.gradientSteps, 'gradient step')}; a smaller learning rate may help`
    : `the direction is not finite, ${solve(native)}`;
}

/** How the solve for the natural direction ended. */
function solve({ naturalDirection }: NativeUpdateSummary): string {
  if (naturalDirection === null) {
    return 'none was looked for';
  }
  const { stop, iterations, relativeResidual } = naturalDirection.conjugateGradient;
  return naturalDirection.solver === 'cholesky'
    ? `the factorisation ended by '${stop}'`
    : `conjugate gradients ended by '${stop}' after ${count(iterations, 'iteration')} with relative ` +
        `residual ${short(relativeResidual)}`;
}

function lastImprovement({ candidates, surrogateBefore }: NativeUpdateSummary): number {
  return (candidates.at(-1)?.surrogate ?? NaN) - surrogateBefore;
}

function tries({ candidates }: NativeUpdateSummary): string {
  return `after ${count(candidates.length, 'candidate')}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Three significant digits. */
function short(value = NaN): string {
  return String(Number(value.toPrecision(3)));
}
