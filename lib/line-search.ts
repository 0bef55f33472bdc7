import { addon, fromNative } from './addon.js';
import { TrustRegionError } from './errors.js';
import type { NativeEvaluation } from './native.js';
import {
  describe,
  rejectUnknownOptions,
  requireFunction,
  requireInteger,
  requireNumber,
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
   * Whether the candidate can be used at all. Default: whether surrogate and meanKl are finite.
   */
  readonly finite?: boolean;
}

/**
 * A step that was tried.
 */
export interface Candidate {
  /**
   * Part of the full step, in (0, 1].
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
   * Whether all of it is finite.
   */
  readonly finite: boolean;
}

/**
 * What {@link lineSearch} compares candidates with.
 */
export interface LineSearchOptions {
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
   * Factor from one candidate to the next, between 0 and 1. Default 0.8.
   */
  readonly backtrackFactor?: number;
  /**
   * Candidates after the first, from 0 to 1000. Default 15.
   */
  readonly maxBacktracks?: number;
  /**
   * Least part of the expected improvement that must come, from 0 to below 1. Default 0.1.
   */
  readonly acceptRatio?: number;
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

const optionNames: readonly (keyof LineSearchOptions)[] = [
  'surrogateBefore',
  'expectedImprovement',
  'maxKl',
  'backtrackFactor',
  'maxBacktracks',
  'acceptRatio',
];

/**
 * Backtracking line search of trust-region policy optimisation (Schulman et al. 2015, appendix C):
 * tries the fractions 1, b, b^2, ... of a step, b the backtrackFactor, until a candidate is finite,
 * its mean KL is at most maxKl, and
 *
 *     surrogate - surrogateBefore > acceptRatio x fraction x expectedImprovement, and > 0.
 *
 * @param evaluate - Worth of the candidate `theta + fraction d`; called in order, at most
 *   maxBacktracks + 1 times.
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
  const native = {
    maxKl: requireNumber(options.maxKl, 'maxKl', { exclusiveMin: 0 }),
    ...resolveBacktracking(options),
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
 * Checks the three options that say how to backtrack, and fills in the defaults.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
 */
export function resolveBacktracking({
  backtrackFactor = 0.8,
  maxBacktracks = 15,
  acceptRatio = 0.1,
}: Pick<LineSearchOptions, 'backtrackFactor' | 'maxBacktracks' | 'acceptRatio'>) {
  return {
    backtrackFactor: requireNumber(backtrackFactor, 'backtrackFactor', {
      exclusiveMin: 0,
      exclusiveMax: 1,
    }),
    maxBacktracks: requireInteger(maxBacktracks, 'maxBacktracks', { min: 0, max: 1000 }),
    acceptRatio: requireNumber(acceptRatio, 'acceptRatio', { min: 0, exclusiveMax: 1 }),
  };
}

function complete(evaluation: CandidateEvaluation): NativeEvaluation {
  const {
    surrogate,
    meanKl,
    maxKl = NaN,
    entropy = NaN,
    finite,
  } = (evaluation ?? {}) as Partial<CandidateEvaluation>;
  if (
    typeof surrogate !== 'number' ||
    typeof meanKl !== 'number' ||
    typeof maxKl !== 'number' ||
    typeof entropy !== 'number' ||
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
  return { surrogate, meanKl, maxKl, entropy, finite: isUsable };
}
