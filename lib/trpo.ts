import { fromNative } from './addon.js';
import { checkBatch } from './batch.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import { resolveBacktracking } from './line-search.js';
import type { NativeTrpoOptions, NativeUpdateSummary } from './native.js';
import { openPolicy } from './policy-geometry.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import { summarize } from './update-summary.js';
import type { UpdateSummary } from './update-summary.js';
import {
  rejectUnknownOptions,
  requireBoolean,
  requireInteger,
  requireNumber,
  requireOneOf,
} from './validate.js';

export type { UpdateReason, UpdateSummary } from './update-summary.js';

/**
 * How {@link TRPO} steps.
 */
export interface TrpoOptions {
  /**
   * The trust region epsilon: largest mean KL(old || new) over the batch, greater than 0. 0.001
   * (careful) to 0.05 (bold) are usual. Default 0.01. (The `maxKl` of an {@link UpdateSummary} is
   * something else: the largest KL of a single row.)
   */
  readonly maxKl?: number;
  /**
   * Added to the diagonal of the Fisher matrix in the solve only, at least 0; 0.01 to 0.1 are usual.
   * More makes the direction more like the plain gradient. Default 0.1.
   */
  readonly damping?: number;
  /**
   * Most iterations of conjugate gradients, at least 1; each costs one Fisher product. Default 10.
   */
  readonly cgIterations?: number;
  /**
   * Ends conjugate gradients when the residual is at most this part of the gradient; 0 never does.
   * Default 0.
   */
  readonly cgTolerance?: number;
  /**
   * Ends conjugate gradients when iteration k made less than this / k of the quadratic model's whole
   * progress (Nash and Sofer 1990); 0 never does. Default 0.
   */
  readonly cgProgressTolerance?: number;
  /**
   * Makes each residual of conjugate gradients orthogonal to all before it, so that the direction is
   * that of exact arithmetic to the accuracy of the Fisher product; without it, rounding can spoil
   * the direction by percents within 10 iterations. Keeps one vector an iteration. Default `true`.
   */
  readonly cgReorthogonalize?: boolean;
  /**
   * Length of the full step along the natural direction x = (F + damping I)^-1 g: `'fisher'`,
   * sqrt(2 maxKl / x'F x), whose KL is maxKl to second order; or `'damped'`,
   * sqrt(2 maxKl / x'(F + damping I) x), shorter, which most other libraries take. Default
   * `'fisher'`.
   */
  readonly stepLength?: 'fisher' | 'damped';
  /**
   * Factor from one candidate of the line search to the next, between 0 and 1. Default 0.8.
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
  /**
   * Whether advantages are first brought to mean 0 and variance 1 over the batch. Default `true`.
   */
  readonly normalizeAdvantages?: boolean;
}

const optionNames: readonly (keyof TrpoOptions)[] = [
  'maxKl',
  'damping',
  'cgIterations',
  'cgTolerance',
  'cgProgressTolerance',
  'cgReorthogonalize',
  'stepLength',
  'backtrackFactor',
  'maxBacktracks',
  'acceptRatio',
  'normalizeAdvantages',
];

/**
 * Trust-region policy optimisation (Schulman, Levine, Abbeel, Jordan and Moritz 2015). One update
 * improves the surrogate L = mean of pi_new(a|s) / pi_old(a|s) A within mean KL(old || new) <= maxKl:
 *
 *     g = grad L                                       policy gradient
 *     x = (F + damping I)^-1 g                         conjugate gradients, natural direction
 *     d = sqrt(2 maxKl / x'F x) x                      full step
 *     theta + b^j d, j = 0, 1, ..., maxBacktracks      the first one that is finite, whose exact
 *                                                      mean KL is at most maxKl, and whose surrogate
 *                                                      rose by more than acceptRatio b^j g'd
 *
 * KL and surrogate of a candidate are evaluated on the whole batch and on the very parameters that
 * are then stored. If no candidate will do, the policy stays as it was, bit for bit. The result does
 * not depend on the number of threads.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, seed: 1 });
 * const trpo = new TRPO(policy, { maxKl: 0.01 });
 * const observations = Float32Array.from({ length: 500 }, (_, row) => row / 250 - 1);
 * const actions = policy.act(observations);
 * const advantages = actions.map((action) => -((action - 1) ** 2)); // the best action is 1
 * const summary = await trpo.update({ observations, actions, advantages });
 * console.assert(summary.accepted && summary.meanKl <= 0.01, summary.message);
 * console.assert(summary.surrogateAfter > summary.surrogateBefore);
 * ```
 */
export class TRPO<A extends ActionSpace = ActionSpace> {
  /**
   * The policy that updates change.
   */
  readonly policy: Policy<A>;
  /**
   * All options with their defaults; frozen.
   */
  readonly options: Readonly<Required<TrpoOptions>>;

  readonly #native: NativeTrpoOptions;

  /**
   * @param policy - The policy to improve.
   * @param options - See {@link TrpoOptions}.
   * @throws TrustRegionError `ERR_CLOSED` if the policy is; `ERR_UNKNOWN_OPTION` (misspelt),
   *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad argument.
   */
  constructor(policy: Policy<A>, options: TrpoOptions = {}) {
    openPolicy(policy);
    rejectUnknownOptions(options, optionNames, 'TRPO options');
    this.policy = policy;
    this.options = resolveOptions(options);
    this.#native = nativeOptions(this.options);
  }

  /**
   * Makes one step on a batch. It runs on threads of its own; meanwhile the policy still acts with
   * its old parameters. The batch's arrays are not changed and not kept; do not change them before
   * the promise settles. Cost: one gradient, `cgIterations` Fisher products and `backtracks` + 1
   * evaluations of the batch.
   *
   * @param batch - Rows collected with the policy as it is.
   * @returns What the step did. A step that is not accepted is no error.
   * @throws TrustRegionError (the promise rejects) `ERR_BUSY` while another update of the policy
   *   runs; `ERR_STALE_BATCH` if `batch.policyVersion` is there and not the policy's version;
   *   `ERR_CLOSED`; `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`, `ERR_NOT_FINITE` or
   *   `ERR_OUT_OF_RANGE` for a bad batch, naming the array and index. The policy then stays as it
   *   was.
   */
  async update(batch: Batch): Promise<UpdateSummary> {
    const native = openPolicy(this.policy);
    if (native.busy) {
      throw new TrustRegionError(
        'ERR_BUSY',
        'update() must wait for the running update of the same policy: await its promise first',
      );
    }
    const { observationSize, actionLength } = this.policy;
    const checked = checkBatch(batch, observationSize, actionLength);
    requireFresh(batch, native.version);
    let summary: NativeUpdateSummary;
    try {
      summary = await native.updateTrpo(checked, this.#native);
    } catch (error) {
      throw fromNative(error);
    }
    return summarize(summary, this.options);
  }
}

function resolveOptions({
  maxKl = 0.01,
  damping = 0.1,
  cgIterations = 10,
  cgTolerance = 0,
  cgProgressTolerance = 0,
  cgReorthogonalize = true,
  stepLength = 'fisher',
  normalizeAdvantages = true,
  ...backtracking
}: TrpoOptions): Readonly<Required<TrpoOptions>> {
  return Object.freeze({
    maxKl: requireNumber(maxKl, 'maxKl', { exclusiveMin: 0 }),
    damping: requireNumber(damping, 'damping', { min: 0 }),
    cgIterations: requireInteger(cgIterations, 'cgIterations', { min: 1, max: 2 ** 31 - 1 }),
    cgTolerance: requireNumber(cgTolerance, 'cgTolerance', { min: 0, exclusiveMax: 1 }),
    cgProgressTolerance: requireNumber(cgProgressTolerance, 'cgProgressTolerance', { min: 0 }),
    cgReorthogonalize: requireBoolean(cgReorthogonalize, 'cgReorthogonalize'),
    stepLength: requireOneOf(stepLength, 'stepLength', ['fisher', 'damped']),
    ...resolveBacktracking(backtracking),
    normalizeAdvantages: requireBoolean(normalizeAdvantages, 'normalizeAdvantages'),
  });
}

function nativeOptions(options: Required<TrpoOptions>): NativeTrpoOptions {
  const {
    maxKl,
    damping,
    stepLength,
    normalizeAdvantages,
    backtrackFactor,
    maxBacktracks,
    acceptRatio,
  } = options;
  return {
    maxKl,
    damping,
    conjugateGradient: {
      iterations: options.cgIterations,
      residualTolerance: options.cgTolerance,
      progressTolerance: options.cgProgressTolerance,
      residualResetPeriod: 20,
      reorthogonalize: options.cgReorthogonalize,
    },
    stepLength,
    lineSearch: { maxKl, backtrackFactor, maxBacktracks, acceptRatio },
    normalizeAdvantages,
  };
}

/**
 * @throws TrustRegionError `ERR_STALE_BATCH`, or `ERR_INVALID_ARGUMENT` for a version that is none.
 */
function requireFresh({ policyVersion }: Batch, version: number): void {
  if (policyVersion !== undefined && requireInteger(policyVersion, 'policyVersion') !== version) {
    throw new TrustRegionError(
      'ERR_STALE_BATCH',
      `batch must come from version ${version} of the policy, got version ${policyVersion}: ` +
        'collect a new one after each change of the policy',
    );
  }
}
