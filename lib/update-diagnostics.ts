import type { DiagnosticsOptions } from './method-options.js';
import type { NativeUpdateSummary } from './native.js';

/**
 * An update row by row, and how far its promise was kept; see the option `diagnostics` of
 * {@link MethodOptions}. Of an update that was not accepted: the policy compared with itself.
 *
 * @example
 * ```ts
 * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 }, seed: 1 });
 * const trpo = new TRPO(policy, { diagnostics: { gamma: 0.9 } });
 * const observations = Float32Array.from({ length: 500 }, (_, row) => row / 250 - 1);
 * const actions = policy.act(observations);
 * const advantages = actions.map((action) => -((action - 1) ** 2));
 * const { diagnostics } = await trpo.update({ observations, actions, advantages });
 * const counts = diagnostics?.klHistogram.counts ?? [];
 * console.assert(counts.reduce((sum, count) => sum + count) === 500);
 * console.assert((diagnostics?.improvementRatio ?? 0) > 0.1);
 * console.assert(Number.isFinite(diagnostics?.lowerBound));
 * ```
 */
export interface UpdateDiagnostics {
  /**
   * `counts[i]` rows have a KL divergence in [edges[i], edges[i + 1]); the first bin also holds
   * smaller ones, the last one larger ones. Edges grow by the square root of 10.
   */
  readonly klHistogram: { readonly edges: readonly number[]; readonly counts: readonly number[] };
  /**
   * Largest KL divergence of a row.
   */
  readonly maxKl: number;
  /**
   * (sum r)^2 / sum r^2 of the importance ratios r, at most the number of rows.
   */
  readonly effectiveSampleSize: number;
  /**
   * What the linear model promised, g'd.
   */
  readonly expectedImprovement: number;
  /**
   * What became of it: surrogate after - surrogate before.
   */
  readonly actualImprovement: number;
  /**
   * actualImprovement / expectedImprovement: 1 where the linear model is right. NaN where nothing was
   * promised.
   */
  readonly improvementRatio: number;
  /**
   * Below this the true improvement of the expected discounted return eta cannot be (Schulman et al.
   * 2015, theorem 1, with total variation^2 <= KL):
   *
   *     eta(new) - eta(old) >= mean(r A) / (1 - gamma) - 4 gamma max|A| / (1 - gamma)^2 maxKl
   *
   * with r = pi_new(a|s) / pi_old(a|s), and A the batch's own advantages, not normalised: units of the
   * discounted return, because the mean advantage of a step over 1 - gamma is the discounted sum of
   * an episode's. As good as its estimates: max|A| and maxKl are the largest of the batch. Usually far
   * below 0, which is why trust regions bound the mean KL instead. `null` without
   * `diagnostics: { gamma }`.
   */
  readonly lowerBound: number | null;
}

/**
 * The public diagnostics of a native summary; `null` if there are none.
 */
export function diagnose(
  native: NativeUpdateSummary,
  options: boolean | DiagnosticsOptions,
): UpdateDiagnostics | null {
  if (native.diagnostics === null) {
    return null;
  }
  const { klEdges, klCounts, largestAdvantage, meanRatioAdvantage } = native.diagnostics;
  const { maxKl, effectiveSampleSize, expectedImprovement, actualImprovement } = native;
  const gamma = typeof options === 'object' ? options.gamma : undefined;
  return {
    klHistogram: { edges: klEdges, counts: klCounts },
    maxKl,
    effectiveSampleSize,
    expectedImprovement,
    actualImprovement,
    improvementRatio: actualImprovement / expectedImprovement,
    lowerBound:
      gamma === undefined
        ? null
        : meanRatioAdvantage / (1 - gamma) -
          ((4 * gamma * largestAdvantage) / (1 - gamma) ** 2) * maxKl,
  };
}
