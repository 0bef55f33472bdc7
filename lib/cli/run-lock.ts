import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TrustRegionError } from '../errors.js';
import { isAlive, isSystemError } from './system.js';

/** What this process has. Its number in a file does not tell: numbers are given again. */
const held = new Set<string>();

/**
 * Takes a folder, of a run or of several, for this process: its number is in the file `lock` there. A lock whose
 * process is gone counts for nothing; it is what a process leaves that was killed.
 *
 * @returns Gives the folder back.
 * @throws TrustRegionError (the promise rejects) `ERR_BUSY` if a process that is alive has the folder.
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const file = resolve(folder, 'lock');
  if (held.has(file)) {
    throw busy(folder, process.pid, 'lock');
  }
  held.add(file);
  try {
    await take(folder);
  } catch (error) {
    held.delete(file);
    throw error;
  }
  return async () => {
    await rm(file, { force: true });
    held.delete(file);
  };
}

/**
 * Shows a file `lock-<number>`, then looks for those of others, then at the lock; if there is nobody, renames
 * the file to `lock`. A process that another one overlooked came after that one had looked, and so sees its
 * file or its lock: a lock that was left behind never goes to two. Two that see each other step back and
 * come again.
 */
async function take(folder: string): Promise<void> {
  const own = join(folder, nameOf(process.pid));
  for (let longestWait = 4; ; longestWait *= 2) {
    await writeFile(own, `${process.pid}\n`);
    try {
      const rival = await findRival(folder);
      const owner = await readOwner(join(folder, 'lock')); // last: a rival may have become the owner
      if (owner !== undefined) {
        throw busy(folder, owner, 'lock');
      }
      if (rival === undefined) {
        await rename(own, join(folder, 'lock'));
        return;
      }
      if (longestWait > 2000) {
        throw busy(folder, rival, nameOf(rival));
      }
    } finally {
      await rm(own, { force: true });
    }
    await delay(longestWait * Math.random()); // not again both at once
  }
}

function nameOf(pid: number): string {
  return `lock-${pid}`;
}

/** Another process that shows its file; files of those that were killed meanwhile are removed. */
async function findRival(folder: string): Promise<number | undefined> {
  for (const name of await readdir(folder)) {
    const pid = Number(/^lock-(\d+)$/.exec(name)?.[1] ?? process.pid);
    if (isOther(pid)) {
      return pid;
    }
    if (pid !== process.pid) {
      await rm(join(folder, name), { force: true });
    }
  }
  return undefined;
}

/** The process that has the lock, if it is alive. */
async function readOwner(lock: string): Promise<number | undefined> {
  try {
    const owner = Number(await readFile(lock, 'utf8')); // 0 where a power cut left it empty
    return isOther(owner) ? owner : undefined;
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) {
      throw error;
    }
    return undefined;
  }
}

function isOther(pid: number): boolean {
  return pid !== process.pid && isAlive(pid);
}

function busy(folder: string, pid: number, name: string): TrustRegionError {
  return new TrustRegionError(
    'ERR_BUSY',
    `process ${pid} is at work in ${folder}: wait for it; if it is no run of this package, remove ` +
      join(folder, name),
  );
}
