import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { readModuleArchive, type StoredBundle } from '../bundle/index.ts';
import { digestOf, sha256 } from '../platform/digest.ts';

/** A line for each member of a module tree; what depmod writes anew and Kiln's own notes don't count. */
type Line = readonly [path: string, content: string];

const PASSING = /^(modules\.[^/]*|\.kiln\.json|\.kiln-ltsp)$/;

/** The digest that a bundle's modules have once they are placed. */
export async function bundleModulesDigest(bundle: StoredBundle): Promise<string> {
  const prefix = `lib/modules/${bundle.manifest.release}/`;
  const lines = (await readModuleArchive(bundle)).flatMap((member): Line[] => {
    if (!member.path.startsWith(prefix)) return [];
    const content =
      member.kind === 'file' ? sha256(member.bytes) : member.kind === 'symlink' ? `to ${member.target}` : '/';
    return [[member.path.slice(prefix.length), content]];
  });
  return digest(lines);
}

/** The digest of a module tree as it is on the disk. */
export async function placedModulesDigest(directory: string): Promise<string> {
  return digest(await linesOf(directory, ''));
}

async function linesOf(top: string, below: string): Promise<Line[]> {
  const lines: Line[] = [];
  for (const entry of await readdir(join(top, below), { withFileTypes: true })) {
    const path = join(below, entry.name);
    if (entry.isDirectory()) lines.push([path, '/'], ...(await linesOf(top, path)));
    else if (entry.isSymbolicLink()) lines.push([path, `to ${await readlink(join(top, path))}`]);
    else lines.push([path, sha256(await readFile(join(top, path)))]);
  }
  return lines;
}

function digest(lines: readonly Line[]): string {
  return digestOf(
    lines
      .filter(([path]) => !PASSING.test(path))
      .map((line) => line.join('\0'))
      .sort(),
  );
}
