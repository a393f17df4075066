import { KilnError } from '../platform/errors.ts';

/** A name that a listing has. */
export interface Listed {
  readonly name: string;
  /** Where the listing says it is; of a tag's name, nowhere. */
  readonly url: string | undefined;
}

export interface ListingPlace {
  /** The listing's own URL: where redirects led. */
  readonly url: string;
  /** Hosts besides its own that its links may lead to: those that the recipe names. */
  readonly hosts: ReadonlySet<string>;
}

/** More names than this no listing of releases has. */
export const MOST_NAMES = 20_000;

/**
 * Reads what a server lists: JSON (GitHub's releases and tags, SourceForge's best release, nginx's index, an array of
 * names), a web page or feed with links, or a text with a name on each line. What its links lead to is not trusted:
 * other schemes than http(s), other hosts, and on its own host what is not below the listing's directory, are left out.
 * @throws KilnError `failed`, transient, for JSON that is cut off or damaged, and for a listing of too many names
 */
export function readListing(text: string, place: ListingPlace): Listed[] {
  const start = text.slice(0, 1000).trimStart();
  const found = /^[[{]/.test(start)
    ? readJson(text, place)
    : start.startsWith('<') || /<a\s/i.test(text)
      ? readLinks(text, place)
      : readLines(text);
  const seen = new Map<string, Listed>();
  for (const one of found) {
    if (!isName(one.name) || seen.get(one.name)?.url !== undefined) continue;
    seen.set(one.name, one);
    if (seen.size > MOST_NAMES) throw unreadable(`lists more than ${MOST_NAMES} names`);
  }
  return [...seen.values()];
}

/** A name, and nothing that could lead elsewhere. */
function isName(name: string): boolean {
  return /^[\w][\w.+~@:-]{0,199}$/.test(name) && !name.includes('..');
}

function unreadable(what: string): KilnError {
  return new KilnError('failed', `the listing ${what}`, {
    hint: 'look at it in a browser; it is asked again later',
    transient: true,
  });
}

// Bounded, so that no page makes it search for ever; a link that is cut off has no closing quote.
const LINK =
  /<a\s[^<>]{0,2000}?href\s*=\s*(?:"([^"<>]{1,2000})"|'([^'<>]{1,2000})')|<link>([^<>]{1,2000})<\/link>/gi;

function* readLinks(text: string, place: ListingPlace): Generator<Listed> {
  for (const [, double, single, feed] of text.matchAll(LINK)) {
    const listed = fromLink(unescapeHtml(double ?? single ?? feed ?? ''), place, true);
    if (listed !== undefined) yield listed;
  }
}

function unescapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text
    .trim()
    .replaceAll(/&(?:#(\d{1,5})|#x([0-9a-f]{1,4})|(\w{2,4}));/gi, (whole, decimal, hex, name: string) => {
      if (decimal !== undefined) return String.fromCharCode(Number(decimal));
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(String(hex), 16));
      return names[name.toLowerCase()] ?? whole;
    });
}

function fromLink(href: string, place: ListingPlace, below: boolean): Listed | undefined {
  const base = new URL(place.url);
  if (!URL.canParse(href, base.href)) return undefined;
  const url = new URL(href, base);
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || base.protocol === 'https:')) return undefined;
  if (url.username !== '' || url.password !== '') return undefined;
  const own = url.host === base.host;
  if (!own && !place.hosts.has(url.host)) return undefined;
  if (own && below && !url.pathname.startsWith(new URL('.', base).pathname)) return undefined;
  const name = nameOf(url);
  return name === undefined ? undefined : { name, url: url.href };
}

/** The file's name in a URL; SourceForge puts `/download` behind it. */
function nameOf({ pathname }: URL): string | undefined {
  const parts = pathname.split('/').filter((part) => part !== '');
  const last = parts.at(-1) === 'download' ? parts.at(-2) : parts.at(-1);
  try {
    return last === undefined ? undefined : decodeURIComponent(last);
  } catch {
    return undefined;
  }
}

function* readLines(text: string): Generator<Listed> {
  for (const line of text.split('\n')) {
    // Lists of checksums have the name last.
    const name = line.trim().split(/\s+/).at(-1)?.replace(/^\*/, '') ?? '';
    yield { name, url: undefined };
  }
}

function* readJson(text: string, place: ListingPlace): Generator<Listed> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable('is JSON that is cut off or damaged');
  }
  yield* fromJson(value, place);
}

function* fromJson(value: unknown, place: ListingPlace): Generator<Listed> {
  if (Array.isArray(value)) for (const one of value) yield* fromEntry(one, place);
  else yield* fromEntry(value, place);
}

/** Members of an entry that hold a name, and those that hold where it is. */
const NAMES = ['tag_name', 'name', 'filename', 'file'];
const PLACES = ['browser_download_url', 'url', 'direct_asset_url'];

function* fromEntry(entry: unknown, place: ListingPlace): Generator<Listed> {
  if (typeof entry === 'string') yield { name: entry, url: undefined };
  if (typeof entry !== 'object' || entry === null) return;
  const record = entry as Readonly<Record<string, unknown>>;
  if (record.draft === true) return;
  const link = PLACES.map((key) => record[key]).find((one) => typeof one === 'string');
  const linked = link === undefined ? undefined : fromLink(link, place, false);
  for (const key of NAMES) {
    const name = record[key];
    if (typeof name !== 'string') continue;
    const short = name.slice(name.lastIndexOf('/') + 1);
    yield { name: short, url: linked?.name === short ? linked.url : undefined };
  }
  if (linked !== undefined) yield linked;
  for (const nested of ['assets', 'release', 'releases', 'files', 'tags']) {
    if (record[nested] !== undefined && record[nested] !== record) yield* nestedJson(record[nested], place);
  }
  if (typeof record.assets === 'object' && record.assets !== null && 'links' in record.assets)
    yield* nestedJson(record.assets.links, place);
}

function* nestedJson(value: unknown, place: ListingPlace): Generator<Listed> {
  for (const one of Array.isArray(value) ? value : [value]) yield* fromEntry(one, place);
}
