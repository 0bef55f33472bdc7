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
import { resolveStepSize, stepSizeOptionNames } from './step-size.js';
import type { StepSizeOptions } from './step-size.js';

/**
 * How {@link NaturalPolicyGradient} steps: by `learningRate` x, or by the step whose KL is `epsilon`
 * to second order. With neither, `epsilon` is 0.01.
 */
export interface NaturalPolicyGradientOptions
  extends MethodOptions,
    StepSizeOptions,
    NaturalDirectionOptions {}

/**
 * The same with all defaults filled in: either `learningRate` or `epsilon` is there.
 */
export type ResolvedNaturalPolicyGradientOptions = ResolvedMethodOptions &
  Readonly<StepSizeOptions> &
  ResolvedNaturalDirectionOptions;

export const naturalPolicyGradientOptionNames: readonly (keyof NaturalPolicyGradientOptions)[] = [
  ...stepSizeOptionNames,
  ...naturalDirectionOptionNames,
  ...methodOptionNames,
];

/**
 * Natural gradient ascent on the surrogate (Amari 1998, "Natural gradient works efficiently in
 * learning"; Kakade 2001, "A natural policy gradient"; Peters and Schaal 2008, "Natural
 * actor-critic", with a learning rate chosen by hand).
 *
 *     g = mean of A grad log pi(a|s)                      policy gradient, [parameterCount]
 *     x = (F + damping I)^-1 g                            natural direction, F the Fisher matrix
 *     d = learningRate x    or    d = sqrt(2 epsilon / g'x) x
 *     theta + d
 *
 * The ruler is right, KL(old || new) to second order, but nothing checks what the KL really became:
 * {@link TRPO} is this and a line search. Every finite step is taken. Cost: one gradient,
 * `cgIterations` Fisher products and one evaluation.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, seed: 1 });
 * const natural = new NaturalPolicyGradient(policy, { epsilon: 0.001 });
 * const observations = Float32Array.from({ length: 500 }, (_, row) => row / 250 - 1);
 * const actions = policy.act(observations);
 * const advantages = actions.map((action) => -((action - 1) ** 2)); // the best action is 1
 * const summary = await natural.update({ observations, actions, advantages });
 * console.assert(summary.accepted && summary.meanKl < 0.002, summary.message);
 * console.assert((summary.naturalDirection?.conjugateGradient.iterations ?? NaN) <= 10);
 * ```
 */
export class NaturalPolicyGradient<A extends ActionSpace = ActionSpace> extends Method<
  A,
  'NaturalPolicyGradient'
> {
  /**
   * @param policy - The policy to improve.
   * @param options - See {@link NaturalPolicyGradientOptions}.
   * @throws TrustRegionError `ERR_CLOSED` if the policy is; `ERR_UNKNOWN_OPTION` (misspelt),
   *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad argument.
   */
  constructor(policy: Policy<A>, options: NaturalPolicyGradientOptions = {}) {
    super(
      'NaturalPolicyGradient',
      policy,
      options,
      naturalPolicyGradientOptionNames,
      (options) => ({
        ...resolveStepSize(options),
        ...resolveNaturalDirection(options, policy.parameterCount),
        ...resolveMethodOptions(options),
      }),
    );
  }
}
