import type { NativeFitOptions } from './native.js';
import {
  rejectUnknownOptions,
  rejectUnusedOptions,
  requireInteger,
  requireNumber,
  requireOneOf,
} from './validate.js';

/**
 * How `ValueFunction.fit` minimises the mean of (V - return)^2 / 2:
 *
 * - `'adam'`: minibatch Adam (Kingma and Ba 2015, "Adam: a method for stochastic optimization",
 *   algorithm 1).
 * - `'gaussNewton'`: damped Gauss-Newton on the whole batch (Levenberg 1944, Marquardt 1963;
 *   matrix-free as Martens 2010, "Deep learning via Hessian-free optimization"). A step d solves
 *   (G + damping I) d = -gradient by conjugate gradients, with G the mean of J'J and J = dV/dtheta,
 *   and is taken only if it lowers the loss. The damping follows the ratio of what the loss lost to
 *   what the quadratic model promised (as the radius in Nocedal and Wright 2006, "Numerical
 *   optimization", algorithm 4.1): times 4 below 1/4, divided by 4 above 3/4, never less than the
 *   option `damping`, and kept from fit to fit. Has no step size to tune; its products use all threads.
 */
export type FitSolver = 'adam' | 'gaussNewton';

/**
 * The names of all solvers.
 */
export const fitSolvers = ['adam', 'gaussNewton'] as const satisfies readonly FitSolver[];

/**
 * How `ValueFunction.fit` fits. Options of the solver that was not chosen are refused.
 */
export interface FitOptions {
  /**
   * How to minimise. Default `'adam'`.
   */
  readonly solver?: FitSolver;
  /**
   * For `'adam'`: passes over the batch, at least 1. Default 10.
   */
  readonly epochs?: number;
  /**
   * For `'adam'`: rows per gradient step, at least 1; the last minibatch of an epoch has what is
   * left. Default 128.
   */
  readonly minibatchSize?: number;
  /**
   * For `'adam'`: step size, greater than 0; 1e-4 to 1e-2 are usual. Default 1e-3.
   */
  readonly learningRate?: number;
  /**
   * For `'gaussNewton'`: steps to try, at least 1, those included that are not taken. Default 2.
   */
  readonly iterations?: number;
  /**
   * For `'gaussNewton'`: iterations of conjugate gradients for a step, at most, at least 1. Each
   * costs a product with G, about two gradients over the batch. Default 10.
   */
  readonly cgIterations?: number;
  /**
   * For `'gaussNewton'`: least damping, greater than 0; more where the quadratic model fails. Less
   * fits the rollout better and the next one worse, the more so the noisier the returns. Default
   * 0.03.
   */
  readonly damping?: number;
}

/**
 * Options checked and complete; holds only what the solver uses, so that it can be passed on as
 * {@link FitOptions}.
 */
export type ResolvedFitOptions = NativeFitOptions;

const solverOptions = {
  adam: ['epochs', 'minibatchSize', 'learningRate'],
  gaussNewton: ['iterations', 'cgIterations', 'damping'],
} as const satisfies Record<FitSolver, readonly (keyof FitOptions)[]>;
const fitOptionNames = ['solver', ...solverOptions.adam, ...solverOptions.gaussNewton];
const largestInteger = 2 ** 31 - 1;

/**
 * Adam's; `undefined` of another solver.
 */
export function learningRateOf(options: ResolvedFitOptions): number | undefined {
  return options.solver === 'adam' ? options.learningRate : undefined;
}

/**
 * Checks how to fit and fills in the defaults.
 *
 * @param nameOf - What messages call an option. Default its own name.
 * @returns What the chosen solver uses, and nothing else.
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT` (also for an option of
 *   another solver), `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
 * @example
 * ```ts
 * const options = resolveFitOptions({ solver: 'gaussNewton', iterations: 3 });
 * console.assert('cgIterations' in options && !('epochs' in options));
 * try {
 *   resolveFitOptions({ solver: 'gaussNewton', epochs: 3 });
 * } catch (error) {
 *   console.assert(String(error).endsWith("epochs must be left out with solver 'gaussNewton', got 3"));
 * }
 * ```
 */
export function resolveFitOptions(
  options: FitOptions,
  nameOf: (option: string) => string = (option) => option,
): ResolvedFitOptions {
  rejectUnknownOptions(options, fitOptionNames, 'fit options');
  const solver = requireOneOf(options.solver ?? 'adam', nameOf('solver'), fitSolvers);
  for (const other of fitSolvers) {
    if (other !== solver) {
      rejectUnusedOptions(options, solverOptions[other], `${nameOf('solver')} '${solver}'`, nameOf);
    }
  }
  const count = (name: 'epochs' | 'minibatchSize' | 'iterations' | 'cgIterations', by: number) =>
    requireInteger(options[name] ?? by, nameOf(name), { min: 1, max: largestInteger });
  const positive = (name: 'learningRate' | 'damping', by: number) =>
    requireNumber(options[name] ?? by, nameOf(name), { exclusiveMin: 0 });
  return solver === 'gaussNewton'
    ? {
        solver,
        iterations: count('iterations', 2),
        cgIterations: count('cgIterations', 10),
        damping: positive('damping', 0.03),
      }
    : {
        solver,
        epochs: count('epochs', 10),
        minibatchSize: count('minibatchSize', 128),
        learningRate: positive('learningRate', 1e-3),
      };
}
