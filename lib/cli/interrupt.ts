/**
 * Runs `work` such that the first Ctrl-C (SIGINT) aborts its signal and the second one ends the
 * process at once, as it would without this.
 */
export async function interruptible<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const interrupt = (): void => {
    const newLine = process.stderr.isTTY ? '\n' : ''; // below the progress bar
    process.stderr.write(
      `${newLine}trustregion: stopping after the step at hand; Ctrl-C again quits at once\n`,
    );
    controller.abort();
  };
  process.once('SIGINT', interrupt);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', interrupt);
  }
}
