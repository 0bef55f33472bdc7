import { TrustRegionError } from '../errors.js';
import { UsageError } from './arguments.js';

/**
 * Waits for a command and sets the exit code of the process: the command's own, 2 for a
 * {@link UsageError}, 1 for any other error. Errors are printed on stderr.
 *
 * @param command - Resolves to the exit code.
 * @param name - Name of the program, for its messages.
 */
export function exitWith(command: Promise<number>, name: string): void {
  command
    .catch((error: unknown) => {
      process.stderr.write(`${name}: ${textOf(error)}\n`);
      if (error instanceof UsageError) {
        process.stderr.write('Try --help.\n');
      }
      return error instanceof UsageError ? 2 : 1;
    })
    .then((exitCode) => {
      process.exitCode = exitCode; // not process.exit(): what is written to a pipe must get there
    });
}

/** A sentence for what can go wrong in practice, the stack for a bug. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const isExpected =
    error instanceof TrustRegionError ||
    error instanceof UsageError ||
    typeof (error as { readonly syscall?: unknown }).syscall === 'string'; // a full disk, say
  return isExpected ? error.message : (error.stack ?? error.message);
}
