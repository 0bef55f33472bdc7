import { addon, callNative, fromNative } from './addon.js';
import { countRows, requireFloatOut, toFloatArray } from './arrays.js';
import { TrustRegionError } from './errors.js';
import { resolveFitOptions } from './fit-options.js';
import type { FitOptions, FitSolver } from './fit-options.js';
import type { FloatArray, NativeValueFunction } from './native.js';
import {
  countNetworkParameters,
  networkOptionNames,
  resolveNetworkOptions,
} from './policy-options.js';
import type { NetworkOptions } from './policy-options.js';
import {
  describe,
  rejectUnknownOptions,
  requireBoolean,
  requireFinite,
  requireLength,
} from './validate.js';

/**
 * What a {@link ValueFunction} is made of.
 */
export interface ValueFunctionOptions extends NetworkOptions {
  /**
   * Whether observations are standardised by running statistics of those fitted so far. Default
   * `true`.
   */
  readonly normalizeObservations?: boolean;
  /**
   * Whether the network learns targets standardised by running statistics of those fitted so far.
   * Default `true`.
   */
  readonly normalizeTargets?: boolean;
}

/**
 * What {@link ValueFunction.fit} learns from: n rows. A {@link Batch} with returns will do.
 */
export interface FitBatch {
  /**
   * [n x observationSize]
   */
  readonly observations: FloatArray;
  /**
   * Targets, [n].
   */
  readonly returns?: FloatArray;
}

/**
 * How a fit went. Losses are means over all rows of (V - return)^2 / 2, in units of the returns
 * squared; explained variance is 1 - Var[return - V] / Var[return], NaN where all returns are equal.
 */
export interface FitSummary {
  /**
   * Loss before the fit.
   */
  readonly lossBefore: number;
  /**
   * Loss after it.
   */
  readonly lossAfter: number;
  /**
   * Explained variance of the returns before the fit.
   */
  readonly explainedVarianceBefore: number;
  /**
   * Explained variance after it, on the same rows.
   */
  readonly explainedVarianceAfter: number;
  /**
   * How it was fitted.
   */
  readonly solver: FitSolver;
  /**
   * Gradient steps that `'adam'` took; 0 with another solver.
   */
  readonly minibatches: number;
  /**
   * Steps that `'gaussNewton'` tried; 0 with another solver, as in the following.
   */
  readonly iterations: number;
  /**
   * Those of them that lowered the loss and so were taken.
   */
  readonly acceptedSteps: number;
  /**
   * Products with the Gauss-Newton matrix.
   */
  readonly products: number;
  /**
   * Damping at the end, which the next fit by `'gaussNewton'` starts with.
   */
  readonly damping: number;
  /**
   * Duration.
   */
  readonly seconds: number;
}

const optionNames: readonly (keyof ValueFunctionOptions)[] = [
  ...networkOptionNames,
  'normalizeObservations',
  'normalizeTargets',
];

/**
 * A critic V(observation): a multilayer perceptron with one output, fitted to returns on the mean of
 * (V - return)^2 / 2, by minibatch Adam or by damped Gauss-Newton ({@link FitSolver}). When the
 * running statistics of the returns move, the last layer is rescaled so that predictions stay as
 * they were (van Hasselt et al. 2016, "Learning values across many orders of magnitude", equation 4).
 *
 * Parameters are laid out and initialised as a policy's, with gain 1 in the last layer. As there,
 * `predict` reads an immutable snapshot and may be called while a fit runs on a thread of its own.
 *
 * Every method throws TrustRegionError `ERR_CLOSED` after `close()`, `ERR_INVALID_ARGUMENT` for an
 * argument of the wrong type, `ERR_SHAPE_MISMATCH` for an array of the wrong length and
 * `ERR_NOT_FINITE` for NaN or infinity in it. A failed call changes nothing.
 *
 * @example
 * ```ts
 * const valueFunction = new ValueFunction({ observationSize: 1, hidden: [16], seed: 1 });
 * const observations = Float32Array.from({ length: 256 }, (_, row) => row / 128 - 1);
 * const returns = observations.map((x) => 100 + 50 * x);
 * const { explainedVarianceAfter } = await valueFunction.fit({ observations, returns },
 *   { epochs: 50, learningRate: 1e-2 });
 * console.assert(explainedVarianceAfter > 0.9);
 * console.assert(Math.abs((valueFunction.predict([0.5])[0] ?? 0) - 125) < 15);
 * ```
 */
export class ValueFunction {
  /**
   * All options with their defaults; frozen.
   */
  readonly options: Readonly<Required<Omit<ValueFunctionOptions, 'threads'>>> &
    Pick<ValueFunctionOptions, 'threads'>;
  /**
   * The backend that really computes, such as `'cpu-avx2'` where the option was `'cpu'`.
   */
  readonly backend: string;
  /**
   * Length of the parameter vector.
   */
  readonly parameterCount: number;
  /**
   * Numbers in one observation.
   */
  readonly observationSize: number;

  readonly #native: NativeValueFunction;
  #closed = false;

  /**
   * @param options - See {@link ValueFunctionOptions}.
   * @throws TrustRegionError `ERR_UNKNOWN_OPTION` (misspelt), `ERR_INVALID_ARGUMENT`,
   *   `ERR_NOT_FINITE` or `ERR_OUT_OF_RANGE` for a bad option; `ERR_BACKEND` if this machine cannot
   *   run the backend; `ERR_ADDON`.
   */
  constructor(options: ValueFunctionOptions) {
    rejectUnknownOptions(options, optionNames, 'ValueFunction options');
    const { normalizeObservations = true, normalizeTargets = true } = options;
    const resolved = Object.freeze({
      ...resolveNetworkOptions(options),
      normalizeObservations: requireBoolean(normalizeObservations, 'normalizeObservations'),
      normalizeTargets: requireBoolean(normalizeTargets, 'normalizeTargets'),
    });
    countNetworkParameters(resolved.observationSize, resolved.hidden, 1);
    const { ValueFunction: Native } = addon();
    this.#native = callNative(() => new Native({ ...resolved, threads: resolved.threads ?? 0 }));
    this.options = resolved;
    this.backend = this.#native.backend;
    this.parameterCount = this.#native.parameterCount;
    this.observationSize = resolved.observationSize;
  }

  /**
   * Grows by one with every fit and every change of parameters.
   */
  get version(): number {
    return this.#open().version;
  }

  /**
   * Whether a fit is running.
   */
  get busy(): boolean {
    return this.#open().busy;
  }

  /**
   * Whether `close()` was called.
   */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * V of each observation, [n], a fresh array.
   *
   * @param observations - One observation, or n of them [n x observationSize].
   */
  predict(observations: ArrayLike<number>): Float64Array {
    const native = this.#open();
    const checked = toFloatArray(observations, 'observations');
    const values = new Float64Array(countRows(checked, this.observationSize, 'observations'));
    callNative(() => native.predict(checked, values));
    return values;
  }

  /**
   * Fits to returns. The arrays are not changed and not kept; do not change them before the promise
   * settles. Adam's moments, the damping of Gauss-Newton and the running statistics go on from fit to
   * fit.
   *
   * @param batch - Observations [n x observationSize] and returns [n].
   * @param options - See {@link FitOptions}. `'adam'` costs `epochs` gradients over the batch;
   *   `'gaussNewton'` for each of its `iterations` a gradient and `cgIterations` products with G, each
   *   of about two gradients.
   * @returns How it went; V is the new one as soon as the promise settles.
   * @throws TrustRegionError (the promise rejects) `ERR_BUSY` while another fit runs;
   *   `ERR_UNKNOWN_OPTION` or `ERR_OUT_OF_RANGE` for a bad option; `ERR_NOT_FINITE` also if the
   *   parameters diverge; and as for every method. V then stays as it was.
   * @example
   * ```ts
   * const valueFunction = new ValueFunction({ observationSize: 1, hidden: [16], seed: 1 });
   * const observations = Float32Array.from({ length: 256 }, (_, row) => row / 128 - 1);
   * const returns = observations.map((x) => x * x);
   * const fit = await valueFunction.fit({ observations, returns },
   *   { solver: 'gaussNewton', iterations: 10, damping: 1e-3 });
   * console.assert(fit.acceptedSteps > 0 && fit.explainedVarianceAfter > 0.9);
   * ```
   */
  async fit(batch: FitBatch, options: FitOptions = {}): Promise<FitSummary> {
    const native = this.#openIdle('fit()');
    const { observations, returns } = this.#checkBatch(batch);
    const checked = resolveFitOptions(options);
    try {
      return await native.fit(observations, returns, checked);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /**
   * The parameters, a copy. They give V together with the running statistics, which are not among
   * them.
   *
   * @param out - Where they go, [parameterCount]; a fresh Float32Array by default.
   * @returns `out`.
   */
  getParameters(): Float32Array;
  getParameters<Out extends FloatArray>(out: Out): Out;
  getParameters(out: FloatArray = new Float32Array(this.parameterCount)): FloatArray {
    const native = this.#open();
    requireFloatOut(out, this.parameterCount);
    callNative(() => native.getParameters(out));
    return out;
  }

  /**
   * Replaces the parameters. Makes a new version.
   *
   * @param parameters - [parameterCount]
   * @throws TrustRegionError `ERR_BUSY` while a fit runs, and as for every method.
   */
  setParameters(parameters: ArrayLike<number>): void {
    const native = this.#openIdle('setParameters()');
    const checked = toFloatArray(parameters, 'parameters');
    requireLength(checked, this.parameterCount, 'parameters');
    requireFinite(checked, 'parameters');
    callNative(() => native.setParameters(checked));
  }

  /**
   * Everything that decides what it predicts and how fits go on, a copy: parameters, running
   * statistics, Adam's moments, the damping of Gauss-Newton, the order of rows to come.
   *
   * @throws TrustRegionError `ERR_BUSY` while a fit runs, and as for every method.
   * @example
   * ```ts
   * const valueFunction = new ValueFunction({ observationSize: 1, hidden: [4], seed: 1 });
   * await valueFunction.fit({
   *   observations: Float64Array.of(1, 2, 3),
   *   returns: Float64Array.of(10, 20, 40),
   * });
   * const twin = new ValueFunction(valueFunction.options);
   * twin.setState(valueFunction.getState());
   * console.assert(twin.predict([2])[0] === valueFunction.predict([2])[0]);
   * ```
   */
  getState(): Float64Array {
    const native = this.#openIdle('getState()');
    return callNative(() => native.getState());
  }

  /**
   * Goes on from the state of a value function with the same layers and normalisers. Makes a new
   * version.
   *
   * @throws TrustRegionError `ERR_BUSY` while a fit runs; `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH`
   *   or `ERR_NOT_FINITE` for what is no such state. The value function then stays as it was.
   */
  setState(state: ArrayLike<number>): void {
    const native = this.#openIdle('setState()');
    const numbers = Float64Array.from(toFloatArray(state, 'state'));
    callNative(() => native.setState(numbers));
  }

  /**
   * Frees native memory at once instead of at garbage collection. Calling it again does nothing;
   * other methods then throw.
   *
   * @throws TrustRegionError `ERR_BUSY` while a fit runs: await it first.
   */
  close(): void {
    if (!this.#closed) {
      callNative(() => this.#native.close());
      this.#closed = true;
    }
  }

  #open(): NativeValueFunction {
    if (this.#closed) {
      throw new TrustRegionError('ERR_CLOSED', 'value function was used after close()');
    }
    return this.#native;
  }

  #openIdle(call: string): NativeValueFunction {
    const native = this.#open();
    if (native.busy) {
      throw new TrustRegionError(
        'ERR_BUSY',
        `${call} must wait for the value function's running fit: await its promise first`,
      );
    }
    return native;
  }

  #checkBatch(batch: FitBatch): { observations: FloatArray; returns: FloatArray } {
    if (typeof batch !== 'object' || batch === null) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `batch must be an object with observations and returns, got ${describe(batch)}`,
      );
    }
    const observations = toFloatArray(batch.observations, 'observations');
    const rows = countRows(observations, this.observationSize, 'observations');
    if (batch.returns === undefined) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        'returns must be an array of numbers, got undefined',
      );
    }
    const returns = toFloatArray(batch.returns, 'returns');
    requireLength(returns, rows, 'returns');
    requireFinite(returns, 'returns');
    return { observations, returns };
  }
}
