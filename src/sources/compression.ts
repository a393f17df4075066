import { createReadStream, createWriteStream } from 'node:fs';
import { access, constants, open, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import unbzip2 from 'unbzip2-stream';
import { KilnError } from '../platform/errors.ts';
import { baseEnvironment, run } from '../platform/process.ts';

export type Packing = 'gz' | 'bz2' | 'xz' | 'zst' | 'bare';

const MAGIC: readonly { readonly packing: Packing; readonly pattern: RegExp }[] = [
  { packing: 'gz', pattern: /^1f8b08/ },
  // "BZh", the block size, and the first block's magic (or, of an empty file, the end's).
  { packing: 'bz2', pattern: /^425a683[1-9](314159265359|177245385090)/ },
  { packing: 'xz', pattern: /^fd377a585a00/ },
  { packing: 'zst', pattern: /^28b52ffd/ },
];

/** Tells how a file is packed from its first bytes; its name is not looked at. */
export async function packingOf(path: string): Promise<Packing> {
  const handle = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(10), 0, 10, 0);
    const start = buffer.subarray(0, bytesRead).toString('hex');
    return MAGIC.find(({ pattern }) => pattern.test(start))?.packing ?? 'bare';
  } finally {
    await handle.close();
  }
}

export interface DecompressOptions {
  /** What to call the file in an error. */
  readonly called: string;
  /** Most bytes that may come out. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

/** What a decoder says, in the C locale that tools run in, when it is not the file's fault. */
const DISK_IS_FULL = /No space left on device|Disk quota exceeded/;

/** Programs that unpack standard input to standard output, in the order of preference. */
const PROGRAMS: Readonly<Partial<Record<Packing, readonly string[]>>> = {
  bz2: ['lbzip2', 'bzip2'],
  xz: ['xz'],
  // Not Node's own decoder: it takes the first frame for the whole file, and pzstd writes many.
  zst: ['zstd'],
};

/** Decoders of our own, for where there is no program or none is needed. */
const STREAMS: Readonly<Partial<Record<Packing, { name: string; make: () => NodeJS.ReadWriteStream }>>> = {
  gz: { name: 'zlib', make: () => createGunzip() },
  bz2: { name: 'unbzip2-stream', make: () => unbzip2() },
};

/**
 * Decompresses a file into another one.
 * @returns what did it: a program's name, `zlib` or `unbzip2-stream`
 * @throws KilnError `integrity` when the file is truncated, damaged, or unpacks to more than the limit; `tool` when
 *   the program that it takes is not installed. What was written by then is the caller's to remove.
 */
export async function decompress(
  from: string,
  to: string,
  packing: Exclude<Packing, 'bare'>,
  options: DecompressOptions,
): Promise<string> {
  const names = PROGRAMS[packing] ?? [];
  for (const program of names) {
    if (!(await isInstalled(program))) continue;
    await decompressBy(program, from, to, options);
    return program;
  }
  const own = STREAMS[packing];
  if (own === undefined) {
    throw new KilnError(
      'tool',
      `${from} is packed as ${packing}, and ${names.join(' or ')} is not installed`,
      {
        hint: 'kiln doctor names the package; kiln doctor --install-tools installs it',
      },
    );
  }
  await decompressIn(own.make(), from, to, options);
  return own.name;
}

/** True when a program of that name is on the PATH that host tools are run with. */
export async function isInstalled(program: string): Promise<boolean> {
  const { PATH = '' } = baseEnvironment();
  for (const directory of PATH.split(delimiter)) {
    try {
      await access(join(directory, program), constants.X_OK);
      return true;
    } catch {
      // Not in this one.
    }
  }
  return false;
}

async function decompressBy(
  program: string,
  from: string,
  to: string,
  options: DecompressOptions,
): Promise<void> {
  // POSIX: ulimit -f counts blocks of 512 bytes; one more than the limit tells too much from just enough.
  const blocks = Math.floor(options.limit / 512) + 1;
  const script = 'ulimit -f "$1" && exec "$2" -dc < "$3" > "$4"';
  const result = await run('sh', ['-c', script, 'sh', String(blocks), program, from, to], {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  options.signal?.throwIfAborted();
  if ((await stat(to)).size > options.limit) throw tooLarge(options);
  if (result.exitCode === 0) return;
  const words = result.tail.join('; ');
  if (DISK_IS_FULL.test(words)) {
    throw new KilnError('failed', `${options.called} can't be unpacked to ${to}: ${words}`, {
      hint: 'the disk is full; kiln gc says what can go',
    });
  }
  throw damaged(options.called, program, words);
}

async function decompressIn(
  decoder: NodeJS.ReadWriteStream,
  from: string,
  to: string,
  options: DecompressOptions,
): Promise<void> {
  let total = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      total += chunk.length;
      if (total > options.limit) done(tooLarge(options));
      else done(null, chunk);
    },
  });
  const signal = options.signal ?? new AbortController().signal;
  try {
    await pipeline(createReadStream(from), decoder, bounded, createWriteStream(to), { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof KilnError) throw error;
    if ((error as NodeJS.ErrnoException | undefined)?.syscall !== undefined) throw error;
    // unbzip2-stream reads past the end of a truncated file and trips over what is not there.
    const words = error instanceof TypeError ? 'unexpected end of file' : String((error as Error).message);
    throw damaged(options.called, 'its decoder', words);
  }
}

function tooLarge({ called, limit }: DecompressOptions): KilnError {
  return new KilnError('integrity', `${called} unpacks to more than ${limit} bytes, which no source does`, {
    hint: 'check where the file comes from',
  });
}

function damaged(called: string, decoder: string, words: string): KilnError {
  return new KilnError(
    'integrity',
    `${called} is truncated or damaged: ${decoder} can't unpack it (${words})`,
    {
      hint: 'get the file anew; a sha256 in the recipe would tell earlier',
    },
  );
}
