import native from '../native.cjs';
import { TrustRegionError } from './errors.js';
import type { ErrorCode } from './errors.js';
import type { NativeAddon } from './native.js';

/*
 * The only module that touches the compiled addon itself. Everything else asks for it on first use,
 * so that types, errors and environments work on a machine where it is missing.
 */

/**
 * The compiled addon.
 *
 * @throws TrustRegionError `ERR_ADDON` saying where it was looked for and how to build it.
 */
export function addon(): NativeAddon {
  if (native.addon === undefined) {
    throw new TrustRegionError('ERR_ADDON', native.error.message, { cause: native.error });
  }
  return native.addon as NativeAddon;
}

/**
 * Runs a call into the addon; what it throws arrives as a {@link TrustRegionError}.
 */
export function callNative<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

/**
 * The TrustRegionError for an error of the addon, which carries a `code` but is of no class of this
 * package. Made here, its stack shows the caller, also after an `await`. Anything else comes back
 * as it is.
 */
export function fromNative(error: unknown): unknown {
  if (error instanceof TrustRegionError || !hasCode(error)) {
    return error;
  }
  return new TrustRegionError(error.code, error.message);
}

function hasCode(error: unknown): error is { readonly code: ErrorCode; readonly message: string } {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && code.startsWith('ERR_');
}
