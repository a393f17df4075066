import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileDigests, sha256 } from '../platform/digest.ts';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import { withoutPasswords } from '../platform/secrets.ts';
import { type Download, download, WrongSizeError } from './download.ts';
import type { Attempt } from './failures.ts';
import { TransferError } from './http.ts';
import { PartialFile } from './partial.ts';
import { describeMismatch, findMismatch, hasDigest, olderDigests, type Pins } from './pins.ts';
import { addToStore, findInStore, partialDirectory } from './store.ts';
import type { Patience, SourceNews } from './types.ts';
import { waitForLock } from './waitForLock.ts';

export interface RemoteContext {
  readonly cacheDirectory: string;
  readonly pins: Pins;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly report: (news: SourceNews) => void;
}

type Taken = { readonly path: string; readonly digests: FileDigests };

/**
 * Downloads a URL's file into the store, one process at a time: whoever comes second waits and takes what the
 * first one fetched.
 * @returns its path in the store, or why the URL can't serve
 */
export async function takeRemoteFile(url: string, context: RemoteContext): Promise<Taken | Attempt> {
  const directory = partialDirectory(context.cacheDirectory);
  const key = sha256(url).slice(0, 32);
  const record = join(directory, `${key}.fetched`);
  const before = await readTextIfAny(record);
  const { lock, waited } = await waitForLock(
    join(directory, `${key}.lock`),
    `fetch ${withoutPasswords(url)}`,
    context.signal,
    (holder) =>
      context.report({ status: 'waiting', url, ...(holder === undefined ? {} : { pid: holder.pid }) }),
  );
  try {
    const fetched = waited ? await fetchedMeanwhile(record, before, context) : undefined;
    if (fetched !== undefined) return fetched;
    const result = await downloadLocked(url, directory, key, context);
    if ('digests' in result) await writeRecord(record, result.digests.sha256);
    return result;
  } finally {
    lock.release();
  }
}

/** What the process that was waited for has put into the store, if it is what this one is after. */
async function fetchedMeanwhile(
  record: string,
  before: string | undefined,
  context: RemoteContext,
): Promise<Taken | undefined> {
  const { cacheDirectory, pins } = context;
  const now = await readTextIfAny(record);
  const digest = pins.sha256 ?? (now === before ? undefined : now?.split(' ')[0]);
  if (digest === undefined) return undefined;
  const entry = await findInStore(cacheDirectory, digest, pins);
  if (entry.status !== 'found' || findMismatch(pins, entry.digests) !== undefined) return undefined;
  return entry;
}

/** The moment stands in the record so that fetching the same bytes again changes it. */
async function writeRecord(record: string, digest: string): Promise<void> {
  await writeFileAtomic(record, `${digest} ${process.pid} ${process.hrtime.bigint()}\n`);
}

async function downloadLocked(
  url: string,
  directory: string,
  key: string,
  context: RemoteContext,
): Promise<Taken | Attempt> {
  const { pins, cacheDirectory } = context;
  const partial = await PartialFile.open(directory, key, url, olderDigests(pins), hasDigest(pins));
  try {
    const digests = await bytesOf({ url, partial, ...context });
    const mismatch = findMismatch(pins, digests);
    if (mismatch !== undefined) {
      await partial.drop();
      return { from: url, reason: describeMismatch(mismatch), mismatch };
    }
    const path = await addToStore(cacheDirectory, partial.path, digests.sha256);
    await partial.drop();
    return { path, digests };
  } catch (error) {
    if (error instanceof TransferError) {
      return { from: url, reason: error.message, ...(error.retry ? { transient: true as const } : {}) };
    }
    if (!(error instanceof WrongSizeError)) throw error;
    await partial.drop();
    return { from: url, reason: error.message, mismatch: error.mismatch };
  } finally {
    await partial.close();
  }
}

/** Joined pieces that don't add up are no evidence against the server: the whole is then fetched once more. */
async function bytesOf(context: Download): Promise<FileDigests> {
  const { partial, pins, url, report } = context;
  const { joined } = await download(context);
  const digests = partial.digests();
  const mismatch = findMismatch(pins, digests);
  if (mismatch === undefined || !joined) return digests;
  report({
    status: 'retrying',
    url,
    reason: `the resumed download's ${describeMismatch(mismatch)}`,
    attempt: 1,
    afterMs: 0,
  });
  await partial.restart();
  await rm(`${partial.path}.json`, { force: true });
  await download(context);
  return partial.digests();
}
