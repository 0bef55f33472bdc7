import type { Batch } from '../batch.js';
import type { Policy } from '../policy.js';
import type { ObjectiveOptions } from '../policy-types.js';
import type { OtherAnswers } from './cases.js';
import { maybeArray, tolerances } from './comparison.js';
import type { Comparisons } from './comparison.js';

const objectives = [
  { name: 'clippedSurrogate', option: 'clipRange' },
  { name: 'penalizedSurrogate', option: 'klPenalty' },
] as const;

/**
 * Compares the objectives of the first-order methods, and their gradients, at other parameters.
 */
export function checkObjectives(
  policy: Policy,
  batch: Batch,
  other: OtherAnswers,
  comparisons: Comparisons,
): void {
  const { parameters, entropyGradient } = other;
  const tolerance = tolerances[policy.precision];
  for (const { name, option } of objectives) {
    const { [name]: answers } = other;
    if (answers === undefined) {
      comparisons.skip(`other.${name}`);
      continue;
    }
    const options: ObjectiveOptions = { parameters, [option]: answers.option };
    const { value, gradient } = policy.objective(batch, options);
    comparisons.add(`other.${name}`, tolerance, [value], maybeArray(answers.value));
    comparisons.add(`other.${name}Gradient`, tolerance, gradient, answers.gradient);
  }
  // Without advantages the bonus is all there is. A difference of two objectives would cancel.
  const { advantages } = batch;
  const indifferent = { ...batch, advantages: new Float32Array(advantages.length) };
  const { gradient } = policy.objective(indifferent, { parameters, entropyBonus: 1 });
  comparisons.add('other.entropyGradient', tolerance, gradient, entropyGradient);
}
