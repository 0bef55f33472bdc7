// Runs processes, a few at a time.

/**
 * Starts jobs in order, at most `limit` at a time, until all are done or somebody wants to stop: at the
 * first SIGINT, SIGTERM or SIGHUP no more are started and those at work are asked to stop; at the
 * second they are killed.
 *
 * @param start - Starts job number n: `{ stop(signal), done }`, `done` never rejecting.
 * @param onDone - Called with the number of a job and what `done` resolved to.
 * @returns Whether it was stopped.
 */
export async function runPool(count, limit, start, onDone) {
  const working = new Set();
  let signals = 0;
  const stop = () => {
    signals += 1;
    for (const job of working) job.stop(signals === 1 ? 'SIGINT' : 'SIGKILL');
    console.error(
      signals === 1
        ? 'stopping the runs at work; once more kills them'
        : 'killing the runs at work',
    );
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of names) process.on(name, stop);
  let next = 0;
  const worker = async () => {
    while (next < count && signals === 0) {
      const number = next;
      next += 1;
      const job = start(number);
      working.add(job);
      const outcome = await job.done;
      working.delete(job);
      onDone(number, outcome);
    }
  };
  try {
    await Promise.all(Array.from({ length: limit }, worker));
  } finally {
    for (const name of names) process.off(name, stop);
  }
  return signals > 0;
}
