import type { ResolvedDualGradientDescentOptions } from './dual-gradient-descent.js';
import type { ResolvedNaturalPolicyGradientOptions } from './natural-policy-gradient.js';
import type { ResolvedPpoOptions } from './ppo.js';
import type { ResolvedTrpoOptions } from './trpo.js';
import { requireBoolean, requireNumber, requireSwitch } from './validate.js';
import type { ResolvedVanillaPolicyGradientOptions } from './vanilla-policy-gradient.js';

/**
 * Options that every method has.
 */
export interface MethodOptions {
  /**
   * Whether advantages are first brought to mean 0 and variance 1 over the batch. Default `true`.
   */
  readonly normalizeAdvantages?: boolean;
  /**
   * Whether summaries have {@link UpdateDiagnostics}, which costs one more forward pass. With
   * `{ gamma }` they have the lower bound on the true improvement too. Default `false`.
   */
  readonly diagnostics?: boolean | DiagnosticsOptions;
}

/**
 * What diagnostics need to know.
 */
export interface DiagnosticsOptions {
  /**
   * Discount factor that the advantages were made with, from 0 to below 1.
   */
  readonly gamma?: number;
}

/**
 * The same with all defaults filled in.
 */
export type ResolvedMethodOptions = Readonly<Required<MethodOptions>>;

/**
 * The options of each method with all defaults filled in. Options without a meaning beside the others
 * are not there.
 */
export interface ResolvedOptions {
  readonly VanillaPolicyGradient: ResolvedVanillaPolicyGradientOptions;
  readonly NaturalPolicyGradient: ResolvedNaturalPolicyGradientOptions;
  readonly TRPO: ResolvedTrpoOptions;
  readonly DualGradientDescent: ResolvedDualGradientDescentOptions;
  readonly PPO: ResolvedPpoOptions;
}

/**
 * The methods, by the names of their classes.
 */
export type MethodName = keyof ResolvedOptions;

export const methodOptionNames: readonly (keyof MethodOptions)[] = [
  'normalizeAdvantages',
  'diagnostics',
];

/**
 * Checks the options that every method has and fills in the defaults.
 *
 * @throws TrustRegionError `ERR_UNKNOWN_OPTION`, `ERR_INVALID_ARGUMENT`, `ERR_NOT_FINITE` or
 *   `ERR_OUT_OF_RANGE`.
 */
export function resolveMethodOptions({
  normalizeAdvantages = true,
  diagnostics = false,
}: MethodOptions): ResolvedMethodOptions {
  return {
    normalizeAdvantages: requireBoolean(normalizeAdvantages, 'normalizeAdvantages'),
    diagnostics: resolveDiagnostics(diagnostics),
  };
}

function resolveDiagnostics(
  diagnostics: boolean | DiagnosticsOptions,
): ResolvedMethodOptions['diagnostics'] {
  const options = requireSwitch(diagnostics, 'diagnostics', ['gamma']);
  if (options === false || options.gamma === undefined) {
    return options !== false;
  }
  return Object.freeze({
    gamma: requireNumber(options.gamma, 'diagnostics.gamma', { min: 0, exclusiveMax: 1 }),
  });
}
