/** Words for what comes before a release, the earliest first. */
const BEFORE_RELEASE = ['dev', 'snapshot', 'alpha', 'beta', 'test', 'pre', 'rc'];

/** One part of a version: its kind decides first, then its value. */
interface Part {
  readonly kind: number;
  readonly value: bigint | string;
}

const PRERELEASE = 0;
const END = 1;
const WORD = 2;
const NUMBER = 3;

const NOTHING_MORE: Part = { kind: END, value: 0n };

function partsOf(version: string): Part[] {
  return (version.toLowerCase().match(/\d+|[a-z]+/g) ?? []).map((text): Part => {
    if (/^\d/.test(text)) return { kind: NUMBER, value: BigInt(text) };
    const rank = BEFORE_RELEASE.indexOf(text);
    return rank === -1 ? { kind: WORD, value: text } : { kind: PRERELEASE, value: BigInt(rank) };
  });
}

/**
 * Compares versions as people mean them: numbers as numbers (-9 before -10, om2 before om10), rc, pre, test and their
 * like before the release, and what a release has appended (2.4.22-om2, 2.4.22.1) behind it. Signs between the parts
 * don't count. A total order, in which versions that differ in signs and leading zeros alone are equal.
 * @returns less than 0 where `a` is older, more than 0 where it is newer
 */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at] ?? NOTHING_MORE, right[at] ?? NOTHING_MORE];
    if (one.kind !== other.kind) return one.kind - other.kind;
    if (one.value !== other.value) return one.value < other.value ? -1 : 1;
  }
  return 0;
}

/** True for a version with a word that says it comes before a release, e.g. 2.4.23-pre7. */
export function isPrerelease(version: string): boolean {
  return partsOf(version).some(({ kind }) => kind === PRERELEASE);
}
