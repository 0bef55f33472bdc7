import { TrustRegionError } from './errors.js';
import type { FloatArray, NumberArray } from './native.js';
import { describe, requireFinite, requireLength } from './validate.js';

/*
 * Typed arrays: telling them apart, and making them from other arrays. Inputs are accepted in any
 * form and converted once; outputs must be exactly what native code writes.
 */

type TypedArrayName = 'Float32Array' | 'Float64Array' | 'Int32Array' | 'Uint8Array';

// The getter behind `Symbol.toStringTag` reads an internal slot: it works across realms (vm
// contexts, test runners), where instanceof does not, cannot be fooled, and allocates nothing.
const readTag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;

/**
 * Whether `value` is a typed array of the given kind, whichever realm it comes from.
 */
export function isTypedArray(value: unknown, name: TypedArrayName): boolean {
  return readTag.call(value) === name;
}

/**
 * Whether `value` is a Float32Array or a Float64Array.
 */
export function isFloatArray(value: unknown): value is FloatArray {
  const tag = readTag.call(value);
  return tag === 'Float32Array' || tag === 'Float64Array';
}

/**
 * `value` itself if it is a Float32Array or Float64Array, else its numbers as a Float64Array.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` if it is no array, or an element is no number.
 */
export function toFloatArray(value: ArrayLike<number>, name: string): FloatArray {
  return isFloatArray(value) ? value : copyNumbers(value, name);
}

/** For native calls that need no such array. */
export const none = new Float32Array(0);

/**
 * A vector of `length` finite numbers.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, `ERR_SHAPE_MISMATCH` or `ERR_NOT_FINITE`.
 */
export function checkVector(values: ArrayLike<number>, length: number, name: string): FloatArray {
  const vector = toFloatArray(values, name);
  requireLength(vector, length, name);
  requireFinite(vector, name);
  return vector;
}

/**
 * As {@link toFloatArray}, but an Int32Array also stays as it is.
 */
export function toNumberArray(value: ArrayLike<number>, name: string): NumberArray {
  return isTypedArray(value, 'Int32Array') ? (value as Int32Array) : toFloatArray(value, name);
}

function copyNumbers(value: unknown, name: string): Float64Array {
  if (!isArrayLike(value)) {
    throw new TrustRegionError(
      'ERR_INVALID_ARGUMENT',
      `${name} must be an array of numbers, got ${describe(value)}`,
    );
  }
  // Checked before anything is allocated: `length` of a strange object may be anything.
  for (let index = 0; index < value.length; index += 1) {
    if (typeof value[index] !== 'number') {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${name}[${index}] must be a number, got ${describe(value[index])}`,
      );
    }
  }
  return Float64Array.from(value as ArrayLike<number>);
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const { length } = value as { readonly length?: unknown };
  return typeof length === 'number' && Number.isInteger(length) && length >= 0;
}

/**
 * Flags as bytes 0 and 1.
 *
 * @param value - `length` booleans, or numbers 0 and 1.
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` or `ERR_SHAPE_MISMATCH`.
 */
export function toFlags(
  value: ArrayLike<boolean | number>,
  length: number,
  name: string,
): Uint8Array {
  requireLength(value, length, name);
  if (isTypedArray(value, 'Uint8Array')) {
    const bytes = new Uint8Array(value as Uint8Array);
    if (areBits(bytes)) {
      return bytes;
    }
  }
  const flags = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) {
    const flag: unknown = value[index];
    if (flag !== true && flag !== false && flag !== 0 && flag !== 1) {
      throw new TrustRegionError(
        'ERR_INVALID_ARGUMENT',
        `${name}[${index}] must be true, false, 0 or 1, got ${describe(flag)}`,
      );
    }
    flags[index] = Number(flag);
  }
  return flags;
}

// By itself, since a loop that sees one type of array only is ten times as fast.
function areBits(bytes: Uint8Array): boolean {
  let seen = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    seen |= bytes[index] ?? 0;
  }
  return seen <= 1;
}

/**
 * How many rows of `size` numbers `array` holds.
 *
 * @throws TrustRegionError `ERR_SHAPE_MISMATCH` unless it is a whole number of at least 1.
 */
export function countRows(array: ArrayLike<number>, size: number, name: string): number {
  const rows = array.length / size;
  if (rows < 1 || !Number.isInteger(rows)) {
    throw new TrustRegionError(
      'ERR_SHAPE_MISMATCH',
      `${name} must hold rows of observationSize ${size}, at least one, got ${describe(array)}`,
    );
  }
  return rows;
}

/**
 * Checks an array that native code will write to: its kind and its length.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT` or `ERR_SHAPE_MISMATCH`.
 */
export function requireOut(
  out: FloatArray | Int32Array,
  kind: TypedArrayName,
  length: number,
): void {
  if (!isTypedArray(out, kind) || out.length !== length) {
    refuseOut(
      out,
      `${kind === 'Int32Array' ? 'an' : 'a'} ${kind}`,
      isTypedArray(out, kind),
      length,
    );
  }
}

/**
 * As {@link requireOut}, for a Float32Array or a Float64Array.
 */
export function requireFloatOut(out: FloatArray, length: number): void {
  if (!isFloatArray(out) || out.length !== length) {
    refuseOut(out, 'a Float32Array or Float64Array', isFloatArray(out), length);
  }
}

function refuseOut(out: unknown, kind: string, isKind: boolean, length: number): never {
  throw new TrustRegionError(
    isKind ? 'ERR_SHAPE_MISMATCH' : 'ERR_INVALID_ARGUMENT',
    `out must be ${kind} of length ${length}, got ${describe(out)}`,
  );
}
