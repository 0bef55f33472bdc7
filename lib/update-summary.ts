import { toSummary } from './conjugate-gradient.js';
import type { ConjugateGradientSummary } from './conjugate-gradient.js';
import type { Candidate } from './line-search.js';
import type { MethodName, ResolvedOptions } from './method-options.js';
import type { NativeNaturalDirectionSummary, NativeUpdateSummary } from './native.js';
import { diagnose } from './update-diagnostics.js';
import type { UpdateDiagnostics } from './update-diagnostics.js';
import { messageOf } from './update-message.js';

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
 * How the natural direction x = (F + damping I)^-1 g was found.
 */
export interface NaturalDirectionSummary {
  /**
   * What solved the system; `'auto'` has become one of the two.
   */
  readonly solver: 'conjugateGradient' | 'cholesky';
  /**
   * The preconditioner; `'none'` for the dense solver.
   */
  readonly preconditioner: 'none' | 'jacobi' | 'kronecker';
  /**
   * Whether it was made in this update instead of kept from an earlier one.
   */
  readonly preconditionerRefreshed: boolean;
  /**
   * Whether the solve started from the last update's direction.
   */
  readonly warmStarted: boolean;
  /**
   * The damping used, with what `adaptiveDamping` or `relativeDamping` made of it.
   */
  readonly damping: number;
  /**
   * Rows that the Fisher matrix was a mean over.
   */
  readonly fisherRows: number;
  /**
   * The solve. Of the dense solver: one iteration, its products, the residual of its solution.
   */
  readonly conjugateGradient: ConjugateGradientSummary;
}

/**
 * What an update did: one shape for all methods, with `null` for what a method does not have. Means
 * are over the rows of the batch, KL divergences are KL(old || new).
 */
export interface UpdateSummary {
  /**
   * The method.
   */
  readonly method: MethodName;
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
   * What `meanKl` had to stay within: the option `maxKl`, as it was for this update; `null` without a
   * bound.
   */
  readonly klBound: number | null;
  /**
   * Largest KL divergence of a row, which TRPO's option `maxRowKl` bounds; 0 unless accepted.
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
   * (sum r)^2 / sum r^2 of the importance ratios r = pi_new(a|s) / pi_old(a|s), from 1 to the number
   * of rows (Kish 1965): as many equally weighted rows would estimate as well. All rows unless
   * accepted.
   */
  readonly effectiveSampleSize: number;
  /**
   * |g|
   */
  readonly gradientNorm: number;
  /**
   * Length of the full step in units of the direction: g (VanillaPolicyGradient), or
   * x = (F + damping I)^-1 g (NaturalPolicyGradient, TRPO). `null` for methods without a direction.
   */
  readonly stepScale: number | null;
  /**
   * Part of the full step that was taken: what the line search chose (TRPO), or what the trust region
   * left (DualGradientDescent, PPO); 0 unless accepted.
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
   * All candidates that were evaluated for acceptance, in order.
   */
  readonly candidates: readonly Candidate[];
  /**
   * Gradient steps that were made (DualGradientDescent, PPO).
   */
  readonly gradientSteps: number | null;
  /**
   * Passes over the batch whose steps were kept (PPO).
   */
  readonly epochs: number | null;
  /**
   * The multiplier lambda that the next update will work with (DualGradientDescent).
   */
  readonly multiplier: number | null;
  /**
   * The coefficient beta of the KL that the next update will work with (PPO with a KL penalty).
   */
  readonly klPenalty: number | null;
  /**
   * Part of the rows whose gradient the clipping took away in the last epoch (PPO with clipping).
   */
  readonly clipFraction: number | null;
  /**
   * How the natural direction was found (NaturalPolicyGradient, TRPO); `null` too where the update
   * ended before.
   */
  readonly naturalDirection: NaturalDirectionSummary | null;
  /**
   * The step row by row, with the option `diagnostics`.
   */
  readonly diagnostics: UpdateDiagnostics | null;
  /**
   * Seconds spent on each part: preparing the batch, the gradient, the solve (or the inner gradient
   * steps), the line search (or the evaluations at the end), all.
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
 * The public summary of a native one.
 */
export function summarize<Name extends MethodName>(
  native: NativeUpdateSummary,
  method: Name,
  options: ResolvedOptions[Name],
): UpdateSummary {
  const { status, stepScale, naturalDirection, diagnostics: _, ...numbers } = native;
  const isDual = method === 'DualGradientDescent';
  const isPpo = method === 'PPO';
  const isClipped = 'variant' in options && options.variant === 'clip';
  return {
    method,
    accepted: status === 'accepted',
    reason: status as UpdateReason,
    message: messageOf(native, method, options),
    ...numbers,
    klBound: klBoundOf(options),
    stepScale: isDual || isPpo ? null : stepScale,
    gradientSteps: isDual || isPpo ? native.gradientSteps : null,
    epochs: isPpo ? native.epochs : null,
    multiplier: isDual ? native.multiplier : null,
    klPenalty: isPpo && !isClipped ? native.klPenalty : null,
    clipFraction: isPpo && isClipped ? native.clipFraction : null,
    naturalDirection: naturalDirection && toNaturalDirection(naturalDirection),
    diagnostics: diagnose(native, options.diagnostics),
  };
}

/**
 * The bound on the mean KL divergence of an update; `null` for none.
 */
export function klBoundOf(options: ResolvedOptions[MethodName]): number | null {
  return 'maxKl' in options && options.maxKl < Infinity ? options.maxKl : null;
}

/**
 * The native summary, its names typed.
 */
export function toNaturalDirection(native: NativeNaturalDirectionSummary): NaturalDirectionSummary {
  return {
    solver: native.solver as NaturalDirectionSummary['solver'],
    preconditioner: native.preconditioner as NaturalDirectionSummary['preconditioner'],
    preconditionerRefreshed: native.preconditionerRefreshed,
    warmStarted: native.warmStarted,
    damping: native.damping,
    fisherRows: native.fisherRows,
    conjugateGradient: toSummary(native.conjugateGradient),
  };
}
