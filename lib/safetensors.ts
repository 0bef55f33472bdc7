import { TrustRegionError } from './errors.js';
import type { FloatArray } from './native.js';
import { isTypedArray } from './arrays.js';

/*
 * The safetensors file format (huggingface/safetensors, README, "Format"):
 *
 *     8 bytes    n, length of the header, unsigned little-endian
 *     n bytes    JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *                and optionally "__metadata__": {"key": "value"}; may end in spaces
 *     the rest   data, row-major, little-endian; offsets count from its start, and the tensors
 *                cover all of it without gaps or overlaps
 *
 * Reading trusts nothing: every damaged file ends in ERR_CHECKPOINT.
 */

/**
 * One tensor as it lies in a file.
 */
export interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  /**
   * Row-major and little-endian.
   */
  readonly bytes: Uint8Array;
}

/**
 * The contents of a file.
 */
export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

const metadataKey = '__metadata__';
const lengthBytes = 8;
const alignment = 8;

const bytesPerElement: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['F8_E5M2', 1],
  ['F8_E4M3', 1],
  ['U16', 2],
  ['I16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['U32', 4],
  ['I32', 4],
  ['F32', 4],
  ['U64', 8],
  ['I64', 8],
  ['F64', 8],
]);

/**
 * A vector as a tensor: F32 for a Float32Array, F64 for a Float64Array.
 */
export function vectorToTensor(vector: FloatArray): Tensor {
  const isSingle = isTypedArray(vector, 'Float32Array');
  const bytes = new Uint8Array(vector.length * vector.BYTES_PER_ELEMENT);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < vector.length; index += 1) {
    const value = vector[index] ?? 0;
    if (isSingle) {
      view.setFloat32(4 * index, value, true);
    } else {
      view.setFloat64(8 * index, value, true);
    }
  }
  return { dtype: isSingle ? 'F32' : 'F64', shape: [vector.length], bytes };
}

/**
 * The numbers of a tensor of type F32 or F64, in row-major order and in the same precision.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` for another type.
 */
export function tensorToVector({ dtype, bytes }: Tensor, name: string): FloatArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (dtype) {
    case 'F32':
      return Float32Array.from({ length: bytes.length / 4 }, (_, index) =>
        view.getFloat32(4 * index, true),
      );
    case 'F64':
      return Float64Array.from({ length: bytes.length / 8 }, (_, index) =>
        view.getFloat64(8 * index, true),
      );
    default:
      throw damaged(`tensor '${name}' must have type F32 or F64, got ${dtype}`);
  }
}

/**
 * Writes a file. Tensors lie in the order of the map; put those of 8 bytes per element first, so
 * that every tensor is aligned to its element.
 */
export function encodeTensors({ tensors, metadata }: TensorFile): Uint8Array {
  const header: [string, unknown][] = [[metadataKey, Object.fromEntries(metadata)]];
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of tensors) {
    header.push([name, { dtype, shape, data_offsets: [offset, offset + bytes.length] }]);
    offset += bytes.length;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / alignment) * alignment;

  const file = new Uint8Array(lengthBytes + headerLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.set(json, lengthBytes);
  file.fill(0x20, lengthBytes + json.length, lengthBytes + headerLength);
  let position = lengthBytes + headerLength;
  for (const { bytes } of tensors.values()) {
    file.set(bytes, position);
    position += bytes.length;
  }
  return file;
}

/**
 * Reads a file. The tensors' bytes are views of it.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` saying what is wrong with it.
 */
export function decodeTensors(file: Uint8Array): TensorFile {
  const headerLength = readHeaderLength(file);
  const header = parseHeader(file.subarray(lengthBytes, lengthBytes + headerLength));
  const data = file.subarray(lengthBytes + headerLength);
  const metadata = new Map<string, string>();
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === metadataKey) {
      readMetadata(value, metadata);
    } else {
      entries.push(readEntry(name, value));
    }
  }
  requireCover(entries, data.length);
  const tensors = new Map<string, Tensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    tensors.set(name, { dtype, shape, bytes: data.subarray(begin, end) });
  }
  return { tensors, metadata };
}

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function readHeaderLength(file: Uint8Array): number {
  if (file.length < lengthBytes) {
    throw damaged(`it has ${file.length} bytes, too few for a safetensors file`);
  }
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > BigInt(file.length - lengthBytes)) {
    throw damaged(
      `its header should have ${length} bytes, but the file ends after ` +
        `${file.length - lengthBytes}: it is cut off, or no safetensors file`,
    );
  }
  return Number(length);
}

function parseHeader(bytes: Uint8Array): object {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw damaged('its header is no JSON text', cause);
  }
  return requireObject(header, 'its header');
}

function requireObject(value: unknown, name: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged(`${name} must be a JSON object`);
  }
  return value;
}

function readMetadata(value: unknown, metadata: Map<string, string>): void {
  for (const [key, text] of Object.entries(requireObject(value, `'${metadataKey}'`))) {
    if (typeof text !== 'string') {
      throw damaged(`'${metadataKey}' must hold strings only, and '${key}' is none`);
    }
    metadata.set(key, text);
  }
}

function readEntry(name: string, value: unknown): Entry {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = requireObject(value, `tensor '${name}'`) as Readonly<Record<string, unknown>>;
  const width = typeof dtype === 'string' ? bytesPerElement.get(dtype) : undefined;
  if (typeof dtype !== 'string' || width === undefined) {
    throw damaged(`tensor '${name}' has the unknown type ${JSON.stringify(dtype)}`);
  }
  if (!isSizes(shape)) {
    throw damaged(`the shape of tensor '${name}' must be an array of sizes`);
  }
  const [begin, end] = isSizes(offsets) && offsets.length === 2 ? offsets : [];
  if (begin === undefined || end === undefined || begin > end) {
    throw damaged(`the data_offsets of tensor '${name}' must be [begin, end]`);
  }
  const size = shape.reduce((product, length) => product * length, width);
  if (size !== end - begin) {
    throw damaged(
      `tensor '${name}' of type ${dtype} and shape [${shape.join(', ')}] must take ` +
        `${size} bytes, but its data_offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isSizes(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
  );
}

/**
 * The tensors must lie side by side from the first to the last byte of the data.
 */
function requireCover(entries: readonly Entry[], dataLength: number): void {
  let position = 0;
  for (const { name, begin, end } of [...entries].sort(byOffset)) {
    if (begin !== position) {
      throw damaged(
        `tensor '${name}' begins at byte ${begin} of the data, but the one before it ` +
          `ends at byte ${position}`,
      );
    }
    position = end;
  }
  if (position !== dataLength) {
    throw damaged(`its tensors need ${position} bytes of data, but ${dataLength} are there`);
  }
}

function byOffset(first: Entry, second: Entry): number {
  return first.begin - second.begin || first.end - second.end;
}

function damaged(what: string, cause?: unknown): TrustRegionError {
  return new TrustRegionError(
    'ERR_CHECKPOINT',
    `the checkpoint is damaged: ${what}`,
    cause === undefined ? undefined : { cause },
  );
}
