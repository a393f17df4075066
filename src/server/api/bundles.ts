import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from '@hono/zod-openapi';
import PQueue from 'p-queue';
import {
  bundleDirectory,
  diffBundles,
  findBundle,
  inspectBundle,
  type Manifest,
  readBundle,
  type StoredBundle,
  surveyBundles,
  trustedKeys,
  UNLISTED,
} from '../../bundle/index.ts';
import { gatesOf } from '../../pipeline/gates.ts';
import { exists } from '../../platform/files.ts';
import { inspectServing, listStates } from '../../publish/index.ts';
import type { Job } from '../../queue/job.ts';
import { sendFile, sizeOf } from '../files.ts';
import { notFound, orNotFound } from '../problem.ts';
import { bundlesOf } from '../shelf.ts';
import { type Api, matches, name, PAGE, pageOf } from './route.ts';
import { bundle, listOf } from './schemas.ts';
import type { Server } from './server.ts';

const ONE = { recipe: name, variant: name, id: name };
const fault = z.looseObject({ sentence: z.string() });

export function bundleRoutes(api: Api, server: Server): void {
  const { home, hub } = server;
  const tag = 'bundles';
  api.route(
    {
      method: 'get',
      path: '/bundles',
      kept: true,
      summary: 'What was built, by recipe and variant',
      tag,
      role: 'viewer',
      query: { ...PAGE, recipe: name.optional(), variant: name.optional() },
      answers: z.object({ bundles: listOf(bundle), next: z.string().nullable() }),
    },
    async ({ query }) => {
      const all = (await hub.kept.get('bundles', () => bundlesOf(home))).filter(
        ({ manifest: { recipe, variant } }) =>
          (query.recipe ?? recipe) === recipe && (query.variant ?? variant) === variant,
      );
      const { items, next } = pageOf(all, fullId, query);
      const describe = await describer(server);
      return { bundles: await Promise.all(items.map(describe)), next };
    },
  );
  api.route(
    {
      method: 'get',
      path: '/bundles/{recipe}/{variant}/{id}',
      summary: 'One bundle, with its manifest',
      tag,
      role: 'viewer',
      params: ONE,
      answers: bundle.extend({ manifest: z.looseObject({ id: z.string() }) }),
    },
    async ({ params }) => {
      const stored = await storedBundle(server, params);
      const { manifest } = stored;
      const gates = await gatesOf(home, manifest);
      return { ...(await (await describer(server))(stored)), manifest: { ...manifest, gates } };
    },
  );
  api.route(
    {
      method: 'get',
      path: '/bundles/{recipe}/{variant}/{id}/files/{file}',
      summary: 'A file of a bundle, whole or a range of it; its entity tag is its SHA-256',
      tag,
      role: 'viewer',
      params: { ...ONE, file: name },
      media: 'application/octet-stream',
    },
    async ({ params, context }) => {
      const { directory, manifest } = await storedBundle(server, params);
      const record = manifest.files[params.file];
      const path = join(directory, params.file);
      const known = record !== undefined || UNLISTED.has(params.file);
      const size = known ? await sizeOf(path) : undefined;
      if (size === undefined) throw notFound(`bundle ${params.id} has no file ${params.file}`);
      const tags = record === undefined ? {} : { ETag: `"${record.sha256}"` };
      if (record !== undefined && matches(context.req.header('if-none-match'), `"${record.sha256}"`)) {
        return new Response(null, { status: 304, headers: tags });
      }
      return sendFile(context, path, size, {
        ...tags,
        'Cache-Control': record === undefined ? 'no-cache' : 'private, max-age=31536000, immutable',
        'Content-Disposition': `attachment; filename="${params.file}"`,
      });
    },
  );
  api.route(
    {
      method: 'get',
      path: '/diff',
      summary: 'How two bundles differ; what is the same in both is left out',
      tag,
      role: 'viewer',
      query: { from: bundleReference, to: bundleReference },
      answers: z.looseObject({ from: z.string(), to: z.string() }),
    },
    async ({ query }) => {
      const [from, to] = await Promise.all(
        [query.from, query.to].map((reference) => orNotFound(() => findStored(server, reference))),
      );
      if (from === undefined || to === undefined) throw new Error('two bundles were asked for');
      return { ...(await heavy.add(() => diffBundles(from, to))) };
    },
  );
  api.route(
    {
      method: 'get',
      path: '/verify',
      summary:
        'Hold bundles, or everything that nodes are served, against manifests and signatures; reads all bytes',
      tag,
      role: 'viewer',
      query: { bundle: bundleReference.optional().openapi({ description: 'this one alone' }) },
      answers: z.object({
        bundles: listOf(z.object({ bundle: z.string(), files: z.int(), faults: listOf(fault) })),
        serving: z
          .object({
            channels: listOf(z.string()),
            faults: listOf(fault),
            foreign: listOf(z.string()),
            notes: listOf(z.string()),
          })
          .optional(),
        ok: z.boolean(),
      }),
    },
    ({ query }) => heavy.add(() => verify(server, query.bundle)),
  );
}

/** A bundle's id, or recipe/variant/id where more than one recipe has it. */
const bundleReference = z
  .string()
  .max(300)
  .regex(/^([A-Za-z0-9][\w.+~-]*\/){0,2}[A-Za-z0-9][\w.+~-]*$/, "a bundle's id, or recipe/variant/id");

/** What reads whole bundles is done one after another: builds need the disk too. */
const heavy = new PQueue({ concurrency: 1 });

async function verify(server: Server, only: string | undefined) {
  const { home } = server;
  const trusted = await trustedKeys(home);
  const { bundles, unreadable } =
    only === undefined
      ? await surveyBundles(home)
      : { bundles: [await orNotFound(() => findStored(server, only))], unreadable: [] };
  const reports: { bundle: string; files: number; faults: { sentence: string }[] }[] = [];
  for (const stored of bundles) {
    const faults = await inspectBundle(stored, trusted);
    const { id, files } = stored.manifest;
    reports.push({ bundle: id, files: Object.keys(files).length, faults: faults.map((one) => ({ ...one })) });
  }
  for (const { directory, sentence } of unreadable) {
    reports.push({ bundle: basename(directory), files: 0, faults: [{ sentence }] });
  }
  const serving = only === undefined ? await inspectServing(home) : undefined;
  const ok = reports.every(({ faults }) => faults.length === 0) && (serving?.faults.length ?? 0) === 0;
  return {
    bundles: reports,
    ...(serving === undefined
      ? {}
      : { serving: { ...serving, faults: serving.faults.map((one) => ({ ...one })) } }),
    ok,
  };
}

/** By its id or recipe/variant/id: never by a path of this machine, as on the command line. */
async function findStored({ home }: Server, reference: string): Promise<StoredBundle> {
  const [recipe, variant, id] = reference.split('/');
  if (recipe !== undefined && variant !== undefined && id !== undefined) {
    return readStored(bundleDirectory(home, recipe, variant, id), reference);
  }
  if (variant !== undefined) throw notFound(`there is no bundle ${reference}`);
  return findBundle(home, reference);
}

async function storedBundle(
  { home }: Server,
  { recipe, variant, id }: { recipe: string; variant: string; id: string },
): Promise<StoredBundle> {
  return readStored(bundleDirectory(home, recipe, variant, id), id);
}

async function readStored(directory: string, id: string): Promise<StoredBundle> {
  if (!(await exists(join(directory, 'manifest.json')))) throw notFound(`there is no bundle ${id}`);
  return readBundle(directory);
}

function fullId({ manifest }: StoredBundle): string {
  return `${manifest.recipe}/${manifest.variant}/${manifest.id}`;
}

/** Bytes of what a node loads, and of its modules. */
export function sizesOf({ files }: Manifest) {
  const size = (file: string) => files[file]?.size ?? 0;
  return { vmlinuz: size('vmlinuz'), initrd: size('initrd.gz'), modules: size('modules.tar.gz') };
}

/** When a bundle was stored. */
export async function builtAt({ directory }: StoredBundle): Promise<string> {
  return (await stat(join(directory, 'manifest.json'))).mtime.toISOString();
}

/** Seconds that each bundle took to build, as far as the queue's record goes back. */
export function secondsByBundle(jobs: readonly Job[]): ReadonlyMap<string, number> {
  const seconds = new Map<string, number>();
  for (const job of jobs) {
    for (const { bundle: id, steps, seconds: taken } of Object.values(job.results)) {
      // A build that found everything done says nothing of how long it takes.
      if (id !== null && (steps.run > 2 || !seconds.has(id))) seconds.set(id, taken);
    }
  }
  return seconds;
}

/** Describes bundles, after reading once what all of them need. */
export async function describer({ home, hub }: Server) {
  const channels = await hub.kept.get('states of channels', () => listStates(home));
  const seconds = secondsByBundle(hub.jobs());
  return async (stored: StoredBundle): Promise<z.input<typeof bundle>> => {
    const { manifest } = stored;
    const points = channels.filter(({ current }) => current?.bundle === manifest.id);
    return {
      id: manifest.id,
      recipe: manifest.recipe,
      variant: manifest.variant,
      release: manifest.release,
      channels: points.map((channel) => channel.name),
      bytes: Object.values(manifest.files).reduce((sum, { size }) => sum + size, 0),
      sizes: sizesOf(manifest),
      booted: (await gatesOf(home, manifest)).boot?.status === 'passed',
      built: await builtAt(stored),
      seconds: seconds.get(manifest.id) ?? null,
    };
  };
}
