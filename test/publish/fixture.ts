import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitBundle, type Manifest, recordFiles, type StoredBundle } from '../../src/bundle/index.ts';
import { type Home, homeAt } from '../../src/platform/home.ts';
import { freshDirectory } from '../support/kiln.ts';

/** What a made-up bundle may have besides or instead. */
export interface BundleParts {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly manifest?: Partial<Manifest>;
}

/** Puts a bundle into a home's store whose files say which bundle they are of. */
export async function storeBundle(home: Home, id: string, parts: BundleParts = {}): Promise<StoredBundle> {
  const staged = join(home.cache, `staged-${id}`);
  mkdirSync(staged, { recursive: true });
  const files = Object.fromEntries(
    ['vmlinuz', 'initrd.gz', 'pxelinux.cfg', 'boot.ipxe', 'config'].map((name) => [
      name,
      `${name} of ${id}\n`,
    ]),
  );
  for (const [name, bytes] of Object.entries({ ...files, ...parts.files })) {
    writeFileSync(join(staged, name), bytes);
  }
  const manifest = {
    format: 'kiln-bundle/1',
    id,
    recipe: 'demo',
    variant: 'a',
    release: id,
    gates: {},
    ...parts.manifest,
    files: await recordFiles(staged),
  } as unknown as Manifest;
  return commitBundle(home, staged, manifest);
}

/** A fresh home with some bundles. */
export async function homeWith(...ids: string[]) {
  const home = homeAt(freshDirectory('publish'));
  const bundles: StoredBundle[] = [];
  for (const id of ids) bundles.push(await storeBundle(home, id));
  return { home, bundles: bundles as [StoredBundle, ...StoredBundle[]] };
}
