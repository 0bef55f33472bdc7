import { copyActionSpace, headSizeOf, nativeDistribution } from './action-layout.js';
import { TrustRegionError } from './errors.js';
import type { NativePolicyConfig } from './native.js';
import type { ActionSpace } from './spaces.js';
import {
  describe,
  rejectUnknownOptions,
  requireInteger,
  requireNumber,
  requireOneOf,
  requireString,
} from './validate.js';

/**
 * Activation of hidden units: `tanh(x)`, `relu(x) = max(0, x)`, or `silu(x) = x / (1 + exp(-x))`.
 */
export type Activation = 'tanh' | 'relu' | 'silu';

/**
 * What a network is like, be it a policy's or a value function's.
 */
export interface NetworkOptions {
  /**
   * Numbers in one observation, from 1 to 1,000,000.
   */
  readonly observationSize: number;
  /**
   * Units of each hidden layer, from 1 to 1,000,000 each and at most 16 layers; `[]` is a linear
   * model. Default `[64, 64]`.
   */
  readonly hidden?: readonly number[];
  /**
   * Activation of the hidden units. Default `'tanh'`.
   */
  readonly activation?: Activation;
  /**
   * Integer from 0 to 2^53 - 1. One seed gives the same object on every machine. Default 0.
   */
  readonly seed?: number;
  /**
   * Where the arithmetic happens: one of {@link backends}, or `'cpu'` for the processor's fastest
   * instruction set. `'cpu-amx'` and `'cpu-amx-bf16'` are taken only where they are named: their
   * Fisher products are of pairs of bfloat16, or by the Fisher matrix of a network rounded to
   * bfloat16, which is two to four times as fast for wide layers, see `policy.productPrecision`.
   * There is no silent fallback. Default: the environment variable `TRUSTREGION_BACKEND`, or
   * `'cpu'`.
   */
  readonly backend?: string;
  /**
   * Threads that a long computation may use, from 1 to 64; results do not depend on it. Default: the
   * environment variable `TRUSTREGION_THREADS`, or the number of processors. With the environment
   * variable `TRUSTREGION_PRIORITY=background` threads that calculate run only where nobody else
   * wants the processor (Linux).
   */
  readonly threads?: number;
  /**
   * Normalised observations are clamped to [-observationClip, observationClip]; greater than 0.
   * Default 10.
   */
  readonly observationClip?: number;
}

/**
 * What a {@link Policy} is made of.
 */
export interface PolicyOptions<A extends ActionSpace = ActionSpace> extends NetworkOptions {
  /**
   * What an action may be, which decides the distribution; see {@link ActionSpace}.
   */
  readonly actions: A;
  /**
   * First logarithm of each standard deviation, from -20 to 20; continuous actions only. Default 0.
   */
  readonly initialLogStd?: number;
  /**
   * Lower bound of each log standard deviation, from -20 to 20 and at most `initialLogStd`; continuous
   * actions only. No update goes below it: candidates are projected, which makes their KL divergence
   * smaller, never larger, and what the gradient has of a deviation at the bound is left out. A policy
   * that goes on exploring a little does not end in steps that are all noise:
   * docs/mathematics.md, "A bound on the deviations". Default: none.
   */
  readonly minLogStd?: number;
  /**
   * Gain of the last layer's initial weights, at least 0. Small, so that first actions hardly depend
   * on the observation. Default 0.01.
   */
  readonly outputGain?: number;
  /**
   * Bytes of memory that one update may take, an integer from 0 to 2^53 - 1. Hidden activations are
   * held for as many rows as go in beside what is needed anyway; those of the others are computed
   * again in every Fisher product, which takes about a quarter more time. The result is the same, bit
   * for bit. Default 2^30 (1 GiB). The formula: docs/memory.md.
   */
  readonly memoryBudget?: number;
}

/**
 * The options of a policy with all defaults filled in. `initialLogStd` is there for continuous
 * actions only; what has no default is there if it was given.
 */
export type ResolvedPolicyOptions<A extends ActionSpace = ActionSpace> = Readonly<
  Required<Omit<PolicyOptions<A>, OptionWithoutDefault>>
> &
  Pick<PolicyOptions<A>, OptionWithoutDefault>;

type OptionWithoutDefault = 'initialLogStd' | 'minLogStd' | 'threads' | 'memoryBudget';

export const networkOptionNames: readonly (keyof NetworkOptions)[] = [
  'observationSize',
  'hidden',
  'activation',
  'seed',
  'backend',
  'threads',
  'observationClip',
];

const policyOptionNames: readonly (keyof PolicyOptions)[] = [
  ...networkOptionNames,
  'actions',
  'initialLogStd',
  'minLogStd',
  'outputGain',
  'memoryBudget',
];

const largestSize = 1_000_000;
const mostLayers = 16;
// Vectors in parameter space are float64: 2 GiB each.
const mostParameters = 2 ** 28;

/**
 * Checks the options that all networks share and fills in the defaults.
 *
 * @throws TrustRegionError As {@link Policy}'s constructor.
 */
export function resolveNetworkOptions({
  observationSize,
  hidden = [64, 64],
  activation = 'tanh',
  seed = 0,
  backend = process.env['TRUSTREGION_BACKEND'] || 'cpu',
  threads,
  observationClip = 10,
}: NetworkOptions) {
  return {
    observationSize: requireInteger(observationSize, 'observationSize', {
      min: 1,
      max: largestSize,
    }),
    hidden: copyHidden(hidden),
    activation: requireOneOf(activation, 'activation', ['tanh', 'relu', 'silu']),
    seed: requireSeed(seed),
    backend: requireString(backend, 'backend'),
    ...(threads === undefined
      ? {}
      : { threads: requireInteger(threads, 'threads', { min: 1, max: 64 }) }),
    observationClip: requireNumber(observationClip, 'observationClip', { exclusiveMin: 0 }),
  };
}

/**
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE`.
 */
export function requireSeed(seed: unknown): number {
  return requireInteger(seed, 'seed', { min: 0, max: Number.MAX_SAFE_INTEGER });
}

function copyHidden(hidden: readonly number[]): readonly number[] {
  if (!Array.isArray(hidden) || hidden.length > mostLayers) {
    throw new TrustRegionError(
      Array.isArray(hidden) ? 'ERR_OUT_OF_RANGE' : 'ERR_INVALID_ARGUMENT',
      `hidden must be an array of at most ${mostLayers} layer sizes, got ${describe(hidden)}`,
    );
  }
  return Object.freeze(
    hidden.map((size: number, layer) =>
      requireInteger(size, `hidden[${layer}]`, { min: 1, max: largestSize }),
    ),
  );
}

/**
 * Checks the options of a policy and fills in the defaults.
 *
 * @returns A frozen copy.
 * @throws TrustRegionError As {@link Policy}'s constructor.
 */
export function resolvePolicyOptions<A extends ActionSpace>(
  options: PolicyOptions<A>,
): ResolvedPolicyOptions<A> {
  rejectUnknownOptions(options, policyOptionNames, 'Policy options');
  const { actions, outputGain = 0.01, memoryBudget } = options;
  const resolved = {
    ...resolveNetworkOptions(options),
    actions: copyActionSpace(actions),
    outputGain: requireNumber(outputGain, 'outputGain', { min: 0 }),
    ...resolveLogStd(options),
    ...(memoryBudget === undefined
      ? {}
      : {
          memoryBudget: requireInteger(memoryBudget, 'memoryBudget', {
            min: 0,
            max: Number.MAX_SAFE_INTEGER,
          }),
        }),
  };
  parameterCountOf(resolved);
  return Object.freeze(resolved);
}

function resolveLogStd({ actions, initialLogStd, minLogStd }: PolicyOptions) {
  if (actions.kind === 'continuous') {
    const range = { min: -20, max: 20 };
    const first = requireNumber(initialLogStd ?? 0, 'initialLogStd', range);
    if (minLogStd === undefined) {
      return { initialLogStd: first };
    }
    const bound = requireNumber(minLogStd, 'minLogStd', range);
    if (first < bound) {
      throw new TrustRegionError(
        'ERR_OUT_OF_RANGE',
        `initialLogStd must be at least minLogStd = ${bound}, got ${describe(first)}`,
      );
    }
    return { initialLogStd: first, minLogStd: bound };
  }
  for (const [name, value] of Object.entries({ initialLogStd, minLogStd })) {
    if (value !== undefined) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${name} must be left out for ${actions.kind} actions, which have no standard deviation, ` +
          `got ${describe(value)}`,
      );
    }
  }
  return {};
}

/**
 * Parameters of a policy: for each layer its weight and bias, then a log standard deviation for each
 * number of a continuous action.
 *
 * @throws TrustRegionError `ERR_OUT_OF_RANGE` if there are more than 2^28.
 */
export function parameterCountOf(options: ResolvedPolicyOptions): number {
  const headSize = headSizeOf(options.actions);
  const logStdSize = options.actions.kind === 'continuous' ? headSize : 0;
  return countNetworkParameters(options.observationSize, options.hidden, headSize) + logStdSize;
}

/**
 * Sum over layers of `outputs x inputs + outputs`.
 *
 * @throws TrustRegionError `ERR_OUT_OF_RANGE` if it is more than 2^28.
 */
export function countNetworkParameters(
  inputs: number,
  hidden: readonly number[],
  outputs: number,
): number {
  let count = 0;
  let width = inputs;
  for (const size of [...hidden, outputs]) {
    count += size * width + size;
    width = size;
  }
  if (count > mostParameters) {
    throw new TrustRegionError(
      'ERR_OUT_OF_RANGE',
      `a network must have at most ${mostParameters} parameters, got ${count}`,
    );
  }
  return count;
}

/**
 * The options as native code takes them.
 */
export function nativePolicyConfig(options: ResolvedPolicyOptions): NativePolicyConfig {
  const { observationSize, hidden, activation, seed, backend, observationClip } = options;
  return {
    observationSize,
    hidden,
    activation,
    seed,
    backend,
    observationClip,
    ...nativeDistribution(options.actions),
    initialLogStd: options.initialLogStd ?? 0,
    minLogStd: options.minLogStd ?? -Infinity,
    outputGain: options.outputGain,
    threads: options.threads ?? 0,
    memoryBudget: options.memoryBudget ?? 2 ** 30,
  };
}
