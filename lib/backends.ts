import { addon } from './addon.js';

/**
 * Names of the compute backends that this machine can run, in the order of preference: what the
 * option `backend` takes, besides `'cpu'` for the fastest instruction set of the processor.
 * `'cpu-amx'` and `'cpu-amx-bf16'` are among them where they are available, but not what `'cpu'`
 * stands for. `'reference'` is always there: plain loops in float64, slow, to compare others with.
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
