import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  commitBundle,
  type Manifest,
  packReproducibly,
  recordFiles,
  type StoredBundle,
} from '../../src/bundle/index.ts';
import { type Home, homeAt } from '../../src/platform/home.ts';
import { freshDirectory } from '../support/kiln.ts';

/** What a made-up bundle may have besides or instead. */
export interface BundleParts {
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly manifest?: Partial<Manifest>;
  /** Only those files: the fewer there are, the fewer ways for a crash to lose some. */
  readonly bare?: true;
}

/** Puts a bundle into a home's store whose files say which bundle they are of. */
export async function storeBundle(home: Home, id: string, parts: BundleParts = {}): Promise<StoredBundle> {
  const staged = join(home.cache, `staged-${id}`);
  mkdirSync(staged, { recursive: true });
  const usual = Object.fromEntries(
    ['vmlinuz', 'initrd.gz', 'pxelinux.cfg', 'boot.ipxe', 'config'].map((name) => [
      name,
      `${name} of ${id}\n`,
    ]),
  );
  for (const [name, bytes] of Object.entries({ ...(parts.bare ? {} : usual), ...parts.files })) {
    writeFileSync(join(staged, name), bytes);
  }
  return commitBundle(home, staged, await manifestFor(staged, id, parts.manifest));
}

/** The manifest of a made-up bundle's files. */
export async function manifestFor(
  staged: string,
  id: string,
  parts: Partial<Manifest> = {},
): Promise<Manifest> {
  const made = {
    format: 'kiln-bundle/1',
    id,
    recipe: 'demo',
    variant: 'a',
    release: id,
    gates: {},
    ...parts,
  };
  return { ...made, files: await recordFiles(staged) } as unknown as Manifest;
}

/** A fresh home with some bundles. */
export async function homeWith(...ids: string[]) {
  const home = homeAt(freshDirectory('publish'));
  const bundles: StoredBundle[] = [];
  for (const id of ids) bundles.push(await storeBundle(home, id));
  return { home, bundles: bundles as [StoredBundle, ...StoredBundle[]] };
}

/** A modules.tar.gz of a release with some files. */
export async function moduleArchive(
  release: string,
  files: Readonly<Record<string, string>>,
): Promise<Buffer> {
  const tree = freshDirectory('modules');
  const directory = join(tree, 'lib/modules', release);
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  await packReproducibly(tree, `${tree}.tgz`, 0);
  return readFileSync(`${tree}.tgz`);
}
