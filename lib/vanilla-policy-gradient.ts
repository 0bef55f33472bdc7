import { methodOptionNames, resolveMethodOptions } from './method-options.js';
import type { MethodOptions, ResolvedMethodOptions } from './method-options.js';
import { Method } from './method.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import { resolveStepSize, stepSizeOptionNames } from './step-size.js';
import type { StepSizeOptions } from './step-size.js';

/**
 * How {@link VanillaPolicyGradient} steps: by `learningRate` g, or by the best step with
 * |d|^2 = `epsilon`. With neither, `epsilon` is 0.01: a step of length 0.1.
 */
export interface VanillaPolicyGradientOptions extends MethodOptions, StepSizeOptions {}

/**
 * The same with all defaults filled in: either `learningRate` or `epsilon` is there.
 */
export type ResolvedVanillaPolicyGradientOptions = ResolvedMethodOptions &
  Readonly<StepSizeOptions>;

export const vanillaPolicyGradientOptionNames: readonly (keyof VanillaPolicyGradientOptions)[] = [
  ...stepSizeOptionNames,
  ...methodOptionNames,
];

/**
 * Gradient ascent on the surrogate: REINFORCE (Williams 1992, "Simple statistical gradient-following
 * algorithms"; Sutton, McAllester, Singh and Mansour 2000, theorem 1).
 *
 *     g = mean of A grad log pi(a|s)                      policy gradient, [parameterCount]
 *     d = learningRate g    or    d = sqrt(epsilon / g'g) g
 *     theta + d
 *
 * The Euclidean ruler is the wrong one: it bounds how far the parameters move, not how far the policy
 * does, and nothing checks what became of the KL. Every finite step is taken, also one that makes
 * the surrogate worse. A baseline to compare with. Cost: one gradient and one evaluation.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, seed: 1 });
 * const vanilla = new VanillaPolicyGradient(policy, { epsilon: 1e-4 });
 * const observations = Float32Array.from({ length: 500 }, (_, row) => row / 250 - 1);
 * const actions = policy.act(observations);
 * const advantages = actions.map((action) => -((action - 1) ** 2)); // the best action is 1
 * const summary = await vanilla.update({ observations, actions, advantages });
 * console.assert(summary.accepted && Math.abs(summary.stepNorm - 0.01) < 1e-6, summary.message);
 * console.assert(summary.surrogateAfter > summary.surrogateBefore);
 * ```
 */
export class VanillaPolicyGradient<A extends ActionSpace = ActionSpace> extends Method<
  A,
  'VanillaPolicyGradient'
> {
  /**
   * @param policy - The policy to improve.
   * @param options - See {@link VanillaPolicyGradientOptions}.
   * @throws TrustRegionError `ERR_CLOSED` if the policy is; `ERR_UNKNOWN_OPTION` (misspelt),
   *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad argument.
   */
  constructor(policy: Policy<A>, options: VanillaPolicyGradientOptions = {}) {
    super(
      'VanillaPolicyGradient',
      policy,
      options,
      vanillaPolicyGradientOptionNames,
      (options) => ({
        ...resolveStepSize(options),
        ...resolveMethodOptions(options),
      }),
    );
  }
}
