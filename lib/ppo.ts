import { methodOptionNames, resolveMethodOptions } from './method-options.js';
import type { MethodOptions, ResolvedMethodOptions } from './method-options.js';
import { Method } from './method.js';
import { requireSeed } from './policy-options.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import {
  rejectUnusedOptions,
  requireInteger,
  requireLimit,
  requireNumber,
  requireOneOf,
} from './validate.js';

/**
 * How {@link PPO} steps.
 */
export interface PpoOptions extends MethodOptions {
  /**
   * What keeps the new policy near the old one: `'clip'`, the clipped surrogate; or `'klPenalty'`,
   * the plain surrogate less beta mean KL with an adaptive beta. Default `'clip'`.
   */
  readonly variant?: 'clip' | 'klPenalty';
  /**
   * c: the ratio pi_new / pi_old stops paying outside [1 - c, 1 + c]; greater than 0. Default 0.2.
   * With `variant: 'clip'` only.
   */
  readonly clipRange?: number;
  /**
   * Mean KL that beta is steered to: doubled above 1.5 targetKl, halved below targetKl / 1.5; greater
   * than 0. Default 0.01. With `variant: 'klPenalty'` only.
   */
  readonly targetKl?: number;
  /**
   * Beta of the first update, greater than 0. Default 1. With `variant: 'klPenalty'` only.
   */
  readonly initialKlPenalty?: number;
  /**
   * Passes over the batch at most, at least 1. Default 10.
   */
  readonly epochs?: number;
  /**
   * Rows of each gradient step, at least 1. Default 64.
   */
  readonly minibatchSize?: number;
  /**
   * Learning rate of the gradient steps, which Adam makes; greater than 0. Default 3e-4.
   */
  readonly learningRate?: number;
  /**
   * What the mean entropy of the new policy is worth, at least 0. Default 0.
   */
  readonly entropyBonus?: number;
  /**
   * Largest mean KL(old || new) over the batch, greater than 0: the epochs end before one that leaves
   * it. `Infinity`: no limit, as in the paper. Default 0.02.
   */
  readonly maxKl?: number;
  /**
   * Seed of the minibatches, an integer from 0 to 2^53 - 1. Default 0.
   */
  readonly seed?: number;
}

type Dependent = 'clipRange' | 'targetKl' | 'initialKlPenalty';

/**
 * The same with all defaults filled in; what belongs to the other variant is not there.
 */
export type ResolvedPpoOptions = ResolvedMethodOptions &
  Readonly<Required<Omit<PpoOptions, Dependent>> & Pick<PpoOptions, Dependent>>;

export const ppoOptionNames: readonly (keyof PpoOptions)[] = [
  'variant',
  'clipRange',
  'targetKl',
  'initialKlPenalty',
  'epochs',
  'minibatchSize',
  'learningRate',
  'entropyBonus',
  'maxKl',
  'seed',
  ...methodOptionNames,
];

/**
 * Proximal policy optimisation (Schulman, Wolski, Dhariwal, Radford and Klimov 2017, "Proximal policy
 * optimization algorithms"): epochs of minibatch Adam on one of
 *
 *     mean of min(r A, clip(r, 1 - c, 1 + c) A)  + entropyBonus H            equation 7, `'clip'`
 *     mean of r A  - beta KL                     + entropyBonus H            equation 8, `'klPenalty'`
 *
 * with r = pi_new(a|s) / pi_old(a|s), KL the mean KL(old || new) and H the mean entropy of the new
 * policy. After an update beta is doubled where the KL came out above 1.5 targetKl and halved where it
 * came out below targetKl / 1.5 (section 4). Adam's moments, beta and the shuffling go on from update
 * to update.
 *
 * Neither variant bounds the KL by itself, so the whole batch's mean KL is taken after every epoch:
 * the first epoch that leaves `maxKl` is undone, or, if it was the very first, shortened along the
 * straight line back until it is inside. Cost: a gradient of the batch and an evaluation for each
 * epoch.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, seed: 1 });
 * const ppo = new PPO(policy, { learningRate: 1e-3, epochs: 5 });
 * const observations = Float32Array.from({ length: 500 }, (_, row) => row / 250 - 1);
 * const actions = policy.act(observations);
 * const advantages = actions.map((action) => -((action - 1) ** 2)); // the best action is 1
 * const summary = await ppo.update({ observations, actions, advantages });
 * console.assert(summary.accepted && summary.meanKl <= 0.02, summary.message);
 * console.assert(summary.surrogateAfter > summary.surrogateBefore);
 * ```
 */
export class PPO<A extends ActionSpace = ActionSpace> extends Method<A, 'PPO'> {
  /**
   * @param policy - The policy to improve.
   * @param options - See {@link PpoOptions}.
   * @throws TrustRegionError `ERR_CLOSED` if the policy is; `ERR_UNKNOWN_OPTION` (misspelt),
   *   `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad argument.
   */
  constructor(policy: Policy<A>, options: PpoOptions = {}) {
    super('PPO', policy, options, ppoOptionNames, (options) => resolveOptions(options));
  }
}

function resolveOptions(options: PpoOptions): ResolvedPpoOptions {
  const {
    variant = 'clip',
    epochs = 10,
    minibatchSize = 64,
    learningRate = 3e-4,
    entropyBonus = 0,
    maxKl = 0.02,
    seed = 0,
  } = options;
  const positive = { exclusiveMin: 0 };
  const count = { min: 1, max: 2 ** 31 - 1 };
  return {
    ...resolveVariant(options, requireOneOf(variant, 'variant', ['clip', 'klPenalty'])),
    epochs: requireInteger(epochs, 'epochs', count),
    minibatchSize: requireInteger(minibatchSize, 'minibatchSize', count),
    learningRate: requireNumber(learningRate, 'learningRate', positive),
    entropyBonus: requireNumber(entropyBonus, 'entropyBonus', { min: 0 }),
    maxKl: requireLimit(maxKl, 'maxKl'),
    seed: requireSeed(seed),
    ...resolveMethodOptions(options),
  };
}

function resolveVariant(options: PpoOptions, variant: 'clip' | 'klPenalty') {
  const { clipRange = 0.2, targetKl = 0.01, initialKlPenalty = 1 } = options;
  const positive = { exclusiveMin: 0 };
  const choice = `variant '${variant}'`;
  if (variant === 'clip') {
    rejectUnusedOptions(options, ['targetKl', 'initialKlPenalty'], choice);
    return { variant, clipRange: requireNumber(clipRange, 'clipRange', positive) };
  }
  rejectUnusedOptions(options, ['clipRange'], choice);
  return {
    variant,
    targetKl: requireNumber(targetKl, 'targetKl', positive),
    initialKlPenalty: requireNumber(initialKlPenalty, 'initialKlPenalty', positive),
  };
}
