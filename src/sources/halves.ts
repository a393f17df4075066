import type { Member } from './members.ts';

/** What making a file costs besides its bytes, in bytes: a tree of small files takes as long as one of large ones. */
const EACH = 8192;
/** Fewer members are unpacked before a second process has begun. */
const FEW = 1000;
/** Names that mean themselves to tar, whatever it takes for a pattern. */
const PLAIN = /^[\w.+-]+$/;

/**
 * The directory below an archive's top that comes nearest to half of it, as tar calls it (`linux-2.4.22/drivers`): one
 * process can unpack it while another unpacks the rest. Undefined where there is none, or where the two would have to
 * do with each other: by a hard link, or by names that are written in more than one way.
 * @param top the one top directory of all members
 */
export function halfOf(members: readonly Member[], top: string): string | undefined {
  if (members.length < FEW || !PLAIN.test(top)) return undefined;
  const weights = new Map<string, number>();
  let total = 0;
  for (const { path, type, size } of members) {
    if (type === 'hardlink' || /(?:^|\/)\.?\//.test(path)) return undefined;
    const [, name = '', below] = path.split('/', 3);
    total += size + EACH;
    // A directory's own member ends with a slash.
    if (below !== undefined) weights.set(name, (weights.get(name) ?? 0) + size + EACH);
  }
  const off = ([, weight]: readonly [string, number]) => Math.abs(total / 2 - weight);
  const [best] = [...weights].filter(([name]) => PLAIN.test(name)).sort((a, b) => off(a) - off(b));
  return best === undefined || best[1] < total / 8 ? undefined : `${top}/${best[0]}`;
}
