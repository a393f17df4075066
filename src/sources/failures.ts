import { basename, join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import type { Location } from './locate.ts';
import { describeMismatch, type Mismatch, pinsOf } from './pins.ts';
import type { FetchOptions, SourceSpec } from './types.ts';

/** One place that was asked for a source in vain. */
export interface Attempt {
  readonly from: string;
  readonly reason: string;
  /** Set when there was a file, but another one than pinned. */
  readonly mismatch?: Mismatch;
  /** Set when the same place may have it later: it was out of reach, or too busy. */
  readonly transient?: true;
}

/**
 * The error for a source that no place had: `integrity` when one had a file of that name that is not the one
 * pinned, else `failed`. Its lines are the places asked and their answers.
 */
export async function notFetched(
  spec: SourceSpec,
  options: FetchOptions,
  locations: readonly Location[],
  attempts: readonly Attempt[],
): Promise<KilnError> {
  const fileName = locations.find((location) => location.fileName !== '')?.fileName ?? spec.name;
  const details = {
    lines: [
      ...attempts.map((attempt) => `${attempt.from}: ${attempt.reason}`),
      ...(await lookalikes(spec, options, locations)),
    ],
    ...(spec.place === undefined ? {} : { place: spec.place }),
  };
  const wrong = attempts.find((attempt) => attempt.mismatch !== undefined);
  if (wrong?.mismatch !== undefined) {
    return new KilnError(
      'integrity',
      `${fileName} (source ${spec.name}) from ${wrong.from} is not the file that is pinned: ${describeMismatch(wrong.mismatch)}`,
      { ...details, hint: integrityHint(spec, fileName) },
    );
  }
  return new KilnError(
    'failed',
    `${fileName} (source ${spec.name}) is not to be had from any of its places`,
    {
      ...details,
      lines: [...details.lines, ...pinned(spec)],
      transient: attempts.some((attempt) => attempt.transient === true),
      hint: mirrorHint(options, fileName),
    },
  );
}

/** What the file has to be: who finds one somewhere can tell whether it is that. */
function pinned(spec: SourceSpec): string[] {
  const { size, ...digests } = pinsOf(spec);
  const parts = [
    ...(size === undefined ? [] : [`${size} bytes`]),
    ...Object.entries(digests).map(([name, digest]) => `${name} ${digest}`),
  ];
  return parts.length === 0 ? [] : [`what is pinned: ${parts.join(', ')}`];
}

function integrityHint(spec: SourceSpec, fileName: string): string {
  const pinnedBy = spec.locked === undefined ? 'the recipe' : "the recipe's lock file";
  return `it was not used; get an undamaged ${fileName} from another mirror, or, if upstream has replaced it and the new one is meant, change what ${pinnedBy} says about ${spec.name}`;
}

function mirrorHint(options: FetchOptions, fileName: string): string {
  const [mirror] = options.mirrors;
  return mirror === undefined
    ? `put ${fileName} into a directory and name that with --mirror DIR or $KILN_MIRROR`
    : `put ${fileName} into ${mirror} (the mirror directory: --mirror DIR or $KILN_MIRROR)`;
}

/** The same file in another packing, as mirrors often have it: not what is pinned, but perhaps what is wanted. */
async function lookalikes(
  spec: SourceSpec,
  options: FetchOptions,
  locations: readonly Location[],
): Promise<string[]> {
  const names = new Set(locations.map((location) => location.fileName));
  const stems = new Set([...names].map((name) => name.replace(/\.(gz|bz2|xz|zst)$/, '')));
  const candidates = [...stems].flatMap((stem) =>
    ['', '.gz', '.bz2', '.xz', '.zst'].map((end) => stem + end),
  );
  const lines: string[] = [];
  for (const mirror of options.mirrors) {
    for (const name of candidates.filter((candidate) => candidate !== '' && !names.has(candidate))) {
      const path = join(mirror, name);
      if (!(await exists(path))) continue;
      lines.push(
        `${mirror} has ${basename(path)}, which is not the file pinned; --source ${spec.name}=${path} uses it all the same`,
      );
    }
  }
  return lines;
}
