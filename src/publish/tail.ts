import { open } from 'node:fs/promises';
import { hasErrno } from '../platform/errors.ts';
import { parseLine } from './journal.ts';

/** The end of a journal. */
export interface JournalEnd {
  /** From the beginning of a line to the end of the file. */
  readonly bytes: Buffer;
  /** Where in the file that begins. */
  readonly offset: number;
}

/** Bytes that are read at first: more than two checkpoints are apart, as a rule. */
const WINDOW = 64 * 1024;

/**
 * Reads a journal from the last whole line that has `mark` to its end, without reading what is above it. The whole
 * of it where no line has; undefined where there is no journal.
 * @param mark as it stands in the JSON of an entry; one that holds a quotation mark is in no text of a user's,
 * where that is written with a backslash
 */
export async function readFromLast(path: string, mark: string): Promise<JournalEnd | undefined> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const { size } = await handle.stat();
    for (let length = Math.min(size, WINDOW); ; length = Math.min(size, 4 * length)) {
      const offset = size - length;
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
      const bytes = buffer.subarray(0, bytesRead);
      const start = lastLineWith(bytes, mark);
      // What begins a window may be half a line, unless it begins the file.
      if (start !== undefined && (start > 0 || offset === 0)) {
        return { bytes: bytes.subarray(start), offset: offset + start };
      }
      if (offset === 0) return { bytes, offset };
    }
  } finally {
    await handle.close();
  }
}

function lastLineWith(bytes: Buffer, mark: string): number | undefined {
  for (let before = bytes.length; before > 0; ) {
    const at = bytes.lastIndexOf(mark, before - 1);
    if (at === -1) return undefined;
    const start = at === 0 ? 0 : bytes.lastIndexOf(0x0a, at - 1) + 1;
    const end = bytes.indexOf(0x0a, at);
    if (end !== -1 && parseLine(bytes.toString('utf8', start, end)) !== undefined) return start;
    before = start;
  }
  return undefined;
}
