// The program that the runs of a study are processes of: a copy, so that compiling in this clone while
// a study runs neither disturbs it nor lets its later runs be of another program than the first ones.

import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
/** What `trustregion train` is made of; packages are found in the clone, which the copy lies in. */
const parts = ['package.json', 'native.cjs', 'dist', 'build/Release/trustregion.node'];

/**
 * Runs `work` with the file of the command line's copy, and removes the copy.
 */
export async function withProgram(work) {
  const copy = mkdtempSync(path.join(root, 'build-learning-'));
  try {
    for (const part of parts.filter((each) => existsSync(path.join(root, each)))) {
      cpSync(path.join(root, part), path.join(copy, part), { recursive: true });
    }
    return await work(path.join(copy, 'dist/esm/cli/main.js'));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
