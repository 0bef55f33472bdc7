import { open, rename, rm } from 'node:fs/promises';

/**
 * Writes a file so that a reader, or a crash at any time, finds the old content or the new one but
 * never half of it: to a temporary file beside it, synced to the disk, then renamed.
 */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w');
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
