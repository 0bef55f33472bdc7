/*
 * What the operating system says, for the command line.
 */

/** Whether an error is one of the system with this code, such as `'ENOENT'`. */
export function isSystemError(error: unknown, code: string): boolean {
  return (error as { readonly code?: unknown } | undefined)?.code === code;
}

/** Whether there is a process with this number. */
export function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return isSystemError(error, 'EPERM'); // it is somebody else's
  }
}
