// One process at a time works in a folder of runs: what a run left unfinished goes on or is begun anew, and
// must not be at work elsewhere.

import { mkdirSync } from 'node:fs';
import { lockRun } from '../../dist/esm/cli/run-lock.js';

/**
 * Runs `work` while no other process does so for the folder.
 *
 * @throws Error naming the process that has it.
 */
export async function locked(folder, work) {
  mkdirSync(folder, { recursive: true });
  const unlock = await lockRun(folder);
  try {
    return await work();
  } finally {
    await unlock();
  }
}
