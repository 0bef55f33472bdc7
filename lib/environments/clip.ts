/**
 * The number of [low, high] that is nearest to a value.
 */
export function clip(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
