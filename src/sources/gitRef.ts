import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileDigests } from '../platform/digest.ts';
import { removeTree } from '../platform/files.ts';
import { baseEnvironment, run } from '../platform/process.ts';
import { isInstalled } from './compression.ts';
import type { Attempt } from './failures.ts';
import { takeLocalFile } from './localFile.ts';
import type { Pins } from './pins.ts';
import { partialDirectory } from './store.ts';

export interface GitRef {
  /** What git calls the repository's URL. */
  readonly url: string;
  /** A tag, a branch or a full commit. */
  readonly ref: string;
  /** Name of the tar; its top directory is the same without `.tar`. */
  readonly fileName: string;
}

/**
 * Fetches one commit, without its history, and takes its tree as the tar that `git archive` makes of it: the same
 * bytes for the same commit, on any machine. That tar's SHA-256 is the source's digest.
 * @returns its path in the store, or why it can't be had
 */
export async function takeGitRef(
  from: GitRef,
  pins: Pins,
  cacheDirectory: string,
  signal: AbortSignal,
): Promise<{ readonly path: string; readonly digests: FileDigests } | Attempt> {
  const { url, ref, fileName } = from;
  if (!(await isInstalled('git'))) return { from: url, reason: 'git is not installed (package git)' };
  const parent = partialDirectory(cacheDirectory);
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'git-'));
  const repository = join(directory, 'repository');
  const tar = join(directory, fileName);
  const top = fileName.replace(/\.tar$/, '/');
  try {
    for (const words of [
      ['init', '--quiet', '--bare', repository],
      ['-C', repository, 'fetch', '--quiet', '--depth=1', '--no-tags', '--', url, ref],
      [
        '-C',
        repository,
        '-c',
        'tar.umask=0022',
        'archive',
        '--format=tar',
        `--prefix=${top}`,
        '-o',
        tar,
        'FETCH_HEAD',
      ],
    ]) {
      const result = await run('git', words, { env: gitEnvironment(directory), signal });
      signal.throwIfAborted();
      if (result.exitCode !== 0) return { from: `${url}#${ref}`, reason: result.tail.at(-1) ?? 'git failed' };
    }
    return await takeLocalFile(tar, pins, cacheDirectory, signal);
  } finally {
    await removeTree(directory);
  }
}

/** No settings of the user's or the machine's, and no question. */
export function gitEnvironment(home: string): Record<string, string> {
  return {
    ...baseEnvironment(),
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: 'https:http:git:ssh:file',
  };
}
