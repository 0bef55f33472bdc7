// A folder through which processes hand each other a problem.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What `use(folder)` returns for an empty folder, which is removed behind it. */
export function withFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'trustregion-bench-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
