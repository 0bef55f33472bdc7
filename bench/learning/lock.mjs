// One process at a time works in a folder of runs: what a run left unfinished goes on or is begun anew, and
// must not be at work elsewhere.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isAlive } from '../../dist/esm/cli/system.js';

/**
 * Runs `work` while no other process does so for the folder. A lock whose process is gone counts for
 * nothing.
 *
 * @throws Error naming the process that has it.
 */
export async function locked(folder, work) {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'lock');
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    const owner = Number(readFileSync(file, 'utf8'));
    if (isAlive(owner)) {
      throw new Error(`process ${owner} is at work in ${folder}: wait for it, or use other --runs`);
    }
    writeFileSync(file, String(process.pid));
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}
