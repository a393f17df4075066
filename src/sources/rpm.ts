import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { KilnError } from '../platform/errors.ts';

/** The lead that an RPM begins with: 96 bytes, `ed ab ee db` first (rpm's docs/manual/format). */
const LEAD_BYTES = 96;
const LEAD_MAGIC = 'edabeedb';
/** A header begins with its magic, a version and four reserved bytes; then the numbers of entries and of bytes. */
const HEADER_MAGIC = '8eade801';
const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
/** rpm's own limits (HEADER_TAGS_MAX, HEADER_DATA_MAX). */
const MAX_ENTRIES = 0xffff;
const MAX_DATA = 256 * 2 ** 20;

/** Whether a file begins as an RPM or a source RPM does. */
export async function isRpm(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    return (await bytesAt(file, 0, 4))?.toString('hex') === LEAD_MAGIC;
  } finally {
    await file.close();
  }
}

/**
 * Copies the payload of an RPM, a packed cpio archive, into a file: what is behind lead, signature and header.
 * @param called how to name the RPM in an error
 * @throws KilnError `integrity` when it ends too early, or a header is none.
 */
export async function copyRpmPayload(path: string, to: string, called: string): Promise<void> {
  const file = await open(path, 'r');
  let start: number;
  try {
    const signatureEnd = await endOfHeader(file, LEAD_BYTES, called);
    // The signature is padded to a multiple of eight bytes, the header is not.
    start = await endOfHeader(file, Math.ceil(signatureEnd / 8) * 8, called);
    if ((await bytesAt(file, start, 1)) === undefined) throw damaged(called, 'it ends before its payload');
  } finally {
    await file.close();
  }
  await pipeline(createReadStream(path, { start }), createWriteStream(to));
}

async function endOfHeader(file: FileHandle, at: number, called: string): Promise<number> {
  const intro = await bytesAt(file, at, HEADER_BYTES);
  if (intro === undefined) throw damaged(called, `it ends before the header at byte ${at}`);
  if (intro.toString('hex', 0, 4) !== HEADER_MAGIC) throw damaged(called, `there is no header at byte ${at}`);
  const entries = intro.readUInt32BE(8);
  const data = intro.readUInt32BE(12);
  if (entries > MAX_ENTRIES || data > MAX_DATA) {
    throw damaged(called, `the header at byte ${at} has ${entries} entries and ${data} bytes`);
  }
  return at + HEADER_BYTES + entries * ENTRY_BYTES + data;
}

async function bytesAt(file: FileHandle, at: number, count: number): Promise<Buffer | undefined> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(count), 0, count, at);
  return bytesRead === count ? buffer : undefined;
}

/** A regular file of a cpio archive. */
export interface CpioFile {
  readonly name: string;
  readonly bytes: Buffer;
}

const CPIO_HEADER = 110;
const CPIO_END = 'TRAILER!!!';

/**
 * The files of a cpio archive in the "new" format, which RPMs have (cpio(5), "New ASCII Format"). Names are as
 * written; nothing is unpacked to a disk by them.
 * @throws KilnError `integrity` when it is another format, damaged, or ends before its end mark.
 */
export async function readCpio(path: string, called: string): Promise<CpioFile[]> {
  const archive = await readFile(path);
  const files: CpioFile[] = [];
  for (let at = 0; ; ) {
    const header = archive.toString('latin1', at, at + CPIO_HEADER);
    if (!/^07070[12][0-9a-fA-F]{104}$/.test(header)) {
      throw damaged(
        called,
        at === 0
          ? 'its payload is no cpio archive of the new format'
          : `its payload has no member at byte ${at}`,
      );
    }
    const field = (index: number) => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const size = field(6);
    const nameEnd = at + CPIO_HEADER + field(11);
    const start = padded(nameEnd);
    if (field(11) < 1 || start + size > archive.length)
      throw damaged(called, 'its payload ends within a member');
    const name = archive.toString('utf8', at + CPIO_HEADER, nameEnd - 1);
    if (name === CPIO_END) return files;
    if ((field(1) & 0o170000) === 0o100000)
      files.push({ name, bytes: archive.subarray(start, start + size) });
    at = padded(start + size);
  }
}

function padded(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}

function damaged(called: string, reason: string): KilnError {
  return new KilnError('integrity', `${called} is not a whole RPM: ${reason}`, {
    hint: 'get the file anew; nothing of it is used',
  });
}
