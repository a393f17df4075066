import { checkBundle, listBundles } from '../../src/bundle/index.ts';
import type { Home } from '../../src/platform/home.ts';
import { inspectServing } from '../../src/publish/index.ts';

/** Sentences for all that is wrong in a home: every byte of every bundle, every channel and link, leftovers. */
export async function findFaults(home: Home): Promise<string[]> {
  const found: string[] = [];
  for (const { directory, manifest } of await listBundles(home)) {
    found.push(...(await checkBundle(directory, manifest)).map(({ sentence }) => sentence));
  }
  const { faults, foreign } = await inspectServing(home);
  return [
    ...found,
    ...faults.map(({ sentence }) => sentence),
    ...foreign.map((path) => `${path} is left over`),
  ];
}
