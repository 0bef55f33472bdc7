import { createHash } from 'node:crypto';
import { TrustRegionError } from './errors.js';
import type { FloatArray, NativeNormalizerState } from './native.js';
import { parameterCountOf, resolvePolicyOptions } from './policy-options.js';
import type { PolicyOptions, ResolvedPolicyOptions } from './policy-options.js';
import { decodeTensors, encodeTensors, tensorToVector, vectorToTensor } from './safetensors.js';
import type { Tensor, TensorFile } from './safetensors.js';
import type { ActionSpace } from './spaces.js';
import { version } from './version.js';

/*
 * A policy as a safetensors file.
 *
 *     tensors    normalizer.mean, normalizer.squaredDeviations   F64 [observationSize]
 *                parameters                                      F32 or F64 [parameterCount]
 *     metadata   format, formatVersion, packageVersion
 *                config              JSON, the policy's options
 *                normalizer.count    decimal number
 *                sha256              of config, count and the tensors in this order; a file made by
 *                                    other programs may leave it out
 */

const format = 'trustregion.policy';
const formatVersion = '1';

/**
 * Everything that makes a policy act as it does, besides the state of its sampling stream.
 */
export interface PolicyState<A extends ActionSpace = ActionSpace> {
  readonly options: ResolvedPolicyOptions<A>;
  readonly parameters: FloatArray;
  readonly normalizer: NativeNormalizerState;
}

/**
 * The file's bytes. The same state gives the same bytes.
 */
export function encodePolicy({ options, parameters, normalizer }: PolicyState): Uint8Array {
  // How many threads and bytes to use is a matter of the machine, not of the policy.
  const { threads: _, memoryBudget: __, ...config } = options;
  const file = {
    tensors: new Map([
      // 8 bytes per element first, for alignment
      ['normalizer.mean', vectorToTensor(normalizer.mean)],
      ['normalizer.squaredDeviations', vectorToTensor(normalizer.squaredDeviations)],
      ['parameters', vectorToTensor(parameters)],
    ]),
    metadata: new Map([
      ['format', format],
      ['formatVersion', formatVersion],
      ['packageVersion', version],
      ['config', JSON.stringify(config, infinityToText)],
      ['normalizer.count', String(normalizer.count)],
    ]),
  };
  file.metadata.set('sha256', checksum(file));
  return encodeTensors(file);
}

/**
 * Reads a file's bytes.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` if the file is damaged, of another kind, or written by a
 *   newer version of this package.
 */
export function decodePolicy(bytes: Uint8Array): PolicyState {
  const file = decodeTensors(bytes);
  requireFormat(file.metadata);
  if (file.metadata.has('sha256') && file.metadata.get('sha256') !== checksum(file)) {
    throw refused('is damaged: its contents do not match its checksum');
  }
  const options = readOptions(metadataOf(file, 'config'));
  const { observationSize } = options;
  return {
    options,
    parameters: readVector(file, 'parameters', parameterCountOf(options)),
    normalizer: {
      count: readCount(metadataOf(file, 'normalizer.count')),
      mean: Float64Array.from(readVector(file, 'normalizer.mean', observationSize)),
      squaredDeviations: readSquaredDeviations(file, observationSize),
    },
  };
}

function requireFormat(metadata: ReadonlyMap<string, string>): void {
  const found = metadata.get('format');
  if (found !== format) {
    throw refused(
      `must have the format '${format}', got ${
        found === undefined ? 'no format: another program wrote it' : `'${found}'`
      }`,
    );
  }
  const foundVersion = metadata.get('formatVersion');
  if (foundVersion !== formatVersion) {
    throw refused(
      `must have the format version '${formatVersion}', got '${foundVersion}': it comes ` +
        `from trustregion ${metadata.get('packageVersion') ?? '(unknown)'}, this is ${version}`,
    );
  }
}

function metadataOf({ metadata }: TensorFile, key: string): string {
  const value = metadata.get(key);
  if (value === undefined) {
    throw refused(`is damaged: its metadata lack '${key}'`);
  }
  return value;
}

function readOptions(config: string): ResolvedPolicyOptions {
  try {
    return resolvePolicyOptions(JSON.parse(config, textToInfinity) as PolicyOptions);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw refused(`is damaged: its config is no valid set of options: ${reason}`, cause);
  }
}

// JSON has no infinities; the bounds of an action space may be infinite.
function infinityToText(_key: string, value: unknown): unknown {
  return value === Infinity || value === -Infinity ? String(value) : value;
}

function textToInfinity(_key: string, value: unknown): unknown {
  return value === 'Infinity' || value === '-Infinity' ? Number(value) : value;
}

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0) {
    throw refused(`is damaged: normalizer.count must be an integer of at least 0, got '${text}'`);
  }
  return count;
}

function readVector({ tensors }: TensorFile, name: string, length: number): FloatArray {
  const tensor = tensors.get(name);
  if (tensor === undefined) {
    throw refused(`is damaged: it lacks the tensor '${name}'`);
  }
  if (tensor.shape.length !== 1 || tensor.shape[0] !== length) {
    throw refused(
      `does not fit its own options: tensor '${name}' must have shape [${length}], got ` +
        `[${tensor.shape.join(', ')}]`,
    );
  }
  const vector = tensorToVector(tensor, name);
  const index = vector.findIndex((value) => !Number.isFinite(value));
  if (index >= 0) {
    throw refused(`must hold finite numbers only, but ${name}[${index}] is ${vector[index]}`);
  }
  return vector;
}

function readSquaredDeviations(file: TensorFile, length: number): Float64Array {
  const name = 'normalizer.squaredDeviations';
  const vector = Float64Array.from(readVector(file, name, length));
  const index = vector.findIndex((value) => value < 0);
  if (index >= 0) {
    throw refused(`is damaged: ${name}[${index}] must be at least 0, got ${vector[index]}`);
  }
  return vector;
}

/**
 * Over everything that decides how the policy acts.
 */
function checksum({ tensors, metadata }: TensorFile): string {
  const hash = createHash('sha256');
  hash.update(`${metadata.get('config')}\n${metadata.get('normalizer.count')}\n`);
  const none: Pick<Tensor, 'bytes'> = { bytes: new Uint8Array(0) };
  for (const name of ['normalizer.mean', 'normalizer.squaredDeviations', 'parameters']) {
    hash.update((tensors.get(name) ?? none).bytes);
  }
  return hash.digest('hex');
}

function refused(what: string, cause?: unknown): TrustRegionError {
  return new TrustRegionError(
    'ERR_CHECKPOINT',
    `the checkpoint ${what}`,
    cause === undefined ? undefined : { cause },
  );
}
