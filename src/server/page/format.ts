const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];

/** `5 min. ago` */
export function age(iso: string | null): string {
  if (iso === null) return 'never';
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return 'just now';
}

/** `in 5 min.`, for what is to come. */
export function due(iso: string): string {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  return seconds < 60 ? 'within a minute' : age(iso);
}

export function moment(iso: string): string {
  return clock.format(new Date(iso));
}

/** `1.2 MiB` */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const units = ['KiB', 'MiB', 'GiB'];
  let value = count / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** `3.2 s`, `2 min 05 s`, `2 min` */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  const whole = Math.round(seconds);
  if (whole % 60 === 0) return `${whole / 60} min`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** `+12 KiB`, `-3 KiB`, nothing for no change. */
export function change(from: number, to: number): string {
  if (from === to) return 'the same';
  return `${to > from ? '+' : '\u2212'}${bytes(Math.abs(to - from))}`;
}
