import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../platform/digest.ts';
import { CHECKOUT } from './recipes.ts';

/**
 * Which sources decide what a step makes: the step's key covers their text, so that a Kiln that works
 * differently never takes an older one's outputs for its own. Paths below src/.
 */
const CODE_OF = {
  // No step, and in no key: the fingerprint says what was found.
  toolchain: ['kernel/toolchain.ts', 'kernel/tool-place.ts', 'kernel/families.ts'],
  tree: [
    'sources/unpack.ts',
    'sources/members.ts',
    'patches',
    'kernel/compat',
    'kernel/dependencies.ts',
    'kernel/tree.ts',
    'pipeline/tree.ts',
  ],
  config: ['kconfig', 'kernel/families.ts', 'kernel/make-variables.ts', 'pipeline/configure.ts'],
  compile: [
    'kernel/families.ts',
    'kernel/build.ts',
    'kernel/build-facts.ts',
    'kernel/make-variables.ts',
    'kernel/compile-header.ts',
    'kernel/dependencies.ts',
    'kernel/header-rules.ts',
    'kernel/restamp.ts',
    'kernel/run-make.ts',
    'kernel/modules',
    'pipeline/ccache.ts',
    'pipeline/compile.ts',
    'pipeline/make-kernel.ts',
    'pipeline/surroundings.ts',
    'pipeline/work-trees.ts',
    'pipeline/workshop.ts',
    'platform/container.ts',
    'platform/sandbox.ts',
  ],
  initrd: ['initrd'],
  bundle: [
    'bundle/archive.ts',
    'bundle/manifest.ts',
    'bundle/provenance.ts',
    'pipeline/assemble.ts',
    'pipeline/images.ts',
    'pipeline/boot-options.ts',
  ],
} as const;

export type CodeVersions = Readonly<Record<keyof typeof CODE_OF, string>>;

let known: CodeVersions | undefined;

/** Digests of the code behind each step; read once. */
export function codeVersions(): CodeVersions {
  known ??= Object.fromEntries(
    Object.entries(CODE_OF).map(([step, paths]) => [step, digestFiles(paths)]),
  ) as CodeVersions;
  return known;
}

function digestFiles(paths: readonly string[]): string {
  const root = join(CHECKOUT, 'src');
  const files = paths.flatMap((path) => listFiles(root, path)).sort();
  return sha256(files.map((file) => `${file} ${sha256(readFileSync(join(root, file)))}\n`).join('')).slice(
    0,
    12,
  );
}

function listFiles(root: string, path: string): string[] {
  if (/\.[a-z]+$/i.test(path)) return [path];
  return readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) => {
    const below = `${path}/${entry.name}`;
    if (entry.isDirectory()) return listFiles(root, below);
    return entry.isFile() ? [below] : [];
  });
}
