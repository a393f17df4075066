import { watch } from 'node:fs';
import { open } from 'node:fs/promises';

/** For file systems whose changes the kernel does not report. */
const POLL_MS = 250;

export interface Following {
  /** Reads what is left and lets go of the file. @throws what reading threw. */
  end(): Promise<void>;
}

/** Reads a file that another process is writing, from its start, as it grows; `path` exists already. */
export async function followFile(path: string, onBytes: (bytes: Buffer) => void): Promise<Following> {
  const file = await open(path, 'r');
  const buffer = Buffer.alloc(65536);
  const readOn = async () => {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      onBytes(Buffer.from(buffer.subarray(0, bytesRead)));
    }
  };
  // One read at a time, and one more for whatever came while it ran.
  let reading: Promise<void> = Promise.resolve();
  let queued = false;
  const wake = () => {
    if (queued) return;
    queued = true;
    reading = reading.then(() => {
      queued = false;
      return readOn();
    });
    // Whoever ends the following hears of it.
    reading.catch(() => undefined);
  };
  const watcher = watch(path, wake);
  const poll = setInterval(wake, POLL_MS);
  return {
    async end() {
      clearInterval(poll);
      watcher.close();
      wake();
      try {
        await reading;
      } finally {
        await file.close();
      }
    },
  };
}
