/** One member of an archive written byte by byte, so that it may be as hostile as a test needs. */
export interface TarEntry {
  readonly name: string | Buffer;
  /** Type flag: '0' file, '1' hard link, '2' symlink, '5' directory ... (POSIX ustar). */
  readonly type?: string;
  readonly content?: string | Buffer;
  readonly linkname?: string;
  readonly mode?: number;
  /** Major and minor number of a device ('3' character, '4' block). */
  readonly device?: readonly [number, number];
}

/** A ustar archive of these members. */
export function tarOf(...entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(memberBytes), Buffer.alloc(1024)]);
}

/** A small kernel tree as an archive, below `top`. */
export function smallTree(top = 'linux-2.4.99'): TarEntry[] {
  return [
    { name: `${top}/`, type: '5', mode: 0o775 },
    { name: `${top}/Makefile`, content: 'VERSION = 2\nPATCHLEVEL = 4\nSUBLEVEL = 99\n', mode: 0o664 },
    { name: `${top}/scripts/`, type: '5', mode: 0o775 },
    { name: `${top}/scripts/mkdep`, content: '#!/bin/sh\n', mode: 0o775 },
    { name: `${top}/include/`, type: '5', mode: 0o775 },
    { name: `${top}/include/asm-i386/`, type: '5', mode: 0o775 },
    { name: `${top}/include/asm-i386/io.h`, content: 'x'.repeat(5000), mode: 0o664 },
    { name: `${top}/include/asm`, type: '2', linkname: 'asm-i386', mode: 0o777 },
  ];
}

/** A pax extended header (`x`) or global one (`g`) with these records. */
export function pax(type: 'x' | 'g', records: Readonly<Record<string, string>>): TarEntry {
  const content = Object.entries(records).map(([key, value]) => paxRecord(key, value));
  return { name: 'pax_header', type, content: content.join('') };
}

function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(body);
  while (length !== Buffer.byteLength(`${length}${body}`)) length = Buffer.byteLength(`${length}${body}`);
  return `${length}${body}`;
}

function memberBytes(entry: TarEntry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  const header = Buffer.alloc(512);
  header.write(Buffer.from(entry.name).toString('latin1'), 0, 100, 'latin1');
  header.write(octal(entry.mode ?? 0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(content.length, 11), 124);
  header.write(octal(1061769600, 11), 136);
  header.write('        ', 148);
  header.write(entry.type ?? '0', 156);
  header.write(entry.linkname ?? '', 157, 100);
  header.write('ustar\0' + '00', 257);
  if (entry.device !== undefined) {
    header.write(octal(entry.device[0], 7), 329);
    header.write(octal(entry.device[1], 7), 337);
  }
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}
