import type { MethodName } from '../method-options.js';
import { methodNames, optionNamesOf } from '../methods.js';
import { naturalDirectionDefaults } from '../natural-direction-options.js';
import { defaultLineSearch } from '../trpo.js';
import {
  flag,
  integer,
  kebabCase,
  limit,
  number,
  onByDefault,
  oneOf,
  optionsHelp,
  UsageError,
} from './arguments.js';
import type { Option } from './arguments.js';

const part = { exclusiveMin: 0, max: 1 };
const positive = { exclusiveMin: 0 };
const between0And1 = { exclusiveMin: 0, exclusiveMax: 1 };

/**
 * Options of the methods, by the names that their constructors take.
 */
export const methodOptions = {
  normalizeAdvantages: onByDefault('use advantages as they are estimated'),

  maxKl: limit('bound on the mean KL divergence of an update (by task)'),
  learningRate: number('step in units of the direction, or of Adam (by task)', positive),
  epsilon: number('size of the step instead: |d|^2, or its KL to second order (by task)', positive),

  damping: number('added to the diagonal of the Fisher matrix (0.1)', { min: 0 }),
  relativeDamping: number('added to that, in units of trace(F) / rows (0)', { min: 0 }),
  adaptiveDamping: flag('let damping follow how well the promised improvement is kept'),
  fisher: oneOf('which Fisher matrix (exact)', ['exact', 'empirical']),
  fisherFraction: number('share of the rows that it is a mean over (1)', part),
  solver: oneOf('of the natural direction (conjugateGradient)', [
    'conjugateGradient',
    'cholesky',
    'auto',
  ]),
  cgIterations: integer(
    `conjugate gradient iterations at most (${naturalDirectionDefaults.cgIterations})`,
    { min: 1 },
  ),
  cgTolerance: number('relative residual at which conjugate gradients stop (0)', { min: 0 }),
  cgProgressTolerance: number('relative progress below which they stop (0)', { min: 0 }),
  cgReorthogonalize: onByDefault('let rounding spoil conjugate gradients, as in the textbook'),
  preconditioner: oneOf(
    `what makes them need fewer iterations (${naturalDirectionDefaults.preconditioner})`,
    ['none', 'jacobi', 'kronecker'],
  ),
  preconditionerPeriod: integer('updates for which a preconditioner is kept (1)', { min: 1 }),
  preconditionerFraction: number(
    `share of the rows that Kronecker factors are made from (${naturalDirectionDefaults.preconditionerFraction})`,
    part,
  ),
  warmStart: flag("start conjugate gradients from the last update's direction"),

  stepLength: oneOf('curvature that the full step is measured with (fisher)', ['fisher', 'damped']),
  lineSearch: oneOf(`how the step is fitted to the bound (${defaultLineSearch})`, [
    'backtracking',
    'boundary',
  ]),
  maxRowKl: limit('bound on the KL divergence of a single row (Infinity, or by task)'),
  backtrackFactor: number('what a failed step is multiplied by (0.8)', between0And1),
  maxBacktracks: integer('shorter steps tried at most (15)', { min: 0 }),
  acceptRatio: number('share of the expected improvement that must come (0.1)', {
    min: 0,
    exclusiveMax: 1,
  }),
  klTolerance: number('how far below the bound the boundary search may end (0.01)', between0And1),

  innerSteps: integer('gradient steps of an update (20)', { min: 1 }),
  innerLearningRate: number('of Adam, which makes them (0.001)', positive),
  initialMultiplier: number('lambda of the first update (1)', { min: 0 }),
  multiplierLearningRate: number('step of lambda per unit of KL above the bound (30)', { min: 0 }),

  variant: oneOf('what keeps the new policy near the old one (clip)', ['clip', 'klPenalty']),
  clipRange: number('how far from 1 a ratio pays, of variant clip (0.2)', positive),
  targetKl: number('mean KL that the penalty is steered to, of variant klPenalty (0.01)', positive),
  initialKlPenalty: number('penalty of the first update, of variant klPenalty (1)', positive),
  epochs: integer('passes over a rollout at most (10)', { min: 1 }),
  minibatchSize: integer('rows per gradient step (64)', { min: 1 }),
  entropyBonus: number('what the mean entropy is worth (0)', { min: 0 }),
};

type Key = keyof typeof methodOptions;
const keys = Object.keys(methodOptions) as readonly Key[];

function methodsWith(key: Key): readonly MethodName[] {
  return methodNames.filter((name) => (optionNamesOf[name] as readonly string[]).includes(key));
}

/**
 * Refuses options that the method does not have.
 *
 * @param values - The options given.
 * @throws UsageError Naming the methods that have it.
 */
export function requireOptionsOf(method: MethodName, values: object): void {
  for (const key of keys) {
    const others = methodsWith(key);
    if (key in values && !others.includes(method)) {
      throw new UsageError(
        `--${kebabCase(key)} is no option of ${method}, but of ${others.join(', ')}`,
      );
    }
  }
}

/**
 * The help about all of them, those with the same methods together.
 */
export function methodOptionsHelp(): string {
  const groups = new Map<string, [Key, Option<unknown>][]>();
  for (const key of keys) {
    const methods = methodsWith(key);
    const title = methods.length === methodNames.length ? 'every method' : methods.join(', ');
    groups.set(title, [...(groups.get(title) ?? []), [key, methodOptions[key]]]);
  }
  return [...groups]
    .map(([title, options]) => `Updating, ${title}:\n${optionsHelp(Object.fromEntries(options))}`)
    .join('\n\n');
}
