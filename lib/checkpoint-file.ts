import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { TrustRegionError } from './errors.js';
import { requireString } from './validate.js';

/**
 * Writes a file such that, whatever happens (a crash, a power cut, a full disk), the name holds
 * either the old contents or all of the new ones: the bytes go to a new file in the same folder and
 * to the disk (fsync), then take the name (rename, atomic in one file system), and at last the
 * folder's entry goes to the disk.
 *
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, or `ERR_CHECKPOINT` with the error of the file
 *   system as `cause`.
 */
export async function writeCheckpoint(file: string, bytes: Uint8Array): Promise<void> {
  requireString(file, 'path');
  const folder = path.dirname(file);
  const temporary = path.join(folder, `.${path.basename(file)}.${randomUUID()}.tmp`);
  try {
    await writeNew(temporary, bytes);
    await rename(temporary, file);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error says more
    throw failed('written', file, cause);
  }
}

/**
 * @throws TrustRegionError `ERR_INVALID_ARGUMENT`, or `ERR_CHECKPOINT` with the error of the file
 *   system as `cause`.
 */
export async function readCheckpoint(file: string): Promise<Uint8Array> {
  requireString(file, 'path');
  try {
    return await readFile(file);
  } catch (cause) {
    throw failed('read', file, cause);
  }
}

async function writeNew(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') {
    return; // folders cannot be opened there
  }
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function failed(what: string, file: string, cause: unknown): TrustRegionError {
  const { message } = cause as Error; // of the file system, always an Error
  return new TrustRegionError(
    'ERR_CHECKPOINT',
    `the checkpoint ${JSON.stringify(file)} cannot be ${what}: ${message}`,
    { cause },
  );
}
