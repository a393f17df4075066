import { realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { type StoredBundle, surveyBundles } from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, readlinkIfAny } from '../platform/files.ts';
import { disk, isTemporary } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { canaryLinks } from './canary.ts';
import { channelNames, linkPath, readChannel, targetOf } from './channels.ts';
import { modulesFaults } from './modules.ts';
import { bundleOf } from './publish.ts';
import { type TftpEntry, walkTftp } from './recover.ts';
import { nfsRoots } from './settings.ts';
import { servedDirectory, servedFaults } from './tftp.ts';

/** Something that is wrong with what nodes are served. */
export interface ServingFault {
  readonly channel?: string;
  /** Path below the home, or absolute outside of it. */
  readonly path: string;
  readonly sentence: string;
}

/** What the TFTP root and the channels are like. */
export interface ServingReport {
  readonly channels: readonly string[];
  readonly faults: readonly ServingFault[];
  /** Below the TFTP root, and not put there by Kiln; a loader's files, say. */
  readonly foreign: readonly string[];
  /** What may keep a server from serving, where that depends on the user it runs as. */
  readonly notes: readonly string[];
}

/**
 * Holds every channel against its history and the store, and the TFTP root against the channels: targets,
 * served files, links that dangle or leave the root, and what Kiln did not put there. Changes nothing.
 */
export async function inspectServing(home: Home): Promise<ServingReport> {
  const report = await inspectOnce(home);
  if (report.faults.length === 0) return report;
  // It takes no lock, so it may have seen half of a publish or of a gc: a fault is there at a second look as well.
  const again = await inspectOnce(home);
  const before = new Set(report.faults.map(({ sentence }) => sentence));
  return { ...again, faults: again.faults.filter(({ sentence }) => before.has(sentence)) };
}

async function inspectOnce(home: Home): Promise<ServingReport> {
  const faults: ServingFault[] = [];
  const own = new Set<string>();
  const channels = await channelNames(home);
  for (const channel of channels) {
    own.add(channel);
    faults.push(...(await inspectChannel(home, channel)));
  }
  const canaries = await inspectCanaries(home);
  for (const link of canaries.links) own.add(link);
  faults.push(...canaries.faults);
  const entries = await walkTftp(home);
  const stored = new Map((await surveyBundles(home)).bundles.map((bundle) => [bundle.manifest.id, bundle]));
  const foreign: string[] = [];
  for (const entry of entries) {
    if (entry.kind === 'symlink' && !(await isSpareWay(entry, canaries.links))) {
      faults.push(...(await inspectLink(home, entry)));
    }
    const verdict = isOwn(entry, own, stored);
    if (!verdict) foreign.push(entry.below);
    else if (entry.below.startsWith('bundles/')) faults.push(...(await inspectServed(home, entry, stored)));
  }
  return { channels, faults: unique(faults), foreign, notes: await closedDirectories(home, entries) };
}

/** The links of the canary list, and what is wrong with them or with the list itself. */
async function inspectCanaries(
  home: Home,
): Promise<{ readonly links: readonly string[]; readonly faults: readonly ServingFault[] }> {
  try {
    const wanted = await canaryLinks(home);
    const faults: ServingFault[] = [];
    for (const [link, target] of wanted) {
      if ((await readlinkIfAny(join(home.tftp, link))) === target) continue;
      const path = relative(home.root, join(home.tftp, link));
      faults.push({ path, sentence: `${link} is not the link to ${target} that the canary list asks for` });
    }
    return { links: [...wanted.keys()], faults };
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const path = relative(home.root, error.place?.file ?? home.channels);
    return { links: [], faults: [{ path, sentence: `${path}: ${error.message}` }] };
  }
}

/** The directories on the way to what is served, and below it, that other users may not enter. */
async function closedDirectories(home: Home, entries: readonly TftpEntry[]): Promise<string[]> {
  const paths = entries.filter(({ kind }) => kind === 'directory').map(({ path }) => path);
  for (let path = home.tftp; dirname(path) !== path; path = dirname(path)) paths.unshift(path);
  const notes: string[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || (found.mode & 0o001) !== 0) continue;
    notes.push(`a TFTP server that runs as a user of its own can't enter ${path}: chmod o+x ${path}`);
  }
  return notes;
}

/** One channel: its history can be read, its link says what that says, and what it leads to is whole. */
async function inspectChannel(home: Home, channel: string): Promise<ServingFault[]> {
  const path = relative(home.root, linkPath(home, channel));
  try {
    const now = (await readChannel(home, channel))?.current ?? undefined;
    if (now === undefined) return [];
    const target = await readlinkIfAny(linkPath(home, channel));
    const wanted = targetOf(channel, now);
    if (target !== wanted) {
      const is = target === undefined ? 'is missing' : `points to ${target}`;
      const sentence = `${channel} ${is}; generation ${now.generation} is ${wanted}`;
      return [{ channel, path, sentence }];
    }
    const bundle = await bundleOf(home, now);
    const damaged = await servedFaults(disk, servedDirectory(home.tftp, bundle.manifest.id), bundle);
    return [
      ...damaged.map((name) => servedFault(home, bundle, name, channel)),
      ...(await inspectModules(home, bundle, channel)),
    ];
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    return [{ channel, path, sentence: `${channel}: ${error.message}` }];
  }
}

async function inspectModules(home: Home, bundle: StoredBundle, channel: string): Promise<ServingFault[]> {
  const faults: ServingFault[] = [];
  for (const root of await nfsRoots(home)) {
    for (const { path } of await modulesFaults(root, bundle)) {
      faults.push({
        channel,
        path,
        sentence: `${path} is missing or not what bundle ${bundle.manifest.id} has`,
      });
    }
  }
  return faults;
}

function servedFault(home: Home, bundle: StoredBundle, name: string, channel?: string): ServingFault {
  const path = relative(home.root, join(servedDirectory(home.tftp, bundle.manifest.id), name));
  const sentence = `${path} is missing or not what the manifest says, or not for everyone to read`;
  return { ...(channel === undefined ? {} : { channel }), path, sentence };
}

/** True for PXELINUX's way to a canary whose channel is for other loaders: who loads by those never asks for it. */
async function isSpareWay({ below, path }: TftpEntry, own: readonly string[]): Promise<boolean> {
  if (!own.includes(below) || (await exists(path))) return false;
  const target = (await readlinkIfAny(path)) ?? '';
  return exists(dirname(resolve(dirname(path), target)));
}

async function inspectLink(home: Home, { below, path }: TftpEntry): Promise<ServingFault[]> {
  const target = (await readlinkIfAny(path)) ?? '';
  const fault = (sentence: string) => [{ path: relative(home.root, path), sentence }];
  if (isAbsolute(target))
    return fault(`${below} -> ${target} is absolute: a server that chroots can't follow it`);
  if (!(await exists(path))) return fault(`${below} -> ${target} leads nowhere`);
  const real = relative(await realpath(home.tftp), await realpath(path));
  return real.startsWith('..') ? fault(`${below} -> ${target} leaves the TFTP root`) : [];
}

/** True for what Kiln puts below a TFTP root: bundles and channels. A directory matters by what is in it. */
function isOwn(
  { below, kind, name }: TftpEntry,
  channels: ReadonlySet<string>,
  stored: ReadonlyMap<string, StoredBundle>,
): boolean {
  if (isTemporary(name)) return false;
  if (below.startsWith('bundles/')) return kind === 'directory' && stored.has(name);
  return kind === 'directory' || (kind === 'symlink' && channels.has(below));
}

async function inspectServed(
  home: Home,
  { path, name }: TftpEntry,
  stored: ReadonlyMap<string, StoredBundle>,
): Promise<ServingFault[]> {
  const bundle = stored.get(name);
  if (bundle === undefined) return [];
  const damaged = await servedFaults(disk, path, bundle);
  const added = (await disk.list(path)).filter((file) => bundle.manifest.files[file] === undefined);
  return [
    ...damaged.map((file) => servedFault(home, bundle, file)),
    ...added.map((file) => ({
      path: relative(home.root, join(path, file)),
      sentence: `${file} is served and not in the manifest of ${name}`,
    })),
  ];
}

/** What a channel says of its bundle's files is not said again of the bundle. */
function unique(faults: readonly ServingFault[]): ServingFault[] {
  const seen = new Set<string>();
  return faults.filter(({ path }) => !seen.has(path) && seen.add(path) !== undefined);
}
