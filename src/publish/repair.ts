import { join, relative } from 'node:path';
import { assertBundle, type StoredBundle, surveyBundles } from '../bundle/index.ts';
import { formatPlace, KilnError } from '../platform/errors.ts';
import { disk } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { withPublishLock } from './change.ts';
import { channelNames, linkPath, readState, targetOf } from './channels.ts';
import { mendLink } from './flip.ts';
import { mendModules, placeModules } from './modules.ts';
import { bundleOf } from './publish.ts';
import { recover } from './recover.ts';
import { nfsRoots } from './settings.ts';
import { placeBundle, servedDirectory, servedFaults } from './tftp.ts';

/** What `repair` did, and what it could not do. */
export interface Repairs {
  readonly done: readonly string[];
  readonly failed: readonly string[];
}

/**
 * Makes what nodes are served what histories and store say: settles what crashes left open, puts channels' links
 * back, and replaces served files and modules that are missing or damaged by those of the store, each by one
 * rename. A bundle that is damaged in the store itself can't be mended, only built again.
 */
export async function repair(home: Home): Promise<Repairs> {
  return withPublishLock(home, 'verify --repair', async () => {
    const done: string[] = [];
    const failed: string[] = [];
    // One channel whose history is damaged must not keep the links of the others from being mended.
    const attempt = async (action: () => Promise<unknown>) => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof KilnError)) throw error;
        failed.push(
          error.place === undefined ? error.message : `${formatPlace(error.place)}: ${error.message}`,
        );
      }
    };
    const removed = await recover(disk, home, attempt);
    done.push(...removed.map((path) => `removed ${relative(home.root, path)}`));
    const { bundles, unreadable } = await surveyBundles(home);
    failed.push(...unreadable.map(({ sentence }) => sentence));
    for (const bundle of bundles) {
      await attempt(async () => done.push(...(await repairServed(home, bundle))));
    }
    for (const name of await channelNames(home)) {
      await attempt(async () => done.push(...(await repairChannel(home, name))));
    }
    return { done, failed: [...new Set(failed)] };
  });
}

async function repairChannel(home: Home, name: string): Promise<string[]> {
  const now = (await readState(home, name))?.current ?? undefined;
  if (now === undefined) return [];
  const bundle = await bundleOf(home, now);
  const repaired = await repairModules(home, bundle);
  await assertBundle(bundle.directory, bundle.manifest);
  await placeBundle(home.tftp, bundle);
  const target = targetOf(name, now);
  if ((await disk.readlink(linkPath(home, name))) === target) return repaired;
  await mendLink(disk, home, name, target);
  return [...repaired, `pointed ${name} to ${target}`];
}

async function repairServed(home: Home, bundle: StoredBundle): Promise<string[]> {
  const directory = servedDirectory(home.tftp, bundle.manifest.id);
  if ((await disk.look(directory)) === undefined) return [];
  const damaged = await servedFaults(disk, directory, bundle);
  if (damaged.length === 0) return [];
  await assertBundle(bundle.directory, bundle.manifest);
  await placeBundle(home.tftp, bundle);
  return damaged.map((name) => `linked ${relative(home.root, join(directory, name))} from the store`);
}

async function repairModules(home: Home, bundle: StoredBundle): Promise<string[]> {
  const repaired: string[] = [];
  for (const root of await nfsRoots(home)) {
    await placeModules(disk, home, root, bundle);
    repaired.push(...(await mendModules(disk, root, bundle)));
  }
  return repaired;
}
