import { resolve } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { listIfAny } from '../platform/files.ts';
import { run } from '../platform/process.ts';
import type { WatchRule } from '../recipe/schema.ts';
import { gitEnvironment, isDirectory, locate } from '../sources/index.ts';
import { type AskPatience, askFor, readText } from './ask.ts';
import { type Listed, readListing } from './listing.ts';
import { afterFailure, afterSuccess } from './pace.ts';
import type { ListingMemory, Validators } from './state.ts';

/** One rule of one source of one recipe. */
export interface Watched {
  /** Names the source in the state: the recipe's reference and the source's name. */
  readonly id: string;
  readonly rule: WatchRule;
  readonly urls: readonly string[];
  /** Where the recipe's relative paths start. */
  readonly directory: string;
}

/** What a listing answered. */
export interface Answer {
  /** What it lists; undefined: what it did the last time, or nothing that can be read. */
  readonly listed?: readonly Listed[];
  /** Why it could not be read. */
  readonly failed?: string;
  /** When it is to be asked again, and how. */
  readonly memory: ListingMemory;
}

/** How listings are asked. */
export interface Asking {
  readonly now: () => number;
  /** From 0 up to 1, for the jitter. */
  readonly chance: () => number;
  readonly patience: AskPatience;
  readonly signal: AbortSignal;
}

/** What names a listing: rules of one page, and of the same hosts, share it. A directory's begins with a slash. */
export function placeOf({ rule, directory, urls }: Watched): string {
  if (rule.git !== undefined) return `git ${rule.git}`;
  const location = locate(rule.index ?? '', directory);
  if (location.kind === 'file') return location.path;
  const hosts = urls.flatMap((url) => (/^https?:/.test(url) && URL.canParse(url) ? [new URL(url).host] : []));
  return [rule.index, ...new Set(hosts.sort())].join(' ');
}

/** The machine that a listing is asked of, whatever its port. */
export function hostOf({ rule }: Watched): string {
  const url = (rule.git ?? rule.index ?? '').replace(/^git\+/, '');
  return URL.canParse(url) ? new URL(url).hostname : url;
}

/**
 * Asks for a listing. A server that fails is an answer.
 * @param before what was remembered of it; it is asked whether that has changed where `conditionally`
 */
export async function askListing(
  watched: Watched,
  before: ListingMemory | undefined,
  conditionally: boolean,
  everyMs: number,
  asking: Asking,
): Promise<Answer> {
  const { now, chance, signal } = asking;
  const failed = (reason: string, retryAfter?: number): Answer => {
    const failures = (before?.failures ?? 0) + 1;
    const memory = {
      ...before,
      failures,
      next: afterFailure(now(), failures, everyMs, chance(), retryAfter),
      leaveUntil: retryAfter === undefined ? 0 : now() + Math.min(retryAfter, 7 * 86_400_000),
    };
    return { failed: reason, memory };
  };
  try {
    const asked = await askOne(watched, conditionally ? (before ?? {}) : {}, asking);
    if ('failed' in asked) return failed(asked.failed, asked.retryAfterMs);
    const next = afterSuccess(now(), everyMs, chance());
    const memory = { ...asked.validators, failures: 0, next, leaveUntil: 0 };
    return asked.listed === undefined ? { memory } : { listed: asked.listed, memory };
  } catch (error) {
    if (error instanceof KilnError && !signal.aborted) return failed(error.message);
    throw error;
  }
}

type Listing =
  | { readonly listed: readonly Listed[] | undefined; readonly validators: Validators }
  | { readonly failed: string; readonly retryAfterMs: number | undefined };

async function askOne(
  { rule, directory, urls }: Watched,
  { etag, lastModified }: Validators,
  { patience, signal }: Asking,
): Promise<Listing> {
  if (rule.git !== undefined) return { listed: await listRefs(rule.git, signal), validators: {} };
  const location = locate(rule.index ?? '', directory);
  if (location.kind === 'file') return { listed: await listDirectory(location.path), validators: {} };
  if (location.kind !== 'http') {
    return { failed: `${rule.index}: expected a URL or a directory`, retryAfterMs: undefined };
  }
  const hosts = new Set(
    urls.flatMap((url) => (URL.canParse(url) ? [new URL(url).host] : [])).filter((host) => host !== ''),
  );
  const validators: Validators = {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { lastModified }),
  };
  const asked = await askFor(location.url, validators, {
    patience,
    signal,
    read: async (head, body) => readListing(await readText(head, body), { url: head.url, hosts }),
  });
  if (asked.status === 'failed') return { failed: asked.reason, retryAfterMs: asked.retryAfterMs };
  if (asked.status === 'new') return { listed: asked.value, validators: asked.validators };
  return { listed: undefined, validators };
}

async function listDirectory(path: string): Promise<Listed[]> {
  try {
    if (!(await isDirectory(path)))
      throw new KilnError('failed', `there is no directory ${path}`, { transient: true });
    const names = await listIfAny(path);
    return names.map((name) => ({ name, url: resolve(path, name) }));
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EIO')) throw error;
    throw new KilnError('failed', `${path} can't be read`, { transient: true });
  }
}

/** The tags of a repository by their names, and every ref as `ref:NAME`, whose name is its commit. */
async function listRefs(url: string, signal: AbortSignal): Promise<Listed[]> {
  const plain = url.replace(/^git\+/, '');
  if (!/^(https?|ssh|git|file):\/\/|^\//.test(plain)) {
    throw new KilnError('failed', `${url} is no URL of a repository`, { hint: 'https:, ssh: or file:' });
  }
  const lines: string[] = [];
  const result = await run('git', ['ls-remote', '--heads', '--tags', '--', plain], {
    env: gitEnvironment('/nonexistent'),
    signal,
    timeoutMs: 120_000,
    onLine: (line) => lines.push(line),
  });
  signal.throwIfAborted();
  if (result.exitCode !== 0) {
    throw new KilnError('failed', `git ls-remote: ${result.tail.at(-1) ?? 'failed'}`, { transient: true });
  }
  return lines.flatMap((line): Listed[] => {
    const [, commit, ref] = /^([0-9a-f]{40,64})\t(\S+)$/.exec(line) ?? [];
    if (commit === undefined || ref === undefined || ref.endsWith('^{}')) return [];
    const named: Listed = { name: commit, url: `ref:${ref}` };
    const tag = /^refs\/tags\/(.+)$/.exec(ref)?.[1];
    return tag === undefined ? [named] : [named, { name: tag, url: undefined }];
  });
}
