import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TrustRegionError } from '../errors.js';
import { isAlive, isSystemError } from './system.js';

/**
 * Takes a run folder for this process: writes the file `lock` with its number there. A lock whose process is
 * gone counts for nothing; it is what a run leaves that was killed.
 *
 * @returns Gives the folder back.
 * @throws TrustRegionError (the promise rejects) `ERR_BUSY` if a process that is alive has the folder.
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, 'lock');
  for (let isLocked = await tryToLock(file); !isLocked; isLocked = await tryToLock(file)) {
    const owner = await readOwner(file);
    // This process itself has none: numbers are given again.
    if (owner !== undefined && owner !== process.pid && isAlive(owner)) {
      throw new TrustRegionError(
        'ERR_BUSY',
        `process ${owner} is at work in ${folder}: wait for it; if it is no run of this package, ` +
          `remove ${file}`,
      );
    }
    await rm(file, { force: true });
  }
  return () => rm(file, { force: true });
}

async function tryToLock(file: string): Promise<boolean> {
  try {
    await writeFile(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (!isSystemError(error, 'EEXIST')) {
      throw error;
    }
    return false;
  }
}

/** The number of the process; `undefined` if there is none in the file, or no file any more. */
async function readOwner(file: string): Promise<number | undefined> {
  for (let look = 0; look < 2; look += 1) {
    const text = await readFile(file, 'utf8').catch(() => '0\n');
    if (text.endsWith('\n')) {
      return Number(text);
    }
    await delay(100); // it has been made, but not yet written; or a power cut left it empty
  }
  return undefined;
}
