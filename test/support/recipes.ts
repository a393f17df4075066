import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CHECKOUT, freshDirectory } from './kiln.ts';

export const SAMPLE_TARBALL = join(CHECKOUT, 'recipes/sample/linux-2.4.99.tar.bz2');

export interface RecipeChanges {
  readonly urls?: readonly string[];
  readonly digest?: string;
  readonly patches?: string;
  readonly fragment?: string;
  readonly boot?: string;
  readonly more?: string;
}

/**
 * A recipe of its own directory that builds the sample kernel with one variant `a`; no network card driver is
 * asked for unless the fragment does.
 * @returns the path of the YAML file
 */
export function writeRecipe(
  changes: RecipeChanges = {},
  files: Readonly<Record<string, string>> = {},
): string {
  const directory = freshDirectory('recipe');
  const file = join(directory, 'own.yaml');
  writeFileSync(
    file,
    `name: own
kernel:
  version: 2.4.99
  source:
    urls: ${JSON.stringify(changes.urls ?? [SAMPLE_TARBALL])}
${changes.digest === undefined ? '' : `    ${changes.digest}\n`}${changes.patches ?? ''}
config:
  fragments: [own.config]
variants:
  a: {}
boot: ${changes.boot ?? "{cmdline: console=ttyS0, expect: ['Linux version {release}', 'initrd {initrd.size} bytes sha256:{initrd.sha256}'], timeout: 100}"}
channel: own/{variant}
${changes.more ?? ''}`,
  );
  const all = { 'own.config': changes.fragment ?? 'CONFIG_NE2K_PCI=y\n', ...files };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return file;
}
