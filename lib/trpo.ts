import { lineSearchOptionNames, resolveLineSearch } from './line-search.js';
import type { ResolvedLineSearch, StepSearchOptions } from './line-search.js';
import { methodOptionNames, resolveMethodOptions } from './method-options.js';
import type { MethodOptions, ResolvedMethodOptions } from './method-options.js';
import { Method } from './method.js';
import {
  naturalDirectionOptionNames,
  resolveNaturalDirection,
} from './natural-direction-options.js';
import type {
  NaturalDirectionOptions,
  ResolvedNaturalDirectionOptions,
} from './natural-direction-options.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import { requireNumber, requireOneOf } from './validate.js';

/**
 * How {@link TRPO} steps.
 */
export interface TrpoOptions extends MethodOptions, NaturalDirectionOptions, StepSearchOptions {
  /**
   * The trust region epsilon: largest mean KL(old || new) over the batch, greater than 0. 0.001
   * (careful) to 0.05 (bold) are usual. Default 0.01. (The `maxKl` of an {@link UpdateSummary} is
   * something else: the largest KL of a single row.)
   */
  readonly maxKl?: number;
  /**
   * Length of the full step along the natural direction x = (F + damping I)^-1 g: `'fisher'`,
   * sqrt(2 maxKl / x'F x), whose KL is maxKl to second order; or `'damped'`,
   * sqrt(2 maxKl / x'(F + damping I) x), shorter, which most other libraries take. Default
   * `'fisher'`.
   */
  readonly stepLength?: 'fisher' | 'damped';
  /**
   * `'boundary'`: the fraction of the full step, also above 1, whose exact mean KL is `maxKl`, found
   * by a safeguarded secant in about three evaluations, then backtracking from there if that does not
   * improve enough; or `'backtracking'`: the first of 1, b, b^2, ... that will do. Default
   * `'boundary'`.
   */
  readonly lineSearch?: 'backtracking' | 'boundary';
}

/**
 * The same with all defaults filled in; what has no meaning beside the others is not there.
 */
export type ResolvedTrpoOptions = ResolvedMethodOptions &
  Readonly<Required<Pick<TrpoOptions, 'maxKl' | 'stepLength' | 'lineSearch'>>> &
  ResolvedNaturalDirectionOptions &
  ResolvedLineSearch;

export const trpoOptionNames: readonly (keyof TrpoOptions)[] = [
  'maxKl',
  'stepLength',
  'lineSearch',
  ...lineSearchOptionNames,
  ...naturalDirectionOptionNames,
  ...methodOptionNames,
];

/**
 * Default that a measurement decided; bench/RESULTS.md has the figures.
 */
export const defaultLineSearch = 'boundary';

/**
 * Trust-region policy optimisation (Schulman, Levine, Abbeel, Jordan and Moritz 2015, "Trust region
 * policy optimization", equation 14 and appendix C). One update improves the surrogate
 * L = mean of pi_new(a|s) / pi_old(a|s) A within mean KL(old || new) <= maxKl:
 *
 *     g = grad L                                          policy gradient, [parameterCount]
 *     x = (F + damping I)^-1 g                            natural direction, F the Fisher matrix
 *     d = sqrt(2 maxKl / x'F x) x                         full step
 *     theta + f d                                         f from the line search: finite, exact mean KL
 *                                                         at most maxKl, and the surrogate rose by
 *                                                         more than acceptRatio f g'd
 *
 * KL and surrogate of a candidate are evaluated on the whole batch and on the very parameters that
 * are then stored; where rounding leaves it open whether a KL is within maxKl, it is evaluated again
 * in float64. If no candidate will do, the policy stays as it was, bit for bit. The result does not
 * depend on the number of threads. Cost: one gradient, `cgIterations` Fisher products and one
 * evaluation for each candidate.
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
export class TRPO<A extends ActionSpace = ActionSpace> extends Method<A, 'TRPO'> {
  /**
   * @param policy - The policy to improve.
   * @param options - See {@link TrpoOptions}.
   * @throws TrustRegionError `ERR_CLOSED` if the policy is; `ERR_UNKNOWN_OPTION` (misspelt),
   *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad argument.
   */
  constructor(policy: Policy<A>, options: TrpoOptions = {}) {
    super('TRPO', policy, options, trpoOptionNames, (options) =>
      resolveOptions(options, policy.parameterCount),
    );
  }
}

function resolveOptions(options: TrpoOptions, parameterCount: number): ResolvedTrpoOptions {
  const { maxKl = 0.01, stepLength = 'fisher', lineSearch = defaultLineSearch } = options;
  const kind = requireOneOf(lineSearch, 'lineSearch', ['backtracking', 'boundary']);
  return {
    maxKl: requireNumber(maxKl, 'maxKl', { exclusiveMin: 0 }),
    stepLength: requireOneOf(stepLength, 'stepLength', ['fisher', 'damped']),
    lineSearch: kind,
    ...resolveLineSearch(options, kind, 'lineSearch'),
    ...resolveNaturalDirection(options, parameterCount),
    ...resolveMethodOptions(options),
  };
}
