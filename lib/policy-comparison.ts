import { callNative } from './addon.js';
import { checkVector, countRows, none, toFloatArray, toNumberArray } from './arrays.js';
import { checkBatch } from './batch.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import { openPolicy, PolicyGeometry } from './policy-geometry.js';
import type { ObjectiveOptions, ObjectiveValue, PolicyEvaluation } from './policy-types.js';
import type { ActionSpace } from './spaces.js';
import {
  describe,
  rejectUnknownOptions,
  requireLength,
  requireLimit,
  requireNumber,
} from './validate.js';

const objectiveOptionNames: readonly (keyof ObjectiveOptions)[] = [
  'parameters',
  'clipRange',
  'klPenalty',
  'entropyBonus',
];

/**
 * The part of {@link Policy} that compares other parameters with the present ones on a batch: what
 * line searches and objectives are made of. May be called while an update runs.
 */
export abstract class PolicyComparison<
  A extends ActionSpace = ActionSpace,
> extends PolicyGeometry<A> {
  /**
   * The surrogate L = mean of pi_new(a|s) / pi_old(a|s) A over rows (Schulman et al. 2015, equation
   * 14), old being the present parameters. Advantages are used as given.
   *
   * @param parameters - New parameters [parameterCount]; the present ones by default, whose
   *   surrogate is the mean advantage.
   * @throws TrustRegionError As {@link PolicyComparison.evaluate}.
   */
  surrogate(batch: Batch, parameters?: ArrayLike<number>): number {
    if (parameters !== undefined) {
      return this.evaluate(batch, parameters).surrogate;
    }
    const native = openPolicy(this);
    const checked = checkBatch(batch, this.observationSize, this.actionLength);
    const present = this.#present();
    return callNative(() => native.evaluate(checked, present)).surrogate;
  }

  /**
   * KL(present || new) over observations: its mean, which trust regions bound, and its largest.
   *
   * @param observations - [n x observationSize]
   * @param parameters - New parameters [parameterCount].
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const parameters = policy.getParameters();
   * console.assert(policy.kl([0.5, -0.5], parameters).mean < 1e-9);
   * parameters[parameters.length - 1] = 1; // logStd from 0 to 1: KL = 1 + (1 / e^2 - 1) / 2
   * const { mean, max } = policy.kl([0.5, -0.5], parameters);
   * console.assert(Math.abs(mean - (1 + (Math.exp(-2) - 1) / 2)) < 1e-6 && max >= mean);
   * ```
   */
  kl(
    observations: ArrayLike<number>,
    parameters: ArrayLike<number>,
  ): { mean: number; max: number } {
    const native = openPolicy(this);
    const array = toFloatArray(observations, 'observations');
    countRows(array, this.observationSize, 'observations');
    const candidate = checkVector(parameters, this.parameterCount, 'parameters');
    const rollout = { observations: array, actions: none, advantages: none };
    const { meanKl, maxKl } = callNative(() => native.evaluate(rollout, candidate));
    return { mean: meanKl, max: maxKl };
  }

  /**
   * Compares other parameters with the present ones on a batch: surrogate, KL divergence, entropy.
   * What {@link lineSearch} needs of a candidate.
   *
   * @param parameters - New parameters [parameterCount], rounded to `precision`.
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const observations = Float32Array.of(-1, 0, 1);
   * const batch = { observations, actions: policy.act(observations), advantages: Float32Array.of(1, 2, 3) };
   * const { surrogate, meanKl, finite } = policy.evaluate(batch, policy.getParameters());
   * console.assert(Math.abs(surrogate - 2) < 1e-6 && meanKl < 1e-9 && finite);
   * ```
   */
  evaluate(batch: Batch, parameters: ArrayLike<number>): PolicyEvaluation {
    const native = openPolicy(this);
    const checked = checkBatch(batch, this.observationSize, this.actionLength);
    const candidate = checkVector(parameters, this.parameterCount, 'parameters');
    return callNative(() => native.evaluate(checked, candidate));
  }

  /**
   * The same row by row: KL(present || new), and log pi_new(a|s) - log pi_present(a|s), whose
   * exponential is the importance ratio.
   *
   * @param batch - Advantages, if it has any, are not looked at.
   * @param parameters - New parameters [parameterCount], rounded to `precision`.
   * @returns Two fresh arrays [n].
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, and as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'discrete', count: 2 }, hidden: [] });
   * const parameters = policy.getParameters();
   * parameters[0] = (parameters[0] ?? 0) + 1; // the first choice's weight
   * const rows = { observations: [0, 1], actions: [0, 0] };
   * const { kl, logRatio } = policy.compare(rows, parameters);
   * console.assert(kl[0] === 0 && (kl[1] ?? 0) > 0); // the observation 0 does not see it
   * console.assert(Math.exp(logRatio[1] ?? 0) > 1); // the choice has become more likely
   * ```
   */
  compare(
    batch: { readonly observations: ArrayLike<number>; readonly actions: ArrayLike<number> },
    parameters: ArrayLike<number>,
  ): { kl: Float64Array; logRatio: Float64Array } {
    const native = openPolicy(this);
    if (typeof batch !== 'object' || batch === null) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `batch must be an object with observations and actions, got ${describe(batch)}`,
      );
    }
    const observations = toFloatArray(batch.observations, 'observations');
    const rows = countRows(observations, this.observationSize, 'observations');
    const actions = toNumberArray(batch.actions, 'actions');
    requireLength(actions, rows * this.actionLength, 'actions');
    const candidate = checkVector(parameters, this.parameterCount, 'parameters');
    const rollout = { observations, actions, advantages: none };
    return callNative(() => native.compareRows(rollout, candidate));
  }

  /**
   * What the first-order methods maximise, and its gradient at other parameters, with
   * r = pi_new(a|s) / pi_present(a|s) (Schulman et al. 2017, equations 7 and 8; means over rows):
   *
   *     mean of min(r A, clip(r, 1 - c, 1 + c) A) - klPenalty KL + entropyBonus H
   *
   * c the clipRange, KL the mean KL(present || new), H the mean entropy of the new policy; without a
   * clip range the first term is the surrogate, mean of r A. Advantages are used as given. Cost: a
   * forward and a backward pass.
   *
   * @param options - See {@link ObjectiveOptions}.
   * @throws TrustRegionError `ERR_OUT_OF_RANGE` for an action that is none, `ERR_UNKNOWN_OPTION`, and
   *   as for every method.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const observations = Float32Array.of(-1, 0, 1);
   * const batch = { observations, actions: policy.act(observations), advantages: Float32Array.of(1, 2, 3) };
   * const { value, meanKl, gradient } = policy.objective(batch, { clipRange: 0.2, klPenalty: 1 });
   * console.assert(Math.abs(value - 2) < 1e-6 && meanKl < 1e-9); // at the present parameters
   * const policyGradient = policy.gradient(batch);
   * console.assert(gradient.every((each, i) => Math.abs(each - (policyGradient[i] ?? 0)) < 1e-5));
   * ```
   */
  objective(batch: Batch, options: ObjectiveOptions = {}): ObjectiveValue {
    const native = openPolicy(this);
    rejectUnknownOptions(options, objectiveOptionNames, 'objective options');
    const { parameters, clipRange = Infinity, klPenalty = 0, entropyBonus = 0 } = options;
    const objective = {
      clipRange: requireLimit(clipRange, 'clipRange'),
      klPenalty: requireNumber(klPenalty, 'klPenalty', { min: 0 }),
      entropyBonus: requireNumber(entropyBonus, 'entropyBonus', { min: 0 }),
    };
    const checked = checkBatch(batch, this.observationSize, this.actionLength);
    const candidate =
      parameters === undefined
        ? this.#present()
        : checkVector(parameters, this.parameterCount, 'parameters');
    const gradient = new Float64Array(this.parameterCount);
    const value = callNative(() =>
      native.objectiveGradient(checked, candidate, objective, gradient),
    );
    return { ...value, gradient };
  }

  #present(): Float64Array {
    const present = new Float64Array(this.parameterCount);
    callNative(() => openPolicy(this).getParameters(present));
    return present;
  }
}
