import { computeAdvantages } from '../advantages.js';
import type { AdvantageCase } from './cases.js';
import { Comparisons, tolerances } from './comparison.js';
import type { CaseReport } from './comparison.js';

/**
 * Computes generalised advantages with the library and compares them with the reference. They are
 * computed in float64 whatever the backend.
 */
export function checkAdvantageCase(reference: AdvantageCase): CaseReport {
  const { environments, gamma, lambda } = reference;
  const comparisons = new Comparisons(reference.name);
  const result = computeAdvantages({
    environments,
    gamma,
    lambda,
    rewards: Float64Array.from(reference.rewards),
    values: Float64Array.from(reference.values),
    terminated: Uint8Array.from(reference.terminated),
    truncated: Uint8Array.from(reference.truncated),
    finalValues: Float64Array.from(reference.finalValues),
    lastValues: Float64Array.from(reference.lastValues),
  });
  for (const quantity of ['advantages', 'returns'] as const) {
    comparisons.add(quantity, tolerances.float64, result[quantity], reference[quantity]);
  }
  return comparisons.report(reference.notCovered);
}
