import { methodOptionNames, resolveMethodOptions } from './method-options.js';
import type { MethodOptions, ResolvedMethodOptions } from './method-options.js';
import { Method } from './method.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import { requireInteger, requireNumber } from './validate.js';

/**
 * How {@link DualGradientDescent} steps.
 */
export interface DualGradientDescentOptions extends MethodOptions {
  /**
   * The trust region: largest mean KL(old || new) over the batch, greater than 0. Default 0.01.
   */
  readonly maxKl?: number;
  /**
   * Gradient steps of each update, at least 1; each costs one gradient of the whole batch. Default
   * 20.
   */
  readonly innerSteps?: number;
  /**
   * Learning rate of these steps, which Adam makes; greater than 0. Default 1e-3.
   */
  readonly innerLearningRate?: number;
  /**
   * Multiplier lambda of the first update, at least 0. Default 1.
   */
  readonly initialMultiplier?: number;
  /**
   * Step alpha of the multiplier per unit of KL above maxKl, at least 0; 0 never changes it. Default
   * 30.
   */
  readonly multiplierLearningRate?: number;
}

/**
 * The same with all defaults filled in.
 */
export type ResolvedDualGradientDescentOptions = ResolvedMethodOptions &
  Readonly<Required<DualGradientDescentOptions>>;

export const dualGradientDescentOptionNames: readonly (keyof DualGradientDescentOptions)[] = [
  'maxKl',
  'innerSteps',
  'innerLearningRate',
  'initialMultiplier',
  'multiplierLearningRate',
  ...methodOptionNames,
];

/**
 * A trust region held by a Lagrange multiplier instead of second-order information (Boyd and
 * Vandenberghe 2004, "Convex optimization", section 5.4; Achiam et al. 2017, "Constrained policy
 * optimization", uses the same dual): in turn
 *
 *     primal   innerSteps of Adam on L(theta') - lambda (KL(theta || theta') - maxKl)
 *     dual     lambda <- max(0, lambda + alpha (KL - maxKl))
 *
 * with L the surrogate, KL the mean KL(old || new) that the inner steps came to, and alpha the
 * multiplierLearningRate. Lambda is kept from update to update; it is right in the long run only, so
 * a step that ended outside the trust region is shortened along the straight line back to theta until
 * its exact mean KL is inside. A step inside is taken whatever the surrogate became, since lambda may
 * have asked for it. At the optimum of the quadratic model lambda is sqrt(g'F^-1 g / (2 maxKl)).
 * Cost: `innerSteps` + 1 gradients and a few evaluations.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, seed: 1 });
 * const dual = new DualGradientDescent(policy, { maxKl: 0.01, innerLearningRate: 0.01 });
 * const observations = Float32Array.from({ length: 500 }, (_, row) => row / 250 - 1);
 * const actions = policy.act(observations);
 * const advantages = actions.map((action) => -((action - 1) ** 2)); // the best action is 1
 * const summary = await dual.update({ observations, actions, advantages });
 * console.assert(summary.accepted && summary.meanKl <= 0.01, summary.message);
 * console.assert((summary.multiplier ?? 0) > 1); // it had to be shortened, so lambda grew
 * ```
 */
export class DualGradientDescent<A extends ActionSpace = ActionSpace> extends Method<
  A,
  'DualGradientDescent'
> {
  /**
   * @param policy - The policy to improve.
   * @param options - See {@link DualGradientDescentOptions}.
   * @throws TrustRegionError `ERR_CLOSED` if the policy is; `ERR_UNKNOWN_OPTION` (misspelt),
   *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad argument.
   */
  constructor(policy: Policy<A>, options: DualGradientDescentOptions = {}) {
    super('DualGradientDescent', policy, options, dualGradientDescentOptionNames, (options) =>
      resolveOptions(options),
    );
  }
}

function resolveOptions(options: DualGradientDescentOptions): ResolvedDualGradientDescentOptions {
  const {
    maxKl = 0.01,
    innerSteps = 20,
    innerLearningRate = 1e-3,
    initialMultiplier = 1,
    multiplierLearningRate = 30,
  } = options;
  return {
    maxKl: requireNumber(maxKl, 'maxKl', { exclusiveMin: 0 }),
    innerSteps: requireInteger(innerSteps, 'innerSteps', { min: 1, max: 2 ** 31 - 1 }),
    innerLearningRate: requireNumber(innerLearningRate, 'innerLearningRate', { exclusiveMin: 0 }),
    initialMultiplier: requireNumber(initialMultiplier, 'initialMultiplier', { min: 0 }),
    multiplierLearningRate: requireNumber(multiplierLearningRate, 'multiplierLearningRate', {
      min: 0,
    }),
    ...resolveMethodOptions(options),
  };
}
