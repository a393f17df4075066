import { basename, resolve } from 'node:path';
import { digestOf, type FileDigests } from '../platform/digest.ts';
import { documentWithoutPasswords, withoutPasswords } from '../platform/secrets.ts';
import { DEFAULT_PATIENCE } from './download.ts';
import { type Attempt, notFetched } from './failures.ts';
import { takeGitRef } from './gitRef.ts';
import { takeLocalFile } from './localFile.ts';
import { type Location, locate, pathsInMirror } from './locate.ts';
import { describeMismatch, findMismatch, type Pins, pinsOf } from './pins.ts';
import { takeRemoteFile } from './remoteFile.ts';
import { Sharing } from './share.ts';
import { findInStore } from './store.ts';
import { isDirectory, substituteSource } from './substitute.ts';
import { digestTree } from './treeDigest.ts';
import type { FetchedSource, FetchOptions, SourceNews, SourceSpec } from './types.ts';

const sharing = new Sharing<FetchedSource, SourceNews>();

/**
 * Brings a source into the content-addressed store: from the store itself when its digest is known, else from
 * the mirror directories by file name, else from its URLs in order. Size and digests are checked before anyone
 * can read the file, each time. Calls for the same source share one download, in this process and others.
 * @throws KilnError `integrity` when a place has a file that is not the one pinned and no other place has it;
 *   `failed` when no place has it, with each one's answer in `lines`; `usage` for a `substitute` that is not there;
 *   the signal's reason when it is aborted (what was received is kept and resumed).
 */
export async function fetchSource(spec: SourceSpec, options: FetchOptions): Promise<FetchedSource> {
  options.signal?.throwIfAborted();
  const tell = (news: SourceNews) =>
    options.onEvent?.({ type: 'source', source: spec.name, ...documentWithoutPasswords(news) });
  if (options.substitute !== undefined) {
    const source = await substituteSource(spec, options, options.substitute);
    tell({ status: 'substituted', path: source.from });
    return source;
  }
  const { place: _, ...asked } = spec;
  const key = digestOf([asked, resolve(options.cacheDirectory), options.mirrors, options.patience]);
  return sharing.join(key, tell, options.signal, (signal, report) =>
    new Search(spec, options, signal, report).run(),
  );
}

/** One search for a source through all its places. */
class Search {
  private readonly spec: SourceSpec;
  private readonly options: FetchOptions;
  private readonly signal: AbortSignal;
  private readonly report: (news: SourceNews) => void;
  private readonly pins: Pins;
  private readonly locations: readonly Location[];
  private readonly attempts: Attempt[] = [];

  constructor(
    spec: SourceSpec,
    options: FetchOptions,
    signal: AbortSignal,
    report: (news: SourceNews) => void,
  ) {
    this.spec = spec;
    this.options = options;
    this.signal = signal;
    this.report = report;
    this.pins = pinsOf(spec);
    this.locations = spec.urls.map((url) => locate(url, spec.baseDirectory));
  }

  async run(): Promise<FetchedSource> {
    const found = (await this.inStore()) ?? (await this.inMirrors()) ?? (await this.atUrls());
    if (found !== undefined) return found;
    throw await notFetched(this.spec, this.options, this.locations, this.attempts);
  }

  private async inStore(): Promise<FetchedSource | undefined> {
    const { sha256 } = this.pins;
    if (sha256 === undefined) return undefined;
    const entry = await findInStore(this.options.cacheDirectory, sha256, this.pins);
    if (entry.status === 'absent') return undefined;
    if (entry.status === 'damaged') {
      this.report({ status: 'damaged', path: entry.path, reason: entry.reason });
      return undefined;
    }
    const mismatch = findMismatch(this.pins, entry.digests);
    if (mismatch !== undefined) {
      // The bytes are those of the pinned SHA-256, so that it is the pins that contradict each other.
      this.attempts.push({ from: entry.path, reason: describeMismatch(mismatch), mismatch });
      throw await notFetched(this.spec, this.options, this.locations, this.attempts);
    }
    this.report({ status: 'cached', path: entry.path });
    return this.fetched(entry, 'cache');
  }

  private async inMirrors(): Promise<FetchedSource | undefined> {
    for (const mirror of this.options.mirrors) {
      for (const path of pathsInMirror(mirror, this.locations)) {
        const found = await this.fromFile(path);
        if (found === undefined) continue;
        this.report({ status: 'mirror', path });
        return found;
      }
    }
    return undefined;
  }

  private async atUrls(): Promise<FetchedSource | undefined> {
    for (const location of this.locations) {
      const found = await this.at(location);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private async at(location: Location): Promise<FetchedSource | undefined> {
    switch (location.kind) {
      case 'file':
        return (await isDirectory(location.path))
          ? this.fromDirectory(location.path)
          : this.fromFile(location.path);
      case 'http':
        return this.fromUrl(location.url);
      case 'git':
        return this.fromGit(location);
      case 'unknown':
        return this.giveUp({ from: location.url, reason: location.reason });
    }
  }

  private async fromFile(path: string): Promise<FetchedSource | undefined> {
    this.report({ status: 'looking', from: path });
    const taken = await takeLocalFile(path, this.pins, this.options.cacheDirectory, this.signal);
    if (!('digests' in taken)) return this.giveUp(taken);
    return this.fetched(taken, path);
  }

  /** A directory stays where it is; its digest is `digestTree`'s. */
  private async fromDirectory(path: string): Promise<FetchedSource | undefined> {
    const { sha256, size } = await digestTree(path, this.signal);
    const mismatch = findMismatch(this.pins, { size, sha256 });
    if (mismatch !== undefined)
      return this.giveUp({ from: path, reason: describeMismatch(mismatch), mismatch });
    this.report({ status: 'verified', from: path, size, sha256 });
    const common = { name: this.spec.name, path, size, sha256, from: path, fileName: basename(path) };
    return { ...common, substituted: false, kind: 'directory' };
  }

  private async fromGit(location: Location & { kind: 'git' }): Promise<FetchedSource | undefined> {
    const from = `${location.url}#${location.ref}`;
    this.report({ status: 'looking', from });
    const taken = await takeGitRef(location, this.pins, this.options.cacheDirectory, this.signal);
    return 'digests' in taken ? this.fetched(taken, from) : this.giveUp(taken);
  }

  private async fromUrl(url: string): Promise<FetchedSource | undefined> {
    this.report({ status: 'looking', from: url });
    const taken = await takeRemoteFile(url, {
      cacheDirectory: this.options.cacheDirectory,
      pins: this.pins,
      patience: { ...DEFAULT_PATIENCE, ...this.options.patience },
      signal: this.signal,
      report: this.report,
    });
    return 'digests' in taken ? this.fetched(taken, url) : this.giveUp(taken);
  }

  private giveUp(attempt: Attempt): undefined {
    const { from, reason } = attempt;
    this.attempts.push({ ...attempt, from: withoutPasswords(from), reason: withoutPasswords(reason) });
    this.report({ status: 'unavailable', from, reason });
    return undefined;
  }

  /** Named as the recipe's first URL names it, wherever it was: the name is in the manifest, and a bundle's bytes are. */
  private fetched(
    taken: { readonly path: string; readonly digests: FileDigests },
    from: string,
  ): FetchedSource {
    const { path, digests } = taken;
    const fileName = this.locations[0]?.fileName ?? this.spec.name;
    this.report({ status: 'verified', from, size: digests.size, sha256: digests.sha256 });
    const common = { name: this.spec.name, path, fileName, from: withoutPasswords(from) };
    return { ...common, ...digests, substituted: false, kind: 'file' };
  }
}
