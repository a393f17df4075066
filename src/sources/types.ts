import type { Place } from '../platform/errors.ts';

/** A file that comes from outside, as the recipe names it: where it may be had and what it must be. */
export interface SourceSpec {
  /** `kernel` or a patch's name. */
  readonly name: string;
  /** http(s) or file: URLs, or paths, in the order to try them; relative ones start at `baseDirectory`. */
  readonly urls: readonly string[];
  /** The directory that the recipe stands in. */
  readonly baseDirectory: string;
  /** Bytes of the file as it is downloaded. */
  readonly size?: number;
  readonly sha256?: string;
  readonly sha1?: string;
  readonly md5?: string;
  /** What the lock file recorded at the first fetch. */
  readonly locked?: { readonly size: number; readonly sha256: string };
  /** Where the recipe names the source, for errors. */
  readonly place?: Place;
}

/** How patiently a server is asked. */
export interface Patience {
  /** Tries of one URL without a single new byte before the next URL's turn. */
  readonly attempts: number;
  /** Milliseconds before the second try; doubles with each further one. */
  readonly firstDelayMs: number;
  /** Longest wait before a try; a server that asks for a longer one (Retry-After) is given up. */
  readonly maxDelayMs: number;
  /** Milliseconds without a byte after which a connection counts as dead. */
  readonly stallMs: number;
}

export interface FetchOptions {
  /** The home's `cache/`; sources are kept in `sources/` below it. */
  readonly cacheDirectory: string;
  /** Directories that are searched by file name before any URL is tried. */
  readonly mirrors: readonly string[];
  /** PATH of `--source NAME=PATH`: a file or a directory that takes the source's place; pins don't apply. */
  readonly substitute?: string;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: SourceEvent) => void;
  readonly patience?: Partial<Patience>;
}

/** A source whose bytes have been read once and are what they must be. */
export interface FetchedSource {
  readonly name: string;
  /** A read-only file in the content-addressed store, or the directory that was given as a substitute. */
  readonly path: string;
  /** Bytes; of a directory, those of all its files. */
  readonly size: number;
  /** Of the file's bytes; of a directory, the digest that `digestTree` describes. */
  readonly sha256: string;
  /** Present where the recipe gives one to compare with. */
  readonly md5?: string;
  readonly sha1?: string;
  /** The URL or path it was taken from; `cache` when nothing had to be fetched. */
  readonly from: string;
  /** The release file's name, e.g. `linux-2.4.22.tar.bz2`. */
  readonly fileName: string;
  readonly substituted: boolean;
  readonly kind: 'file' | 'directory';
}

/** What happens while a source is fetched or unpacked; byte counts are of the file as downloaded. */
export type SourceEvent = { readonly type: 'source'; readonly source: string } & (
  | { readonly status: 'looking'; readonly from: string }
  | { readonly status: 'waiting'; readonly url: string; readonly pid?: number }
  | { readonly status: 'resumed'; readonly url: string; readonly at: number }
  | {
      readonly status: 'downloading';
      readonly url: string;
      readonly received: number;
      readonly total?: number;
    }
  | {
      readonly status: 'retrying';
      readonly url: string;
      readonly reason: string;
      /** The number of the try to come; the first one was 1. */
      readonly attempt: number;
      readonly afterMs: number;
    }
  | { readonly status: 'unavailable'; readonly from: string; readonly reason: string }
  | { readonly status: 'damaged'; readonly path: string; readonly reason: string }
  | { readonly status: 'cached'; readonly path: string }
  | { readonly status: 'mirror'; readonly path: string }
  | { readonly status: 'substituted'; readonly path: string }
  | {
      readonly status: 'verified';
      readonly from: string;
      readonly size: number;
      readonly sha256: string;
    }
  | { readonly status: 'unpacking'; readonly decoder: string }
  | { readonly status: 'unpacked'; readonly decoder: string; readonly members: number }
);

/** An event without the parts that are the same in all events of one source. */
export type SourceNews = SourceEvent extends infer Event
  ? Event extends SourceEvent
    ? Omit<Event, 'type' | 'source'>
    : never
  : never;
