import { TrustRegionError } from './errors.js';
import {
  rejectUnusedOptions,
  requireBoolean,
  requireInteger,
  requireNumber,
  requireOneOf,
  requireSwitch,
} from './validate.js';

/**
 * How the natural direction x = (F + damping I)^-1 g is found, F the Fisher matrix and g the policy
 * gradient (Amari 1998; Kakade 2001): the options that {@link NaturalPolicyGradient} and
 * {@link TRPO} share.
 */
export interface NaturalDirectionOptions {
  /**
   * Added to the diagonal of the Fisher matrix in the solve only, at least 0; 0.01 to 0.1 are usual.
   * More makes the direction more like the plain gradient. Default 0.1.
   */
  readonly damping?: number;
  /**
   * Added to `damping` in units of trace(F) / rows, at least 0. The natural direction is the ridge
   * regression of advantages on scores; with a part R^2 of their variance that is signal, not noise,
   * the best ridge is (1 - R^2) / R^2 trace(F) / rows (Hoerl and Kennard 1970, "Ridge regression: biased
   * estimation for nonorthogonal problems"). It grows with F as exploration shrinks, where a fixed
   * damping is soon next to nothing, and falls with the rows. 1 to 10 suit a few thousand rows. Costs a
   * diagonal of F. Not with `adaptiveDamping`. Default 0.
   */
  readonly relativeDamping?: number;
  /**
   * Lets damping follow rho, the improvement that came over the one that the linear model promised:
   * it grows by a factor where rho < 1/4 or the step was refused, shrinks by it where rho > 3/4
   * (Levenberg and Marquardt; thresholds of Nocedal and Wright 2006, algorithm 4.1). `damping` is then
   * the first one. `true` stands for `{}`. Default `false`.
   */
  readonly adaptiveDamping?: boolean | AdaptiveDampingOptions;
  /**
   * Which Fisher matrix: `'exact'`, the expectation over the policy's own actions in closed form,
   * which is the Hessian of the mean KL; or `'empirical'`, the mean outer product of the scores of
   * the actions that were taken, cheaper by a part and noisier. Default `'exact'`.
   */
  readonly fisher?: 'exact' | 'empirical';
  /**
   * Part of the rows, spread evenly over the batch, that the Fisher matrix is a mean over: greater
   * than 0, at most 1. Gradient, KL and surrogate always see all rows. Products cost as much less.
   * Default 1.
   */
  readonly fisherFraction?: number;
  /**
   * `'conjugateGradient'` (Hestenes and Stiefel 1952); `'cholesky'`, the dense matrix and its
   * factorisation, exact but as many Fisher products as there are parameters, which may be at most
   * 8192; or `'auto'`, Cholesky up to 64 parameters. Default `'conjugateGradient'`.
   */
  readonly solver?: 'conjugateGradient' | 'cholesky' | 'auto';
  /**
   * Most iterations of conjugate gradients, at least 1; each costs one Fisher product. Default 10.
   */
  readonly cgIterations?: number;
  /**
   * Ends conjugate gradients when the residual is at most this part of the gradient, from 0 to below
   * 1; 0 never does. Default 0.
   */
  readonly cgTolerance?: number;
  /**
   * Ends conjugate gradients when iteration k made less than this / k of the quadratic model's whole
   * progress (Nash and Sofer 1990), at least 0; 0 never does. Default 0.
   */
  readonly cgProgressTolerance?: number;
  /**
   * Makes each residual of conjugate gradients orthogonal to all before it, so that the direction is
   * that of exact arithmetic to the accuracy of the Fisher product; without it, rounding can spoil
   * the direction by percents within 10 iterations. Keeps one vector an iteration. Default `true`.
   */
  readonly cgReorthogonalize?: boolean;
  /**
   * What makes conjugate gradients need fewer iterations: `'none'`; `'jacobi'`, the diagonal of the
   * Fisher matrix; or `'kronecker'`, a Kronecker product for each layer with damping added exactly
   * (after Martens and Grosse 2015). On a trained policy 5 iterations with `'kronecker'` reach 0.94
   * of the possible improvement where 10 without reach 0.61 (docs/natural-direction.md). Default
   * `'kronecker'`.
   */
  readonly preconditioner?: 'none' | 'jacobi' | 'kronecker';
  /**
   * Updates for which a preconditioner is kept before it is made anew, at least 1. Default 1: made
   * in every update. With a preconditioner only.
   */
  readonly preconditionerPeriod?: number;
  /**
   * Part of the rows, spread evenly over the batch, that Kronecker factors are made from, greater than
   * 0, at most 1; never fewer than twelve for each unit of the widest layer, where there are as many.
   * Default 1/16. With `preconditioner: 'kronecker'` only.
   */
  readonly preconditionerFraction?: number;
  /**
   * Whether conjugate gradients start from the last update's direction, at the length that fits
   * best, which costs one product. Default `false`.
   */
  readonly warmStart?: boolean;
}

/**
 * Bounds and pace of adaptive damping.
 */
export interface AdaptiveDampingOptions {
  /**
   * Least damping, greater than 0. Default 1e-4.
   */
  readonly minimum?: number;
  /**
   * Largest damping, at least `minimum`. Default 10.
   */
  readonly maximum?: number;
  /**
   * What damping is multiplied or divided by, greater than 1. Default 1.5.
   */
  readonly factor?: number;
}

/**
 * Options without a meaning beside the others: those of conjugate gradients for `'cholesky'`, those
 * of a preconditioner that is not there.
 */
type Dependent = IterativeName | 'preconditionerPeriod' | 'preconditionerFraction';
type IterativeName =
  | 'cgIterations'
  | 'cgTolerance'
  | 'cgProgressTolerance'
  | 'cgReorthogonalize'
  | 'preconditioner'
  | 'warmStart';

/**
 * The same with all defaults filled in; what has no meaning beside the others is not there.
 */
export type ResolvedNaturalDirectionOptions = Readonly<
  Required<Omit<NaturalDirectionOptions, Dependent | 'adaptiveDamping'>> & {
    adaptiveDamping: false | Readonly<Required<AdaptiveDampingOptions>>;
  } & Pick<NaturalDirectionOptions, Dependent>
>;

export const naturalDirectionOptionNames: readonly (keyof NaturalDirectionOptions)[] = [
  'damping',
  'relativeDamping',
  'adaptiveDamping',
  'fisher',
  'fisherFraction',
  'solver',
  'cgIterations',
  'cgTolerance',
  'cgProgressTolerance',
  'cgReorthogonalize',
  'preconditioner',
  'preconditionerPeriod',
  'preconditionerFraction',
  'warmStart',
];

/**
 * Defaults that measurements decided; docs/natural-direction.md has the study.
 */
export const naturalDirectionDefaults = {
  cgIterations: 10,
  preconditioner: 'kronecker',
  preconditionerFraction: 1 / 16,
} as const;

// Two dense matrices take 1 GiB then.
const mostDenseParameters = 8192;
const largestInteger = 2 ** 31 - 1;
const part = { exclusiveMin: 0, max: 1 };

/**
 * Checks the options and fills in the defaults. Unknown ones are the caller's business.
 *
 * @param parameterCount - Of the policy.
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 */
export function resolveNaturalDirection(
  options: NaturalDirectionOptions,
  parameterCount: number,
): ResolvedNaturalDirectionOptions {
  const {
    damping = 0.1,
    relativeDamping = 0,
    adaptiveDamping = false,
    fisher = 'exact',
    fisherFraction = 1,
    solver = 'conjugateGradient',
  } = options;
  const rule = resolveAdaptiveDamping(adaptiveDamping);
  if (rule !== false && relativeDamping !== 0) {
    rejectUnusedOptions(options, ['relativeDamping'], 'adaptiveDamping');
  }
  const bounds = rule === false ? { min: 0 } : { min: rule.minimum, max: rule.maximum };
  const common = {
    damping: requireNumber(damping, 'damping', bounds),
    relativeDamping: requireNumber(relativeDamping, 'relativeDamping', { min: 0 }),
    adaptiveDamping: rule,
    fisher: requireOneOf(fisher, 'fisher', ['exact', 'empirical']),
    fisherFraction: requireNumber(fisherFraction, 'fisherFraction', part),
    solver: requireOneOf(solver, 'solver', ['conjugateGradient', 'cholesky', 'auto']),
  };
  if (common.solver === 'cholesky') {
    if (parameterCount > mostDenseParameters) {
      throw new TrustRegionError(
        'ERR_OUT_OF_RANGE',
        `solver 'cholesky' must have a policy of at most ${mostDenseParameters} parameters, got ` +
          `${parameterCount}: 'conjugateGradient' needs no dense matrix`,
      );
    }
    rejectUnusedOptions(
      options,
      [...iterativeNames, 'preconditionerPeriod', 'preconditionerFraction'],
      "solver 'cholesky'",
    );
    return common;
  }
  return { ...common, ...resolveIterative(options) };
}

const iterativeNames: readonly IterativeName[] = [
  'cgIterations',
  'cgTolerance',
  'cgProgressTolerance',
  'cgReorthogonalize',
  'preconditioner',
  'warmStart',
];

function resolveIterative(
  options: NaturalDirectionOptions,
): Pick<NaturalDirectionOptions, Dependent> {
  const {
    cgIterations = naturalDirectionDefaults.cgIterations,
    cgTolerance = 0,
    cgProgressTolerance = 0,
    cgReorthogonalize = true,
    preconditioner = naturalDirectionDefaults.preconditioner,
    preconditionerPeriod = 1,
    preconditionerFraction = naturalDirectionDefaults.preconditionerFraction,
    warmStart = false,
  } = options;
  const common = {
    cgIterations: requireInteger(cgIterations, 'cgIterations', { min: 1, max: largestInteger }),
    cgTolerance: requireNumber(cgTolerance, 'cgTolerance', { min: 0, exclusiveMax: 1 }),
    cgProgressTolerance: requireNumber(cgProgressTolerance, 'cgProgressTolerance', { min: 0 }),
    cgReorthogonalize: requireBoolean(cgReorthogonalize, 'cgReorthogonalize'),
    preconditioner: requireOneOf(preconditioner, 'preconditioner', ['none', 'jacobi', 'kronecker']),
    warmStart: requireBoolean(warmStart, 'warmStart'),
  };
  const choice = `preconditioner '${common.preconditioner}'`;
  if (common.preconditioner === 'none') {
    rejectUnusedOptions(options, ['preconditionerPeriod', 'preconditionerFraction'], choice);
    return common;
  }
  const period = requireInteger(preconditionerPeriod, 'preconditionerPeriod', {
    min: 1,
    max: largestInteger,
  });
  if (common.preconditioner === 'jacobi') {
    rejectUnusedOptions(options, ['preconditionerFraction'], choice);
    return { ...common, preconditionerPeriod: period };
  }
  return {
    ...common,
    preconditionerPeriod: period,
    preconditionerFraction: requireNumber(preconditionerFraction, 'preconditionerFraction', part),
  };
}

function resolveAdaptiveDamping(
  adaptiveDamping: boolean | AdaptiveDampingOptions,
): ResolvedNaturalDirectionOptions['adaptiveDamping'] {
  const options = requireSwitch(adaptiveDamping, 'adaptiveDamping', [
    'minimum',
    'maximum',
    'factor',
  ]);
  if (options === false) {
    return false;
  }
  const { minimum = 1e-4, maximum = 10, factor = 1.5 } = options;
  const least = requireNumber(minimum, 'adaptiveDamping.minimum', { exclusiveMin: 0 });
  return Object.freeze({
    minimum: least,
    maximum: requireNumber(maximum, 'adaptiveDamping.maximum', { min: least }),
    factor: requireNumber(factor, 'adaptiveDamping.factor', { exclusiveMin: 1 }),
  });
}
