import { KilnError } from './errors.ts';

const MILLISECONDS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
};

/** Milliseconds of `30m`, `12h`, `7d`, `2w`, or `0`. @throws KilnError `usage` naming what was set */
export function parseDuration(text: string, name: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([smhdw]?)$/.exec(text.trim()) ?? [];
  const factor = number === '0' ? 1 : MILLISECONDS[unit];
  if (number !== undefined && factor !== undefined) return Number(number) * factor;
  throw new KilnError('usage', `${name} is ${JSON.stringify(text)}`, {
    hint: 'a number and its unit: s, m, h, d or w, e.g. 12h or 7d',
  });
}

/** Bytes of `500MiB`, `20GiB`, `1GB`, or a plain number. @throws KilnError `usage` naming what was set */
export function parseBytes(text: string, name: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const factor = unit === '' ? 1 : BYTES[unit.toLowerCase()];
  if (number !== undefined && factor !== undefined) return Math.floor(Number(number) * factor);
  throw new KilnError('usage', `${name} is ${JSON.stringify(text)}`, {
    hint: 'a number and its unit: KiB, MiB, GiB, e.g. 20GiB',
  });
}
