import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bundleDirectory,
  commitBundle,
  parseManifest,
  readBundle,
  type StoredBundle,
} from '../bundle/index.ts';
import { workDirectory } from '../pipeline/cache.ts';
import type { VariantResult } from '../pipeline/events.ts';
import { chooseVariants } from '../pipeline/recipes.ts';
import { describeFailure } from '../pipeline/results.ts';
import { channelFor } from '../pipeline/targets.ts';
import { digestFile } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';
import { listIfAny, removeTree } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { LONG_PATIENCE_MS } from '../platform/lock.ts';
import { publishBundle } from '../publish/index.ts';
import type { Returned } from './carried.ts';
import type { DirectoryExchange, Exchange } from './exchange.ts';
import type { Job, Outcome } from './job.ts';
import { judge } from './machine.ts';

/** The files of a bundle that a worker has sent: digests by name. */
export type SentBundle = Readonly<Record<string, string>>;

/** What a worker returns: the outcome, and by variant its bundles, as far as it has sent them. */
export interface Delivered extends Returned {
  readonly bundles?: Readonly<Record<string, SentBundle>>;
}

/** Sends the bundles of an attempt to the coordinator by digest. */
export async function sendBundles(
  home: Home,
  results: readonly VariantResult[],
  exchange: Exchange,
  signal: AbortSignal,
): Promise<Record<string, SentBundle>> {
  const sent: Record<string, SentBundle> = {};
  for (const { recipe, variant, bundle } of results) {
    if (bundle === null) continue;
    const directory = bundleDirectory(home, recipe, variant, bundle);
    const files: Record<string, string> = {};
    for (const name of await listIfAny(directory)) {
      const path = join(directory, name);
      const { sha256, size } = await digestFile(path);
      await exchange.send(path, sha256, size, signal);
      files[name] = sha256;
    }
    sent[variant] = files;
  }
  return sent;
}

/** What the coordinator adds when it stores a bundle: its own sums and signature. */
const OWN_RECORDS = new Set(['SHA256SUMS', 'SHA256SUMS.minisig']);

/**
 * Takes a delivery in: every bundle is held against its manifest, stored, and published where the job says so. A bundle
 * that did not come with it is to be built again. May be done again after a crash: the same bundle is stored once, and a
 * channel that points to it stays. The files stay in the exchange, where another worker that has made the same ones
 * counts on them; `trim` drops them later.
 */
export async function takeIn(
  job: Job,
  delivered: Delivered,
  home: Home,
  exchange: DirectoryExchange,
): Promise<Outcome> {
  const results: VariantResult[] = [];
  for (const sent of delivered.outcome.results) {
    // The log that was shipped, not the worker's own.
    const log = sent.log && exchange.logPath(`${job.id}-${delivered.token}/${sent.variant}.log`);
    const result = { ...sent, log };
    const files = delivered.bundles?.[result.variant];
    if (files !== undefined) results.push(await takeInOne(job, result, files, home, exchange));
    else results.push(result.status === 'built' ? notSent(result) : result);
  }
  const { outcome } = delivered;
  return outcome.type === 'done' ? judge(results) : { ...outcome, results };
}

/** A variant that can't be called built, because its bundle is not in this home or its channel does not have it. */
function failedToTakeIn(result: VariantResult, failure: KilnError): VariantResult {
  return { ...result, status: 'failed', error: describeFailure(failure) };
}

/** What a worker has built and kept: whoever gets the job next builds it, or finds it. */
function notSent(result: VariantResult): VariantResult {
  const sentence = `bundle ${result.bundle} of ${result.recipe}:${result.variant} was not sent`;
  return failedToTakeIn(result, new KilnError('failed', sentence, { transient: true }));
}

async function takeInOne(
  job: Job,
  result: VariantResult,
  files: SentBundle,
  home: Home,
  exchange: DirectoryExchange,
): Promise<VariantResult> {
  let bundle: StoredBundle;
  try {
    bundle = await storeBundle(job, result, files, home, exchange);
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const { kind, message, lines } = error;
    // Another delivery may be whole, and find room.
    return failedToTakeIn(result, new KilnError(kind, message, { lines, transient: true }));
  }
  if (!job.spec.publish || result.status === 'failed') return result;
  try {
    return await publish(job, result, bundle, home);
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return failedToTakeIn(result, error);
  }
}

async function publish(
  job: Job,
  result: VariantResult,
  bundle: StoredBundle,
  home: Home,
): Promise<VariantResult> {
  const [chosen] = await chooseVariants(job.spec.references);
  const variant = chosen?.variants.find(({ name }) => name === result.variant);
  const channel =
    variant === undefined ? bundle.manifest.channel : channelFor(job.spec.channel ?? undefined, variant);
  const { reason, by } = job.spec;
  const published = await publishBundle(home, bundle, channel, {
    by,
    ...(reason === null ? {} : { reason }),
    patience: { timeoutMs: LONG_PATIENCE_MS },
  });
  return { ...result, status: 'published', channel, generation: published.generation };
}

async function storeBundle(
  job: Job,
  result: VariantResult,
  files: SentBundle,
  home: Home,
  exchange: DirectoryExchange,
): Promise<StoredBundle> {
  const staged = await workDirectory(home, `delivery-${job.id}-${result.variant}`);
  try {
    await mkdir(staged, { recursive: true });
    for (const [name, sha256] of Object.entries(files)) {
      if (!/^[\w.-]+$/.test(name))
        throw new KilnError('integrity', `a bundle has a file ${JSON.stringify(name)}`);
      if (!OWN_RECORDS.has(name)) await exchange.fetch(sha256, join(staged, name));
    }
    const file = join(staged, 'manifest.json');
    const manifest = parseManifest(await readFile(file, 'utf8'), file);
    const { recipe, variant, id } = manifest;
    if (recipe !== job.recipe || variant !== result.variant || id !== result.bundle) {
      throw new KilnError(
        'integrity',
        `a bundle of ${recipe}:${variant} was sent for ${job.recipe}:${result.variant}`,
      );
    }
    for (const [name, { size, sha256 }] of Object.entries(manifest.files)) {
      // Its bytes were held against the digest when they came out of the exchange.
      if (files[name] !== sha256 || (await stat(join(staged, name))).size !== size) {
        throw new KilnError('integrity', `${name} of bundle ${id} is not what its manifest says`);
      }
    }
    await commitBundle(home, staged, manifest);
    return await readBundle(bundleDirectory(home, recipe, variant, id));
  } finally {
    await removeTree(staged);
  }
}
