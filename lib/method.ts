import { addon, callNative, fromNative } from './addon.js';
import { toFloatArray } from './arrays.js';
import { checkBatch } from './batch.js';
import type { Batch } from './batch.js';
import { TrustRegionError } from './errors.js';
import type { MethodName, ResolvedOptions } from './method-options.js';
import type { OptionsOf } from './methods.js';
import type { NativeMethod, NativeUpdateSummary } from './native.js';
import { openPolicy } from './policy-geometry.js';
import type { Policy } from './policy.js';
import type { ActionSpace } from './spaces.js';
import { requireOwnOptions, updateOptionNames } from './update-options.js';
import type { UpdateOptions } from './update-options.js';
import { summarize } from './update-summary.js';
import type { UpdateSummary } from './update-summary.js';
import { rejectUnknownOptions, requireInteger } from './validate.js';

/**
 * What all methods have in common: {@link VanillaPolicyGradient}, {@link NaturalPolicyGradient},
 * {@link TRPO}, {@link DualGradientDescent} and {@link PPO} are made for one policy, take the same
 * batches and give the same summaries, so that another method is another line.
 *
 * A method may keep something from one update for the next, such as a multiplier: an update that
 * fails leaves that alone too. For a fresh start make a new method.
 */
export abstract class Method<
  A extends ActionSpace = ActionSpace,
  Name extends MethodName = MethodName,
> {
  /**
   * Which method it is: the name of its class.
   */
  readonly name: Name;
  /**
   * The policy that updates change.
   */
  readonly policy: Policy<A>;
  /**
   * All options with their defaults; frozen. `new Method(policy, method.options)` makes a method like
   * this one. Options that mean nothing beside the others are not there.
   */
  readonly options: ResolvedOptions[Name];

  readonly #native: NativeMethod;
  readonly #resolve: (options: OptionsOf[Name]) => ResolvedOptions[Name];

  /**
   * @param resolve - Checks `options`, whose names are `optionNames`, and fills in the defaults.
   * @throws TrustRegionError What `resolve` throws; `ERR_CLOSED` or `ERR_INVALID_ARGUMENT` for a bad
   *   policy; `ERR_UNKNOWN_OPTION` for a misspelt option.
   */
  protected constructor(
    name: Name,
    policy: Policy<A>,
    options: OptionsOf[Name],
    optionNames: readonly string[],
    resolve: (options: OptionsOf[Name]) => ResolvedOptions[Name],
  ) {
    openPolicy(policy);
    rejectUnknownOptions(options, optionNames, `${name} options`);
    this.name = name;
    this.policy = policy;
    this.options = resolve(options);
    this.#resolve = resolve;
    Object.freeze(this.options);
    const { Method: Native } = addon();
    this.#native = callNative(() => new Native(name, this.options));
  }

  /**
   * Makes one step on a batch. It runs on threads of its own; meanwhile the policy still acts with
   * its old parameters. The batch's arrays are not changed and not kept; do not change them before
   * the promise settles. The class says what a step costs.
   *
   * @param batch - Rows collected with the policy as it is.
   * @param options - What counts for this update alone, in place of the method's own options.
   * @returns What the step did. A step that is not accepted is no error.
   * @throws TrustRegionError (the promise rejects) `ERR_BUSY` while another update of the policy
   *   runs; `ERR_STALE_BATCH` if `batch.policyVersion` is there and not the policy's version;
   *   `ERR_CLOSED`; `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`, `ERR_NOT_FINITE` or
   *   `ERR_OUT_OF_RANGE` for a bad batch, naming the array and index, or for a bad option;
   *   `ERR_UNKNOWN_OPTION`. The policy and the method then stay as they were.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const trpo = new TRPO(policy, { maxKl: 0.01 });
   * const observations = Float32Array.from({ length: 100 }, (_, row) => row / 50 - 1);
   * const actions = policy.act(observations);
   * const advantages = actions.map((action) => -action);
   * const summary = await trpo.update({ observations, actions, advantages }, { maxKl: 0.001 });
   * console.assert(summary.accepted && summary.meanKl <= 0.001 && trpo.options.maxKl === 0.01);
   * ```
   */
  async update(batch: Batch, options: UpdateOptions = {}): Promise<UpdateSummary> {
    const native = openPolicy(this.policy);
    if (native.busy) {
      throw new TrustRegionError(
        'ERR_BUSY',
        'update() must wait for the running update of the same policy: await its promise first',
      );
    }
    const { observationSize, actionLength } = this.policy;
    const resolved = this.#optionsWith(options);
    const checked = checkBatch(batch, observationSize, actionLength);
    requireFresh(batch, native.version);
    let summary: NativeUpdateSummary;
    try {
      summary = await native.update(
        checked,
        this.#native,
        resolved === this.options ? undefined : resolved,
      );
    } catch (error) {
      throw fromNative(error);
    }
    return summarize(summary, this.name, resolved);
  }

  /** The options of an update that is given some of its own. */
  #optionsWith(options: UpdateOptions): ResolvedOptions[Name] {
    rejectUnknownOptions(options, updateOptionNames, 'update options');
    requireOwnOptions(options, this, 'update options');
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    return given.length === 0
      ? this.options
      : this.#resolve({ ...this.options, ...Object.fromEntries(given) } as OptionsOf[Name]);
  }

  /**
   * What updates left to the next one, a copy: a last direction, a damping, a multiplier, a penalty,
   * Adam's moments, as far as the method has them. Preconditioners are left out: the next update makes
   * one. Together with the policy's parameters it lets another method object go on.
   *
   * @throws TrustRegionError `ERR_BUSY` while an update runs; `ERR_CLOSED`.
   * @example
   * ```ts
   * const policy = new Policy({ observationSize: 1, actions: { kind: 'continuous', size: 1 } });
   * const method = new TRPO(policy, { adaptiveDamping: true });
   * const twin = new TRPO(policy, method.options);
   * twin.setState(method.getState());
   * ```
   */
  getState(): Float64Array {
    const policy = openPolicy(this.policy);
    return callNative(() => policy.getMethodState(this.#native));
  }

  /**
   * Goes on from a state that a method of the same name left, for a policy of as many parameters.
   *
   * @throws TrustRegionError `ERR_BUSY` while an update runs; `ERR_CLOSED`; `ERR_INVALID_ARGUMENT`,
   *   `ERR_SHAPE_MISMATCH` or `ERR_NOT_FINITE` for what is no such state. The method then stays as it
   *   was.
   */
  setState(state: ArrayLike<number>): void {
    const policy = openPolicy(this.policy);
    const numbers = Float64Array.from(toFloatArray(state, 'state'));
    callNative(() => policy.setMethodState(this.#native, numbers));
  }
}

/**
 * @throws TrustRegionError `ERR_STALE_BATCH`, or `ERR_INVALID_ARGUMENT` for a version that is none.
 */
function requireFresh({ policyVersion }: Batch, version: number): void {
  if (policyVersion !== undefined && requireInteger(policyVersion, 'policyVersion') !== version) {
    throw new TrustRegionError(
      'ERR_STALE_BATCH',
      `batch must come from version ${version} of the policy, got version ${policyVersion}: ` +
        'collect a new one after each change of the policy',
    );
  }
}
