/**
 * Stable reason of a {@link TrustRegionError}. Test `error.code`, never the message: sentences may
 * be reworded in any release, codes only in a major one.
 */
export type ErrorCode =
  /** An argument or option has the wrong type or shape. */
  | 'ERR_INVALID_ARGUMENT'
  /** An array has the wrong length. */
  | 'ERR_SHAPE_MISMATCH'
  /** A number, or an element of an array, is NaN or infinite. */
  | 'ERR_NOT_FINITE'
  /** A number lies outside its allowed range. */
  | 'ERR_OUT_OF_RANGE'
  /** An option or a name is not known, usually because it is misspelt. */
  | 'ERR_UNKNOWN_OPTION'
  /** The object was used after `close()`. */
  | 'ERR_CLOSED'
  /** The call is not allowed now, for example `step()` before `reset()`. */
  | 'ERR_STATE'
  /** An optional package is not installed or cannot be loaded. */
  | 'ERR_MISSING_DEPENDENCY'
  /** A MuJoCo model does not compile or cannot be simulated. */
  | 'ERR_MODEL'
  /** Another update of the same object is still running, or another process is at work in a run folder. */
  | 'ERR_BUSY'
  /** A batch was collected by an older version of the policy than the one to be updated. */
  | 'ERR_STALE_BATCH'
  /** A checkpoint is damaged, or belongs to another architecture. */
  | 'ERR_CHECKPOINT'
  /** The native addon is missing or cannot be loaded. */
  | 'ERR_ADDON'
  /** The wanted compute backend is unknown, or not available on this machine. */
  | 'ERR_BACKEND'
  /** A function given by the caller threw, or returned something unusable. */
  | 'ERR_CALLBACK'
  /** An environment on another thread did not answer in time. */
  | 'ERR_TIMEOUT'
  /** A promise that this package makes to itself was broken: a bug worth reporting. */
  | 'ERR_INTERNAL';

/**
 * The one class of error that this package throws on purpose.
 *
 * `code` says why, for programs; `message` is a sentence for people that names the argument, what
 * was expected and what came; `cause` holds the original error where there was one.
 *
 * The ES module and the CommonJS build each have their own copy of this class, so a program that
 * might hold both tells the error by `code` rather than by `instanceof`.
 *
 * @example
 * ```ts
 * const environment = new CartPole();
 * environment.reset(1);
 * try {
 *   environment.step([2]);
 * } catch (error) {
 *   if (error instanceof TrustRegionError && error.code === 'ERR_OUT_OF_RANGE') {
 *     console.assert(error.message === 'action[0] must be an integer from 0 to 1, got 2');
 *   }
 * }
 * ```
 */
export class TrustRegionError extends Error {
  /**
   * Stable reason of the error.
   */
  readonly code: ErrorCode;

  /**
   * @param code - Stable reason.
   * @param message - One clear sentence.
   * @param options - `cause`: the error behind this one.
   */
  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  static {
    // On the prototype, because V8 writes the first line of `stack` while `super()` still runs.
    Object.defineProperty(TrustRegionError.prototype, 'name', {
      value: 'TrustRegionError',
      configurable: true,
      writable: true,
    });
  }
}
