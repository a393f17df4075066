import { close, fsync, open, writev } from 'node:fs';

/**
 * Writes a file that must not be there yet; `durable` flushes it to the disk. Plain callbacks: a promise and a handle for each of thousands of files take longer than the file.
 * @throws what the file system threw
 */
export function writeNew(
  path: string,
  pieces: readonly Uint8Array[],
  mode: number,
  durable: boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    open(path, 'wx', mode, (failure, descriptor) => {
      if (failure !== null) return reject(failure);
      const end = (error: Error | null) =>
        close(descriptor, (closing) =>
          error === null && closing === null ? resolve() : reject(error ?? closing),
        );
      writeAll(descriptor, pieces, 0, (error) => {
        if (error === null && durable) fsync(descriptor, end);
        else end(error);
      });
    });
  });
}

/** What one writev(2) takes at most (IOV_MAX on Linux). */
const MOST_PIECES = 1024;

function writeAll(
  descriptor: number,
  pieces: readonly Uint8Array[],
  from: number,
  done: (error: Error | null) => void,
): void {
  const some = pieces.slice(from, from + MOST_PIECES);
  if (some.length === 0) {
    done(null);
    return;
  }
  const wanted = some.reduce((sum, piece) => sum + piece.length, 0);
  writev(descriptor, some, (error, written) => {
    if (error !== null) {
      done(error);
      return;
    }
    if (written === wanted) {
      writeAll(descriptor, pieces, from + MOST_PIECES, done);
      return;
    }
    // A nearly full disk takes a part; the next call says that there is no more.
    const rest = Buffer.concat(some).subarray(written);
    writeAll(descriptor, [rest, ...pieces.slice(from + MOST_PIECES)], 0, done);
  });
}
