import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readCheckpoint, writeCheckpoint } from '../checkpoint-file.js';
import { TrustRegionError } from '../errors.js';
import type { Method } from '../method.js';
import type { Policy } from '../policy.js';
import { decodeTensors, encodeTensors, tensorToVector, vectorToTensor } from '../safetensors.js';
import type { Tensor, TensorFile } from '../safetensors.js';
import type { TrainState } from '../train.js';
import { messageOf } from '../validate.js';
import type { ValueFunction } from '../value-function.js';
import { version } from '../version.js';
import { isSystemError } from './system.js';

/*
 * training.safetensors: what a run needs to go on, all of one moment and so in one file.
 *
 *     tensors    critic, method     F64, what their getState() gives
 *                policy             U8, the bytes of policy.safetensors
 *     metadata   format, formatVersion, packageVersion
 *                state              JSON, a TrainState
 *                sha256             of state and the tensors in this order
 */

const format = 'trustregion.training';
const formatVersion = '1';
const tensorNames = ['critic', 'method', 'policy'] as const;

/** What the file holds. */
export interface Training {
  readonly state: TrainState;
  readonly critic: Float64Array;
  readonly method: Float64Array;
  /** For `Policy.fromBytes`. */
  readonly policy: Uint8Array;
}

/** What a run is made of, at one moment. */
export interface TrainingObjects {
  readonly policy: Policy;
  readonly critic: ValueFunction;
  readonly method: Method;
}

/** Writes the file as a whole. */
export async function saveTraining(
  folder: string,
  { policy, critic, method }: TrainingObjects,
  state: TrainState,
): Promise<void> {
  const bytes = policy.toBytes();
  const file = {
    tensors: new Map<string, Tensor>([
      ['critic', vectorToTensor(critic.getState())],
      ['method', vectorToTensor(method.getState())],
      ['policy', { dtype: 'U8', shape: [bytes.length], bytes }],
    ]),
    metadata: new Map([
      ['format', format],
      ['formatVersion', formatVersion],
      ['packageVersion', version],
      ['state', JSON.stringify(state)],
    ]),
  };
  file.metadata.set('sha256', checksum(file));
  await writeCheckpoint(trainingFile(folder), encodeTensors(file));
}

/**
 * Reads the file.
 *
 * @throws TrustRegionError `ERR_CHECKPOINT` if it is missing, damaged or of a newer version.
 */
export async function loadTraining(folder: string): Promise<Training> {
  const path = trainingFile(folder);
  const file = decodeTensors(await readSaved(path));
  const { metadata } = file;
  if (metadata.get('format') !== format || metadata.get('formatVersion') !== formatVersion) {
    throw refused(path, `must have the format '${format}' version ${formatVersion}`);
  }
  if (metadata.get('sha256') !== checksum(file)) {
    throw refused(path, 'is damaged: its contents do not match its checksum');
  }
  try {
    // What is in it is checked by those who take it.
    const [critic, method, policy] = tensorNames.map((name) => file.tensors.get(name) as Tensor);
    return {
      state: JSON.parse(metadata.get('state') ?? '') as TrainState,
      critic: Float64Array.from(tensorToVector(critic as Tensor, 'critic')),
      method: Float64Array.from(tensorToVector(method as Tensor, 'method')),
      policy: (policy as Tensor).bytes,
    };
  } catch (cause) {
    throw refused(path, `is damaged: ${messageOf(cause)}`, cause);
  }
}

async function readSaved(path: string): Promise<Uint8Array> {
  try {
    return await readCheckpoint(path);
  } catch (error) {
    if (isSystemError((error as Error).cause, 'ENOENT')) {
      throw refused(
        path,
        'is not there: the run ended before its first update was saved, so that nothing can go on; ' +
          'start it anew',
        error,
      );
    }
    throw error;
  }
}

function trainingFile(folder: string): string {
  return join(folder, 'training.safetensors');
}

function checksum({ tensors, metadata }: TensorFile): string {
  const hash = createHash('sha256');
  hash.update(`${metadata.get('state')}\n`);
  for (const name of tensorNames) {
    hash.update(tensors.get(name)?.bytes ?? new Uint8Array(0));
  }
  return hash.digest('hex');
}

function refused(path: string, what: string, cause?: unknown): TrustRegionError {
  return new TrustRegionError(
    'ERR_CHECKPOINT',
    `${path} ${what}`,
    cause === undefined ? undefined : { cause },
  );
}
