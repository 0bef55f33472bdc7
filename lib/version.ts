/**
 * Version of this package, as in its package.json.
 *
 * @example
 * ```ts
 * console.assert(/^\d+\.\d+\.\d+/.test(version));
 * ```
 */
export const version = '0.1.0';
