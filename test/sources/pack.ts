import { execFileSync } from 'node:child_process';

function pack(program: string): (bytes: Buffer) => Buffer {
  return (bytes) => execFileSync(program, ['-c'], { input: bytes, maxBuffer: 1 << 30 });
}

/** Compressors of the host: what upstream's files are made with. */
export const bzip2 = pack('bzip2');
export const gzip = pack('gzip');
export const xz = pack('xz');
export const zstd = pack('zstd');
