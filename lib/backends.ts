import { addon } from './addon.js';

/**
 * Names of the compute backends that this machine can run, fastest first: what the option `backend`
 * takes, besides `'cpu'` for the fastest instruction set of the processor. `'reference'` is always
 * among them: plain loops in float64, slow, to compare others with.
 *
 * @throws TrustRegionError `ERR_ADDON`.
 * @example
 * ```ts
 * console.assert(backends().includes('reference'));
 * ```
 */
export function backends(): string[] {
  return addon().backends();
}
