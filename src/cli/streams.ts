/** Thrown where what prints until it is stopped has nobody left to print for (`kiln logs -f JOB | head`). */
export class ReaderLeft extends Error {
  override readonly name = 'ReaderLeft';
}

const left = new AbortController();

/** Aborted, with a `ReaderLeft`, when whoever read standard output has left. */
export const readerLeft: AbortSignal = left.signal;

/**
 * Settles what becomes of output that can't be written. Whoever read results has seen enough (`kiln recipes | head`),
 * and progress may lose its reader, or the disk that it is written to: neither stops a build, and the exit code says
 * how that ended. Results that a full disk has swallowed are a failure.
 */
export function guardStreams(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (left.signal.aborted) return;
    left.abort(new ReaderLeft());
    if (error.code === 'EPIPE') return;
    process.stderr.write(`error: standard output can't be written to: ${error.message}\n`);
    process.once('exit', (code) => {
      if (code === 0) process.exitCode = 1;
    });
  });
}
