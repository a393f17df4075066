import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KilnError } from '../../src/platform/errors.ts';
import type { FetchOptions, SourceEvent, SourceSpec } from '../../src/sources/index.ts';

/** A directory of the test's own. */
export async function scratch(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'kiln-sources-'));
}

export async function discard(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

export function hex(algorithm: 'sha256' | 'sha1' | 'md5', bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('hex');
}

/** Bytes that don't compress and don't repeat. */
export function noise(length: number): Buffer {
  return randomBytes(length);
}

/** A spec for these URLs, with whatever else the test pins. */
export function spec(urls: readonly string[], pins: Partial<SourceSpec> = {}): SourceSpec {
  return { name: 'kernel', urls, baseDirectory: '/nonexistent', ...pins };
}

export interface Recorded extends FetchOptions {
  readonly events: SourceEvent[];
}

/** Options with an impatient fetcher whose events are kept. */
export function recording(cacheDirectory: string, more: Partial<FetchOptions> = {}): Recorded {
  const events: SourceEvent[] = [];
  return {
    cacheDirectory,
    mirrors: [],
    patience: { attempts: 3, firstDelayMs: 1, maxDelayMs: 2000, stallMs: 60_000 },
    onEvent: (event) => events.push(event),
    ...more,
    events,
  };
}

/** The KilnError that a promise rejects with; anything else fails the test. */
export async function failure(promise: Promise<unknown>): Promise<KilnError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KilnError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

export async function bytesAt(path: string): Promise<Buffer> {
  return readFile(path);
}
