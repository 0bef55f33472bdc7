import { addon, fromNative } from './addon.js';
import { TrustRegionError } from './errors.js';
import type { NativeEvaluation } from './native.js';
import {
  describe,
  rejectUnknownOptions,
  rejectUnusedOptions,
  requireFunction,
  requireInteger,
  requireLimit,
  requireNumber,
  requireOneOf,
} from './validate.js';

/**
 * What a candidate is worth; {@link Policy.evaluate} returns one.
 */
export interface CandidateEvaluation {
  /**
   * The objective, which is to grow.
   */
  readonly surrogate: number;
  /**
   * Its distance, which is bounded.
   */
  readonly meanKl: number;
  /**
   * Reported only. Default NaN.
   */
  readonly maxKl?: number;
  /**
   * Reported only. Default NaN.
   */
  readonly entropy?: number;
  /**
   * Reported only. Default NaN.
   */
  readonly effectiveSampleSize?: number;
  /**
   * Reported only. Default 0.
   */
  readonly klUncertainty?: number;
  /**
   * Whether the candidate can be used at all. Default: whether surrogate and meanKl are finite.
   */
  readonly finite?: boolean;
}

/**
 * A step that was tried.
 */
export interface Candidate {
  /**
   * Part of the full step, greater than 0; above 1 only where the boundary search went beyond it.
   */
  readonly fraction: number;
  /**
   * Surrogate there.
   */
  readonly surrogate: number;
  /**
   * Mean KL divergence there.
   */
  readonly meanKl: number;
  /**
   * Largest KL divergence of a row there.
   */
  readonly maxKl: number;
  /**
   * Mean entropy there.
   */
  readonly entropy: number;
  /**
   * (sum r)^2 / sum r^2 of the importance ratios there, as many equally weighted rows would estimate
   * as well (Kish 1965).
   */
  readonly effectiveSampleSize: number;
  /**
   * How far rounding may have moved meanKl from that of the same parameters in float64.
   */
  readonly klUncertainty: number;
  /**
   * Whether all of it is finite.
   */
  readonly finite: boolean;
}

/**
 * How a step is shortened or stretched, whichever search it is.
 */
export interface StepSearchOptions {
  /**
   * Largest KL divergence of a single row, greater than 0; `Infinity`: no limit. A mean over the rows
   * says little about states that are rare: there a policy may change beyond recognition at a mean KL of
   * 0.01. (The theory of trust regions is about this maximum: Schulman et al. 2015, equation 9.) 1 is a
   * shift of the mean by 1.4 standard deviations. Default `Infinity`.
   */
  readonly maxRowKl?: number;
  /**
   * Factor from one candidate to the next when backtracking, between 0 and 1. Default 0.8.
   */
  readonly backtrackFactor?: number;
  /**
   * Candidates of backtracking after the first, from 0 to 1000. Default 15.
   */
  readonly maxBacktracks?: number;
  /**
   * Least part of the expected improvement that must come, from 0 to below 1. Default 0.1.
   */
  readonly acceptRatio?: number;
  /**
   * How far below maxKl the boundary search may end, as a part of maxKl, between 0 and 1. Default
   * 0.01. With the boundary search only.
   */
  readonly klTolerance?: number;
}

/**
 * What {@link lineSearch} compares candidates with.
 */
export interface LineSearchOptions extends StepSearchOptions {
  /**
   * Surrogate before the step.
   */
  readonly surrogateBefore: number;
  /**
   * What the linear model promises for the full step, g'd.
   */
  readonly expectedImprovement: number;
  /**
   * Largest allowed mean KL divergence, greater than 0.
   */
  readonly maxKl: number;
  /**
   * Which search. Default `'backtracking'`.
   */
  readonly kind?: 'backtracking' | 'boundary';
}

/**
 * Result of {@link lineSearch}.
 */
export interface LineSearchResult {
  /**
   * Whether a candidate was accepted: the last one.
   */
  readonly accepted: boolean;
  /**
   * Its fraction; 0 if none was accepted.
   */
  readonly fraction: number;
  /**
   * Why it ended: what was wrong with the last candidate, or `accepted`.
   */
  readonly stop: 'accepted' | 'klExceeded' | 'noImprovement' | 'notFinite';
  /**
   * All candidates in the order in which they were tried.
   */
  readonly candidates: readonly Candidate[];
}

export const lineSearchOptionNames: readonly (keyof StepSearchOptions)[] = [
  'maxRowKl',
  'backtrackFactor',
  'maxBacktracks',
  'acceptRatio',
  'klTolerance',
];
const optionNames: readonly (keyof LineSearchOptions)[] = [
  'surrogateBefore',
  'expectedImprovement',
  'maxKl',
  'kind',
  ...lineSearchOptionNames,
];

/**
 * Line search of trust-region policy optimisation (Schulman et al. 2015, appendix C): looks for a
 * fraction of a step whose candidate is finite, whose mean KL is at most maxKl, and
 *
 *     surrogate - surrogateBefore > acceptRatio x fraction x expectedImprovement, and > 0.
 *
 * `'backtracking'` tries the fractions 1, b, b^2, ..., b the backtrackFactor. `'boundary'` first finds
 * the fraction, also above 1, whose mean KL lies in [(1 - klTolerance) maxKl, maxKl], by a
 * safeguarded secant on sqrt(KL), which grows about linearly; then it backtracks from there if the
 * improvement is too small.
 *
 * @param evaluate - Worth of the candidate `theta + fraction d`; called in order, at most
 *   maxBacktracks + 1 times, and about three times more, at most 11, for the boundary.
 * @throws TrustRegionError `ERR_CALLBACK` if `evaluate` returns something unusable;
 *   `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`. What
 *   `evaluate` throws arrives as it is.
 * @example
 * ```ts
 * const { accepted, fraction } = lineSearch(
 *   (step) => ({ surrogate: step - step ** 2, meanKl: 0.02 * step ** 2 }),
 *   { surrogateBefore: 0, expectedImprovement: 1, maxKl: 0.01, backtrackFactor: 0.5 },
 * );
 * console.assert(accepted && fraction === 0.5);
 *
 * const onBoundary = lineSearch(
 *   (step) => ({ surrogate: step - step ** 2, meanKl: 0.02 * step ** 2 }),
 *   { surrogateBefore: 0, expectedImprovement: 1, maxKl: 0.01, kind: 'boundary' },
 * );
 * console.assert(Math.abs(onBoundary.fraction - Math.sqrt(0.5)) < 0.01);
 * ```
 */
export function lineSearch(
  evaluate: (fraction: number) => CandidateEvaluation,
  options: LineSearchOptions,
): LineSearchResult {
  requireFunction(evaluate, 'evaluate');
  rejectUnknownOptions(options, optionNames, 'lineSearch options');
  const surrogateBefore = requireNumber(options.surrogateBefore, 'surrogateBefore');
  const expectedImprovement = requireNumber(options.expectedImprovement, 'expectedImprovement');
  const kind = requireOneOf(options.kind ?? 'backtracking', 'kind', ['backtracking', 'boundary']);
  const native = {
    kind,
    maxKl: requireNumber(options.maxKl, 'maxKl', { exclusiveMin: 0 }),
    ...resolveLineSearch(options, kind, 'kind'),
  };
  let failure: { readonly error: unknown } | undefined;
  const guarded = (fraction: number): NativeEvaluation => {
    try {
      return complete(evaluate(fraction));
    } catch (error) {
      failure = { error };
      throw error;
    }
  };
  try {
    const { stop, candidates } = addon().lineSearch(
      guarded,
      surrogateBefore,
      expectedImprovement,
      native,
    );
    const accepted = stop === 'accepted';
    return {
      accepted,
      fraction: accepted ? (candidates.at(-1)?.fraction ?? 0) : 0,
      stop: stop as LineSearchResult['stop'],
      candidates,
    };
  } catch (error) {
    throw failure === undefined ? fromNative(error) : failure.error;
  }
}

/**
 * The same with all defaults filled in; `klTolerance` is there for the boundary search only.
 */
export type ResolvedLineSearch = Readonly<
  Required<Omit<StepSearchOptions, 'klTolerance'>> & Pick<StepSearchOptions, 'klTolerance'>
>;

/**
 * Checks the options of a search and fills in the defaults.
 *
 * @param kind - Which search.
 * @param kindName - The option that said so, for messages.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
 */
export function resolveLineSearch(
  options: StepSearchOptions,
  kind: 'backtracking' | 'boundary',
  kindName: string,
): ResolvedLineSearch {
  const {
    maxRowKl = Infinity,
    backtrackFactor = 0.8,
    maxBacktracks = 15,
    acceptRatio = 0.1,
    klTolerance = 0.01,
  } = options;
  const between0And1 = { exclusiveMin: 0, exclusiveMax: 1 };
  const backtracking = {
    maxRowKl: requireLimit(maxRowKl, 'maxRowKl'),
    backtrackFactor: requireNumber(backtrackFactor, 'backtrackFactor', between0And1),
    maxBacktracks: requireInteger(maxBacktracks, 'maxBacktracks', { min: 0, max: 1000 }),
    acceptRatio: requireNumber(acceptRatio, 'acceptRatio', { min: 0, exclusiveMax: 1 }),
  };
  if (kind === 'backtracking') {
    rejectUnusedOptions(options, ['klTolerance'], `${kindName} '${kind}'`);
    return backtracking;
  }
  return {
    ...backtracking,
    klTolerance: requireNumber(klTolerance, 'klTolerance', between0And1),
  };
}

function complete(evaluation: CandidateEvaluation): NativeEvaluation {
  const {
    surrogate,
    meanKl,
    maxKl = NaN,
    entropy = NaN,
    effectiveSampleSize = NaN,
    klUncertainty = 0,
    finite,
  } = (evaluation ?? {}) as Partial<CandidateEvaluation>;
  const numbers = { surrogate, meanKl, maxKl, entropy, effectiveSampleSize, klUncertainty };
  if (
    surrogate === undefined ||
    meanKl === undefined ||
    Object.values(numbers).some((value) => typeof value !== 'number') ||
    (finite !== undefined && typeof finite !== 'boolean')
  ) {
    throw new TrustRegionError(
      'ERR_CALLBACK',
      `evaluate must return an object with the numbers surrogate and meanKl, got ${describe(
        evaluation,
      )}`,
    );
  }
  const isUsable = Number.isFinite(surrogate) && Number.isFinite(meanKl) && finite !== false;
  return { ...numbers, surrogate, meanKl, finite: isUsable };
}
